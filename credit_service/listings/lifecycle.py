"""Moves listings: rules propose, renew, withdraw and suspend; the clock expires and lapses; officers do the rest.

Every move passes the same gate: the table of moves says from where, by whom, with which evidence and guards.
"""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlmodel import Session

from credit_service.audit.acts import Ask, note_act
from credit_service.changes import Recorder
from credit_service.errors import CreditError, Reason, shown
from credit_service.ledger.fact import Fact, key
from credit_service.legal_days import civil_day, day_start, local_text
from credit_service.listings.guards import GUARDS, Ground, basis_fault
from credit_service.listings.joint_action import follow
from credit_service.listings.moves import (
    ANYBODY,
    BEGINNING,
    CANDIDATE,
    CLOCK,
    DROPPED,
    EFFECTS,
    FOREIGN,
    IMMEDIATE,
    IN_FORCE,
    LIVING,
    MOVES,
    OFFICER,
    OUT,
    RED,
    RULE,
    Move,
)
from credit_service.listings.standing import Act, Standing, duties, last_act, standing
from credit_service.listings.tables import ListingMoveRow, ListingRow, keep_duties, moves
from credit_service.rulebook.calendar import shipped_calendar
from credit_service.rulebook.deadlines import Numbers, period_of
from credit_service.rulebook.evaluate import Finding
from credit_service.rulebook.law import Edition

# Characters of a reason.
LONGEST_TEXT = 2000


@dataclass(frozen=True, slots=True)
class Surroundings:
    """Holds what a move of one subject's listing has to know beside the listing."""

    edition_of: Callable[[str], Edition]
    facts: Sequence[Fact]
    is_blacklisted: bool
    recorder: Recorder
    now: datetime


@dataclass(frozen=True, slots=True)
class _Life:
    """Holds a listing with its moves and the numbers of the edition it was opened under."""

    row: ListingRow
    acts: list[Act]
    stood: Standing
    edition: Edition
    numbers: Numbers

    def ground(self, around: Surroundings, asked: Mapping[str, Any] | None = None) -> Ground:
        """Returns what guards look at."""
        row = self.row
        return Ground(
            row.subject_id, row.list, row.rule_id, row.records(), self.edition, self.numbers, self.acts, self.stood,
            around.facts, around.is_blacklisted, around.now, asked or {},
        )  # fmt: skip


def _life(session: Session, row: ListingRow, around: Surroundings) -> _Life:
    acts = [move.act() for move in moves(session, row)]
    edition = around.edition_of(row.edition_id)
    numbers = Numbers(edition.id, edition.deadlines, shipped_calendar())
    return _Life(row, acts, standing(acts, around.now, around.now), edition, numbers)


def make(session: Session, row: ListingRow, ask: Ask, around: Surroundings) -> None:
    """Makes one move and keeps it; a repeated request changes nothing.

    Fails with MOVE_ILLEGAL (facts `move`, `guard`, `missing`), SECOND_OFFICER_SAME, FIELD_MISSING, TIME_ORDER,
    TIME_IN_FUTURE or REQUEST_ID_REUSED.
    """
    life, now = _life(session, row, around), around.now
    ask = replace(ask, legal_time=now if ask.name in IMMEDIATE else ask.legal_time or now)
    if ask.request_id and _is_repeated(ask, life.acts):
        return
    move = MOVES.get((ask.name, row.list))
    if move is None or life.stood.state not in move.from_states:
        raise _illegal(ask, "state", f"a listing of {row.list} in another state than {life.stood.state}")
    if move.actor == OFFICER:
        _check_officer(row, move, ask, life.acts, now)
        ground = life.ground(around, ask.facts)
        for name in move.guards:
            missing = GUARDS[name](ground)
            if missing is not None:
                raise _illegal(ask, name, missing)
    _keep(session, life, move, _with_term(ask, row, life.edition, now), around)


