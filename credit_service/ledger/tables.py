"""What the ledger keeps, and how it is found; rows are inserted and never changed."""

import json
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Index,
    LargeBinary,
    Select,
    Text,
    and_,
    bindparam,
    exists,
    func,
    select,
    update,
)  # fmt: skip
from sqlalchemy.orm import aliased
from sqlmodel import Field, Session, SQLModel, col

from credit_service.database import UtcTime, by_characters, select_by_pairs

HEAD_ID = 1
GENESIS = bytes(32)
REGISTRATIONS_AT_ONCE = 500
WINDOW_ROWS_AT_ONCE = 1000


class LedgerEvent(SQLModel, table=True):
    """Keeps one version of one record; the key begins with the subject so that rows can be distributed."""

    __tablename__ = "ledger_event"
    __table_args__ = (
        Index("ix_ledger_event_position", "position"),
        CheckConstraint("op IN ('ASSERT','RETRACT')", name="ck_ledger_event_op"),
        CheckConstraint("domain IN ('WORK','FIRE')", name="ck_ledger_event_domain"),
        CheckConstraint("version >= 1", name="ck_ledger_event_version"),
    )
    subject_id: str = Field(primary_key=True)
    position: int = Field(primary_key=True, sa_type=BigInteger)
    source: str
    record_id: str
    version: int
    op: str
    subject_name: str
    subject_kind: str
    kind: str
    domain: str
    occur_time: datetime = Field(sa_type=UtcTime)
    occur_day: int
    publish_time: datetime | None = Field(sa_type=UtcTime, nullable=True)
    collect_time: datetime = Field(sa_type=UtcTime)
    document_no: str
    legal_basis: str = Field(sa_type=Text)
    refers_to: str | None
    payload: str = Field(sa_type=Text)
    personal_commitment: bytes | None = Field(sa_type=LargeBinary, nullable=True)
    content_hash: bytes = Field(sa_type=LargeBinary)
    chain_hash: bytes = Field(sa_type=LargeBinary)


class EventKey(SQLModel, table=True):
    """Keeps what makes submission idempotent: which key was stored, with which content, where."""

    __tablename__ = "event_key"
    source: str = Field(primary_key=True)
    record_id: str = Field(primary_key=True)
    version: int = Field(primary_key=True)
    subject_id: str
    position: int = Field(sa_type=BigInteger)
    collect_time: datetime = Field(sa_type=UtcTime)
    content_hash: bytes = Field(sa_type=LargeBinary)


class LedgerHead(SQLModel, table=True):
    """Keeps the one row that every writer locks: last position and chain, and the epoch."""

    __tablename__ = "ledger_head"
    head_id: int = Field(primary_key=True)
    epoch: str
    position: int = Field(sa_type=BigInteger)
    chain_hash: bytes = Field(sa_type=LargeBinary)
    # Candidates, grades and feed have followed every event up to here.
    judged_position: int = Field(sa_type=BigInteger)

    def is_level(self) -> bool:
        """Says whether everything was judged."""
        return self.judged_position == self.position


TABLES: list[Any] = [LedgerEvent, EventKey, LedgerHead]


def head(session: Session) -> LedgerHead:
    """Returns the head, read once in a session; the migration made it, so it is always there."""
    return session.get_one(LedgerHead, HEAD_ID)


_LEVEL = f"SELECT position = judged_position FROM ledger_head WHERE head_id = {HEAD_ID}"  # noqa: S608  # a number of ours


def is_level(session: Session) -> bool:
    """Says whether everything that is stored was judged."""
    return bool(session.connection().exec_driver_sql(_LEVEL).scalar_one())


def start(session: Session, epoch: str) -> None:
    """Writes the first head of an empty database."""
    session.add(LedgerHead(head_id=HEAD_ID, epoch=epoch, position=0, chain_hash=GENESIS, judged_position=0))


def keep_judged(session: Session, position: int) -> None:
    """Notes that everything up to a position was judged; another server may have come further and is never set back."""
    is_behind = col(LedgerHead.judged_position) < position
    session.execute(
        update(LedgerHead).where(col(LedgerHead.head_id) == HEAD_ID, is_behind).values(judged_position=position)
    )


def last_collect_time(session: Session) -> datetime | None:
    """Returns when the last event was collected; None in an empty ledger."""
    found: datetime | None = session.connection().execute(_LAST).scalar_one_or_none()
    return found


_LAST = select(col(LedgerEvent.collect_time)).order_by(col(LedgerEvent.position).desc()).limit(1)


def position_at(session: Session, time: datetime) -> int:
    """Returns the position of the last event that was collected by a time, 0 without any: receipts never step back."""
    low, high = 0, head(session).position
    while low < high:
        middle = (low + high + 1) // 2
        row = session.execute(_COLLECTED, {"position": middle}).scalar_one()
        low, high = (middle, high) if row <= time else (low, middle - 1)
    return low


_COLLECTED = select(col(LedgerEvent.collect_time)).where(col(LedgerEvent.position) == bindparam("position"))


