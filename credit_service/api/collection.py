"""How records come in: admission before any change, checks beside the event loop, then the one writer."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Coroutine, Sequence
from typing import Any

from credit_service.api import wire
from credit_service.api.calls import Call
from credit_service.api.house import House
from credit_service.collecting import Submission
from credit_service.errors import CreditError, Reason, shown
from credit_service.ledger.append import Receipt
from credit_service.ledger.payloads import check_text
from credit_service.ledger.streams import StreamPlace, next_offset
from credit_service.v1 import ledger_pb2 as pb

BATCH_LIMIT = 1000
BYTES_LIMIT = 4 * 1024 * 1024
WINDOW = 4
STREAM_ID_LIMIT = 64
# What an offset is kept in.
TOP = 2**63
_STATUS = {name.removeprefix("SUBMIT_STATUS_"): number for name, number in pb.SubmitStatus.items()}


class Collection:
    """Admits, checks and hands over records; shared by the methods that collect."""

    def __init__(self, house: House) -> None:
        """Takes what the doors share."""
        self.house = house

    async def collect(
        self, drafts: Sequence[pb.EventDraft], size: int, call: Call, *, is_all_or_nothing: bool = False
    ) -> list[Receipt]:
        """Returns what became of a batch of a size in bytes after its durable commit."""
        self.admit(drafts, size, call)
        checked = await self.house.checking.check(drafts, call.now, call.run)
        return await asyncio.wrap_future(
            self.house.writer.submit(Submission(checked, is_all_or_nothing, is_judged_at_once=True))
        )

    def admit(self, drafts: Sequence[pb.EventDraft], size: int, call: Call) -> None:
        """Refuses a whole batch before any change: size, who may speak for which source, and the quota."""
        check_size(drafts, size)
        self.check_sources({d.source for d in drafts} & set(self.house.sources), call)
        self.house.quota.spend(call.caller.agency, len(drafts), self.house.clock())

    def check_sources(self, named: set[str], call: Call) -> None:
        """Fails with SOURCE_FORBIDDEN unless the caller's agency may speak for every named source."""
        allowed = self.house.source_agencies.get(call.caller.agency, frozenset())
        if forbidden := named - allowed:
            may = f"one that {shown(call.caller.agency)} may submit for: {', '.join(sorted(allowed)) or 'none'}"
            raise CreditError(Reason.SOURCE_FORBIDDEN, f"source: got {shown(min(forbidden))}, want {may}")


def check_size(drafts: Sequence[pb.EventDraft], size: int) -> None:
    """Fails with BATCH_EMPTY or BATCH_TOO_LARGE; `size` is that of the message in bytes."""
    if not drafts:
        raise CreditError(Reason.BATCH_EMPTY, f"events: got 0, want 1 to {BATCH_LIMIT}")
    if len(drafts) > BATCH_LIMIT:
        raise CreditError(
            Reason.BATCH_TOO_LARGE, f"events: got {len(drafts)}, want 1 to {BATCH_LIMIT}", limit=str(BATCH_LIMIT)
        )
    if size > BYTES_LIMIT:
        raise CreditError(
            Reason.BATCH_TOO_LARGE, f"events: got {size} bytes, want at most {BYTES_LIMIT}", limit=str(BYTES_LIMIT)
        )


