"""Timelines: the standing facts of each subject as figures in one row, so that judging reads one instead of twenty.

A timeline only repeats the ledger. It holds the figures of the newest versions of a subject's own records, by which
crowds are judged, and the position up to which it does; what came later is seen by one look into the index. It can be
thrown away at any time: whoever finds none, an old one or one of another layout reads the ledger.
"""

from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from typing import Any

from sqlalchemy import BigInteger, LargeBinary, Select, and_, bindparam, delete, func, select
from sqlmodel import Field, Session, SQLModel, col

from credit_service.database import select_by_keys, upsert_tuples
from credit_service.ledger.fact import Fact
from credit_service.ledger.figures import LAYOUT, PackedFacts, Reader, packs
from credit_service.ledger.tables import LedgerEvent


class Timeline(SQLModel, table=True):
    """Keeps the figures of a subject by an event position.

    `layout` names how the rows of `figures` are laid; `texts` is the JSON list of what is compared as text.
    """

    __tablename__ = "timeline"
    subject_id: str = Field(primary_key=True)
    position: int = Field(sa_type=BigInteger)
    layout: int = Field(sa_type=BigInteger)
    figures: bytes = Field(sa_type=LargeBinary)
    texts: bytes = Field(sa_type=LargeBinary)


TABLES: list[Any] = [Timeline]
_PACKED = ("subject_id", "layout", "figures", "texts")
COLUMNS = ("subject_id", "position", "layout", "figures", "texts")


def packed(session: Session, subject_ids: Iterable[str], reader: Reader) -> dict[str, PackedFacts]:
    """Returns the subjects whose timelines hold every event of theirs; the reader makes facts of them where wanted."""
    rows = select_by_keys(session, Timeline, _PACKED, "subject_id", list(subject_ids))
    if not rows:
        return {}
    late = {row[0] for row in session.connection().execute(_late(), {"subject_ids": [row[0] for row in rows]})}
    return {
        subject_id: PackedFacts(subject_id, figures, texts, reader)
        for subject_id, layout, figures, texts in rows
        if layout == LAYOUT and subject_id not in late
    }


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


def pack(session: Session, facts: Mapping[str, Sequence[Fact]]) -> dict[str, PackedFacts]:
    """Keeps and returns the standing facts of subjects, as they were read within this writing transaction."""
    rows, found = fresh(session, facts)
    upsert_tuples(session, Timeline, COLUMNS, rows, ("subject_id",))
    return found


def fresh(
    session: Session, facts: Mapping[str, Sequence[Fact]]
) -> tuple[list[tuple[Any, ...]], dict[str, PackedFacts]]:
    """Returns the timelines, column by column, that standing facts make, as they were read within this transaction."""
    ids = list(facts)
    last: dict[str, int] = dict(session.connection().execute(_last(), {"subject_ids": ids}).all()) if ids else {}
    found = packs({subject_id: facts[subject_id] for subject_id in ids if subject_id in last})
    return [(i, last[i], LAYOUT, mine.figures, mine.texts) for i, mine in found.items()], found


def kept(session: Session, after_id: str, limit: int) -> dict[str, tuple[Any, ...] | None]:
    """Returns the timelines after an id, column by column as they are kept; None for those that nobody reads.

    Nobody reads those of another layout, nor those that an event lies behind.
    """
    columns = [col(getattr(Timeline, name)) for name in COLUMNS]
    statement = select(*columns).where(columns[0] > after_id).order_by(columns[0]).limit(limit)
    found = {row[0]: tuple(row) if row.layout == LAYOUT else None for row in session.execute(statement)}
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
