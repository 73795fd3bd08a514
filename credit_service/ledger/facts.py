"""The facts that rules and features read: one current version of one record, with its days."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import cache
from operator import attrgetter
from typing import Any, NamedTuple

import orjson
from sqlalchemy import BigInteger, Select, bindparam, or_, select, type_coerce
from sqlmodel import Session, col

from credit_service.database import UtcTime
from credit_service.ledger.drafts import Draft
from credit_service.ledger.relations import givers
from credit_service.ledger.tables import LedgerEvent, later_version_known
from credit_service.legal_days import civil_day, civil_day_at


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


def facts_of(session: Session, subject_ids: Sequence[str], as_of: datetime, known: datetime) -> dict[str, list[Fact]]:
    """Returns the facts of each subject: valid by `as_of`, known by `known`, latest versions, none retracted.

    What a subject bears of others is among them. Each list is sorted by (day, event id); subjects without facts map
    to an empty list.
    """
    borne = givers(session, subject_ids, as_of, known)
    wanted = dict.fromkeys([*subject_ids, *(giver for mine in borne.values() for giver in mine)])
    own = _own_facts(session, list(wanted), as_of, known)
    found = {subject_id: own[subject_id] for subject_id in subject_ids}
    for subject_id, mine in borne.items():
        others = [f for giver, kinds in mine.items() for f in own[giver] if kinds is None or f.kind in kinds]
        found[subject_id] = sorted([*own[subject_id], *others], key=lambda fact: (fact.day, fact.event_id))
    return found


def _own_facts(session: Session, subject_ids: Sequence[str], as_of: datetime, known: datetime) -> dict[str, list[Fact]]:
    found: dict[str, list[Fact]] = {subject_id: [] for subject_id in subject_ids}
    latest_day = civil_day(as_of)
    for start in range(0, len(subject_ids), CHUNK):
        given = {"subject_ids": list(subject_ids[start : start + CHUNK]), "as_of": as_of, "known": known}
        # Beside the mapper, which costs as much as the facts themselves.
        rows = session.connection().execute(_statement(), given).all()
        if rows:
            _keep(found, list(zip(*rows, strict=True)), latest_day)
    for mine in found.values():
        # The index gives them by position already.
        mine.sort(key=_DAY)
    return found


def _keep(found: Mapping[str, list[Fact]], columns: Sequence[Sequence[Any]], latest_day: int) -> None:
    """Makes facts of what was read, column by column: thousands a batch, so nothing is looked at one by one."""
    subjects, *told, days, payloads, collected = columns
    read = orjson.loads(f"[{','.join(payloads)}]")
    known_days = map(civil_day_at, collected)
    event, source, record, version, kind, domain, document_no, refers_to = told
    happened = [day if day < latest_day else latest_day for day in days]
    every = zip(
        event, source, record, version, kind, domain, happened, known_days, document_no, refers_to, read, strict=True
    )
    made = tuple.__new__
    for subject, values in zip(subjects, every, strict=True):
        found[subject].append(made(Fact, values))


@cache
def _statement() -> Select[Any]:
    """Returns the question, built once: building it costs more than asking it for one subject."""
    columns: list[Any] = [col(getattr(LedgerEvent, name)) for name in _COLUMNS]
    # As it is kept: a time object for every fact would cost more than the fact.
    columns.append(type_coerce(col(LedgerEvent.collect_time), BigInteger).label("collected"))
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


CHUNK = 500
_COLUMNS = (
    "subject_id", "position", "source", "record_id", "version", "kind", "domain", "document_no", "refers_to",
    "occur_day", "payload",
)  # fmt: skip
_DAY = attrgetter("day")


def fact_of(draft: Draft, event_id: int, known_day: int) -> Fact:
    """Returns the fact that a well-formed record would be."""
    return Fact(
        event_id, draft.source, draft.record_id, draft.version, draft.kind, draft.domain, draft.occur_day, known_day,
        draft.document_no, draft.refers_to, orjson.loads(draft.payload),
    )  # fmt: skip
