"""The door of LedgerService: nothing is acknowledged before its durable commit."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from datetime import datetime

from credit_service.api import wire
from credit_service.api.calls import Call
from credit_service.api.house import House
from credit_service.errors import CreditError, Reason, shown
from credit_service.ledger.append import Receipt, append
from credit_service.ledger.drafts import CheckedDraft
from credit_service.ledger.tables import LedgerEvent, get_event, list_events, superseded
from credit_service.subjects.schemes import split
from credit_service.v1 import ledger_pb2 as pb

BATCH_LIMIT = 1000
BYTES_LIMIT = 4 * 1024 * 1024
WINDOW = 4


class LedgerDoor:
    """Collects events and shows them."""

    def __init__(self, house: House) -> None:
        """Takes what the doors share."""
        self.house = house

    def SubmitEvents(self, request: pb.SubmitEventsRequest, call: Call) -> pb.SubmitEventsResponse:
        """Appends a batch; answers each record in order."""
        receipts = self._collect(request.events, call, call.now)
        call.facts = {"request": shown(request.request_id), "records": len(receipts)}
        return pb.SubmitEventsResponse(results=_results(receipts))

    async def StreamEvents(
        self, requests: AsyncIterator[pb.StreamEventsRequest], call: Call
    ) -> AsyncIterator[pb.StreamEventsResponse]:
        """Appends frame by frame; a frame is read only when the one before it is committed."""
        expected: int | None = None
        async for frame in requests:
            if expected is not None and frame.offset != expected:
                raise CreditError(Reason.OFFSET_GAP, f"offset: got {frame.offset}, want {expected}", want=str(expected))
            receipts = await call.run(self._collect, frame.events, call, self.house.clock())
            expected = frame.offset + len(frame.events)
            yield pb.StreamEventsResponse(next_offset=expected, results=_results(receipts), window=WINDOW)
            await asyncio.sleep(0)

    def GetEvent(self, request: pb.GetEventRequest, call: Call) -> pb.GetEventResponse:
        """Returns one event."""
        position = int(request.event_id) if request.event_id.isascii() and request.event_id.isdecimal() else 0
        with self.house.database.reading() as session:
            event = get_event(session, position) if position < 2**63 else None
            if event is None:
                raise CreditError(
                    Reason.EVENT_NOT_FOUND, f"event_id: got {shown(request.event_id)}, want a known event"
                )
            self.house.ask_within(session, call, event.subject_id)
            is_old = bool(superseded(session, [position], call.now))
        return pb.GetEventResponse(event=_event(event, is_superseded=is_old))

    def ListEvents(self, request: pb.ListEventsRequest, call: Call) -> pb.ListEventsResponse:
        """Lists the events of one subject."""
        identifier, size = wire.id_of(request.subject), wire.page_size(request.page_size)
        as_of, known = wire.time_frame(request.time_frame, call.now)
        bond = ("ListEvents", identifier, as_of if request.time_frame.HasField("as_of_time") else None)
        place = wire.page_place(bond, request.page_token, int)
        with self.house.database.reading() as session:
            self.house.ask_within(session, call, identifier)
            rows = list_events(session, identifier, known, place[0] if place else 0, size + 1)
            old = superseded(session, [row.position for row in rows], known)
        token = wire.page_token(bond, [rows[size - 1].position]) if len(rows) > size else ""
        events = [_event(e, is_superseded=e.position in old) for e in rows[:size] if e.occur_time <= as_of]
        return pb.ListEventsResponse(events=events, next_page_token=token)

    def _collect(self, drafts: Sequence[pb.EventDraft], call: Call, now: datetime) -> list[Receipt]:
        """Checks everything, then appends and judges in one transaction; wakes the feed after the commit."""
        self._admit(drafts, call)
        house = self.house
        checked = [self._checked(draft, now) for draft in drafts]
        with house.database.transaction() as session:
            receipts = append(session, checked, now, house.vault)
            touched = [subject for receipt in receipts for subject in receipt.subject_ids]
            if touched:
                house.assessor.assess(session, touched, now)
        if touched:
            house.feed.wake()
        return receipts

    def _admit(self, drafts: Sequence[pb.EventDraft], call: Call) -> None:
        """Refuses the whole batch before any change: size, and who may speak for which source."""
        if not drafts:
            raise CreditError(Reason.BATCH_EMPTY, f"events: got 0, want 1 to {BATCH_LIMIT}")
        if len(drafts) > BATCH_LIMIT:
            raise CreditError(
                Reason.BATCH_TOO_LARGE, f"events: got {len(drafts)}, want 1 to {BATCH_LIMIT}", limit=str(BATCH_LIMIT)
            )
        size = sum(draft.ByteSize() for draft in drafts)
        if size > BYTES_LIMIT:
            raise CreditError(
                Reason.BATCH_TOO_LARGE, f"events: got {size} bytes, want at most {BYTES_LIMIT}", limit=str(BYTES_LIMIT)
            )
        allowed = self.house.source_agencies.get(call.caller.agency, frozenset())
        forbidden = {d.source for d in drafts if d.source in self.house.sources} - allowed
        if forbidden:
            raise CreditError(
                Reason.SOURCE_FORBIDDEN,
                f"source: got {shown(min(forbidden))}, want one of {', '.join(sorted(allowed)) or 'none'}",
            )

    def _checked(self, draft: pb.EventDraft, now: datetime) -> CheckedDraft:
        record, problems = wire.record_of(draft)
        checked = self.house.checker.check(record, now)
        if problems:
            named = {p.field for p in problems}
            return CheckedDraft(None, problems + [p for p in checked.problems if p.field not in named], checked.record)
        return checked


def _results(receipts: Sequence[Receipt]) -> list[pb.SubmitResult]:
    results = []
    for index, receipt in enumerate(receipts):
        status = pb.SubmitStatus.Value(f"SUBMIT_STATUS_{receipt.status}")
        result = pb.SubmitResult(index=index, status=status, problems=map(wire.problem_message, receipt.problems))
        if receipt.event_id is not None and receipt.collect_time and receipt.content_hash:
            result.event_id = str(receipt.event_id)
            result.collect_time.CopyFrom(wire.timestamp(receipt.collect_time))
            result.content_digest.CopyFrom(wire.digest(receipt.content_hash))
        results.append(result)
    return results


def _event(row: LedgerEvent, *, is_superseded: bool) -> pb.Event:
    draft = wire.draft_of(
        {
            "source": row.source, "source_record_id": row.record_id, "source_version": row.version, "op": row.op,
            "subject": {"scheme": split(row.subject_id)[0], "code": split(row.subject_id)[1],
                        "name": row.subject_name, "kind": row.subject_kind},
            "kind": row.kind, "domain": row.domain, "occur_time": row.occur_time,
            "source_publish_time": row.publish_time, "document_no": row.document_no,
            "legal_basis": row.legal_basis, "refers_to": row.refers_to, "payload": wire.loads(row.payload),
        }
    )  # fmt: skip
    return pb.Event(
        event_id=str(row.position), draft=draft, collect_time=wire.timestamp(row.collect_time),
        content_digest=wire.digest(row.content_hash), chain_digest=wire.digest(row.chain_hash),
        is_superseded=is_superseded,
    )  # fmt: skip
