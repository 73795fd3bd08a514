"""What is kept of queries and approvals."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, Index, LargeBinary, Text, select
from sqlmodel import Field, Session, SQLModel, col

from credit_service.database import UtcTime


class QueryRow(SQLModel, table=True):
    """Keeps one query about one subject, chained to all before it."""

    __tablename__ = "query_record"
    __table_args__ = (Index("ix_query_record_subject", "subject_id", "number"),)
    number: int = Field(primary_key=True, sa_type=BigInteger, sa_column_kwargs={"autoincrement": False})
    subject_id: str
    query_time: datetime = Field(sa_type=UtcTime)
    agency: str
    role: str
    officer: str | None
    purpose: str
    method: str
    outcome: str
    request_id: str
    chain_hash: bytes = Field(sa_type=LargeBinary)


class ApprovalRow(SQLModel, table=True):
    """Keeps an act that needs two officers: what exactly, who proposed, who confirmed."""

    __tablename__ = "approval"
    act: str = Field(primary_key=True)
    digest: str = Field(primary_key=True)
    first_officer: str
    first_key: str
    first_time: datetime = Field(sa_type=UtcTime)
    second_officer: str | None = None
    second_key: str | None = None
    second_time: datetime | None = Field(default=None, sa_type=UtcTime, nullable=True)


class ActRow(SQLModel, table=True):
    """Keeps once more, as JSON, what an act wrote into a table, chained to all acts before it."""

    __tablename__ = "act"
    number: int = Field(primary_key=True, sa_type=BigInteger, sa_column_kwargs={"autoincrement": False})
    subject_id: str
    table_name: str
    content: str = Field(sa_type=Text)
    chain_hash: bytes = Field(sa_type=LargeBinary)


# Stands for all subjects at once: who follows the feed has seen each of them.
EVERYBODY = "*"
AUDIT_TABLES: list[Any] = [QueryRow]
LEDGER_TABLES: list[Any] = [ApprovalRow, ActRow]


def queries_of(session: Session, subject_id: str, before: int | None, limit: int) -> Sequence[QueryRow]:
    """Returns who asked about a subject, by name or with all others, newest first, before a number."""
    statement = select(QueryRow).where(col(QueryRow.subject_id).in_((subject_id, EVERYBODY)))
    if before is not None:
        statement = statement.where(col(QueryRow.number) < before)
    return session.execute(statement.order_by(col(QueryRow.number).desc()).limit(limit)).scalars().all()


def query_page(session: Session, after: int, limit: int) -> Sequence[QueryRow]:
    """Returns a page of all query records in order, after a number."""
    statement = select(QueryRow).where(col(QueryRow.number) > after).order_by(col(QueryRow.number)).limit(limit)
    return session.execute(statement).scalars().all()


def approvals_of(session: Session, act: str) -> Sequence[ApprovalRow]:
    """Returns the approvals of an act, in order of proposal."""
    statement = select(ApprovalRow).where(col(ApprovalRow.act) == act).order_by(col(ApprovalRow.first_time))
    return session.execute(statement).scalars().all()
