"""Leads objections and repairs from filing to decision; a granted one corrects the ledger or ends a listing at once.

What a decision corrects it writes in the same commit: no reader ever sees the one without the other.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlmodel import Session

from credit_service.audit.acts import Ask, note_act, refusal
from credit_service.errors import CreditError, Reason, shown
from credit_service.ledger.append import Reception
from credit_service.ledger.corrections import record, repair, retraction
from credit_service.ledger.fact import Fact, key
from credit_service.ledger.sources import SERVICE
from credit_service.ledger.tables import find_event, get_event, stored_versions
from credit_service.legal_days import civil_day
from credit_service.listings.lifecycle import Surroundings, make, mark
from credit_service.listings.moves import BEFORE_DECISION, CANDIDATE, LIVING
from credit_service.listings.tables import ListingRow, get_listing, listings_of
from credit_service.remedies.moves import MOVES, OBJECTION, REPAIR, Move
from credit_service.remedies.repairs import Claim, founding, missing
from credit_service.remedies.tables import RemedyMoveRow, RemedyRow, get_remedy, moves, open_remedies
from credit_service.rulebook.calendar import shipped_calendar
from credit_service.rulebook.deadlines import Numbers
from credit_service.rulebook.law import Edition

EVENT, LISTING, GRADE = "event", "listing", "grade"
PREFIXES: Mapping[str, str] = {OBJECTION: "OBJ", REPAIR: "REP"}
# What a decision on an objection may say beside its document.
AMENDED, EVENTS = "is_amended_by_source", "event_ids"


@dataclass(frozen=True, slots=True)
class Grounds:
    """Holds what a remedy of one subject has to know: the edition of the day, its facts, and how to write."""

    subject_id: str
    subject_kind: str
    edition: Edition
    around: Surroundings
    reception: Reception

    @property
    def now(self) -> datetime:
        """Returns the time of the commit."""
        return self.around.now

    def fact(self, event_id: str) -> Fact:
        """Returns a record of the subject that stands; fails with EVENT_NOT_FOUND."""
        found = next((f for f in self.around.facts if str(f.event_id) == event_id), None)
        if found is None:
            want = "an event of the subject that stands"
            raise CreditError(Reason.EVENT_NOT_FOUND, f"event_id: got {shown(event_id)}, want {want}")
        return found


def file_objection(session: Session, target: str, ask: Ask, grounds: Grounds) -> RemedyRow:
    """Files an objection and marks what it is against; repeating it changes nothing.

    Fails with FIELD_INVALID, EVENT_NOT_FOUND, LISTING_NOT_FOUND, MOVE_ILLEGAL, REQUEST_ID_REUSED.
    """
    former = _filed_before(session, OBJECTION, target, ask, grounds)
    if former is not None:
        return former
    kind, _, name = target.partition("/")
    if kind == EVENT:
        fact = grounds.fact(name)
        if fact.source == SERVICE:
            raise refusal(ask.name, "own", f"a record of a source; {key(fact)} is a repair, which is revoked instead")
        return _file(session, OBJECTION, target, key(fact), ask, grounds)
    if kind == LISTING:
        listing = _living(session, name, grounds, ask)
        row = _file(session, OBJECTION, target, "", ask, grounds)
        mark(session, listing, True, grounds.around.recorder)
        return row
    if (kind, name) != (GRADE, grounds.subject_id):
        want = f"event/<id>, listing/<id> or grade/{grounds.subject_id}"
        raise CreditError(Reason.FIELD_INVALID, f"target: got {shown(target)}, want {want}")
    return _file(session, OBJECTION, target, "", ask, grounds)


def request_repair(session: Session, event_id: str, ask: Ask, grounds: Grounds) -> RemedyRow:
    """Files a request for repair of a record; repeating it changes nothing.

    Fails with EVENT_NOT_FOUND, REQUEST_ID_REUSED, or MOVE_ILLEGAL that names the condition and what is missing.
    """
    former = _filed_before(session, REPAIR, f"{EVENT}/{event_id}", ask, grounds)
    if former is not None:
        return former
    fact = grounds.fact(event_id)
    _check_conditions(session, fact, ask.name, ask.reason, grounds, None)
    return _file(session, REPAIR, f"{EVENT}/{event_id}", key(fact), ask, grounds)


def decide_objection(session: Session, row: RemedyRow, ask: Ask, grounds: Grounds) -> list[str]:
    """Dismisses an objection, or upholds it and corrects what it is against; returns the subjects to judge again.

    An event is withdrawn by a new version, unless its source has amended it since; a listing is dropped or revoked; a
    grade changes only by its facts, so the events to withdraw are named. Fails with MOVE_ILLEGAL.
    """
    if not _move(session, row, ask, grounds.now):
        return []
    touched = _uphold(session, row, ask, grounds) if ask.name == "GRANT" else []
    kind, _, name = row.target.partition("/")
    listing = get_listing(session, name) if kind == LISTING else None
    if listing is not None:
        mark(session, listing, False, grounds.around.recorder)
    return [row.subject_id, *touched]


def decide_repair(session: Session, row: RemedyRow, ask: Ask, grounds: Grounds) -> list[str]:
    """Refuses a repair, or grants it: from this instant the record is not used; returns the subjects to judge again."""
    fact = next((f for f in grounds.around.facts if key(f) == row.record), None)
    if not _move(session, row, ask, grounds.now):
        return []
    if ask.name != "GRANT":
        return [row.subject_id]
    if fact is None:
        raise refusal(ask.name, "stands", f"a record that stands; {row.record} was retracted")
    commitment = moves(session, row)[0].reason
    _check_conditions(session, fact, ask.name, commitment, grounds, ask.facts)
    event = get_event(session, fact.event_id)
    assert event is not None  # noqa: S101  # its fact was read in this transaction
    draft = repair(event, row.remedy_id, grounds.now, ask.document_no, _basis(grounds.edition))
    return [row.subject_id, *record(session, [draft], grounds.now, grounds.reception)]


def revoke_repair(session: Session, row: RemedyRow, ask: Ask, grounds: Grounds) -> list[str]:
    """Ends a repair that was obtained by false proof: the record counts again; returns the subjects to judge again."""
    if not _move(session, row, ask, grounds.now):
        return []
    event = find_event(session, SERVICE, row.remedy_id, 1)
    assert event is not None  # noqa: S101  # granting wrote it
    draft = retraction(session, event, ask.document_no, _basis(grounds.edition))
    return [row.subject_id, *record(session, [draft], grounds.now, grounds.reception)]


def _check_conditions(
    session: Session, fact: Fact, move: str, commitment: str, grounds: Grounds, stated: Mapping[str, Any] | None
) -> None:
    day, facts = civil_day(grounds.now), grounds.around.facts
    # A term that is over needs no move: its listing lives no more.
    rows = [r for r in listings_of(session, [grounds.subject_id]) if r.state_on(day) in LIVING - {CANDIDATE}]
    listed = founding({name for row in rows for name in row.records()}, facts)
    claim = Claim(fact, facts, grounds.edition, day, listed, commitment, stated)
    found = missing(claim)
    if found is not None:
        raise refusal(move, *found)


def _uphold(session: Session, row: RemedyRow, ask: Ask, grounds: Grounds) -> list[str]:
    kind, _, name = row.target.partition("/")
    if kind == LISTING:
        listing = _living(session, name, grounds, ask)
        is_decided = listing.state not in BEFORE_DECISION | {CANDIDATE}
        moved = Ask(
            "REVOKE" if is_decided else "DROP", ask.actor, None, ask.agency, ask.officer_key, ask.document_no,
            ask.document_digest, ask.reason, ask.request_id,
        )  # fmt: skip
        make(session, listing, moved, grounds.around)
        return []
    if kind == GRADE:
        withdrawn = [grounds.fact(event_id) for event_id in ask.facts.get(EVENTS, ())]
        if not withdrawn:
            raise refusal(ask.name, "events", f"{EVENTS}: the wrong records; a grade changes only by its facts")
    else:
        withdrawn = _disputed(session, row, ask, grounds)
    events = [event for fact in withdrawn if (event := get_event(session, fact.event_id)) is not None]
    drafts = [retraction(session, event, ask.document_no, _basis(grounds.edition)) for event in events]
    return record(session, drafts, grounds.now, grounds.reception) if drafts else []


def _disputed(session: Session, row: RemedyRow, ask: Ask, grounds: Grounds) -> list[Fact]:
    """Returns the disputed record if it has to be withdrawn: not when its source amended or withdrew it since."""
    source, _, record_id = row.record.partition("/")
    position = int(row.target.partition("/")[2])
    is_newer = any(v.position > position for v in stored_versions(session, [(source, record_id)]))
    if ask.facts.get(AMENDED):
        if not is_newer:
            raise refusal(ask.name, "amended", f"a later version of {row.record} from its source")
        return []
    return [f for f in grounds.around.facts if key(f) == row.record]


def _living(session: Session, listing_id: str, grounds: Grounds, ask: Ask) -> ListingRow:
    listing = get_listing(session, listing_id)
    if listing is None or listing.subject_id != grounds.subject_id:
        want = "a listing of the subject"
        raise CreditError(Reason.LISTING_NOT_FOUND, f"listing_id: got {shown(listing_id)}, want {want}")
    state = listing.state_on(civil_day(grounds.now))
    if state not in LIVING:
        raise refusal(ask.name, "living", f"a listing that is not {state}")
    return listing


def _basis(edition: Edition) -> str:
    """Returns what a correction by decision is founded on, in words for the record."""
    bases = [basis for condition in edition.repair for basis in condition.bases]
    return "；".join(dict.fromkeys(basis.text_zh for basis in bases)) or edition.id


def _remedy_id(kind: str, ask: Ask, subject_id: str) -> str:
    name = f"{ask.agency}\x00{subject_id}\x00{ask.request_id}"
    return f"{PREFIXES[kind]}-{hashlib.sha256(name.encode()).hexdigest()[:16]}"


def _filed_before(session: Session, kind: str, target: str, ask: Ask, grounds: Grounds) -> RemedyRow | None:
    """Returns the remedy that this very request filed; an id of it for another request is refused."""
    former = get_remedy(session, _remedy_id(kind, ask, grounds.subject_id))
    if former is not None and (former.target, moves(session, former)[0].reason) != (target, ask.reason):
        raise CreditError(Reason.REQUEST_ID_REUSED, f"request_id: got {shown(ask.request_id)} for another request")
    return former


def _file(session: Session, kind: str, target: str, name: str, ask: Ask, grounds: Grounds) -> RemedyRow:
    same = (r for r in open_remedies(session, grounds.subject_id) if r.kind == kind and r.target == target)
    waiting = next(same, None)
    if waiting is not None:
        raise refusal(ask.name, "no_open_remedy", f"the decision on {waiting.remedy_id}, which waits")
    row = RemedyRow(
        subject_id=grounds.subject_id, remedy_id=_remedy_id(kind, ask, grounds.subject_id),
        subject_kind=grounds.subject_kind, kind=kind,
        target=target, record=name, edition_id=grounds.edition.id, state="", agency="", file_time=grounds.now,
        due_day=0, is_provisional=False,
    )  # fmt: skip
    _keep(session, row, MOVES["FILE"], ask, grounds.now, 1)
    due = MOVES["FILE"].opens[kind]
    if grounds.edition.deadlines:
        numbers = Numbers(grounds.edition.id, grounds.edition.deadlines, shipped_calendar())
        last = numbers.last_day(due, civil_day(grounds.now))
        row.due_day, row.is_provisional = last.day, last.is_provisional
    session.flush()
    return row


def _move(session: Session, row: RemedyRow, ask: Ask, now: datetime) -> bool:
    """Makes one move; returns False for a repeated request, which changes nothing."""
    made = moves(session, row)
    same = next((m for m in made if (m.request_id, m.agency) == (ask.request_id, ask.agency)), None)
    if same is not None:
        if (same.name, same.actor, same.document_no) != (ask.name, ask.actor, ask.document_no):
            raise CreditError(Reason.REQUEST_ID_REUSED, f"request_id: got {shown(ask.request_id)} for another request")
        return False
    move = MOVES[ask.name]
    if row.state != move.from_state or row.kind not in move.kinds:
        raise refusal(ask.name, "state", f"a remedy in state {move.from_state}; {row.remedy_id} is {row.state}")
    _keep(session, row, move, ask, now, len(made) + 1)
    row.agency, row.due_day, row.is_provisional = ask.agency, 0, False
    session.flush()
    return True


def _keep(session: Session, row: RemedyRow, move: Move, ask: Ask, now: datetime, number: int) -> None:
    for name in move.evidence:
        if not getattr(ask, name):
            raise CreditError(Reason.FIELD_MISSING, f"{name}: got nothing, want it for {move.name}", move=move.name)
    row.state = move.to_state
    session.add(row)
    kept = RemedyMoveRow(
            subject_id=row.subject_id, remedy_id=row.remedy_id, number=number, name=move.name, to_state=move.to_state,
            legal_time=ask.legal_time or now, move_time=now, actor=ask.actor, key=ask.officer_key, agency=ask.agency,
            document_no=ask.document_no, document_digest=ask.document_digest, reason=ask.reason,
            request_id=ask.request_id, facts=json.dumps(dict(ask.facts), ensure_ascii=False, sort_keys=True),
    )  # fmt: skip
    note_act(session, kept, row.subject_id)
