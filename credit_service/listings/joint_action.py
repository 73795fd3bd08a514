"""Joint action 发起-响应-反馈: a displayed listing obliges agencies to measures, and its end to lifting them.

An obligation is closed by its agency's own report alone; that a listing ended closes only the wish to apply.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Index, Text, case, func, select, tuple_
from sqlmodel import Field, Session, SQLModel, col

from credit_service.audit.acts import note_act
from credit_service.database import UtcTime
from credit_service.errors import CreditError, Reason, shown
from credit_service.legal_days import civil_day
from credit_service.listings.tables import ListingRow
from credit_service.rulebook.calendar import shipped_calendar
from credit_service.rulebook.law import Edition, Measure

APPLY, LIFT = "APPLY", "LIFT"
# Which obligation a reported action closes.
CLOSES = {"APPLIED": APPLY, "DECLINED": APPLY, "LIFTED": LIFT, "NOTHING_APPLIED": LIFT}
# Closed without a report: the listing ended before the agency answered.
ENDED = "ENDED"


class ObligationRow(SQLModel, table=True):
    """Keeps one obligation of an agency; `round` counts how often the listing was displayed anew."""

    __tablename__ = "obligation"
    __table_args__ = (
        Index("ix_obligation_due", "closed_by", "due_day", "listing_id"),
        Index("ix_obligation_agency", "agency", "closed_by", "due_day"),
    )
    subject_id: str = Field(primary_key=True)
    listing_id: str = Field(primary_key=True)
    measure_id: str = Field(primary_key=True)
    agency: str = Field(primary_key=True)
    round: int = Field(primary_key=True)
    kind: str = Field(primary_key=True)
    edition_id: str
    open_time: datetime = Field(sa_type=UtcTime)
    due_day: int
    is_provisional: bool
    # The action that closed it; empty while it is open.
    closed_by: str = ""


class MeasureReportRow(SQLModel, table=True):
    """Keeps one report of an agency for ever."""

    __tablename__ = "measure_report"
    agency: str = Field(primary_key=True)
    report_id: str = Field(primary_key=True)
    subject_id: str
    listing_id: str
    measure_id: str
    round: int
    action: str
    act_time: datetime = Field(sa_type=UtcTime)
    collect_time: datetime = Field(sa_type=UtcTime)
    evidence_no: str
    reason: str = Field(sa_type=Text)


TABLES: list[Any] = [ObligationRow, MeasureReportRow]


@dataclass(frozen=True, slots=True)
class Report:
    """Holds what an agency says it did."""

    report_id: str
    listing_id: str
    measure_id: str
    action: str
    act_time: datetime
    evidence_no: str = ""
    reason: str = ""


def follow(session: Session, listing: ListingRow, edition: Edition, now: datetime) -> None:
    """Opens what a listing obliges to as it stands now; repeating it changes nothing.

    Entries of persons oblige nobody: they never leave the regulators.
    """
    if not listing.was_displayed or listing.subject_kind == "PERSON":
        return
    measures = {m.id: m for m in edition.measures if m.list == listing.list}
    rows = _rows(session, listing)
    last = max((row.round for row in rows), default=0)
    current = [row for row in rows if row.round == last]
    is_running = bool(current) and all(row.kind == APPLY for row in current)
    is_displayed = listing.is_displayed(civil_day(now))
    if is_displayed and not is_running:
        for carried in ((measure, agency) for measure in measures.values() for agency in measure.agencies):
            _open(session, listing, carried, (last + 1, APPLY), now)
    elif is_running and not is_displayed:
        for row in current:
            row.closed_by = row.closed_by or ENDED
            session.add(row)
            if row.closed_by != "DECLINED":
                _open(session, listing, (measures[row.measure_id], row.agency), (last, LIFT), now)


def _open(
    session: Session,
    listing: ListingRow,
    carried: tuple[Measure, str],
    which: tuple[int, str],
    now: datetime,
) -> None:
    measure, agency = carried
    round_, kind = which
    count = measure.apply_working_days if kind == APPLY else measure.lift_working_days
    due = shipped_calendar().last_day(civil_day(now), count, is_right=False)
    session.add(
        ObligationRow(
            subject_id=listing.subject_id, listing_id=listing.listing_id, measure_id=measure.id, agency=agency,
            round=round_, kind=kind, edition_id=listing.edition_id, open_time=now, due_day=due.day,
            is_provisional=due.is_provisional,
        )
    )  # fmt: skip


def _rows(session: Session, listing: ListingRow) -> Sequence[ObligationRow]:
    statement = select(ObligationRow).where(
        col(ObligationRow.subject_id) == listing.subject_id, col(ObligationRow.listing_id) == listing.listing_id
    )
    return session.execute(statement).scalars().all()


def report(session: Session, listing: ListingRow, agency: str, said: Report, now: datetime) -> bool:
    """Keeps a report and closes the obligation that it answers; returns False when it was kept before.

    Fails with REQUEST_ID_REUSED, or with MOVE_ILLEGAL when the agency has no such obligation.
    """
    former = session.get(MeasureReportRow, (agency, said.report_id))
    if former is not None:
        if (former.listing_id, former.measure_id, former.action) != (said.listing_id, said.measure_id, said.action):
            raise CreditError(Reason.REQUEST_ID_REUSED, f"report_id: got {shown(said.report_id)} for another report")
        return False
    mine = [r for r in _rows(session, listing) if (r.agency, r.measure_id) == (agency, said.measure_id)]
    row = max((r for r in mine if r.kind == CLOSES[said.action]), key=lambda r: r.round, default=None)
    if row is None:
        missing = f"an obligation of {agency} to {CLOSES[said.action].lower()} {said.measure_id}"
        raise CreditError(
            Reason.MOVE_ILLEGAL, f"measure_code: got {shown(said.measure_id)}, want {missing}", missing=missing
        )
    report = MeasureReportRow(
            agency=agency, report_id=said.report_id, subject_id=listing.subject_id, listing_id=said.listing_id,
            measure_id=said.measure_id, round=row.round, action=said.action, act_time=said.act_time,
            collect_time=now, evidence_no=said.evidence_no, reason=said.reason,
    )  # fmt: skip
    note_act(session, report, listing.subject_id)
    if not row.closed_by:
        row.closed_by = said.action
        session.add(row)
    session.flush()
    return True


def obligations(
    session: Session,
    agency: str | None,
    is_closed_included: bool,
    before_day: int | None,
    after: tuple[Any, ...] | None,
    limit: int,
) -> Sequence[ObligationRow]:
    """Returns obligations, next first, after a place; of one agency, or of all; with `before_day` those due before."""
    place = tuple(
        col(getattr(ObligationRow, name))
        for name in ("due_day", "listing_id", "measure_id", "agency", "round", "kind")
    )  # fmt: skip
    statement = select(ObligationRow)
    if agency is not None:
        statement = statement.where(col(ObligationRow.agency) == agency)
    if not is_closed_included or before_day is not None:
        statement = statement.where(col(ObligationRow.closed_by) == "")
    if before_day is not None:
        statement = statement.where(col(ObligationRow.due_day) < before_day)
    if after is not None:
        statement = statement.where(tuple_(*place) > after)
    return session.execute(statement.order_by(*place).limit(limit)).scalars().all()


def counts(session: Session, agency: str | None, day: int) -> list[tuple[str, int, int]]:
    """Returns (agency, open, overdue) of each agency with open obligations."""
    overdue = func.sum(case((col(ObligationRow.due_day) < day, 1), else_=0))
    statement = (
        select(col(ObligationRow.agency), func.count(), overdue)
        .where(col(ObligationRow.closed_by) == "")
        .group_by(col(ObligationRow.agency))
        .order_by(col(ObligationRow.agency))
    )
    if agency is not None:
        statement = statement.where(col(ObligationRow.agency) == agency)
    return [(name, int(all_), int(late)) for name, all_, late in session.execute(statement)]
