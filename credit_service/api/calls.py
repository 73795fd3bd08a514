"""Around every call: identity, access, purpose, deadline, one log line, errors to statuses, query records."""

import asyncio
import inspect
import logging
import secrets
import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Generator, Iterable
from concurrent.futures import Executor
from contextlib import aclosing
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Any, TypeVar

import grpc
from sqlalchemy.exc import OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from credit_service import logs
from credit_service.api.access import Access, check_access
from credit_service.api.identity import Caller, read_caller
from credit_service.api.meter import Meter
from credit_service.api.status import DETAILS_KEY, STATUS, details
from credit_service.audit.queries import Query, QueryLog
from credit_service.errors import CreditError, Reason, shown

T = TypeVar("T")
_END = object()
_NOBODY, _NOTHING = Caller("", "", ""), Access(frozenset())
MUST_KEEP = 200


async def _unrecorded(_outcome: str) -> None:
    """Stands in until the call is opened."""


@dataclass(slots=True)
class Call:
    """Holds what a door may know of the call it answers; `now` is the only clock below."""

    caller: Caller
    method: str
    now: datetime
    request_id: str
    purpose: str
    executor: Executor
    # Keeps the query records of what was asked so far; only a conversation calls it itself, before it answers.
    record: Callable[[str], Awaitable[None]] = _unrecorded
    asked: list[str] = field(default_factory=list)
    facts: dict[str, Any] = field(default_factory=dict)

    async def run(self, work: Callable[..., T], *given: Any) -> T:
        """Runs blocking work beside the event loop."""
        return await asyncio.get_running_loop().run_in_executor(self.executor, partial(work, *given))


@dataclass(frozen=True, slots=True)
class Around:
    """Builds the handler of every method, the same way for all."""

    clock: Callable[[], datetime]
    executor: Executor
    queries: QueryLog
    meter: Meter = field(default_factory=Meter)

    def unary(self, method: str, door: Callable[[Any, Call], Any]) -> Callable[[Any, Any], Awaitable[Any]]:
        """Wraps a door that answers once: a blocking one runs beside the event loop, an async one within it."""
        waits = inspect.iscoroutinefunction(door)

        async def handle(request: Any, context: Any) -> Any:
            opened = await self._open(method, context)
            call, access = opened.call, opened.access
            try:
                asked = _readable(request)
                answer = await (door(asked, call) if waits else call.run(door, asked, call))
                await self._record(call, access, "OK")
            except Exception as error:  # noqa: BLE001  # every failure becomes a status here, and only here
                await self._refuse(opened, context, error)
            else:
                opened.log("OK", "")
                return answer

        return handle

    def server_stream(
        self, method: str, door: Callable[[Any, Call], Generator[Any, None, None]]
    ) -> Callable[[Any, Any], AsyncIterator[Any]]:
        """Wraps a blocking door that yields answers; the query is recorded before the first."""

        async def handle(request: Any, context: Any) -> AsyncIterator[Any]:
            opened = await self._open(method, context)
            call, answers, is_recorded = opened.call, None, False
            try:
                answers = door(_readable(request), call)
                while (answer := await call.run(next, answers, _END)) is not _END:
                    if not is_recorded:
                        await self._record(call, opened.access, "OK")
                        is_recorded = True
                    yield answer
            except Exception as error:  # noqa: BLE001  # as above
                await self._refuse(opened, context, error)
            else:
                opened.log("OK", "")
            finally:
                if answers is not None:
                    # A client that leaves midway must not keep the door's transaction open.
                    await call.run(answers.close)

        return handle

    def bidi_stream(
        self, method: str, door: Callable[[AsyncIterator[Any], Call], AsyncGenerator[Any, None]]
    ) -> Callable[[Any, Any], AsyncIterator[Any]]:
        """Wraps a door that converses."""

        async def handle(requests: AsyncIterator[Any], context: Any) -> AsyncIterator[Any]:
            opened = await self._open(method, context)
            opened.is_conversation = True
            opened.call.record = partial(self._record, opened.call, opened.access)
            try:
                async with aclosing(door(_each_readable(requests), opened.call)) as answers:
                    async for answer in answers:
                        yield answer
            except (asyncio.CancelledError, GeneratorExit):
                opened.log("CANCELLED", "")
                raise
            except Exception as error:  # noqa: BLE001  # as above
                await self._refuse(opened, context, error)
            else:
                opened.log("OK", "")

        return handle

    async def _open(self, method: str, context: Any) -> "_Opened":
        """Identifies the caller and checks the table; refuses before any work."""
        begun, metadata = time.monotonic(), _texts(context.invocation_metadata() or ())
        request_id = metadata.get("x-request-id", "")[:64] or secrets.token_hex(16)
        purpose = shown(metadata.get("x-purpose-bin", metadata.get("x-purpose", "")).strip(), MUST_KEEP)
        call = Call(_NOBODY, method, self.clock(), request_id, purpose, self.executor)
        opened = _Opened(call, _NOTHING, begun, self.meter)
        try:
            call.caller = read_caller(context.auth_context())
            opened.access = check_access(method, call.caller, purpose)
            remaining = context.time_remaining()
            if remaining is not None and remaining <= 0:
                raise CreditError(Reason.DEADLINE_TOO_SHORT, "deadline: got none left, want time to work")
        except CreditError as error:
            await self._refuse(opened, context, error)
        return opened

    async def _record(self, call: Call, access: Access, outcome: str) -> None:
        if not access.asks_about_subjects:
            return
        c = call.caller
        made = [
            Query(subject, call.now, c.agency, c.role, c.officer, call.purpose, call.method, outcome, call.request_id)
            for subject in dict.fromkeys(call.asked)
        ]
        await self.queries.keep(made)

    async def _refuse(self, opened: "_Opened", context: Any, error: Exception) -> None:
        """Ends the call with the status of the error; what is unexpected keeps its text to itself."""
        call = opened.call
        if isinstance(error, grpc.aio.AbortError):
            raise error
        error = _public(error, call)
        try:
            await self._record(call, opened.access, STATUS[error.reason][0].name)
        except Exception as unkept:  # noqa: BLE001  # a refusal without its record tells nothing of the subject
            error = _public(unkept, call)
        code = STATUS[error.reason][0]
        opened.log(code.name, error.reason)
        await context.abort(code, error.message, ((DETAILS_KEY, details(error)),))