def _is_repeated(ask: Ask, acts: Sequence[Act]) -> bool:
    """Says whether the authority made this very request before; an id of it for another request is refused."""
    same = next((a for a in acts if (a.request_id, a.agency) == (ask.request_id, ask.agency)), None)
    if same is None:
        return False
    wanted = (ask.name, ask.actor, ask.document_no, ask.document_digest)
    if (same.name, same.actor, same.document_no, same.document_digest) != wanted:
        raise CreditError(Reason.REQUEST_ID_REUSED, f"request_id: got {shown(ask.request_id)} for another request")
    return True


def _illegal(ask: Ask, guard: str, missing: str) -> CreditError:
    return CreditError(
        Reason.MOVE_ILLEGAL, f"move: got {ask.name}, want {missing}", move=ask.name, guard=guard, missing=missing
    )


def _check_officer(row: ListingRow, move: Move, ask: Ask, acts: Sequence[Act], now: datetime) -> None:
    if move.name not in ANYBODY and row.agency and (ask.agency == row.agency) == (move.name in FOREIGN):
        whom = "another authority than" if move.name in FOREIGN else "the authority that answers for it,"
        raise _illegal(ask, "authority", f"{whom} {row.agency}")
    for name in move.evidence:
        value = ask.facts.get(name) if name not in ("document_no", "document_digest", "reason") else getattr(ask, name)
        if not value:
            raise CreditError(Reason.FIELD_MISSING, f"{name}: got nothing, want it for {ask.name}", move=ask.name)
    legal_time = ask.legal_time or now
    if legal_time > now:
        raise CreditError(
            Reason.TIME_IN_FUTURE, f"legal_time: got {local_text(legal_time)}, want at most {local_text(now)}"
        )
    before = acts[-1].legal_time if acts else legal_time
    if legal_time < before:
        want = f"{local_text(before)}, the last move, or later"
        raise CreditError(Reason.TIME_ORDER, f"legal_time: got {local_text(legal_time)}, want {want}")
    if move.second_of is not None:
        _check_second(move, move.second_of, ask, acts)


def _check_second(move: Move, first_name: str, ask: Ask, acts: Sequence[Act]) -> None:
    """The first officer's move must stand, and another person with another key must make the second."""
    first, done = last_act(acts, first_name), last_act(acts, move.name)
    if first is None or (done is not None and done.number > first.number):
        raise _illegal(ask, "first_officer", f"{first_name} by another officer")
    if first.actor == ask.actor or first.key == ask.officer_key:
        raise CreditError(
            Reason.SECOND_OFFICER_SAME,
            "second officer: got the person or the key of the first officer, want another person with another key",
        )


def _with_term(ask: Ask, row: ListingRow, edition: Edition, now: datetime) -> Ask:
    """Gives a move that begins a term its last day and the first day of early removal."""
    if ask.name not in BEGINNING:
        return ask
    rule = next(r for r in edition.rules if r.id == row.rule_id)
    day = civil_day(now)
    last_day = period_of(edition.id, f"{row.rule_id}.term", rule.term).after(day)
    early = {} if rule.early_exit is None else {"early_from_day": rule.early_exit.after(day) + 1}
    return replace(ask, facts={**ask.facts, "last_day": last_day, **early})


