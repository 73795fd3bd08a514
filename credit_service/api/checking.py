"""Checks submitted records in processes of their own, so that the writer's interpreter is left to writing.

Checking costs as much as writing, and one interpreter does one thing at a time. A process that ends, for whatever
reason, loses nothing: its batch is checked here, and another process takes its place.
"""

import asyncio
import multiprocessing
import signal
import threading
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from multiprocessing.connection import Connection
from typing import Any

from credit_service import logs
from credit_service.api.wire import record_of
from credit_service.ledger.drafts import CheckedDraft, Checker, Draft
from credit_service.memory import spare_collections
from credit_service.v1 import ledger_pb2 as pb

# A smaller batch is checked sooner than it is handed over.
WORTH_A_HOP = 100
# A kind of message that holds drafts, and one of it as it is sent.
Packed = tuple[type[pb.SubmitEventsRequest] | type[pb.StreamEventsRequest], bytes]
Run = Callable[..., Awaitable[Any]]


class Checking:
    """Checks batches beside the event loop: small ones in this process, large ones in others."""

    def __init__(self, checker: Checker, processes: int) -> None:
        """Takes the checks and the number of processes; none is started yet."""
        self.checker, self._count = checker, processes
        self._idle: asyncio.Queue[_Worker] = asyncio.Queue()
        self._workers: list[_Worker] = []

    def start(self) -> None:
        """Starts the processes; they are ready a moment later, and the first batch waits for that."""
        for _ in range(self._count):
            self._add()

    def close(self) -> None:
        """Ends the processes."""
        for worker in self._workers:
            worker.close()

    async def check(
        self, drafts: Sequence[pb.EventDraft], now: datetime, run: Run, packed: Packed | None = None
    ) -> list[CheckedDraft]:
        """Checks each record on its own; `run` does blocking work beside the event loop.

        `packed` is the message the drafts came in, where the caller has written it down already.
        """
        if len(drafts) < WORTH_A_HOP or not self._workers:
            return await run(check_all, self.checker, drafts, now)  # type: ignore[no-any-return]  # run is generic
        worker = await self._idle.get()
        try:
            return await run(worker.check, drafts, now, packed)  # type: ignore[no-any-return]  # as above
        except (EOFError, OSError):
            logs.get().warning("checking process ended", exit_code=worker.close())
            self._workers.remove(worker)
            self._add()
            return await run(check_all, self.checker, drafts, now)  # type: ignore[no-any-return]  # as above
        finally:
            if worker in self._workers:
                self._idle.put_nowait(worker)

    def _add(self) -> None:
        worker = _Worker(self.checker)
        self._workers.append(worker)
        self._idle.put_nowait(worker)


class _Worker:
    """Talks to one process over a pipe; the process ends when the pipe does."""

    def __init__(self, checker: Checker) -> None:
        # A fork would copy the threads' locks as they stand.
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs, checker), name="checking", daemon=True)
        self._process.start()
        theirs.close()
        # A caller that left may still be asking when the next one comes.
        self._asking = threading.Lock()

    def check(self, drafts: Sequence[pb.EventDraft], now: datetime, packed: Packed | None) -> list[CheckedDraft]:
        form, content = packed or (pb.SubmitEventsRequest, pb.SubmitEventsRequest(events=drafts).SerializeToString())
        with self._asking:
            self._pipe.send((form, content, now))
            good, faulty = self._pipe.recv()
        # As `_make` does it, without the calls between: a batch makes two thousand of them.
        made, nothing = tuple.__new__, dict[str, Any]()
        return [
            made(CheckedDraft, (made(Draft, d), (), nothing)) if d else CheckedDraft(None, *faulty[i])
            for i, d in enumerate(good)
        ]

    def close(self) -> int | None:
        self._pipe.close()
        self._process.join()
        return self._process.exitcode


def check_all(checker: Checker, drafts: Sequence[pb.EventDraft], now: datetime) -> list[CheckedDraft]:
    """Checks each record on its own."""
    return [_checked(checker, draft, now) for draft in drafts]


def _checked(checker: Checker, draft: pb.EventDraft, now: datetime) -> CheckedDraft:
    record, problems = record_of(draft)
    checked = checker.check(record, now)
    if problems:
        named = {p.field for p in problems}
        return CheckedDraft(None, problems + [p for p in checked.problems if p.field not in named], checked.record)
    return checked


def _serve(pipe: "Connection[Any, Any]", checker: Checker) -> None:
    """Answers until the other end is closed, however that end died."""
    for number in (signal.SIGINT, signal.SIGTERM):
        # A signal to the whole group must not end the checks before the batches under way.
        signal.signal(number, signal.SIG_IGN)
    spare_collections()
    while True:
        try:
            form, content, now = pipe.recv()
            pipe.send(_plain(check_all(checker, form.FromString(content).events, now)))
        except (EOFError, OSError):
            return


def _plain(checked: Sequence[CheckedDraft]) -> tuple[list[Any], dict[int, Any]]:
    """Returns drafts as plain tuples, which cross in half the time of named ones, and the faulty by their places."""
    faulty = {i: (c.problems, c.record) for i, c in enumerate(checked) if c.draft is None}
    return [tuple(c.draft) if c.draft else None for c in checked], faulty
