"""Overrides 人工调整 and reviews 人工复核: grades that officers set or keep, for a reason and until a day.

Moves are never changed; what is in force is folded from them, as of any time and by any knowledge. No score moves, and
no veto is lifted.
"""

import hashlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Index, Text, bindparam, select, tuple_
from sqlmodel import Field, Session, SQLModel, col

from credit_service.audit.acts import Ask, note_act, refusal
from credit_service.database import UtcTime
from credit_service.errors import CreditError, Reason, shown
from credit_service.grades.grading import Graded, Override, Review
from credit_service.ledger.tables import position_at
from credit_service.legal_days import civil_day, day_text
from credit_service.rulebook.law import Edition, Overrides

PROPOSE, CONFIRM, DECLINE, END, KEEP = "PROPOSE", "CONFIRM", "DECLINE", "END", "KEEP"
PROPOSED, IN_FORCE, EXPIRED = "PROPOSED", "IN_FORCE", "EXPIRED"
# The state after each move, and the state in which it may be made.
STATES: Mapping[str, str] = {
    PROPOSE: PROPOSED, CONFIRM: IN_FORCE, DECLINE: "DECLINED", END: "ENDED", KEEP: "REVIEWED",
}  # fmt: skip
_FROM: Mapping[str, str] = {CONFIRM: PROPOSED, DECLINE: PROPOSED, END: IN_FORCE}
KEPT_GRADE = "C"


class OverrideMoveRow(SQLModel, table=True):
    """Keeps one move of an override; every move repeats what it is about."""

    __tablename__ = "override_move"
    __table_args__ = (Index("ix_override_move_id", "override_id"), Index("ix_override_move_time", "move_time"))
    subject_id: str = Field(primary_key=True)
    override_id: str = Field(primary_key=True)
    number: int = Field(primary_key=True)
    name: str
    grade: str
    reason_code: str
    last_day: int
    move_time: datetime = Field(sa_type=UtcTime)
    actor: str
    key: str
    agency: str
    document_no: str
    document_digest: str
    reason: str = Field(sa_type=Text)
    request_id: str


TABLES: list[Any] = [OverrideMoveRow]


@dataclass(frozen=True, slots=True)
class Standing:
    """Holds what officers decided of one subject's grade at a time frame."""

    override: Override | None = None
    review: Review | None = None

    def on(self, day: int) -> "Standing":
        """Returns what is left of it on a later day, when nobody decides anything more."""
        is_over = self.override is None or day > self.override.last_day
        is_due = self.review is None or day >= self.review.until_day
        return Standing(None if is_over else self.override, None if is_due else self.review)


NOTHING = Standing()


@dataclass(frozen=True, slots=True)
class Grounds:
    """Holds what a decision on one subject's grade has to know: the edition, the grade now, and the time."""

    subject_id: str
    edition: Edition
    graded: Graded
    now: datetime

    @property
    def policy(self) -> Overrides:
        """Returns the edition's bounds; fails with MOVE_ILLEGAL where it has none."""
        if self.edition.grading.overrides is None:
            raise refusal(PROPOSE, "edition", f"an edition with overrides; {self.edition.id} has none")
        return self.edition.grading.overrides


def propose(session: Session, grade: str, reason_code: str, last_day: int, ask: Ask, grounds: Grounds) -> str:
    """Proposes an override and returns its id; repeating it changes nothing.

    Fails with MOVE_ILLEGAL, FIELD_MISSING, FIELD_INVALID, FIELD_OUT_OF_RANGE, REQUEST_ID_REUSED.
    """
    override_id = _id("OVR", ask, grounds.subject_id)
    if not _is_repeated(of_override(session, override_id), ask, grade, last_day):
        if reason_code not in {reason.id for reason in grounds.policy.reasons}:
            want = ", ".join(reason.id for reason in grounds.policy.reasons)
            raise CreditError(Reason.FIELD_INVALID, f"reason_code: got {shown(reason_code)}, want one of {want}")
        _check_term(last_day, grounds)
        _check_vetoes(grade, ask, grounds)
        _keep(session, (override_id, 1), (grade, reason_code, last_day), ask, grounds)
    return override_id


