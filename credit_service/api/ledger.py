"""The door of LedgerService: nothing is acknowledged before its durable commit."""

from collections.abc import AsyncGenerator, AsyncIterator, Sequence

from sqlmodel import Session

from credit_service.api import wire
from credit_service.api.calls import Call
from credit_service.api.collection import Collection, EventStream, check_size, results
from credit_service.api.house import House
from credit_service.errors import CreditError, Problem, Reason, shown
from credit_service.ledger.append import Receipt
from credit_service.ledger.drafts import ID_LIMIT, VERSION_LIMIT
from credit_service.ledger.payloads import check_text
from credit_service.ledger.quarantine import Key, count_quarantined, find_quarantined, list_quarantined, waiting_keys
from credit_service.ledger.relations import bearers, givers
from credit_service.ledger.streams import declare
from credit_service.ledger.tables import LedgerEvent, find_event, get_event, head, list_events, superseded
from credit_service.remedies.tables import disputed
from credit_service.subjects.schemes import split
from credit_service.subjects.tables import subjects_by_id
from credit_service.v1 import ledger_pb2 as pb


class LedgerDoor:
    """Collects events and shows them."""

    def __init__(self, house: House) -> None:
        """Takes what the doors share."""
        self.house = house
        self.collection = Collection(house)

    async def SubmitEvents(self, request: pb.SubmitEventsRequest, call: Call) -> pb.SubmitEventsResponse:
        """Appends a batch; answers each record in order, when candidates and grades have followed."""
        receipts = await self.collection.collect(
            request.events, request.ByteSize(), call, is_all_or_nothing=request.all_or_nothing
        )
        call.facts = {"request": shown(request.request_id), "records": len(receipts)}
        return pb.SubmitEventsResponse(results=results(receipts))

    def StreamEvents(
        self, requests: AsyncIterator[pb.StreamEventsRequest], call: Call
    ) -> AsyncGenerator[pb.StreamEventsResponse, None]:
        """Appends frame by frame; reads a window ahead, and acknowledges in order after each commit."""
        return EventStream(self.collection, call).answers(requests)

    def GetReceipt(self, request: pb.GetReceiptRequest, call: Call) -> pb.GetReceiptResponse:
        """Returns what became of one submitted record."""
        self.collection.check_sources({request.source}, call)
        if problem := _key_fault(key := (request.source, request.source_record_id, request.source_version or 1)):
            raise CreditError(problem.reason, str(problem))
        with self.house.database.reading() as session:
            event, waiting = find_event(session, *key), find_quarantined(session, *key)
            judged = head(session).judged_position
        if event is not None:
            receipt = Receipt("ACCEPTED", event.position, event.collect_time, event.content_hash)
            return pb.GetReceiptResponse(
                result=results([receipt])[0], chain_digest=wire.digest(event.chain_hash),
                is_judged=event.position <= judged, is_retraction=event.op == "RETRACT",
            )  # fmt: skip
        if waiting is None:
            raise CreditError(
                Reason.RECEIPT_NOT_FOUND, f"source_record_id: got {shown(key[1])} version {key[2]}, want a known record"
            )
        receipt = Receipt("QUARANTINED", problems=waiting.faults())
        return pb.GetReceiptResponse(result=results([receipt])[0], superseded_by=waiting.superseded_by or "")

    def _waiting(self, keys: Sequence[Key]) -> set[Key]:
        with self.house.database.reading() as session:
            return waiting_keys(session, [key for key in keys if _key_fault(key) is None])

    async def ReleaseQuarantined(
        self, request: pb.ReleaseQuarantinedRequest, call: Call
    ) -> pb.ReleaseQuarantinedResponse:
        """Appends mended records that wait in quarantine; others are rejected."""
        # Before anything is looked up: a look for more would hold up the database.
        check_size(request.events, request.ByteSize())
        keys = [(d.source, d.source_record_id, d.source_version or 1) for d in request.events]
        self.collection.check_sources({key[0] for key in keys}, call)
        waiting = await call.run(self._waiting, keys)
        chosen = [draft for draft, key in zip(request.events, keys, strict=True) if key in waiting]
        receipts = iter(await self.collection.collect(chosen, request.ByteSize(), call) if chosen else ())
        answers = [next(receipts) if key in waiting else _not_waiting(key) for key in keys]
        call.facts = {"request": shown(request.request_id), "records": len(answers)}
        return pb.ReleaseQuarantinedResponse(results=results(answers))

    def ListQuarantined(self, request: pb.ListQuarantinedRequest, call: Call) -> pb.ListQuarantinedResponse:
        """Lists what waits for mending, or what was superseded."""
        self.collection.check_sources({request.source}, call)
        told = request.are_superseded
        size, bond = wire.page_size(request.page_size), ("ListQuarantined", request.source, told)
        place = wire.page_place(bond, request.page_token, int, str, int)
        after = (wire.time_of(place[0]), str(place[1]), int(place[2])) if place else None
        with self.house.database.reading() as session:
            rows = list_quarantined(session, request.source, after, size + 1, are_superseded=told)
            count = count_quarantined(session, request.source)
            superseded_count = count_quarantined(session, request.source, are_superseded=True)
        last = rows[size - 1] if len(rows) > size else None
        records = [
            pb.QuarantinedRecord(
                source_record_id=row.record_id, source_version=row.version,
                receive_time=wire.timestamp(row.receive_time), problems=map(wire.problem_message, row.faults()),
                superseded_by=row.superseded_by or "",
            )
            for row in rows[:size]
        ]  # fmt: skip
        token = (
            wire.page_token(bond, [wire.microseconds(last.receive_time), last.record_id, last.version]) if last else ""
        )
        return pb.ListQuarantinedResponse(
            records=records, next_page_token=token, waiting_count=count, superseded_count=superseded_count
        )

    def DeclareWatermark(self, request: pb.DeclareWatermarkRequest, call: Call) -> pb.DeclareWatermarkResponse:
        """Declares a source complete up to a time."""
        self.collection.check_sources({request.source}, call)
        until = wire.instant("complete_until_time", request.complete_until_time, call.now)
        with self.house.database.transaction() as session:
            declare(session, request.source, until, call.now)
        self.house.feed.wake()
        return pb.DeclareWatermarkResponse(complete_until_time=wire.timestamp(until))

    def GetEvent(self, request: pb.GetEventRequest, call: Call) -> pb.GetEventResponse:
        """Returns one event."""
        is_number = request.event_id.isascii() and request.event_id.isdecimal() and len(request.event_id) < 19
        position = int(request.event_id) if is_number else 0
        with self.house.database.reading() as session:
            event = get_event(session, position)
            if event is None or self._is_hidden(session, event, call):
                raise CreditError(
                    Reason.EVENT_NOT_FOUND, f"event_id: got {shown(request.event_id)}, want a known event"
                )
            self.house.ask_within(session, call, self._asked_of(session, event, call))
            is_old = bool(superseded(session, [position], call.now))
            marked = disputed(session, [f"event/{position}"])
        return pb.GetEventResponse(event=_event(event, is_superseded=is_old, marked=marked))

    def _asked_of(self, session: Session, event: LedgerEvent, call: Call) -> str:
        """Returns of whom an event is asked: of who bears it, where the caller has to do with that one alone."""
        if call.caller.role == "enterprise":
            return call.caller.subject_id or ""
        known = subjects_by_id(session, bearers(session, [event.subject_id]))
        near = [s for s in known if call.caller.covers(known[s].supervising_region)]
        if event.subject_id in near:
            return event.subject_id
        borne = givers(session, near, call.now, call.now)
        for subject_id in near:
            kinds = borne.get(subject_id, {}).get(event.subject_id, frozenset())
            if kinds is None or event.kind in kinds:
                return subject_id
        return event.subject_id

    def _is_hidden(self, session: Session, event: LedgerEvent, call: Call) -> bool:
        """Says whether an enterprise may not even learn that an event exists: it is neither its own nor borne by it."""
        mine = call.caller.subject_id
        if call.caller.role != "enterprise" or event.subject_id == mine:
            return False
        if mine is None:
            return True
        kinds = givers(session, [mine], call.now, call.now).get(mine, {}).get(event.subject_id, frozenset())
        return kinds is not None and event.kind not in kinds

    def ListEvents(self, request: pb.ListEventsRequest, call: Call) -> pb.ListEventsResponse:
        """Lists the events of one subject."""
        identifier, size = wire.id_of(request.subject), wire.page_size(request.page_size)
        as_of, known = self.house.frame(request.time_frame, call)
        bond = ("ListEvents", identifier, as_of if request.time_frame.HasField("as_of_time") else None)
        place = wire.page_place(bond, request.page_token, int)
        with self.house.database.reading() as session:
            self.house.ask_within(session, call, identifier)
            rows = list_events(session, identifier, known, place[0] if place else 0, size + 1)
            old = superseded(session, [row.position for row in rows], known)
            marked = disputed(session, [f"event/{row.position}" for row in rows])
        token = wire.page_token(bond, [rows[size - 1].position]) if len(rows) > size else ""
        events = [
            _event(e, is_superseded=e.position in old, marked=marked) for e in rows[:size] if e.occur_time <= as_of
        ]
        return pb.ListEventsResponse(events=events, next_page_token=token)


def _key_fault(key: Key) -> Problem | None:
    """Returns what is wrong with a key that no record can have; a database may choke on it."""
    if not 0 < key[2] < VERSION_LIMIT:
        return Problem("source_version", str(key[2]), "1 or more", Reason.FIELD_OUT_OF_RANGE)
    return check_text("source_record_id", key[1], ID_LIMIT)


def _not_waiting(key: Key) -> Receipt:
    got, want = f"{shown(key[1])} version {key[2]}", "a record that waits in quarantine"
    return Receipt("REJECTED", problems=[Problem("source_record_id", got, want, Reason.QUARANTINE_NOT_FOUND)])


def _event(row: LedgerEvent, *, is_superseded: bool, marked: frozenset[str]) -> pb.Event:
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
        is_superseded=is_superseded, is_disputed=f"event/{row.position}" in marked,
    )  # fmt: skip