def _keep(session: Session, life: _Life, move: Move, ask: Ask, around: Surroundings) -> None:
    """Keeps the move, brings the listing up to date with it, and tells the feed."""
    row, acts, numbers, now = life.row, life.acts, life.numbers, around.now
    kept = ListingMoveRow(
        subject_id=row.subject_id, listing_id=row.listing_id, number=len(acts) + 1, from_state=life.stood.state,
        to_state=move.to_state or life.stood.state or "", move_time=now, actor=ask.actor,
        reason=ask.reason or EFFECTS[move.name], name=move.name, legal_time=ask.legal_time or now,
        key=ask.officer_key, agency=ask.agency, document_no=ask.document_no, document_digest=ask.document_digest,
        request_id=ask.request_id, facts=json.dumps(dict(ask.facts), ensure_ascii=False, sort_keys=True),
    )  # fmt: skip
    note_act(session, kept, row.subject_id)
    acts.append(kept.act())
    after = standing(acts, now, now)
    row.state, row.last_move = after.state or kept.to_state, move.name
    row.is_stayed, row.is_suspended = after.stayed, after.suspended
    row.was_noticed, row.was_displayed = after.was_noticed, after.was_displayed
    row.begin_time, row.last_day, row.early_from_day = after.begin, after.last_day, after.early_from_day
    if move.name == "TRANSFER":
        row.agency = str(ask.facts["to_agency"])
    elif move.actor == OFFICER and not row.agency and move.name not in FOREIGN | ANYBODY:
        row.agency = ask.agency
    open_now = [d for d in duties(acts, row.list, numbers) if d.closed_day is None] if numbers.deadlines else []
    row.next_day = _next_day(row, acts, numbers)
    session.add(row)
    session.flush()
    follow(session, row, life.edition, now)
    keep_duties(session, row, [(duty, numbers.deadlines[duty.key].is_right) for duty in open_now])
    _tell(row, kept.reason, around.recorder)


def _next_day(row: ListingRow, acts: Sequence[Act], numbers: Numbers) -> int | None:
    """Returns the day on which time alone moves the listing: it lapses, or its term is over."""
    if row.state in IN_FORCE and row.last_day is not None:
        return row.last_day + 1
    if row.state == CANDIDATE and numbers.deadlines:
        return numbers.last_day("candidate_lapse", civil_day(acts[0].legal_time)).day + 1
    return None


def _tell(row: ListingRow, reason: str, recorder: Recorder) -> None:
    subject = (row.subject_id, row.subject_kind)
    if row.state == DROPPED or row.state in OUT:
        recorder.remove("listing", row.listing_id, subject, reason, row.document())
    else:
        recorder.upsert("listing", row.listing_id, subject, row.document())


def mark(session: Session, row: ListingRow, is_disputed: bool, recorder: Recorder) -> None:
    """Notes for everybody who sees the listing whether an objection to it waits for its decision."""
    if row.is_disputed != is_disputed:
        row.is_disputed = is_disputed
        session.add(row)
        if row.state in LIVING:
            _tell(row, "", recorder)


def candidate(
    subject: tuple[str, str], name: str, finding: Finding, edition_id: str, keys: Sequence[str], now: datetime
) -> ListingRow:
    """Returns a listing that a first move may open; `name` makes its id unique, `keys` are the records of its proof."""
    return ListingRow(
        subject_id=subject[0], listing_id=listing_id_of(finding.list, name), subject_kind=subject[1],
        list=finding.list, state=CANDIDATE, rule_id=finding.rule_id, edition_id=edition_id,
        event_ids=json.dumps(finding.event_ids), record_keys=json.dumps(sorted(keys)), text_zh=finding.text_zh,
        text_en=finding.text_en, open_time=now,
    )  # fmt: skip


def listing_id_of(list_: str, name: str) -> str:
    """Returns the id of a listing by what makes it unique."""
    return f"{list_}-{hashlib.sha256(name.encode()).hexdigest()[:16]}"


def propose(
    session: Session,
    subject: tuple[str, str],
    findings: Sequence[tuple[str, Finding]],
    existing: Sequence[ListingRow],
    around: Surroundings,
) -> None:
    """Makes the listings of one subject agree with its findings and the day; `findings` pairs (edition id, finding).

    Opens what is new, renews a changed proof, drops candidates that lost their basis, suspends listings that lost
    theirs, ends terms. Repeating it changes nothing.
    """
    names = {fact.event_id: key(fact) for fact in around.facts}
    found = _by_rule(findings)
    for former in existing:
        _pass_time(session, former, around)
    for rule_id, (edition_id, finding) in found.items():
        keys = sorted({names.get(n, f"event/{n}") for n in finding.event_ids})
        mine = [row for row in existing if row.rule_id == rule_id]
        row = _speaking(mine, keys)
        rule = f"rule:{rule_id}@{edition_id}"
        if row is not None and row.proof() != finding.event_ids:
            row.event_ids, row.record_keys = json.dumps(finding.event_ids), json.dumps(keys)
            make(session, row, Ask("RENEW", rule), around)
        elif row is None and not _is_answered(mine, keys, finding.event_ids):
            name = f"{finding.list}\x00{rule_id}\x00{subject[0]}\x00{len(mine)}"
            opened = candidate(subject, name, finding, edition_id, keys, around.now)
            make(session, opened, Ask("PROPOSE", rule), around)
    for former in existing:
        if former.state == CANDIDATE and former.rule_id not in found and _is_by_rule(session, former):
            make(session, former, Ask("WITHDRAW", f"rule:{former.rule_id}@{former.edition_id}"), around)
        elif former.state != CANDIDATE and not former.is_suspended:
            _review_basis(session, former, around)


