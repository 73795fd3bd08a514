"""What the evaluation tasks know of an entity: numbers with a name and a sign."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from credit_service.arrays import Floats, Ints
from training.tasks.records import Records

YEAR = 365.25
QUARTER = YEAR / 4
MONTH = YEAR / 12


@dataclass(frozen=True, slots=True)
class Measure:
    """Describes one input; `sign` is 1 when more is worse, -1 when more is better, 0 when it says only how much
    there was to see.

    The docstring of `function` explains it, units included.
    """

    name: str
    sign: int
    function: Callable[[Records, int], Floats]


def matrix(measures: Sequence[Measure], records: Records, cutoff: int) -> Floats:
    """Returns a row an entity and a column a measure, over the records seen on the cut-off."""
    return np.stack([measure.function(records, cutoff) for measure in measures], axis=1)


def fading(records: Records, cutoff: int, years: float) -> Floats:
    """Returns the weight of each row: 1 on the cut-off, half as much so many years before."""
    weights: Floats = 0.5 ** ((cutoff - records.day) / (years * YEAR))
    return weights


def age(days: Ints, cutoff: int, unit: float, limit: float) -> Floats:
    """Returns the time from the days to the cut-off in units of so many days, up to a limit."""
    found: Floats = np.minimum((cutoff - days) / unit, limit)
    return found
