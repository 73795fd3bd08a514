"""Learns a task from what was known on a cut-off: earlier cut-offs whose year had matured by then."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np
from numpy.typing import NDArray

from credit_service.arrays import Floats
from credit_service.errors import CreditError, Reason
from credit_service.grades.windows import cutoff as months_before
from credit_service.legal_days import add_months, day_text
from training.fit import Fitted, calibrate, fit_signed, level
from training.metrics import Labels
from training.tasks.measure import YEAR
from training.tasks.records import Records
from training.tasks.settings import SETTINGS
from training.tasks.task import TASKS, Sample, Task, join, sample

HORIZON_MONTHS = 12
# A file that begins late has cut-offs with less history than their windows ask for: better than none.
SHORT_HISTORY_MONTHS = 12
LETTERS = np.array(["A", "B", "C", "D"])
_DIGITS = 10  # significant
# Log-odds beyond which a probability of so many digits would be written as 0 or 1: nobody is certain.
_CERTAIN = 20.0


@dataclass(frozen=True, slots=True)
class Learned:
    """Holds a model, the cut-offs it learned from with the sample of each, and the population of its own cut-off."""

    fitted: Fitted
    slope: float
    shift: float
    base_rate: float
    cutoffs: tuple[int, ...]
    past: tuple[Sample, ...]
    population: Sample

    @property
    def learned_from(self) -> Sample:
        """Returns all rows that it learned from."""
        return join(self.past)

    def probability(self, features: Floats) -> Floats:
        """Returns the probability of the label within 12 months; equal rows have equal ones in every batch."""
        # A vectorised exponential differs in its last bit with the place of a row, a scalar one does not.
        exact = np.clip(self.slope * self.fitted.log_odds(features) + self.shift, -_CERTAIN, _CERTAIN)
        log_odds = np.round(exact, _DIGITS)
        values, places = np.unique(log_odds, return_inverse=True)
        return np.array([float(f"{1 / (1 + math.exp(-one)):.{_DIGITS}g}") for one in values])[places]


def learn(task: Task, records: Records, cutoff: int) -> Learned:
    """Fits a task for a cut-off by nothing but what was known on it.

    A rare label is ranked by a frequent one, where the settings name it, and brought to its own chances after:
    log-odds are drawn together as far as they were too wide for entities that the fit had not seen.
    The level is that of the matured cut-offs, later ones counting more: as large a share as came true
    after them, or as many, or between the two.
    """
    known = records.known(cutoff)
    cutoffs = matured(task, known, cutoff)
    if not task.population(known, cutoff).any():
        raise refused(cutoff, "no entity in the population", "a cut-off soon after records that the files hold")
    past = [sample(task, known, day) for day in cutoffs]
    together = join(past)
    least, found = SETTINGS["least_positives"], int(together.labels.sum())
    if found < least:
        raise refused(cutoff, f"{found} positives known by then", f"{least} or more")
    if not past[-1].labels.any():
        raise refused(cutoff, f"no positive in the year after {day_text(cutoffs[-1])}", "one or more, for the level")
    if together.labels.all():
        raise refused(cutoff, "positives alone known by then", "entities of both kinds")
    signs = {measure.name: measure.sign for measure in task.measures}
    proxy = TASKS[SETTINGS["ranked_by"].get(task.name, task.name)]
    frequent = np.concatenate([proxy.label(known, day)[one.subject] for day, one in zip(cutoffs, past, strict=True)])
    fitted = fit_signed(together.features, frequent, signs, SETTINGS["booster"], SETTINGS["seed"])
    slope = max(calibrate(unseen(together, frequent, signs), together.labels, 1).slope, SETTINGS["least_slope"])
    now = sample(task, known, cutoff)
    weights = weighed(task, cutoffs)
    shift, base_rate = leveled(task, lambda features: slope * fitted.log_odds(features), past, weights, now)
    return Learned(fitted, slope, shift, base_rate, cutoffs, tuple(past), now)


def unseen(together: Sample, labels: Labels, signs: Mapping[str, int]) -> Floats:
    """Returns the log-odds of each row by a fit without its entity."""
    _, entity = np.unique(together.subject, return_inverse=True)
    found = np.empty(len(together))
    for turn in range(SETTINGS["folds"]):
        left_out = entity % SETTINGS["folds"] == turn
        rest = fit_signed(together.features[~left_out], labels[~left_out], signs, SETTINGS["booster"], SETTINGS["seed"])
        found[left_out] = rest.log_odds(together.features[left_out])
    return found


def matured(task: Task, known: Records, cutoff: int) -> tuple[int, ...]:
    """Returns the cut-offs to learn from, rising: their years had ended and been published by the cut-off.

    Where the records end before the cut-off, nothing later counts as a year without harm.
    """
    rules = SETTINGS["family"][task.family]
    if not len(known.day):
        raise refused(cutoff, "no record known by then", "a cut-off inside the period of the files")
    end = min(cutoff, month_end(int(known.known_day.max())))
    last = months_before(end, HORIZON_MONTHS + rules["maturity_months"])
    steps = [months_before(last, n * rules["step_months"]) for n in range(rules["cutoffs"])]
    first_known = int(known.known_day.min())
    for history in (rules["history_months"], SHORT_HISTORY_MONTHS):
        found = [day for day in steps if day >= add_months(first_known, history)]
        if found:
            return tuple(reversed(found))
    months = SHORT_HISTORY_MONTHS + HORIZON_MONTHS + rules["maturity_months"]
    raise refused(cutoff, f"records since {day_text(first_known)}", f"records of {months} months before it")


def month_end(day: int) -> int:
    """Returns the last day of the day's month."""
    first = date.fromordinal(day).replace(day=1).toordinal()
    return add_months(first, 1) - 1


