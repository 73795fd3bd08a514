"""The verbs of ListingService: each door makes one move of the table, by an officer of the credential."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlmodel import Session

from credit_service import logs
from credit_service.api import wire
from credit_service.api.access import check_jurisdiction
from credit_service.api.calls import Call
from credit_service.api.house import House
from credit_service.api.listing_messages import listing_message
from credit_service.audit.acts import Ask
from credit_service.changes import Recorder
from credit_service.errors import CreditError, Reason, shown, without_id_numbers
from credit_service.ledger.fact import key
from credit_service.ledger.facts import facts_of
from credit_service.legal_days import civil_day
from credit_service.listings.lifecycle import LONGEST_TEXT, Surroundings, candidate, listing_id_of, make
from credit_service.listings.moves import ANYBODY, BLACK
from credit_service.listings.tables import ListingRow, blacklisted_until, get_listing, moves
from credit_service.rulebook.edition import edition_for
from credit_service.rulebook.evaluate import Finding
from credit_service.subjects.schemes import split
from credit_service.v1 import listings_pb2 as pb

SERVED = {"NOTICE": "SERVE_NOTICE", "DECISION": "SERVE_DECISION"}
STATED = {"STATED": "STATE", "WAIVED": "WAIVE_REPLY", "ANSWERED": "ANSWER_STATEMENT"}
DIGEST_BYTES = 32
UNSIGNED = ANYBODY | {"FILE"}
LONGEST_EVENT_ID = 18


class ListingMoves:
    """Moves listings."""

    def __init__(self, house: House) -> None:
        """Takes what the doors share."""
        self.house = house

    def NominateListing(self, request: pb.NominateListingRequest, call: Call) -> pb.NominateListingResponse:
        """Opens a candidate with an officer's written reasons."""
        ask, subject_id = ask_of(request, call, "NOMINATE"), wire.id_of(request.subject)
        chosen, events = wire.choice(request, "list"), [_event(n) for n in request.event_ids]
        if not chosen:
            raise CreditError(Reason.FIELD_MISSING, "list: got nothing, want a list")
        if not ask.reason:
            raise CreditError(Reason.FIELD_MISSING, "reason: got nothing, want written reasons")

        def nominate(session: Session, now: datetime) -> ListingRow:
            subject = self.house.ask_within(session, call, subject_id)
            name = f"{ask.agency}\x00{ask.request_id}\x00{subject_id}"
            edition = edition_for(self.house.editions(), split(subject_id)[0], civil_day(now))
            rule = next((r for r in edition.rules if r.id == request.rule_id and r.list == chosen), None)
            if rule is None:
                want = f"a rule of {edition.id} for list {chosen}"
                raise CreditError(Reason.FIELD_INVALID, f"rule_id: got {shown(request.rule_id)}, want {want}")
            around = self.around(session, subject_id, now)
            keys = {fact.event_id: key(fact) for fact in around.facts}
            wrong = [n for n in events if n not in keys]
            if wrong or (chosen == BLACK and not events):
                want = "events of the subject that stand"
                raise CreditError(Reason.EVENT_NOT_FOUND, f"event_ids: got {wrong or 'nothing'}, want {want}")
            finding = Finding(
                rule.id, chosen, rule.effect, tuple(sorted(events)), civil_day(now), None, rule.text_zh, rule.text_en
            )
            proof = sorted(keys[n] for n in events)
            row = get_listing(session, listing_id_of(chosen, name))
            row = row or candidate((subject_id, subject.kind), name, finding, edition.id, proof, now)
            make(session, row, ask, around)
            around.recorder.write(session)
            return row

        return pb.NominateListingResponse(listing=self._decide(call, ask, nominate))

    def NotifyListing(self, request: pb.NotifyListingRequest, call: Call) -> pb.NotifyListingResponse:
        """Notes the notice."""
        return pb.NotifyListingResponse(listing=self._move(request, call, "NOTIFY"))

    def RecordService(self, request: pb.RecordServiceRequest, call: Call) -> pb.RecordServiceResponse:
        """Notes that a document was served."""
        name, facts = SERVED.get(wire.choice(request, "document") or ""), {"service_method": request.service_method}
        return pb.RecordServiceResponse(listing=self._move(request, call, _stated("document", name), facts))

    def RecordStatement(self, request: pb.RecordStatementRequest, call: Call) -> pb.RecordStatementResponse:
        """Notes a statement, a waiver or the answer."""
        name = STATED.get(wire.choice(request, "kind") or "")
        return pb.RecordStatementResponse(listing=self._move(request, call, _stated("kind", name)))

    def DecideListing(self, request: pb.DecideListingRequest, call: Call) -> pb.DecideListingResponse:
        """Decides, without effect yet."""
        return pb.DecideListingResponse(listing=self._move(request, call, "DECIDE"))

    def ConfirmListing(self, request: pb.ConfirmListingRequest, call: Call) -> pb.ConfirmListingResponse:
        """Puts the decision in force."""
        return pb.ConfirmListingResponse(listing=self._move(request, call, "CONFIRM"))

    def PublishListing(self, request: pb.PublishListingRequest, call: Call) -> pb.PublishListingResponse:
        """Displays and shares."""
        return pb.PublishListingResponse(listing=self._move(request, call, "PUBLISH"))

    def DropListing(self, request: pb.DropListingRequest, call: Call) -> pb.DropListingResponse:
        """Ends a case without a listing."""
        return pb.DropListingResponse(listing=self._move(request, call, "DROP"))

    def Delist(self, request: pb.DelistRequest, call: Call) -> pb.DelistResponse:
        """Notes that a removal was carried out."""
        return pb.DelistResponse(listing=self._move(request, call, "RECORD_REMOVAL"))

    def RevokeListing(self, request: pb.RevokeListingRequest, call: Call) -> pb.RevokeListingResponse:
        """Ends all effect at once."""
        return pb.RevokeListingResponse(listing=self._move(request, call, "REVOKE"))

    def Reinstate(self, request: pb.ReinstateRequest, call: Call) -> pb.ReinstateResponse:
        """Proposes a reinstatement; the call of another officer puts it in force."""
        return pb.ReinstateResponse(listing=self._move(request, call, "REINSTATE"))

    def StayListing(self, request: pb.StayListingRequest, call: Call) -> pb.StayListingResponse:
        """Stays the effect."""
        return pb.StayListingResponse(listing=self._move(request, call, "STAY"))

    def LiftStay(self, request: pb.LiftStayRequest, call: Call) -> pb.LiftStayResponse:
        """Ends a stay."""
        return pb.LiftStayResponse(listing=self._move(request, call, "LIFT"))

    def TransferListing(self, request: pb.TransferListingRequest, call: Call) -> pb.TransferListingResponse:
        """Hands the listing to another authority."""
        facts = {"to_agency": wire.plain_text("to_agency", request.to_agency)}
        return pb.TransferListingResponse(listing=self._move(request, call, "TRANSFER", facts))

    def ProposeChange(self, request: pb.ProposeChangeRequest, call: Call) -> pb.ProposeChangeResponse:
        """Notes another authority's proposal."""
        return pb.ProposeChangeResponse(listing=self._move(request, call, "PROPOSE_CHANGE"))

    def AnswerChange(self, request: pb.AnswerChangeRequest, call: Call) -> pb.AnswerChangeResponse:
        """Notes the answer to a proposal."""
        return pb.AnswerChangeResponse(listing=self._move(request, call, "ANSWER_CHANGE"))

    def ReaffirmListing(self, request: pb.ReaffirmListingRequest, call: Call) -> pb.ReaffirmListingResponse:
        """Lets a suspended listing take effect again."""
        return pb.ReaffirmListingResponse(listing=self._move(request, call, "REAFFIRM"))

    def _move(self, request: Any, call: Call, name: str, facts: Mapping[str, Any] | None = None) -> pb.Listing:
        return self.make(request, call, name, wire.plain_text("listing_id", request.listing_id), facts)

    def make(
        self, request: Any, call: Call, name: str, listing_id: str, facts: Mapping[str, Any] | None = None
    ) -> pb.Listing:
        """Makes one move of a listing with what the request carries."""
        ask = ask_of(request, call, name, facts)

        def move(session: Session, now: datetime) -> ListingRow:
            row = get_listing(session, listing_id)
            if row is None:
                want = "a listing that exists"
                raise CreditError(Reason.LISTING_NOT_FOUND, f"listing_id: got {shown(listing_id)}, want {want}")
            subject = self.house.ask(session, call, row.subject_id)
            if not row.agency:
                # Who acted first stays the one that decides, wherever the subject moves.
                check_jurisdiction(call.caller, subject.supervising_region)
            around = self.around(session, row.subject_id, now)
            make(session, row, _reinstating(session, row, ask), around)
            around.recorder.write(session)
            return row

        return self._decide(call, ask, move)

    def around(self, session: Session, subject_id: str, now: datetime) -> Surroundings:
        """Returns what a move of one subject has to know."""
        facts = facts_of(session, [subject_id], now, now)[subject_id]
        is_listed = subject_id in blacklisted_until(session, [subject_id], now, now)
        return Surroundings(self.house.assessor.edition, facts, is_listed, Recorder(now), now)

    def _decide(self, call: Call, ask: Ask, work: Any) -> pb.Listing:
        """Makes the move and its consequences in one commit, and says so in the log."""

        def decide(session: Session, now: datetime) -> pb.Listing:
            row = work(session, now)
            self.house.assessor.assess(session, [row.subject_id], now)
            subject = self.house.ask(session, call, row.subject_id)
            message = listing_message(row, subject.name, self.house.all_editions, now)
            logs.get().info(
                "decision", act=ask.name, officer=ask.actor, on=row.listing_id, basis=row.rule_id,
                outcome=row.state, request_id=call.request_id,
            )  # fmt: skip
            return message

        message: pb.Listing = self.house.writer.decide(decide)
        return message


