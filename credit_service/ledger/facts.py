"""The facts that rules and features read: one current version of one record, with its days."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import cache
from operator import itemgetter
from typing import Any, NamedTuple

import orjson
from sqlalchemy import BigInteger, Select, bindparam, or_, select, type_coerce
from sqlmodel import Session, col

from credit_service.database import UtcTime, to_microseconds
from credit_service.ledger.drafts import Draft
from credit_service.ledger.relations import givers
from credit_service.ledger.tables import LedgerEvent, last_collect_time, later_version_known
from credit_service.ledger.timelines import FIELDS, Row, fresh, kept, pack, packed
from credit_service.legal_days import civil_day, civil_day_at

CHUNK = 500


class Fact(NamedTuple):
    """Holds one current version of a record as the rulebook and the features see it.

    Days are civil ordinals in Asia/Shanghai; `event_id` is the dense position in the ledger.
    """

    event_id: int
    source: str
    record_id: str
    version: int
    kind: str
    domain: str
    day: int
    known_day: int
    document_no: str
    refers_to: str | None
    payload: Mapping[str, Any]


Place = tuple[int, str, str]


def place_of(fact: Fact) -> Place:
    """Orders facts by their days, those of one day by the names of their records: never by their order of arrival."""
    return fact.day, fact.source, fact.record_id


def facts_of(
    session: Session, subject_ids: Sequence[str], as_of: datetime, known: datetime, *, is_packing: bool = False
) -> dict[str, list[Fact]]:
    """Returns the facts of each subject: valid by `as_of`, known by `known`, latest versions, none retracted.

    What a subject bears of others is among them. Each list is in the order of `place_of`; subjects without facts map
    to an empty list. Packing keeps what had to be read from the ledger as timelines, within a writing transaction
    that asks for its own time.
    """
    borne = givers(session, subject_ids, as_of, known)
    wanted = dict.fromkeys([*subject_ids, *(giver for mine in borne.values() for giver in mine)])
    own = _own_facts(session, list(wanted), as_of, known, is_packing=is_packing)
    found = {subject_id: own[subject_id] for subject_id in subject_ids}
    for subject_id, mine in borne.items():
        others = [f for giver, kinds in mine.items() for f in own[giver] if kinds is None or f.kind in kinds]
        found[subject_id] = sorted([*own[subject_id], *others], key=place_of)
    return found


def first_untrue_timeline(session: Session, at_once: int = CHUNK) -> str | None:
    """Returns the first subject whose timeline tells other facts than the ledger; None when none does.

    A timeline that an event lies behind is read by nobody, and packed anew with the next judgement.
    """
    last = last_collect_time(session)
    after_id = ""
    while page := kept(session, after_id, at_once):
        wanted = {subject_id: row for subject_id, row in page.items() if row is not None}
        read = _read(session, list(wanted), last, last) if last is not None else {}
        true = {row[0]: row for row in fresh(session, read)}
        for subject_id, row in wanted.items():
            if true.get(subject_id) != row:
                return subject_id
        after_id = list(page)[-1]
    return None


def _own_facts(
    session: Session, subject_ids: Sequence[str], as_of: datetime, known: datetime, *, is_packing: bool
) -> dict[str, list[Fact]]:
    last = last_collect_time(session)
    # Of what is known now the newest versions alone count, and those are packed.
    is_known_now, is_now = last is not None and known >= last, last is not None and as_of >= last
    rows = packed(session, subject_ids) if is_known_now else {}
    read = _read(session, [subject_id for subject_id in subject_ids if subject_id not in rows], as_of, known)
    if is_packing and is_known_now and is_now:
        pack(session, read)
    rows |= read
    if not is_now:
        time = to_microseconds(as_of)
        # The clock of a source may be minutes ahead: what was received has happened.
        rows = {i: [row for row in mine if row[_OCCUR] <= time or row[_COLLECT] <= time] for i, mine in rows.items()}
    return _made(subject_ids, rows, civil_day(as_of))


def _read(session: Session, subject_ids: Sequence[str], as_of: datetime, known: datetime) -> dict[str, list[Row]]:
    """Reads rows of the ledger with the fields of a timeline, in the order of facts."""
    found: dict[str, list[Row]] = {}
    for start in range(0, len(subject_ids), CHUNK):
        given = {"subject_ids": list(subject_ids[start : start + CHUNK]), "as_of": as_of, "known": known}
        # Beside the mapper, which costs as much as the facts themselves.
        rows = session.connection().execute(_statement(), given).all()
        if rows:
            # Column by column: thousands a batch, so nothing is looked at one by one.
            subjects, *told, number, refers, payloads, occurred, collected = zip(*rows, strict=True)
            read = orjson.loads(f"[{','.join(payloads)}]")
            known_days = map(civil_day_at, collected)
            whole = zip(*told, known_days, number, refers, read, occurred, collected, strict=True)
            for subject, row in zip(subjects, whole, strict=True):
                found.setdefault(subject, []).append(row)
    for mine in found.values():
        mine.sort(key=_PLACE)
    return found


def _made(subject_ids: Sequence[str], rows: Mapping[str, Sequence[Row]], latest_day: int) -> dict[str, list[Fact]]:
    """Makes facts of rows; a day that the clock of a source set ahead is the latest."""
    made, width = tuple.__new__, len(Fact._fields)
    found = {}
    for subject_id in subject_ids:
        mine = rows.get(subject_id, ())
        found[subject_id] = facts = [made(Fact, row[:width]) for row in mine]
        if facts and facts[-1].day > latest_day:
            clamped = [fact._replace(day=min(fact.day, latest_day)) for fact in facts]
            found[subject_id] = sorted(clamped, key=place_of)
    return found


@cache
def _statement() -> Select[Any]:
    """Returns the question, built once: building it costs more than asking it for one subject."""
    names = ("subject_id", *(name for name in FIELDS if name != "known_day"))
    # Times as they are kept: a time object for every fact would cost more than the fact.
    columns: list[Any] = [
        type_coerce(col(getattr(LedgerEvent, n)), BigInteger) if n in _TIMES else col(getattr(LedgerEvent, n))
        for n in names
    ]
    as_of, known = bindparam("as_of", type_=UtcTime), bindparam("known", type_=UtcTime)
    return (
        select(*columns)
        .where(
            col(LedgerEvent.subject_id).in_(bindparam("subject_ids", expanding=True)),
            col(LedgerEvent.collect_time) <= known,
            # As above.
            or_(col(LedgerEvent.occur_time) <= as_of, col(LedgerEvent.collect_time) <= as_of),
            col(LedgerEvent.op) == "ASSERT",
            ~later_version_known(known),
        )
        .order_by(col(LedgerEvent.subject_id), col(LedgerEvent.position))
    )


_TIMES = frozenset({"occur_time", "collect_time"})
_OCCUR, _COLLECT = FIELDS.index("occur_time"), FIELDS.index("collect_time")
# As `place_of` does it.
_PLACE = itemgetter(*(FIELDS.index(name) for name in ("occur_day", "source", "record_id")))


def fact_of(draft: Draft, event_id: int, known_day: int) -> Fact:
    """Returns the fact that a well-formed record would be."""
    return Fact(
        event_id, draft.source, draft.record_id, draft.version, draft.kind, draft.domain, draft.occur_day, known_day,
        draft.document_no, draft.refers_to, orjson.loads(draft.payload),
    )  # fmt: skip
