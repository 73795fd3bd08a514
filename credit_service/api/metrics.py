"""What an operator watches, in the text form of Prometheus: calls of this process, and what its databases hold.

The text is written to a file, for the textfile collector of a node exporter or for `cat`: no port, no credential and no
second protocol. Names of methods, codes, grades, models and sources are all that it says; never a subject or a caller.
"""

import asyncio
import math
from collections import Counter
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from credit_service import logs
from credit_service.api.house import House
from credit_service.api.meter import Meter
from credit_service.exposition import Sample, family, write
from credit_service.grades.drift import counted, noise_floor, stability_index
from credit_service.grades.moves import moves_since, stay_rates
from credit_service.grades.overrides import IN_FORCE, override_counts
from credit_service.grades.scoring import MODEL
from credit_service.grades.tables import grade_counts, review_count, score_counts
from credit_service.ledger.tables import head
from credit_service.legal_days import civil_day, day_start, parse_day
from credit_service.listings.tables import overdue_duties

WRITE_SECONDS = 15.0
# Counting grades reads every one of them.
GRADES_SECONDS = 600.0
# What counts for longer than some seconds counts less often.
RESTS = 100.0
# How far back grades are compared, in days.
WINDOWS = {"quarter": 91, "year": 365}


@dataclass(slots=True)
class Slow:
    """Holds what takes long to count, counted at most so often; it rests a hundred times as long as it took."""

    count: Callable[[House], list[str]]
    lines: list[str] = field(default_factory=list)
    due: float = -math.inf

    async def counted(self, aside: ThreadPoolExecutor, house: House) -> list[str]:
        """Returns the lines, counted anew where that is due."""
        loop = asyncio.get_running_loop()
        if (began := loop.time()) >= self.due:
            self.lines = await loop.run_in_executor(aside, self.count, house)
            self.due = began + max(GRADES_SECONDS, RESTS * (loop.time() - began))
        return self.lines


async def keep_writing(path: Path, house: House, meter: Meter) -> None:
    """Writes the file every few seconds until it is cancelled; what fails is said in the log and tried again."""
    loop, grades, moves = asyncio.get_running_loop(), Slow(grade_lines), Slow(move_lines)
    # A thread of its own, that never waits behind a door; leaving waits for what it is reading.
    with ThreadPoolExecutor(1, thread_name_prefix="metrics") as aside:
        while True:
            try:
                slow = [*await grades.counted(aside, house), *await moves.counted(aside, house)]
                if not any("_grades{" in line for line in slow):
                    # Without a grade there is nothing to read: the first import shows at once.
                    grades.due = moves.due = -math.inf
                state = await loop.run_in_executor(aside, state_lines, house, house.clock())
                await loop.run_in_executor(aside, write, path, [*meter.lines(), *slow, *state])
            except Exception as error:  # noqa: BLE001  # a full disk must not end the service
                logs.get().error("metrics not written", exc_info=error)
            await asyncio.sleep(WRITE_SECONDS)


def grade_lines(house: House) -> list[str]:
    """Returns how many subjects stand at each grade, what officers did about grades, and how far scores drifted."""
    today = civil_day(house.clock())
    with house.database.reading() as session:
        counts, scores = grade_counts(session), score_counts(session)
        open_reviews, overrides = review_count(session), override_counts(session, today)
    in_force = sum(number for (state, _), number in overrides.items() if state == IN_FORCE)
    moved = _moved(house, scores, today)
    return [
        *family("grades", "gauge", "Subjects by current grade.", _labelled("grade", counts)),
        *family("reviews_open", "gauge", "Scores below the D edge that wait for an officer.", _plain(open_reviews)),
        *family("overrides_in_force", "gauge", "Grades that two officers set by hand.", _plain(in_force)),
        *family(
            "overrides", "gauge", "Overrides ever proposed, by what became of them and their reason.",
            _paired("state", "reason", {(state.lower(), reason): n for (state, reason), n in overrides.items()}),
        ),
        *family(
            "score_drift", "gauge", "Stability index (PSI) of current scores against a model's reference.",
            _labelled("model", {name: one[0] for name, one in moved.items()}),
        ),
        *family(
            "score_drift_floor", "gauge", "Index that chance alone passes once in a hundred times.",
            _labelled("model", {name: one[1] for name, one in moved.items()}),
        ),
    ]  # fmt: skip