def weighed(task: Task, cutoffs: Sequence[int]) -> Floats:
    """Returns how much each cut-off counts for the level: half as much so many years before the last."""
    years = (cutoffs[-1] - np.array(cutoffs)) / YEAR
    weights = 0.5 ** (years / SETTINGS["level"][task.name]["half_life_years"])
    found: Floats = weights / weights.sum()
    return found


def leveled(
    task: Task, log_odds: Callable[[Floats], Floats], past: Sequence[Sample], weights: Floats, now: Sample
) -> tuple[float, float]:
    """Returns the shift of log-odds and the base rate that keep the share of the past, its number, or between."""
    growth, found = SETTINGS["level"][task.name]["growth"], []
    number = float((np.array([one.labels.sum() for one in past]) * weights).sum())
    if growth > 0:
        together, each = join(past), np.repeat(weights, [len(one) for one in past])
        expected = _some(number, float(each.sum()))
        found.append((growth, level(log_odds(together.features), expected, each), expected / float(each.sum())))
    if growth < 1:
        as_many = _some(number, float(len(now)))
        found.append((1 - growth, level(log_odds(now.features), as_many), as_many / len(now)))
    shift = sum(part * one for part, one, _ in found)
    odds = sum(part * math.log(rate / (1 - rate)) for part, _, rate in found)
    return shift, 1 / (1 + math.exp(-odds))


def _some(number: float, size: float) -> float:
    """Keeps a number within those of whom neither none nor all come to harm, for which there are no log-odds."""
    half = min(0.5, size / 4)
    return min(max(number, half), size - half)


def grades(probability: Floats, base_rate: float) -> NDArray[np.str_]:
    """Grades by how the odds compare with those of the base rate; a larger probability never grades better."""
    ratio = probability / (1 - probability) / (base_rate / (1 - base_rate))
    found: NDArray[np.str_] = LETTERS[np.searchsorted(list(SETTINGS["grades"].values()), ratio, side="left")]
    return found


def refused(cutoff: int, got: str, want: str) -> CreditError:
    """Makes the refusal of a cut-off."""
    return CreditError(Reason.FILE_INVALID, f"cutoff: got {day_text(cutoff)} with {got}, want {want}")
