"""Quarantine: records with mendable faults wait here, visible to their source, never graded until released."""

import json
import unicodedata
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Index, Text, bindparam, func, select, text, tuple_, update
from sqlmodel import Field, Session, SQLModel, col

from credit_service.database import UtcTime, select_by_pairs, upsert
from credit_service.errors import Problem, Reason
from credit_service.ledger.drafts import CheckedDraft

Key = tuple[str, str, int]
_LISTED = ("source", "receive_time", "record_id", "version")


def _only(condition: str) -> dict[str, Any]:
    """Returns what limits an index to some rows, on either database."""
    return {f"{dialect}_where": text(condition) for dialect in ("sqlite", "postgresql")}


class QuarantinedRecord(SQLModel, table=True):
    """Keeps a record aside until its source mends it; never graded."""

    __tablename__ = "quarantined_record"
    __table_args__ = (
        # What waits no longer is history, and costs no look-up anything.
        Index("ix_quarantined_record_waiting", *_LISTED, **_only("release_time IS NULL")),
        Index("ix_quarantined_record_superseded", *_LISTED, **_only("superseded_by IS NOT NULL")),
        Index("ix_quarantined_record_case", "case_id", "source"),
    )
    source: str = Field(primary_key=True)
    record_id: str = Field(primary_key=True)
    version: int = Field(primary_key=True)
    receive_time: datetime = Field(sa_type=UtcTime)
    record: str = Field(sa_type=Text)
    problems: str = Field(sa_type=Text)
    # When it waited no longer.
    release_time: datetime | None = Field(sa_type=UtcTime, nullable=True)
    # The record that was collected in its place: a higher version under its own id, or another id with another code.
    superseded_by: str | None = None
    # The record id without the code in it, empty when none is: under it a record comes back whose code was wrong.
    case_id: str = ""

    def is_elsewhere(self) -> bool:
        """Says whether its mended form was collected under another id."""
        return self.superseded_by not in {None, self.record_id}

    def is_released(self) -> bool:
        """Says whether its mended form was collected under its own id."""
        return self.release_time is not None and self.superseded_by is None

    def faults(self) -> list[Problem]:
        """Returns what keeps the record from the ledger."""
        return [Problem(p["field"], p["got"], p["want"], Reason(p["reason"])) for p in json.loads(self.problems)]

    def content(self) -> dict[str, Any]:
        """Returns the record as it was submitted, a person without code and name."""
        found: dict[str, Any] = json.loads(self.record)
        return found


TABLES: list[Any] = [QuarantinedRecord]
_WAITS = col(QuarantinedRecord.release_time).is_(None)
_SUPERSEDED = col(QuarantinedRecord.superseded_by).is_not(None)
_ROWS: Any = getattr(QuarantinedRecord, "__table__")  # noqa: B009  # the mapper adds it
_END = (
    update(_ROWS)
    .where(*(_ROWS.c[name] == bindparam(f"its_{name}") for name in ("source", "record_id", "version")))
    .values(release_time=bindparam("now", type_=UtcTime), superseded_by=bindparam("by"))
)
_CODE = "{code}"


def case_of(record_id: str, code: str) -> str:
    """Returns a record id without the code that stands in it; empty when none does."""
    plain, sought = ("".join(unicodedata.normalize("NFKC", told).upper().split()) for told in (record_id, code))
    return plain.replace(sought, _CODE) if sought and sought in plain else ""


def case_of_record(record: Mapping[str, Any]) -> str:
    """Returns the case of a record in the form of the contract; a person's code is kept nowhere."""
    subject = record.get("subject") or {}
    return case_of(str(record["source_record_id"]), str(subject.get("code") or ""))


def record_text(record: Mapping[str, Any]) -> str:
    """Writes a record the way quarantine keeps it."""
    return json.dumps(record, ensure_ascii=False, default=str, sort_keys=True)