def move_lines(house: House) -> list[str]:
    """Returns how many came from which recorded grade to which, and the share that stayed; the same subjects."""
    today = civil_day(house.clock())
    moves, stays = list[Sample](), list[Sample]()
    for window, days in WINDOWS.items():
        with house.database.reading() as session:
            found = moves_since(session, day_start(today - days))
        moves += [(s, {"window": window, **labels}, n) for s, labels, n in _paired("from", "to", found)]
        stays += [(s, {"window": window, **labels}, n) for s, labels, n in _labelled("grade", stay_rates(found))]
    return [
        *family("grade_moves", "gauge", "Subjects by recorded grade a quarter or a year ago, and now.", moves),
        *family("grade_stay_ratio", "gauge", "Share of a grade's subjects that stand there again.", stays),
    ]


def _moved(house: House, scores: Mapping[str, Mapping[int, int]], day: int) -> dict[str, tuple[float, float]]:
    """Returns index and floor of every model that sets scores by itself on the day."""
    by_model: dict[str, Counter[int]] = {}
    speaking = {e.digest for e in house.assessor.editions() if e.grading.mode == MODEL and e.is_in_force(day)}
    for basis, found in scores.items():
        digest, _, rest = basis.partition(" ")
        model_id = rest.partition(" ")[0]
        if digest in speaking:
            by_model.setdefault(model_id, Counter()).update(found)
    moved = {}
    for model in house.models:
        card, (edges, reference) = model.scorecard, model.score_bins
        if card.model_id in by_model and (card.expires_day is None or day <= card.expires_day):
            counts = counted(edges, by_model[card.model_id])
            moved[card.model_id] = stability_index(reference, counts), noise_floor(reference, counts)
    return moved


def state_lines(house: House, now: datetime) -> list[str]:
    """Returns what the databases hold and how old the models are."""
    today = civil_day(now)
    with house.database.reading() as session:
        row, overdue = head(session), overdue_duties(session, today)
        silent = {one.source: int(one.is_stale) for one in house.watermarks(session, now)}
    ages = {m.scorecard.model_id: today - parse_day(str(m.manifest["published_on"])) for m in house.models}
    missing = dict.fromkeys(house.assessor.missing_models(today).values(), 1)
    left = {m.scorecard.model_id: m.scorecard.expires_day - today for m in house.models if m.scorecard.expires_day}
    return [
        *family("events", "gauge", "Events in the ledger.", _plain(row.position)),
        *family("events_not_judged", "gauge", "Events that no grade has followed yet.",
                 _plain(row.position - row.judged_position)),
        *family("deadlines_overdue", "gauge", "Deadlines of authorities whose last day is over.", _plain(overdue)),
        *family("source_silent", "gauge", "1 for a source that is silent for longer than agreed.",
                 _labelled("source", silent)),
        *family("model_age_days", "gauge", "Days since a champion was published.", _labelled("model", ages)),
        *family("model_days_left", "gauge", "Days until a champion retires.", _labelled("model", left)),
        *family("model_missing", "gauge", "1 for a model of an edition in force that is missing or damaged.",
                 _labelled("model", missing)),
        *family("written_timestamp_seconds", "gauge", "When this was written.", _plain(now.timestamp())),
    ]  # fmt: skip


def _plain(value: float) -> list[Sample]:
    return [("", {}, value)]


def _labelled(label: str, values: Mapping[str, float]) -> list[Sample]:
    return [("", {label: name}, value) for name, value in sorted(values.items())]


def _paired(first: str, second: str, values: Mapping[tuple[str, str], float]) -> list[Sample]:
    return [("", {first: one, second: other}, value) for (one, other), value in sorted(values.items())]
