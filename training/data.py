"""From events to facts: the ledger's view of a file of events, without a ledger."""

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from credit_service.arrays import NEVER
from credit_service.ledger.fact import Fact, place_of
from credit_service.ledger.sources import Source
from credit_service.legal_days import civil_day

Event = Mapping[str, Any]
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Population:
    """Holds every version of every record of all subjects, whenever known, by subject id.

    `superseded` is the day on which the next version became known, NEVER for the last one.
    """

    subject_ids: tuple[str, ...]
    kinds: tuple[str, ...]
    facts: tuple[tuple[Fact, ...], ...]
    superseded: tuple[tuple[int, ...], ...]


def read_events(path: Path) -> Iterator[dict[str, Any]]:
    """Reads a file of events, one JSON object a line."""
    with path.open(encoding="utf-8") as lines:
        for line in lines:
            yield json.loads(line)


def gather(events: Iterable[Event], sources: Mapping[str, Source]) -> Population:
    """Gathers events into subjects, as the ledger would hold them.

    Records that it would keep aside because they were known before they happened stay out.
    """
    records: dict[tuple[str, str], dict[int, tuple[int, Event]]] = {}
    for number, event in enumerate(events):
        versions = records.setdefault((event["source"], event["source_record_id"]), {})
        versions.setdefault(event["source_version"], (number, event))
    held: dict[str, list[tuple[Fact, int]]] = defaultdict(list)
    kinds: dict[str, str] = {}
    for versions in records.values():
        following = NEVER
        for version in sorted(versions, reverse=True):
            number, event = versions[version]
            subject = event["subject"]
            name = f"{subject['scheme']}:{subject['code']}"
            known = known_day(event, sources[event["source"]])
            if known is None:
                continue
            kinds.setdefault(name, subject.get("kind", "ENTERPRISE"))
            if event.get("op", "ASSERT") == "ASSERT" and known < following:
                held[name].append((fact_of(number, event, known), following))
            following = min(following, known)
    return _population(held, kinds)


def _population(held: Mapping[str, list[tuple[Fact, int]]], kinds: Mapping[str, str]) -> Population:
    ids = sorted(held)
    ordered = [sorted(held[i], key=lambda pair: place_of(pair[0])) for i in ids]
    return Population(
        subject_ids=tuple(ids),
        kinds=tuple(kinds[i] for i in ids),
        facts=tuple(tuple(fact for fact, _ in pairs) for pairs in ordered),
        superseded=tuple(tuple(day for _, day in pairs) for pairs in ordered),
    )


def known_day(event: Event, source: Source) -> int | None:
    """Returns the day from which an event was known, or None when that is before it happened.

    Where a source reports live and the event tells of its receipt, that is the day. Else it is the later of the
    publication and the source's declared lag after the fact.
    """
    day = civil_day(datetime.fromisoformat(event["occur_time"]))
    if source.registration == "live" and "collect_time" in event:
        # As in the ledger: the clock of a source may be minutes ahead.
        return max(day, civil_day(datetime.fromisoformat(event["collect_time"])))
    known = day + source.declared_lag_days
    if "source_publish_time" not in event:
        return known
    published = civil_day(datetime.fromisoformat(event["source_publish_time"]))
    return max(known, published) if published >= day else None


def fact_of(number: int, event: Event, known: int) -> Fact:
    """Turns an event into a fact."""
    reference = event.get("refers_to")
    if reference and "/" not in reference:
        reference = f"{event['source']}/{reference}"
    occurred = datetime.fromisoformat(event["occur_time"])
    return Fact(
        event_id=number,
        source=event["source"],
        record_id=event["source_record_id"],
        version=event["source_version"],
        kind=event["kind"],
        domain=event["domain"],
        day=civil_day(occurred),
        time=(occurred - EPOCH) // timedelta(microseconds=1),
        known_day=known,
        document_no=event.get("document_no", ""),
        refers_to=reference,
        payload=event.get("payload", {}),
    )