def _public(error: Exception, call: Call) -> CreditError:
    """Returns what the caller may read of a failure; the rest goes to the log."""
    if isinstance(error, CreditError):
        return error
    if isinstance(error, PoolTimeout):
        return CreditError(Reason.OVERLOADED, "database: got no free connection, want a retry")
    logs.get().error("call failed", method=call.method, request_id=call.request_id, exc_info=error)
    if isinstance(error, OperationalError):
        # A full disk, a locked file, a database that went away: the operator's to mend, and worth a retry.
        return CreditError(
            Reason.STORAGE_UNAVAILABLE, f"storage: got a failure, want a retry; request id {call.request_id}"
        )
    return CreditError(Reason.INTERNAL, f"internal error, request id {call.request_id}")


def _readable(request: Any) -> Any:
    """Returns a request; one that could not be read is its own refusal."""
    if isinstance(request, CreditError):
        raise request
    return request


async def _each_readable(requests: AsyncIterator[Any]) -> AsyncIterator[Any]:
    async for request in requests:
        yield _readable(request)


def _texts(metadata: Iterable[tuple[str, str | bytes]]) -> dict[str, str]:
    """Returns metadata as texts; Chinese purposes travel as UTF-8 in the key that ends in -bin."""
    return {k: v if isinstance(v, str) else v.decode("utf-8", "replace") for k, v in metadata}


@dataclass(slots=True)
class _Opened:
    call: Call
    access: Access
    begun: float
    meter: Meter
    is_conversation: bool = False

    def log(self, code: str, reason: str) -> None:
        """Counts the call and writes its one line; subjects stay out, they are in the query record."""
        seconds = time.monotonic() - self.begun
        self.meter.note(self.call.method, code, None if self.is_conversation else seconds)
        if not logs.are_told(logging.INFO):
            return
        logs.get().info(
            "call", method=self.call.method, code=code, reason=reason, role=self.call.caller.role,
            agency=shown(self.call.caller.agency), officer=self.call.caller.officer,
            request_id=self.call.request_id, milliseconds=round(1000 * seconds, 1),
            subjects=len(self.call.asked), **self.call.facts,
        )  # fmt: skip
