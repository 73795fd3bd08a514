"""Quarantine: records with mendable faults wait here, visible to their source, never graded until released."""

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Index, Text, bindparam, func, select, tuple_, update
from sqlmodel import Field, Session, SQLModel, col

from credit_service.database import UtcTime, select_by_pairs, upsert
from credit_service.errors import Problem, Reason
from credit_service.ledger.drafts import CheckedDraft

Key = tuple[str, str, int]


class QuarantinedRecord(SQLModel, table=True):
    """Keeps a record aside until its source mends it; never graded."""

    __tablename__ = "quarantined_record"
    __table_args__ = (Index("ix_quarantined_record_waiting", "source", "receive_time", "record_id", "version"),)
    source: str = Field(primary_key=True)
    record_id: str = Field(primary_key=True)
    version: int = Field(primary_key=True)
    receive_time: datetime = Field(sa_type=UtcTime)
    record: str = Field(sa_type=Text)
    problems: str = Field(sa_type=Text)
    release_time: datetime | None = Field(sa_type=UtcTime, nullable=True)

    def faults(self) -> list[Problem]:
        """Returns what keeps the record from the ledger."""
        return [Problem(p["field"], p["got"], p["want"], Reason(p["reason"])) for p in json.loads(self.problems)]

    def content(self) -> dict[str, Any]:
        """Returns the record as it was submitted, a person without code and name."""
        found: dict[str, Any] = json.loads(self.record)
        return found


TABLES: list[Any] = [QuarantinedRecord]
_WAITS = col(QuarantinedRecord.release_time).is_(None)
_ROWS: Any = getattr(QuarantinedRecord, "__table__")  # noqa: B009  # the mapper adds it
_RELEASE = (
    update(_ROWS)
    .where(*(_ROWS.c[name] == bindparam(f"its_{name}") for name in ("source", "record_id", "version")))
    .values(release_time=bindparam("now", type_=UtcTime))
)


def put_aside(session: Session, mendable: Sequence[CheckedDraft], now: datetime) -> None:
    """Keeps records aside; one that is sent again with other faults replaces what waited under its key."""
    rows = {
        (c.record["source"], c.record["source_record_id"], c.record.get("source_version") or 1): {
            "source": c.record["source"],
            "record_id": c.record["source_record_id"],
            "version": c.record.get("source_version") or 1,
            "receive_time": now,
            "record": json.dumps(c.record, ensure_ascii=False, default=str, sort_keys=True),
            "problems": json.dumps([_document(p) for p in c.problems], ensure_ascii=False),
            "release_time": None,
        }
        for c in mendable
    }
    upsert(session, QuarantinedRecord, list(rows.values()), ["source", "record_id", "version"])


def release(session: Session, keys: Sequence[Key], now: datetime) -> None:
    """Marks waiting records whose mended form has been accepted."""
    found = waiting_keys(session, keys)
    if found:
        given = [{"its_source": key[0], "its_record_id": key[1], "its_version": key[2], "now": now} for key in found]
        session.connection().execute(_RELEASE, given)


def any_waiting(session: Session) -> bool:
    """Says whether anything waits at all, which spares most commits the look for what they release."""
    return session.execute(select(col(QuarantinedRecord.source)).where(_WAITS).limit(1)).first() is not None


def waiting_keys(session: Session, keys: Sequence[Key]) -> set[Key]:
    """Returns those of the keys that wait."""
    # Text by text: a database plans for longer over thousands of whole keys than it looks for them.
    pairs = list(dict.fromkeys(key[:2] for key in keys))
    columns = ("source", "record_id", "version", "release_time")
    rows = select_by_pairs(session, QuarantinedRecord, columns, ("source", "record_id"), pairs)
    return {(row[0], row[1], row[2]) for row in rows if row[3] is None}.intersection(keys)


def find_quarantined(session: Session, source: str, record_id: str, version: int) -> QuarantinedRecord | None:
    """Returns a record that waits."""
    row = session.get(QuarantinedRecord, (source, record_id, version))
    return row if row is not None and row.release_time is None else None


def list_quarantined(
    session: Session, source: str, after: tuple[datetime, str, int] | None, limit: int
) -> Sequence[QuarantinedRecord]:
    """Returns the records of a source that wait, oldest first, after a place."""
    place: tuple[Any, ...] = (
        col(QuarantinedRecord.receive_time), col(QuarantinedRecord.record_id), col(QuarantinedRecord.version)
    )  # fmt: skip
    statement = select(QuarantinedRecord).where(col(QuarantinedRecord.source) == source, _WAITS)
    if after is not None:
        statement = statement.where(tuple_(*place) > tuple_(*after, types=[c.type for c in place]))
    return session.execute(statement.order_by(*place).limit(limit)).scalars().all()


def count_quarantined(session: Session, source: str) -> int:
    """Counts the records of a source that wait."""
    statement = (
        select(func.count()).select_from(QuarantinedRecord).where(col(QuarantinedRecord.source) == source, _WAITS)
    )
    count: int = session.execute(statement).scalar_one()
    return count


def _document(problem: Problem) -> dict[str, str]:
    return {"field": problem.field, "got": problem.got, "want": problem.want, "reason": problem.reason}