class EventStream:
    """Follows one stream of frames: at most a window is under way, answers come in order after each commit."""

    def __init__(self, collection: Collection, call: Call) -> None:
        """Begins before the first frame."""
        self._collection, self._call = collection, call
        self._under_way: list[asyncio.Task[pb.StreamEventsResponse]] = []
        self._submitted: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._submitted.set_result(None)
        self._expected: int | None = None
        self._stream_id = ""

    async def answers(
        self, requests: AsyncIterator[pb.StreamEventsRequest]
    ) -> AsyncGenerator[pb.StreamEventsResponse, None]:
        """Reads frames while there is room, and yields their answers in order."""
        frames = aiter(requests)
        reading: asyncio.Task[pb.StreamEventsRequest | None] | None = asyncio.create_task(_next(frames))
        try:
            while reading or self._under_way:
                waiting: list[asyncio.Task[Any]] = [*self._under_way[:1]]
                if reading and len(self._under_way) < WINDOW:
                    waiting.append(reading)
                await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
                while self._under_way and self._under_way[0].done():
                    yield self._under_way.pop(0).result()
                if reading and reading.done() and len(self._under_way) < WINDOW:
                    frame = reading.result()
                    reading = None if frame is None else asyncio.create_task(_next(frames))
                    if frame is not None:
                        self._under_way.append(asyncio.create_task(await self._begun(frame)))
        finally:
            left = [*self._under_way, *([reading] if reading else [])]
            for task in left:
                task.cancel()
            await asyncio.gather(*left, return_exceptions=True)

    async def _begun(self, frame: pb.StreamEventsRequest) -> Coroutine[Any, Any, pb.StreamEventsResponse]:
        """Places a frame in the stream; a wrong offset fails after everything before it was answered."""
        if not 0 <= frame.offset < TOP - BATCH_LIMIT:
            want = f"0 to {TOP - BATCH_LIMIT - 1}"
            return _failed(CreditError(Reason.FIELD_OUT_OF_RANGE, f"offset: got {frame.offset}, want {want}"))
        if self._expected is None:
            self._stream_id = _stream_id(frame.stream_id)
            self._expected = await self._call.run(self._known_offset) if self._stream_id else frame.offset
            if self._stream_id and not frame.events:
                return _told(pb.StreamEventsResponse(next_offset=self._expected, window=WINDOW))
        is_behind = bool(self._stream_id) and frame.offset < self._expected
        if frame.offset != self._expected and not is_behind:
            want = str(self._expected)
            return _failed(CreditError(Reason.OFFSET_GAP, f"offset: got {frame.offset}, want {want}", want=want))
        place = StreamPlace(self._call.caller.agency, self._stream_id, frame.offset, frame.offset + len(frame.events))
        self._expected = max(self._expected, place.end)
        before, self._submitted = self._submitted, asyncio.get_running_loop().create_future()
        return self._answer(frame, place, before, self._submitted)

    async def _answer(
        self,
        frame: pb.StreamEventsRequest,
        place: StreamPlace,
        before: "asyncio.Future[None]",
        submitted: "asyncio.Future[None]",
    ) -> pb.StreamEventsResponse:
        """Checks a frame while the one before is written; submits it only after that one was submitted."""
        house, call = self._collection.house, self._call
        content = frame.SerializeToString()
        self._collection.admit(frame.events, len(content), call)
        checked = await house.checking.check(frame.events, house.clock(), call.run, (type(frame), content))
        # A frame that failed leaves this future undone: nothing after it may be written, or a resumed
        # stream would go on behind the gap.
        await before
        writing = house.writer.submit(Submission(checked, place=place if self._stream_id else None))
        submitted.set_result(None)
        receipts = await asyncio.wrap_future(writing)
        return pb.StreamEventsResponse(next_offset=place.end, results=results(receipts), window=WINDOW)

    def _known_offset(self) -> int:
        with self._collection.house.database.reading() as session:
            return next_offset(session, self._call.caller.agency, self._stream_id)


def results(receipts: Sequence[Receipt]) -> list[pb.SubmitResult]:
    """Returns receipts as messages, in order."""
    made, alike, template = [], None, pb.SubmitResult()
    for index, receipt in enumerate(receipts):
        if receipt.event_id is None:
            problems = map(wire.problem_message, receipt.problems)
            made.append(
                pb.SubmitResult(
                    index=index, status=_STATUS[receipt.status], problems=problems, source_record_id=receipt.record_id
                )
            )
            continue
        if alike != (receipt.status, receipt.collect_time) and receipt.collect_time:
            # Most receipts of a batch share status and time; copying them is cheaper than saying them again.
            alike = (receipt.status, receipt.collect_time)
            template = pb.SubmitResult(
                status=_STATUS[receipt.status], collect_time=wire.timestamp(receipt.collect_time),
                content_digest=wire.digest(b""),
            )  # fmt: skip
        result = pb.SubmitResult()
        result.CopyFrom(template)
        result.index, result.event_id = index, str(receipt.event_id)
        result.content_digest.value = receipt.content_hash or b""
        if receipt.record_id:
            result.source_record_id = receipt.record_id
        if receipt.latest_version:
            result.latest_version = receipt.latest_version
        if receipt.problems:
            result.problems.extend(map(wire.problem_message, receipt.problems))
        made.append(result)
    return made


def _stream_id(name: str) -> str:
    if problem := check_text("stream_id", name, STREAM_ID_LIMIT):
        raise CreditError(problem.reason, str(problem))
    return name


async def _next(frames: AsyncIterator[pb.StreamEventsRequest]) -> pb.StreamEventsRequest | None:
    return await anext(frames, None)


async def _failed(error: CreditError) -> pb.StreamEventsResponse:
    raise error


async def _told(answer: pb.StreamEventsResponse) -> pb.StreamEventsResponse:
    return answer