def keep(session: Session, last_day: int, ask: Ask, grounds: Grounds) -> str:
    """Closes the open review of a subject until after a day and returns the decision's id; its grade stays.

    Repeating it changes nothing. Fails with REVIEW_NOT_FOUND, MOVE_ILLEGAL, FIELD_MISSING, FIELD_OUT_OF_RANGE,
    REQUEST_ID_REUSED.
    """
    override_id = _id("REV", ask, grounds.subject_id)
    if _is_repeated(of_override(session, override_id), ask, KEPT_GRADE, last_day):
        return override_id
    if not grounds.graded.is_review_open:
        raise CreditError(Reason.REVIEW_NOT_FOUND, f"subject: got {grounds.subject_id}, want one under review")
    _check_term(last_day, grounds)
    _keep(session, (override_id, 1), (KEPT_GRADE, "REVIEWED", last_day), ask, grounds)
    return override_id


def move(session: Session, made: Sequence[OverrideMoveRow], ask: Ask, grounds: Grounds) -> None:
    """Confirms, declines or ends an override; repeating it changes nothing.

    Fails with SECOND_OFFICER_SAME, MOVE_ILLEGAL, FIELD_MISSING, REQUEST_ID_REUSED.
    """
    first, last = made[0], made[-1]
    if _is_repeated([m for m in made if m.request_id == ask.request_id], ask, first.grade, first.last_day):
        return
    state = state_of(made, civil_day(grounds.now))
    if state != _FROM[ask.name]:
        raise refusal(ask.name, "state", f"an override in state {_FROM[ask.name]}; {first.override_id} is {state}")
    if ask.name == CONFIRM:
        if ask.actor == first.actor or ask.officer_key == first.key:
            raise CreditError(
                Reason.SECOND_OFFICER_SAME,
                "second officer: got the person or the key of the first officer, want another person with another key",
            )
        _check_vetoes(first.grade, ask, grounds)
    about = (first.grade, first.reason_code, first.last_day)
    _keep(session, (first.override_id, last.number + 1), about, ask, grounds)


def of_override(session: Session, override_id: str) -> Sequence[OverrideMoveRow]:
    """Returns the moves of an override, oldest first; none when there is none."""
    statement = select(OverrideMoveRow).where(col(OverrideMoveRow.override_id) == override_id)
    return session.execute(statement.order_by(col(OverrideMoveRow.number))).scalars().all()


def standings(session: Session, subject_ids: Sequence[str], as_of: datetime, known: datetime) -> Mapping[str, Standing]:
    """Returns what stands of the subjects' overrides and reviews at a time frame; subjects without any are left out."""
    given = {"subject_ids": list(subject_ids), "until": min(as_of, known)}
    by_override: dict[tuple[str, str], list[OverrideMoveRow]] = {}
    for row in session.execute(_STANDING, given).scalars():
        by_override.setdefault((row.subject_id, row.override_id), []).append(row)
    day, found = civil_day(as_of), dict[str, Standing]()
    # The later decision takes the place of the earlier one.
    for (subject_id, override_id), made in sorted(by_override.items(), key=lambda pair: pair[1][-1].move_time):
        state, first, before = state_of(made, day), made[0], found.get(subject_id, NOTHING)
        if state == IN_FORCE:
            override = Override(override_id, first.grade, first.reason_code, first.last_day)
            found[subject_id] = Standing(override, before.review)
        elif state == STATES[KEEP]:
            seen = position_at(session, first.move_time)
            review = Review(civil_day(first.move_time), first.last_day + 1, seen)
            found[subject_id] = Standing(before.override, review)
    return found


# Built once: building a question costs more than asking it.
_ASKED: Any = bindparam("subject_ids", expanding=True)
_STANDING = (
    select(OverrideMoveRow)
    .where(
        col(OverrideMoveRow.subject_id).in_(_ASKED),
        col(OverrideMoveRow.move_time) <= bindparam("until", type_=UtcTime),
    )
    .order_by(col(OverrideMoveRow.number))
)
_BETWEEN = select(col(OverrideMoveRow.subject_id)).where(
    col(OverrideMoveRow.subject_id).in_(_ASKED),
    col(OverrideMoveRow.move_time) > bindparam("after", type_=UtcTime),
    col(OverrideMoveRow.move_time) <= bindparam("until", type_=UtcTime),
)


def decided_between(session: Session, subject_ids: Sequence[str], after: datetime, until: datetime) -> set[str]:
    """Returns the subjects of whose overrides or reviews a move was made after one time and by another."""
    given = {"subject_ids": list(subject_ids), "after": after, "until": until}
    return set(session.connection().execute(_BETWEEN, given).scalars())


