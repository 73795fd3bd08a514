"""The fact that rules and features read: one current version of one record, with its days. Pure."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import orjson

from credit_service.ledger.drafts import Draft


class Fact(NamedTuple):
    """Holds one current version of a record as the rulebook and the features see it.

    Days are civil ordinals in Asia/Shanghai; `event_id` is the dense position in the ledger. The time in microseconds
    since 1970 UTC only puts facts of one day in order; law counts days.
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
    time: int = 0


Place = tuple[int, int, str, str]


def place_of(fact: Fact) -> Place:
    """Orders facts by their times, those of one time by the names of their records: never by their order of arrival."""
    return fact.day, fact.time, fact.source, fact.record_id


def key(fact: Fact) -> str:
    """Returns the name by which other records refer to this one."""
    return f"{fact.source}/{fact.record_id}"


def fact_of(draft: Draft, event_id: int, known_day: int) -> Fact:
    """Returns the fact that a well-formed record would be."""
    return Fact(
        event_id, draft.source, draft.record_id, draft.version, draft.kind, draft.domain, draft.occur_day, known_day,
        draft.document_no, draft.refers_to, orjson.loads(draft.payload), draft.occur_time,
    )  # fmt: skip
