"""Timelines: the standing facts of each subject packed into one row, so that judging reads one instead of twenty.

A timeline only repeats the ledger. It holds the newest versions of a subject's own records, as facts and as the figures
that crowds are judged by, and the position up to which it does; what came later is seen by one look into the index. It
can be thrown away at any time: whoever finds none, an old one or one of another layout reads the ledger.
"""

from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from typing import Any

from sqlalchemy import BigInteger, LargeBinary, Select, and_, bindparam, delete, func, select
from sqlmodel import Field, Session, SQLModel, col

from credit_service.database import select_by_keys, upsert_tuples
from credit_service.ledger.figures import LAYOUT, PackedFacts, Row, packs
from credit_service.ledger.tables import LedgerEvent


class Timeline(SQLModel, table=True):
    """Keeps the facts of a subject by an event position.

    `layout` names how the rows of `figures` are laid; `texts` is the JSON list of what is compared as text, `facts`
    that of the facts in the order of their fields, each followed by its two times in microseconds.
    """

    __tablename__ = "timeline"
    subject_id: str = Field(primary_key=True)
    position: int = Field(sa_type=BigInteger)
    layout: int = Field(sa_type=BigInteger)
    figures: bytes = Field(sa_type=LargeBinary)
    texts: bytes = Field(sa_type=LargeBinary)
    facts: bytes = Field(sa_type=LargeBinary)


TABLES: list[Any] = [Timeline]
# What a row holds: the fields of a fact in their order, and two times in microseconds.
FIELDS = (
    "position", "source", "record_id", "version", "kind", "domain", "occur_day", "known_day", "document_no",
    "refers_to", "payload", "occur_time", "collect_time",
)  # fmt: skip
_PACKED = ("subject_id", "layout", "figures", "texts", "facts")
_KEPT = ("subject_id", "position", "layout", "figures", "texts", "facts")


def packed(session: Session, subject_ids: Iterable[str]) -> dict[str, PackedFacts]:
    """Returns the facts of the subjects whose timelines hold every event of theirs."""
    rows = select_by_keys(session, Timeline, _PACKED, "subject_id", list(subject_ids))
    if not rows:
        return {}
    late = {row[0] for row in session.connection().execute(_late(), {"subject_ids": [row[0] for row in rows]})}
    return {
        subject_id: PackedFacts(figures, texts, facts)
        for subject_id, layout, figures, texts, facts in rows
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


def pack(session: Session, rows: Mapping[str, Sequence[Row]]) -> dict[str, PackedFacts]:
    """Keeps and returns the standing facts of subjects, as they were read within this writing transaction."""
    ids = list(rows)
    last: dict[str, int] = dict(session.connection().execute(_last(), {"subject_ids": ids}).all()) if ids else {}
    ids = [subject_id for subject_id in ids if subject_id in last]
    found = dict(zip(ids, packs([rows[subject_id] for subject_id in ids]), strict=True))
    kept = [(i, last[i], LAYOUT, facts.figures, facts.texts, facts.told) for i, facts in found.items()]
    upsert_tuples(session, Timeline, _KEPT, kept, ("subject_id",))
    return found


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