def _speaking(rows: Sequence[ListingRow], keys: Sequence[str]) -> ListingRow | None:
    """Returns the listing whose proof the finding is: the open candidate, else a living one of the same records."""
    living = [row for row in rows if row.state != DROPPED and row.state not in OUT]
    same = [row for row in living if row.records() == frozenset(keys)]
    return next((row for row in living if row.state == CANDIDATE), same[0] if same else None)


def _is_answered(rows: Sequence[ListingRow], keys: Sequence[str], event_ids: tuple[int, ...]) -> bool:
    """Says whether listings of the rule, other than withdrawn ones, already speak of every record of a finding."""
    spoken = [row for row in rows if row.last_move != "WITHDRAW"]
    records = {name for row in spoken for name in row.records()}
    return frozenset(keys) <= records or any(row.proof() == event_ids for row in spoken)


def _is_by_rule(session: Session, row: ListingRow) -> bool:
    """Says whether a rule opened the candidate; what an officer nominated only an officer drops."""
    return last_act([m.act() for m in moves(session, row)], "PROPOSE", "NOMINATE").name == "PROPOSE"  # type: ignore[union-attr]  # each has one


def _pass_time(session: Session, row: ListingRow, around: Surroundings) -> None:
    """Records what time alone did: a candidate lapsed, a term ended."""
    if row.next_day is None or row.next_day > civil_day(around.now):
        return
    name = "LAPSE" if row.state == CANDIDATE else "EXPIRE"
    ended = day_start(row.next_day)
    if name == "EXPIRE":
        # The fold already says so; the move records it, for the feed and for the officer who clears up.
        _expire(session, row, ended, around)
    else:
        make(session, row, Ask(name, "clock", ended), around)


def _expire(session: Session, row: ListingRow, ended: datetime, around: Surroundings) -> None:
    life = _life(session, row, around)
    in_force = replace(life, stood=replace(life.stood, state=life.acts[-1].to_state))
    _keep(session, in_force, MOVES["EXPIRE", row.list], Ask("EXPIRE", CLOCK.lower(), ended), around)


def _review_basis(session: Session, row: ListingRow, around: Surroundings) -> None:
    """Suspends a listing whose basis no longer stands; an officer decides what becomes of it."""
    if row.state not in MOVES["SUSPEND", row.list].from_states:
        return
    ground = _life(session, row, around).ground(around)
    missing = GUARDS["redlist_conditions"](ground) if row.list == RED else basis_fault(ground)
    if missing is not None:
        actor = f"{RULE.lower()}:{row.rule_id}@{row.edition_id}"
        make(session, row, Ask("SUSPEND", actor, reason=f"want {missing}"), around)


def _by_rule(findings: Sequence[tuple[str, Finding]]) -> dict[str, tuple[str, Finding]]:
    """Joins the findings of one rule: one open candidate per rule carries every proof."""
    found: dict[str, tuple[str, Finding]] = {}
    for edition, finding in findings:
        if finding.effect != CANDIDATE:
            continue
        if finding.rule_id in found:
            former = found[finding.rule_id][1]
            finding = replace(former, event_ids=tuple(sorted({*former.event_ids, *finding.event_ids})))
        found[finding.rule_id] = (edition, finding)
    return found
