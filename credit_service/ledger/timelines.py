"""Timelines: the standing facts of each subject packed into one row, so that judging reads one instead of twenty.

A timeline only repeats the ledger. It holds the newest versions of a subject's own records, and the position up to
which it does; what came later is seen by one look into the index. It can be thrown away at any time: whoever finds
none, or an old one, reads the ledger.
"""

from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from typing import Any

import orjson
from sqlalchemy import BigInteger, LargeBinary, Select, and_, bindparam, delete, func, select
from sqlmodel import Field, Session, SQLModel, col

from credit_service.database import select_by_keys, upsert_tuples
from credit_service.ledger.tables import LedgerEvent

Row = Sequence[Any]


class Timeline(SQLModel, table=True):
    """Keeps the facts of a subject by an event position, as JSON rows in the order of `FIELDS`."""

    __tablename__ = "timeline"
    subject_id: str = Field(primary_key=True)
    position: int = Field(sa_type=BigInteger)
    facts: bytes = Field(sa_type=LargeBinary)


TABLES: list[Any] = [Timeline]
COLUMNS = ("subject_id", "position", "facts")
# What a fact holds, in its order, and two times in microseconds.
FIELDS = (
    "position", "source", "record_id", "version", "kind", "domain", "occur_day", "known_day", "document_no",
    "refers_to", "payload", "occur_time", "collect_time",
)  # fmt: skip


def packed(session: Session, subject_ids: Iterable[str]) -> dict[str, list[Row]]:
    """Returns the rows of the subjects whose timelines hold every event of theirs."""
    given = list(subject_ids)
    rows = select_by_keys(session, Timeline, ("subject_id", "facts"), "subject_id", given)
    if not rows:
        return {}
    late = {row[0] for row in session.connection().execute(_late(), {"subject_ids": [row[0] for row in rows]})}
    return {subject_id: orjson.loads(facts) for subject_id, facts in rows if subject_id not in late}


@cache
def _late() -> Select[Any]:
    """Returns the question for the subjects of which an event lies behind their timeline."""
    event, timeline = col(LedgerEvent.subject_id), col(Timeline.subject_id)
    return (
        select(timeline)
        .join(LedgerEvent, and_(event == timeline, col(LedgerEvent.position) > col(Timeline.position)))
        .where(timeline.in_(bindparam("subject_ids", expanding=True)))
        .distinct()
    )


def pack(session: Session, rows: Mapping[str, Sequence[Row]]) -> None:
    """Keeps the standing facts of subjects, as they were read within this writing transaction."""
    upsert_tuples(session, Timeline, COLUMNS, fresh(session, rows), ("subject_id",))


def fresh(session: Session, rows: Mapping[str, Sequence[Row]]) -> list[tuple[Any, ...]]:
    """Returns the timelines, column by column, that standing facts make, as they were read within this transaction."""
    ids = list(rows)
    last: dict[str, int] = dict(session.connection().execute(_last(), {"subject_ids": ids}).all()) if ids else {}
    return [(i, last[i], orjson.dumps([list(row) for row in rows[i]])) for i in ids if i in last]


def kept(session: Session, after_id: str, limit: int) -> dict[str, tuple[Any, ...] | None]:
    """Returns the timelines after an id, column by column as they are kept; None for those that an event lies behind.

    Those are read by nobody.
    """
    columns = [col(getattr(Timeline, name)) for name in COLUMNS]
    statement = select(*columns).where(columns[0] > after_id).order_by(columns[0]).limit(limit)
    found: dict[str, tuple[Any, ...] | None] = {row[0]: tuple(row) for row in session.execute(statement)}
    late = session.connection().execute(_late(), {"subject_ids": list(found)}) if found else ()
    return found | {row[0]: None for row in late}


@cache
def _last() -> Select[str, int]:
    subject = col(LedgerEvent.subject_id)
    asked = subject.in_(bindparam("subject_ids", expanding=True))
    return select(subject, func.max(col(LedgerEvent.position))).where(asked).group_by(subject)


def unpack(session: Session, subject_ids: Iterable[str]) -> None:
    """Throws timelines away: a later version of one of their records was told of another subject."""
    given = list(subject_ids)
    if given:
        session.connection().execute(delete(Timeline).where(col(Timeline.subject_id).in_(given)))