def put_aside(session: Session, mendable: Sequence[CheckedDraft], now: datetime) -> None:
    """Keeps records aside; one that is sent again with other faults replaces what waited under its key."""
    rows = {
        (c.record["source"], c.record["source_record_id"], c.record.get("source_version") or 1): {
            "source": c.record["source"],
            "record_id": c.record["source_record_id"],
            "version": c.record.get("source_version") or 1,
            "receive_time": now,
            "record": record_text(c.record),
            "problems": json.dumps([_document(p) for p in c.problems], ensure_ascii=False),
            "release_time": None,
            "superseded_by": None,
            "case_id": case_of_record(c.record),
        }
        for c in mendable
    }
    upsert(session, QuarantinedRecord, list(rows.values()), ["source", "record_id", "version"])


def end_waiting(session: Session, ended: Mapping[Key, str | None], now: datetime) -> None:
    """Marks records that wait no longer, each with the id of what superseded it; None: it was released."""
    if ended:
        given = [
            {"its_source": source, "its_record_id": record_id, "its_version": version, "now": now, "by": by}
            for (source, record_id, version), by in ended.items()
        ]
        session.connection().execute(_END, given)


def any_waiting(session: Session) -> bool:
    """Says whether anything waits at all, which spares most commits the look for what they release."""
    return session.execute(select(col(QuarantinedRecord.source)).where(_WAITS).limit(1)).first() is not None


def any_cased(session: Session) -> bool:
    """Says whether any record was ever kept aside under an id that holds a code."""
    statement = select(col(QuarantinedRecord.source)).where(col(QuarantinedRecord.case_id) > "")
    return session.execute(statement.limit(1)).first() is not None


def waiting_keys(session: Session, keys: Sequence[Key]) -> set[Key]:
    """Returns those of the keys that wait."""
    # Text by text: a database plans for longer over thousands of whole keys than it looks for them.
    pairs = list(dict.fromkeys(key[:2] for key in keys))
    columns = ("source", "record_id", "version", "release_time")
    rows = select_by_pairs(session, QuarantinedRecord, columns, ("source", "record_id"), pairs)
    return {(row[0], row[1], row[2]) for row in rows if row[3] is None}.intersection(keys)


def find_quarantined(session: Session, source: str, record_id: str, version: int) -> QuarantinedRecord | None:
    """Returns a record that waits, or was superseded without ever being collected."""
    row = session.get(QuarantinedRecord, (source, record_id, version))
    return row if row is not None and not row.is_released() else None


def list_quarantined(
    session: Session,
    source: str,
    after: tuple[datetime, str, int] | None,
    limit: int,
    *,
    are_superseded: bool = False,
) -> Sequence[QuarantinedRecord]:
    """Returns the records of a source that wait, or those that were superseded, oldest first, after a place."""
    place: tuple[Any, ...] = (
        col(QuarantinedRecord.receive_time), col(QuarantinedRecord.record_id), col(QuarantinedRecord.version)
    )  # fmt: skip
    state = _SUPERSEDED if are_superseded else _WAITS
    statement = select(QuarantinedRecord).where(col(QuarantinedRecord.source) == source, state)
    if after is not None:
        statement = statement.where(tuple_(*place) > tuple_(*after, types=[c.type for c in place]))
    return session.execute(statement.order_by(*place).limit(limit)).scalars().all()


def count_quarantined(session: Session, source: str, *, are_superseded: bool = False) -> int:
    """Counts the records of a source that wait, or those that were superseded."""
    state = _SUPERSEDED if are_superseded else _WAITS
    statement = (
        select(func.count()).select_from(QuarantinedRecord).where(col(QuarantinedRecord.source) == source, state)
    )
    count: int = session.execute(statement).scalar_one()
    return count


def _document(problem: Problem) -> dict[str, str]:
    return {"field": problem.field, "got": problem.got, "want": problem.want, "reason": problem.reason}