def judged_window(session: Session, after: int, limit: int) -> tuple[list[str], int]:
    """Returns the subjects touched by the next events after a position, and the last position looked at.

    A correction also touches the subjects that earlier versions of its record named.
    """
    columns = [col(getattr(LedgerEvent, n)) for n in ("position", "subject_id", "source", "record_id", "version")]
    statement = select(*columns).where(col(LedgerEvent.position) > after).order_by(col(LedgerEvent.position))
    subjects, corrected, through = dict[str, None](), dict[tuple[str, str], None](), after
    # By parts: a window is large, its subjects are few.
    for rows in session.execute(statement.limit(limit)).partitions(WINDOW_ROWS_AT_ONCE):
        subjects.update(dict.fromkeys(row.subject_id for row in rows))
        corrected.update(dict.fromkeys((row.source, row.record_id) for row in rows if row.version > 1))
        through = rows[-1].position
    subjects.update(dict.fromkeys(version.subject_id for version in stored_versions(session, corrected)))
    return list(subjects), through


class StoredVersion(NamedTuple):
    """Holds a row of EventKey as it is kept, the time in microseconds: collection meets thousands a second."""

    source: str
    record_id: str
    version: int
    subject_id: str
    position: int
    collect_time: int
    content_hash: bytes


def stored_versions(session: Session, records: Iterable[tuple[str, str]]) -> list[StoredVersion]:
    """Returns every stored version of the given (source, record id) pairs."""
    rows = select_by_pairs(session, EventKey, StoredVersion._fields, ("source", "record_id"), list(records))
    return [StoredVersion._make(row) for row in rows]


def find_event(session: Session, source: str, record_id: str, version: int) -> LedgerEvent | None:
    """Returns the event that a key was stored as."""
    key = session.get(EventKey, (source, record_id, version))
    return None if key is None else session.get(LedgerEvent, (key.subject_id, key.position))


def get_event(session: Session, position: int) -> LedgerEvent | None:
    """Returns the event at a position."""
    statement = select(LedgerEvent).where(col(LedgerEvent.position) == position)
    return session.execute(statement).scalars().one_or_none()


def list_events(
    session: Session, subject_id: str, known: datetime, after_position: int, limit: int
) -> Sequence[LedgerEvent]:
    """Returns the events of a subject known by then, after a position, in ledger order."""
    statement = (
        select(LedgerEvent)
        .where(
            col(LedgerEvent.subject_id) == subject_id,
            col(LedgerEvent.collect_time) <= known,
            col(LedgerEvent.position) > after_position,
        )
        .order_by(col(LedgerEvent.position))
        .limit(limit)
    )
    return session.execute(statement).scalars().all()


def count_events(session: Session, subject_ids: Sequence[str], known: datetime) -> dict[str, int]:
    """Counts the events of each subject known by then."""
    statement = (
        select(col(LedgerEvent.subject_id), func.count())
        .where(col(LedgerEvent.subject_id).in_(subject_ids), col(LedgerEvent.collect_time) <= known)
        .group_by(col(LedgerEvent.subject_id))
    )
    return {row[0]: row[1] for row in session.execute(statement)}


def superseded(session: Session, positions: Sequence[int], known: datetime) -> set[int]:
    """Returns those of the positions whose record had a later version known by then."""
    if not positions:
        return set()
    statement = (
        select(col(LedgerEvent.position))
        .where(col(LedgerEvent.position).in_(positions))
        .where(later_version_known(known))
    )
    return set(session.execute(statement).scalars())


def registrations(
    session: Session, subject_ids: Sequence[str]
) -> dict[str, tuple[datetime, dict[str, Any], str] | None]:
    """Returns (time, payload, name) of what the registrations of each subject say together; None without any.

    The latest fact wins field by field: a registration that leaves a field out says nothing of it. Of two at one time
    the record that is named last wins. Superseded and retracted versions say nothing at all.
    """
    found: dict[str, tuple[datetime, dict[str, Any], str] | None] = dict.fromkeys(subject_ids)
    names = [by_characters(session, col(name)) for name in (LedgerEvent.source, LedgerEvent.record_id)]
    columns = [col(getattr(LedgerEvent, n)) for n in ("subject_id", "occur_time", "payload", "subject_name")]
    for start in range(0, len(subject_ids), REGISTRATIONS_AT_ONCE):
        part = subject_ids[start : start + REGISTRATIONS_AT_ONCE]
        statement = (
            select(*columns)
            .where(col(LedgerEvent.subject_id).in_(part), col(LedgerEvent.kind) == "REG")
            .where(col(LedgerEvent.op) == "ASSERT", ~later_version_known(None))
            .order_by(col(LedgerEvent.occur_time), *names)
        )
        for row in session.execute(statement):
            _, payload, name = found[row.subject_id] or (None, {}, "")
            told = {**payload, **json.loads(row.payload)}
            found[row.subject_id] = (row.occur_time, told, row.subject_name or name)
    return found


def later_version_known(known: Any) -> Any:
    """Says in SQL that a later version of the event's record was known by then, whatever its subject; None: ever."""
    later = aliased(EventKey)
    same = [
        col(later.source) == col(LedgerEvent.source),
        col(later.record_id) == col(LedgerEvent.record_id),
        col(later.version) > col(LedgerEvent.version),
    ]
    return exists().where(and_(*same, *([] if known is None else [col(later.collect_time) <= known])))


def in_ledger_order(after: int, limit: int) -> Select[LedgerEvent]:
    """Selects a page of events by position."""
    return select(LedgerEvent).where(col(LedgerEvent.position) > after).order_by(col(LedgerEvent.position)).limit(limit)
