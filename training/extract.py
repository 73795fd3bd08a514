"""What `credit-service extract` wrote: the ledger's events, what officers set, and how far the sources came."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

from credit_service.grades.grading import PENDING, Case, Graded, grade_many
from credit_service.grades.scorecard import Scorecard
from credit_service.ledger.sources import Source, load_sources
from credit_service.legal_days import civil_day, parse_day
from credit_service.rulebook.law import Edition
from credit_service.rulebook.usable import unusable_from
from credit_service.subjects.schemes import split
from training.data import gather, read_events
from training.dataset import GRADED_KINDS, History, history

EVENTS, OVERRIDES, SOURCES = "events.jsonl", "overrides.jsonl", "sources.jsonl"
AT_ONCE = 2_000


@dataclass(frozen=True, slots=True)
class Overridden:
    """Holds an override that came into force: whose, to which grade, why, and from which day through which."""

    subject_id: str
    grade: str
    reason: str
    from_day: int
    last_day: int


@dataclass(frozen=True, slots=True)
class Extract:
    """Holds an extract; overrides and signs of life are empty where only events were given."""

    held: History
    sources: Mapping[str, Source]
    overrides: Sequence[Overridden]
    signs: Sequence[Mapping[str, Any]]

    @property
    def last_known_day(self) -> int:
        """Returns the day on which the last event became known."""
        return int(self.held.columns.known_day.max(initial=0))


def read_extract(path: Path, edition: Edition) -> Extract:
    """Reads the folder of an extract, or a file of events alone."""
    registered = load_sources()
    events = path / EVENTS if path.is_dir() else path
    held = history(gather(read_events(events), registered), partial(unusable_from, edition))
    if not path.is_dir():
        return Extract(held, registered, (), ())
    return Extract(held, registered, _in_force(list(read_events(path / OVERRIDES))), list(read_events(path / SOURCES)))


def graded(extract: Extract, edition: Edition, card: Scorecard, day: int) -> dict[int, Graded]:
    """Returns, by the place of each subject, the grade that a model gives by what was known on a day.

    It is the service's own judgement, before what the extract does not tell: listings in force, and what officers set.
    """
    held = extract.held
    known = held.facts_known_on(day)
    places = [n for n, facts in enumerate(known) if facts and held.kinds[n] in GRADED_KINDS and _fits(held, n, edition)]
    found: dict[int, Graded] = {}
    for start in range(0, len(places), AT_ONCE):
        some = places[start : start + AT_ONCE]
        cases = [Case(held.subject_ids[n], held.kinds[n], known[n]) for n in some]
        found.update(zip(some, grade_many(edition, card, cases, day), strict=True))
    return found


def is_scored(one: Graded) -> bool:
    """Says whether a grade has a letter by its score; a cap on too little evidence has none."""
    return one.grade != PENDING and one.score is not None


def _fits(held: History, place: int, edition: Edition) -> bool:
    return split(held.subject_ids[place])[0] in edition.schemes


def _in_force(moves: Sequence[Mapping[str, Any]]) -> list[Overridden]:
    """Returns the overrides that were confirmed; one that was ended early counts until that day."""
    by_override: dict[str, dict[str, Mapping[str, Any]]] = defaultdict(dict)
    for move in moves:
        by_override[move["override_id"]][move["name"]] = move
    found = []
    for made in by_override.values():
        if (confirmed := made.get("CONFIRM")) is None:
            continue
        last_day = parse_day(confirmed["last_date"])
        if ended := made.get("END"):
            last_day = min(last_day, _day(ended["move_time"]))
        found.append(
            Overridden(
                confirmed["subject_id"], confirmed["grade"], confirmed["reason"], _day(confirmed["move_time"]), last_day
            )
        )
    return sorted(found, key=lambda one: (one.from_day, one.subject_id))


def _day(time: str) -> int:
    return civil_day(datetime.fromisoformat(time))
