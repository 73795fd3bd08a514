"""Offsets of streams that outlive a broken connection, and watermarks: how complete each source is."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy import BigInteger, select
from sqlmodel import Field, Session, SQLModel, col

from credit_service.database import UtcTime, insert_rows, upsert
from credit_service.errors import CreditError, Reason


class StreamOffset(SQLModel, table=True):
    """Keeps where a named stream of an agency goes on."""

    __tablename__ = "stream_offset"
    agency: str = Field(primary_key=True)
    stream_id: str = Field(primary_key=True)
    next_offset: int = Field(sa_type=BigInteger)
    commit_time: datetime = Field(sa_type=UtcTime)


class SourceState(SQLModel, table=True):
    """Keeps the sign of life of a source: how many events it gave, and when the last one came."""

    __tablename__ = "source_state"
    source: str = Field(primary_key=True)
    event_count: int = Field(sa_type=BigInteger)
    last_collect_time: datetime = Field(sa_type=UtcTime)


class WatermarkRow(SQLModel, table=True):
    """Keeps one declaration of a source; the latest counts, earlier ones stay."""

    __tablename__ = "watermark"
    source: str = Field(primary_key=True)
    declare_time: datetime = Field(primary_key=True, sa_type=UtcTime)
    complete_until_time: datetime = Field(sa_type=UtcTime)


TABLES: list[Any] = [StreamOffset, SourceState, WatermarkRow]


@dataclass(frozen=True, slots=True)
class Watermark:
    """Says how complete a source is; absent times are unknown."""

    source: str
    complete_until_time: datetime | None
    last_collect_time: datetime | None
    is_stale: bool


def next_offset(session: Session, agency: str, stream_id: str) -> int:
    """Returns where a stream goes on; 0 for a new one."""
    row = session.get(StreamOffset, (agency, stream_id))
    return row.next_offset if row else 0


class StreamPlace(NamedTuple):
    """Holds the place of one frame in a named stream of an agency: offsets of its first event and after its last."""

    agency: str
    stream_id: str
    offset: int
    end: int


def keep_offset(session: Session, place: StreamPlace, now: datetime) -> None:
    """Notes where a stream goes on.

    An older frame sent again never moves it back, and a frame never moves it past one that was not committed.
    """
    known = next_offset(session, place.agency, place.stream_id)
    if place.offset <= known < place.end:
        row = {"agency": place.agency, "stream_id": place.stream_id, "next_offset": place.end, "commit_time": now}
        upsert(session, StreamOffset, [row], ["agency", "stream_id"])
        session.expire_all()


def note_sources(session: Session, counts: Mapping[str, int], now: datetime) -> None:
    """Notes that sources gave events."""
    rows = [{"source": s, "event_count": count, "last_collect_time": now} for s, count in counts.items()]
    upsert(session, SourceState, rows, ["source"], ("event_count",))


def declare(session: Session, source: str, until: datetime, now: datetime) -> None:
    """Adds a declaration; fails with WATERMARK_BACK when an earlier one went further."""
    former = _declared(session, [source]).get(source)
    if former and until < former[0]:
        raise CreditError(
            Reason.WATERMARK_BACK,
            f"complete_until_time: got {until.isoformat()}, want {former[0].isoformat()} or later",
            want=former[0].isoformat(),
        )
    if former is None or until > former[0]:
        at = now if former is None else max(now, former[1] + timedelta(microseconds=1))
        insert_rows(session, WatermarkRow, [{"source": source, "declare_time": at, "complete_until_time": until}])


def watermarks(session: Session, intervals: Mapping[str, int | None], now: datetime) -> Sequence[Watermark]:
    """Returns how complete each source is; `intervals` are the agreed days between signs of life by source."""
    declared, states = _declared(session, intervals), _states(session)
    found = []
    for source in sorted(intervals):
        until, said = declared.get(source, (None, None))
        last = states[source].last_collect_time if source in states else None
        days, signs = intervals[source], [time for time in (said, last) if time]
        is_stale = days is not None and (not signs or max(signs) < now - timedelta(days=days))
        found.append(Watermark(source, until, last, is_stale))
    return found


def _states(session: Session) -> dict[str, Any]:
    columns = (col(SourceState.source), col(SourceState.event_count), col(SourceState.last_collect_time))
    return {row.source: row for row in session.execute(select(*columns))}


def _declared(session: Session, sources: Iterable[str]) -> dict[str, tuple[datetime, datetime]]:
    """Returns (complete until, when said) of each source's latest declaration.

    Asked one by one: each is one step in the index, and declarations of years are never walked through.
    """
    columns = (col(WatermarkRow.complete_until_time), col(WatermarkRow.declare_time))
    found = {}
    for source in sources:
        statement = select(*columns).where(col(WatermarkRow.source) == source).order_by(columns[1].desc()).limit(1)
        if row := session.execute(statement).first():
            found[source] = (row[0], row[1])
    return found
