"""What became of grades that officers set: how many, for which reason, which way, and what came true a year later."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from credit_service.grades.scorecard import Scorecard
from credit_service.legal_days import add_months
from credit_service.rulebook.law import Edition
from training.dataset import HORIZON_MONTHS, MATURITY_MONTHS, TASKS, sample
from training.extract import Extract, Overridden, graded, is_scored

BETTER, WORSE, SAME = "better", "worse", "same"
# Of the graded subjects so many may be overridden before somebody asks why.
MOST = 0.08


@dataclass(frozen=True, slots=True)
class Outcome:
    """Holds one override against the machine: which way it went, and whether the subject came to harm, if known yet."""

    override: Overridden
    direction: str
    expected: float | None
    is_harmed: bool | None

    @property
    def is_agreed(self) -> bool | None:
        """Says whether what came true spoke for the officers: harm after a worse grade, none after a better one."""
        if self.is_harmed is None or self.direction == SAME:
            return None
        return self.is_harmed == (self.direction == WORSE)


def overrides(extract: Extract, edition: Edition, card: Scorecard, task: str, day: int) -> dict[str, Any]:
    """Returns the overrides of an extract by reason and direction, and of those whose year is over what came true.

    The machine's side is the grade and the probability that the model gave on the day of the override.
    """
    found = _outcomes(extract, edition, card, task)
    standing = sum(one.from_day <= day <= one.last_day for one in extract.overrides)
    graded_now = sum(is_scored(one) for one in graded(extract, edition, card, day).values())
    share = standing / graded_now if graded_now else None
    return {
        "in_force": standing, "share": share, "is_alarm": share is not None and share > MOST,
        "by_direction": {way: _told([one for one in found if one.direction == way]) for way in (BETTER, WORSE, SAME)},
        "by_reason": {
            reason: _told([one for one in found if one.override.reason == reason])
            for reason in sorted({one.override.reason for one in found})
        },
    }  # fmt: skip


def _outcomes(extract: Extract, edition: Edition, card: Scorecard, task: str) -> list[Outcome]:
    place_of = {subject_id: n for n, subject_id in enumerate(extract.held.subject_ids)}
    found = []
    for from_day in sorted({one.from_day for one in extract.overrides}):
        mine = [one for one in extract.overrides if one.from_day == from_day and one.subject_id in place_of]
        machine = graded(extract, edition, card, from_day)
        harmed = _harmed(extract, task, from_day, card)
        for one in mine:
            place = place_of[one.subject_id]
            if (judged := machine.get(place)) is None or judged.grade is None:
                continue
            is_harmed = None if harmed is None else place in harmed
            found.append(Outcome(one, _direction(judged.grade, one.grade), judged.probability, is_harmed))
    return found


def _harmed(extract: Extract, task: str, day: int, card: Scorecard) -> set[int] | None:
    """Returns who came to harm in the year after a day, nothing while that cannot be known."""
    last = extract.last_known_day
    if last < add_months(day, HORIZON_MONTHS + MATURITY_MONTHS):
        return None
    told = sample(extract.held, [TASKS[task]], day, last, card.feature_names)
    return set(told.subject[told.labels[task]].tolist())


def _direction(machine: str, officers: str) -> str:
    # PENDING stands for an ordinary grade.
    first = "B" if machine not in "ABCD" else machine
    return BETTER if officers < first else WORSE if officers > first else SAME


def _told(some: Sequence[Outcome]) -> dict[str, Any]:
    known = [one for one in some if one.is_harmed is not None]
    found: dict[str, Any] = {
        "n": len(some), "known": len(known), "harmed": sum(bool(one.is_harmed) for one in known),
    }  # fmt: skip
    moved = [one for one in known if one.direction != SAME and one.expected is not None]
    if moved:
        found |= {"agreed": sum(bool(one.is_agreed) for one in moved), "agreed_expected": sum(map(_by_machine, moved))}
    return found


def _by_machine(one: Outcome) -> float:
    """Returns the chance of agreement if the machine's probability were right and the officers knew nothing more."""
    chance = one.expected or 0.0
    return chance if one.direction == WORSE else 1 - chance
