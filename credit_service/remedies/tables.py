"""What is kept of remedies and their moves, and how they are found; moves are never changed."""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Index, Text, select, tuple_
from sqlmodel import Field, Session, SQLModel, col

from credit_service.database import UtcTime
from credit_service.remedies.moves import FILED, OBJECTION


class RemedyRow(SQLModel, table=True):
    """Keeps one remedy as its moves left it; `record` is the source/record of an event that it concerns."""

    __tablename__ = "remedy"
    __table_args__ = (
        Index("ix_remedy_id", "remedy_id"),
        Index("ix_remedy_state", "state", "due_day", "remedy_id"),
        Index("ix_remedy_target", "target"),
    )
    subject_id: str = Field(primary_key=True)
    remedy_id: str = Field(primary_key=True)
    subject_kind: str
    kind: str
    target: str
    record: str
    edition_id: str
    state: str
    # The authority that decided; empty before.
    agency: str
    file_time: datetime = Field(sa_type=UtcTime)
    # Last civil day for the authority's next step: 0 when none is open.
    due_day: int
    is_provisional: bool

    @property
    def is_open(self) -> bool:
        """Says whether it waits for its decision."""
        return self.state == FILED


class RemedyMoveRow(SQLModel, table=True):
    """Keeps one move of a remedy: what, who, when in law and when known, with what."""

    __tablename__ = "remedy_move"
    subject_id: str = Field(primary_key=True)
    remedy_id: str = Field(primary_key=True)
    number: int = Field(primary_key=True)
    name: str
    to_state: str
    legal_time: datetime = Field(sa_type=UtcTime)
    move_time: datetime = Field(sa_type=UtcTime)
    actor: str
    key: str
    agency: str
    document_no: str
    document_digest: str
    reason: str = Field(sa_type=Text)
    request_id: str
    facts: str = Field(sa_type=Text)

    def stated(self) -> Mapping[str, Any]:
        """Returns what the move carried beside its document."""
        found: dict[str, Any] = json.loads(self.facts)
        return found


TABLES: list[Any] = [RemedyRow, RemedyMoveRow]


def get_remedy(session: Session, remedy_id: str) -> RemedyRow | None:
    """Returns a remedy; None when there is none."""
    return session.execute(select(RemedyRow).where(col(RemedyRow.remedy_id) == remedy_id)).scalars().one_or_none()


def moves(session: Session, remedy: RemedyRow) -> Sequence[RemedyMoveRow]:
    """Returns the moves of a remedy, oldest first."""
    mine = (col(RemedyMoveRow.subject_id) == remedy.subject_id, col(RemedyMoveRow.remedy_id) == remedy.remedy_id)
    statement = select(RemedyMoveRow).where(*mine).order_by(col(RemedyMoveRow.number))
    return session.execute(statement).scalars().all()


def open_remedies(session: Session, subject_id: str) -> Sequence[RemedyRow]:
    """Returns the remedies of a subject that wait for their decision, oldest first."""
    statement = (
        select(RemedyRow)
        .where(col(RemedyRow.subject_id) == subject_id, col(RemedyRow.state) == FILED)
        .order_by(col(RemedyRow.file_time), col(RemedyRow.remedy_id))
    )
    return session.execute(statement).scalars().all()


def disputed(session: Session, targets: Sequence[str]) -> frozenset[str]:
    """Returns those of the targets that an objection is against which waits for its decision, whoever filed it."""
    statement = select(col(RemedyRow.target)).where(
        col(RemedyRow.target).in_(targets), col(RemedyRow.state) == FILED, col(RemedyRow.kind) == OBJECTION
    )
    return frozenset(session.execute(statement).scalars())


def search_remedies(
    session: Session,
    wanted: Mapping[str, str],
    overdue_on: int | None,
    after: tuple[str, int, str] | None,
    limit: int,
) -> Sequence[RemedyRow]:
    """Returns remedies whose `subject_id`, `kind` and `state` are as wanted, by state and next deadline, after a place.

    With `overdue_on` only those whose last day was before it.
    """
    place = (col(RemedyRow.state), col(RemedyRow.due_day), col(RemedyRow.remedy_id))
    statement = select(RemedyRow)
    for name, value in wanted.items():
        statement = statement.where(col(getattr(RemedyRow, name)) == value)
    if overdue_on is not None:
        statement = statement.where(col(RemedyRow.state) == FILED, col(RemedyRow.due_day).between(1, overdue_on - 1))
    if after is not None:
        statement = statement.where(tuple_(*place) > after)
    return session.execute(statement.order_by(*place).limit(limit)).scalars().all()
