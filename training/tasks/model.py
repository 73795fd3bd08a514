"""Learns a task from what was known on a cut-off: earlier cut-offs whose year had matured by then."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np
from numpy.typing import NDArray

from credit_service.errors import CreditError, Reason
from credit_service.grades.columns import Floats
from credit_service.grades.windows import cutoff as months_before
from credit_service.legal_days import add_months, day_text
from training.fit import Fitted, calibrate, fit_signed, level
from training.tasks.records import Records
from training.tasks.settings import SETTINGS
from training.tasks.task import TASKS, Sample, Task, join, sample

HORIZON_MONTHS = 12
# A file that begins late has cut-offs with less history than their windows ask for: better than none.
SHORT_HISTORY_MONTHS = 12
LETTERS = np.array(["A", "B", "C", "D"])
_DIGITS = 10  # significant


@dataclass(frozen=True, slots=True)
class Learned:
    """Holds a model, the rows it learned from, the years that set its level, and the population of its cut-off."""

    fitted: Fitted
    slope: float
    shift: float
    base_rate: float
    cutoffs: tuple[int, ...]
    learned_from: Sample
    years: tuple[Sample, ...]
    population: Sample

    def probability(self, features: Floats) -> Floats:
        """Returns the probability of the label within 12 months; equal rows have equal ones in every batch."""
        # A vectorised exponential differs in its last bit with the place of a row, a scalar one does not.
        log_odds = np.round(self.slope * self.fitted.log_odds(features) + self.shift, _DIGITS)
        values, places = np.unique(log_odds, return_inverse=True)
        return np.array([float(f"{1 / (1 + math.exp(-one)):.{_DIGITS}g}") for one in values])[places]


def learn(task: Task, records: Records, cutoff: int) -> Learned:
    """Fits a task for a cut-off by nothing but what was known on it.

    A rare label is ranked by a frequent one, where the settings name it, and brought to its own chances after.
    The level is that of the last matured years: as large a share, or as many, as came true in them.
    """
    known = records.known(cutoff)
    cutoffs = matured(task, known, cutoff)
    past = [sample(task, known, day) for day in cutoffs]
    together = join(past)
    least, found = SETTINGS["least_positives"], int(together.labels.sum())
    if found < least or not past[-1].labels.any():
        raise refused(cutoff, f"{found} positives known by then", f"{least}, one of them after {day_text(cutoffs[-1])}")
    signs = {measure.name: measure.sign for measure in task.measures}
    proxy = TASKS[SETTINGS["ranked_by"].get(task.name, task.name)]
    frequent = np.concatenate([proxy.label(known, day)[one.subject] for day, one in zip(cutoffs, past, strict=True)])
    fitted = fit_signed(together.features, frequent, signs, SETTINGS["booster"], SETTINGS["seed"])
    raw = fitted.log_odds(together.features)
    slope = 1.0 if proxy is task else calibrate(raw, together.labels, 1).slope
    now = sample(task, known, cutoff)
    by_cutoff = dict(zip(cutoffs, past, strict=True))
    ends = [months_before(cutoffs[-1], HORIZON_MONTHS * n) for n in range(SETTINGS["level"][task.name]["years"])]
    years = tuple(by_cutoff[day] for day in ends if day in by_cutoff)
    shift, base_rate = leveled(task, lambda features: slope * fitted.log_odds(features), years, now)
    return Learned(fitted, slope, shift, base_rate, cutoffs, together, years, now)


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


def leveled(
    task: Task, log_odds: Callable[[Floats], Floats], years: Sequence[Sample], now: Sample
) -> tuple[float, float]:
    """Returns the shift of log-odds and the base rate for what stays the same from year to year."""
    positives = sum(int(year.labels.sum()) for year in years)
    if SETTINGS["level"][task.name]["same"] == "count":
        reference, expected = now, min(positives / len(years), len(now) - 1)
    else:
        reference, expected = join(years), float(positives)
    return level(log_odds(reference.features), expected), expected / len(reference)


def grades(probability: Floats, base_rate: float) -> NDArray[np.str_]:
    """Grades by how the odds compare with those of the base rate; a larger probability never grades better."""
    ratio = probability / (1 - probability) / (base_rate / (1 - base_rate))
    found: NDArray[np.str_] = LETTERS[np.searchsorted(list(SETTINGS["grades"].values()), ratio, side="left")]
    return found


def refused(cutoff: int, got: str, want: str) -> CreditError:
    """Makes the refusal of a cut-off."""
    return CreditError(Reason.FILE_INVALID, f"cutoff: got {day_text(cutoff)} with {got}, want {want}")
