"""The facts that rules and features read: one current version of one record, with its days."""

from collections.abc import Sequence
from datetime import datetime
from functools import cache, partial
from operator import itemgetter
from typing import Any

import orjson
from sqlalchemy import BigInteger, Select, bindparam, or_, select, type_coerce
from sqlmodel import Session, col

from credit_service.database import UtcTime
from credit_service.ledger.fact import Fact, place_of
from credit_service.ledger.figures import PackedFacts
from credit_service.ledger.relations import givers
from credit_service.ledger.tables import LedgerEvent, last_collect_time, later_version_known
from credit_service.ledger.timelines import fresh, kept, pack, packed
from credit_service.legal_days import civil_day, civil_day_at

CHUNK = 500


def facts_of(
    session: Session,
    subject_ids: Sequence[str],
    as_of: datetime,
    known: datetime,
    *,
    is_crowd: bool = False,
    is_packing: bool = False,
) -> dict[str, Sequence[Fact]]:
    """Returns the facts of each subject: valid by `as_of`, known by `known`, latest versions, none retracted.

    What a subject bears of others is among them. Each sequence is in the order of `place_of`; subjects without facts
    map to an empty one. A crowd, of which few facts are looked at one by one, is read as figures where its timelines
    hold. Packing keeps what had to be read from the ledger as timelines, within a writing transaction that asks for its
    own time.
    """
    borne = givers(session, subject_ids, as_of, known)
    wanted = dict.fromkeys([*subject_ids, *(giver for mine in borne.values() for giver in mine)])
    last = last_collect_time(session)
    # Of what is known now the newest versions alone count, and those are packed.
    is_present = last is not None and known >= last and as_of >= last
    reader = partial(_read, session, as_of=as_of, known=known)
    own: dict[str, Sequence[Fact]] = {}
    if is_crowd and is_present:
        own |= packed(session, wanted, reader)
    read = reader([subject_id for subject_id in wanted if subject_id not in own])
    own |= pack(session, read) if is_packing and is_present else {}
    latest_day = civil_day(as_of)
    own = {i: _clamped(mine, latest_day) for i, mine in (read | own).items()}
    found = {subject_id: own[subject_id] for subject_id in subject_ids}
    for subject_id, mine in borne.items():
        others = [f for giver, kinds in mine.items() for f in own[giver] if kinds is None or f.kind in kinds]
        found[subject_id] = sorted([*own[subject_id], *others], key=place_of)
    return found


def first_untrue_timeline(session: Session, at_once: int = CHUNK) -> str | None:
    """Returns the first subject whose timeline tells other facts than the ledger; None when none does.

    A timeline that is of another layout, or that an event lies behind, is read by nobody, and packed anew with the next
    judgement.
    """
    last = last_collect_time(session)
    after_id = ""
    while page := kept(session, after_id, at_once):
        wanted = {subject_id: row for subject_id, row in page.items() if row is not None}
        read = _read(session, list(wanted), last, last) if last is not None else {}
        true = {row[0]: row for row in fresh(session, read)[0]}
        for subject_id, row in wanted.items():
            if true.get(subject_id) != row:
                return subject_id
        after_id = list(page)[-1]
    return None


def _clamped(facts: Sequence[Fact], latest_day: int) -> Sequence[Fact]:
    """Returns sorted facts, none after the latest day, which the clock of a source may set ahead."""
    last_day = facts.last_day if isinstance(facts, PackedFacts) else facts[-1].day if facts else 0
    if last_day <= latest_day:
        return facts
    clamped = [fact._replace(day=min(fact.day, latest_day)) for fact in facts]
    return sorted(clamped, key=place_of)


def _read(session: Session, subject_ids: Sequence[str], as_of: datetime, known: datetime) -> dict[str, list[Fact]]:
    """Reads the facts of subjects from the ledger, in their order."""
    found: dict[str, list[Fact]] = {subject_id: [] for subject_id in subject_ids}
    make = partial(tuple.__new__, Fact)
    for start in range(0, len(subject_ids), CHUNK):
        given = {"subject_ids": list(subject_ids[start : start + CHUNK]), "as_of": as_of, "known": known}
        # Beside the mapper, which costs as much as the facts themselves.
        rows = session.connection().execute(_statement(), given).all()
        if rows:
            # Column by column: thousands a batch, so nothing is looked at one by one.
            subjects, *told, number, refers, payloads, occurred, collected = zip(*rows, strict=True)
            read = orjson.loads(f"[{','.join(payloads)}]")
            whole = zip(*told, map(civil_day_at, collected), number, refers, read, occurred, strict=True)
            for subject, fact in zip(subjects, map(make, whole), strict=True):
                found[subject].append(fact)
    for mine in found.values():
        mine.sort(key=_PLACE)
    return found


@cache
def _statement() -> Select[Any]:
    """Returns the question, built once: building it costs more than asking it for one subject."""
    # Times as they are kept: a time object for every fact would cost more than the fact.
    columns: list[Any] = [
        *(col(getattr(LedgerEvent, name)) for name in _FIELDS),
        *(type_coerce(time, BigInteger) for time in (col(LedgerEvent.occur_time), col(LedgerEvent.collect_time))),
    ]
    as_of, known = bindparam("as_of", type_=UtcTime), bindparam("known", type_=UtcTime)
    return (
        select(*columns)
        .where(
            col(LedgerEvent.subject_id).in_(bindparam("subject_ids", expanding=True)),
            col(LedgerEvent.collect_time) <= known,
            # The clock of a source may be minutes ahead: what was received has happened.
            or_(col(LedgerEvent.occur_time) <= as_of, col(LedgerEvent.collect_time) <= as_of),
            col(LedgerEvent.op) == "ASSERT",
            ~later_version_known(known),
        )
        .order_by(col(LedgerEvent.subject_id), col(LedgerEvent.position))
    )


# Those of a fact in their order; but its day of knowledge, which the time of collection tells.
_FIELDS = (
    "subject_id", "position", "source", "record_id", "version", "kind", "domain", "occur_day", "document_no",
    "refers_to", "payload",
)  # fmt: skip
# As `place_of` does it.
_PLACE = itemgetter(*(Fact._fields.index(name) for name in ("day", "time", "source", "record_id")))