def ask_of(request: Any, call: Call, name: str, facts: Mapping[str, Any] | None = None) -> Ask:
    """Reads what every verb carries; the officer comes from the credential alone."""
    fields = request.DESCRIPTOR.fields_by_name
    request_id = wire.plain_text("request_id", request.request_id)
    if not request_id:
        raise CreditError(Reason.FIELD_MISSING, "request_id: got nothing, want an id chosen by the caller")
    digest = request.document_digest.value if "document_digest" in fields else b""
    if digest and len(digest) != DIGEST_BYTES:
        raise CreditError(Reason.FIELD_INVALID, f"document_digest: got {len(digest)} bytes, want {DIGEST_BYTES}")
    is_dated = "legal_time" in fields and request.HasField("legal_time")
    return Ask(
        name, call.caller.agency if name in UNSIGNED and call.caller.officer is None else call.caller.officer_name(),
        wire.instant("legal_time", request.legal_time, call.now) if is_dated else None,
        agency=call.caller.agency, officer_key=call.caller.key_fingerprint,
        document_no=wire.plain_text("document_no", getattr(request, "document_no", "")),
        document_digest=digest.hex(),
        reason=_reason(request),
        request_id=request_id, facts=facts or {},
    )  # fmt: skip


def _reason(request: Any) -> str:
    """Returns the words for the record, whatever the request calls them."""
    words = next(
        (getattr(request, n) for n in ("reason", "proposal", "statement", "commitment") if hasattr(request, n)), ""
    )
    return without_id_numbers(wire.plain_text("reason", words, LONGEST_TEXT))


def _event(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= LONGEST_EVENT_ID):
        raise CreditError(Reason.FIELD_INVALID, f"event_ids: got {shown(text)}, want ids of events")
    return int(text)


def _stated(field: str, name: str | None) -> str:
    if name is None:
        raise CreditError(Reason.FIELD_MISSING, f"{field}: got nothing, want which one")
    return name


def _reinstating(session: Session, row: ListingRow, ask: Ask) -> Ask:
    """The first call for a reinstatement proposes it; a repeated one stays what it was."""
    if ask.name != "REINSTATE":
        return ask
    made = moves(session, row)
    repeated = next((m.name for m in made if m.request_id == ask.request_id), None)
    is_open = made[-1].name == "PROPOSE_REINSTATEMENT"
    return replace(ask, name=repeated or ("REINSTATE" if is_open else "PROPOSE_REINSTATEMENT"))