def state_of(made: Sequence[OverrideMoveRow], day: int) -> str:
    """Returns the state of an override on a day: its last day ends it by itself."""
    state = STATES[made[-1].name]
    is_over = day > made[0].last_day and state in {PROPOSED, IN_FORCE, STATES[KEEP]}
    return EXPIRED if is_over else state


def search(
    session: Session, subject_id: str | None, before: tuple[datetime, str] | None, limit: int
) -> Sequence[Sequence[OverrideMoveRow]]:
    """Returns overrides with their moves, newest first, before a place; of one subject or of all."""
    place = (col(OverrideMoveRow.move_time), col(OverrideMoveRow.override_id))
    statement = select(OverrideMoveRow).where(col(OverrideMoveRow.number) == 1)
    if subject_id is not None:
        statement = statement.where(col(OverrideMoveRow.subject_id) == subject_id)
    if before is not None:
        statement = statement.where(tuple_(*place) < before)
    firsts = session.execute(statement.order_by(*(one.desc() for one in place)).limit(limit)).scalars().all()
    return [of_override(session, first.override_id) for first in firsts]


def override_counts(session: Session, day: int) -> dict[tuple[str, str], int]:
    """Counts overrides by their state on a day and their reason; reviews are none."""
    by_override: dict[tuple[str, str], list[OverrideMoveRow]] = {}
    for row in all_moves(session):
        by_override.setdefault((row.subject_id, row.override_id), []).append(row)
    proposed = (made for made in by_override.values() if made[0].name == PROPOSE)
    return Counter((state_of(made, day), made[0].reason_code) for made in proposed)


def all_moves(session: Session) -> Iterator[OverrideMoveRow]:
    """Yields every move of every override and review, by subject."""
    keys = (col(getattr(OverrideMoveRow, name)) for name in ("subject_id", "override_id", "number"))
    yield from session.execute(select(OverrideMoveRow).order_by(*keys)).scalars()


def _check_term(last_day: int, grounds: Grounds) -> None:
    today = civil_day(grounds.now)
    furthest = grounds.policy.longest.after(today)
    if not today <= last_day <= furthest:
        want = f"a day from {day_text(today)} to {day_text(furthest)}"
        raise CreditError(Reason.FIELD_OUT_OF_RANGE, f"last_date: got {day_text(last_day)}, want {want}")


def _check_vetoes(grade: str, ask: Ask, grounds: Grounds) -> None:
    veto = next((v for v in grounds.graded.vetoes if grade < v.cap), None)
    if veto is not None:
        raise refusal(ask.name, "veto", f"a grade of {veto.cap} or worse while {veto.id} holds")


def _is_repeated(made: Sequence[OverrideMoveRow], ask: Ask, grade: str, last_day: int) -> bool:
    if not made:
        return False
    same = made[0]
    if (same.name, same.actor, same.grade, same.last_day) != (ask.name, ask.actor, grade, last_day):
        raise CreditError(Reason.REQUEST_ID_REUSED, f"request_id: got {shown(ask.request_id)} for another request")
    return True


def _keep(session: Session, name: tuple[str, int], about: tuple[str, str, int], ask: Ask, grounds: Grounds) -> None:
    for evidence in ("reason",) if ask.name in _FROM else ("reason", "document_no", "document_digest"):
        if not getattr(ask, evidence):
            raise CreditError(Reason.FIELD_MISSING, f"{evidence}: got nothing, want it for {ask.name}", move=ask.name)
    row = OverrideMoveRow(
        subject_id=grounds.subject_id, override_id=name[0], number=name[1], name=ask.name, grade=about[0],
        reason_code=about[1], last_day=about[2], move_time=grounds.now, actor=ask.actor, key=ask.officer_key,
        agency=ask.agency, document_no=ask.document_no, document_digest=ask.document_digest, reason=ask.reason,
        request_id=ask.request_id,
    )  # fmt: skip
    note_act(session, row, grounds.subject_id)


def _id(prefix: str, ask: Ask, subject_id: str) -> str:
    name = f"{ask.agency}\x00{subject_id}\x00{ask.request_id}"
    return f"{prefix}-{hashlib.sha256(name.encode()).hexdigest()[:16]}"
