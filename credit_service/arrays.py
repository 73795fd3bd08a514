"""Arrays of days and marks, and the arithmetic of legal periods over them."""

from datetime import date

import numpy as np
from numpy.typing import NDArray

from credit_service.legal_days import Period

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

NEVER = 2**30
EPOCH_DAY = date(1970, 1, 1).toordinal()


# The calendar of the years that records may lie in, and of the terms that begin in them: by day, and by month.
_YEARS = (1900, 2600)
_FIRST_DAY = date(_YEARS[0], 1, 1).toordinal()
_MONTHS = np.arange(f"{_YEARS[0]}-01", f"{_YEARS[1]}-02", dtype="datetime64[M]").astype("datetime64[D]")
_STARTS: Ints = _MONTHS.astype(np.int64) + EPOCH_DAY
_LENGTHS: Ints = np.diff(_STARTS)
_MONTH_OF = np.repeat(np.arange(len(_LENGTHS), dtype=np.int32), _LENGTHS)


def forward(days: Ints, months: Ints) -> Ints:
    """Moves days forward by months and clamps to the end of the month.

    Fails with IndexError for days of other centuries, which no record names.
    """
    if len(days) and days.min() < _FIRST_DAY:
        raise IndexError(f"days: got {days.min()}, want {_FIRST_DAY} or later")
    month = _MONTH_OF[days - _FIRST_DAY]
    inside = days - _STARTS[month]
    target = month + months
    moved: Ints = _STARTS[target] + np.minimum(inside, _LENGTHS[target] - 1)
    return moved


def after(period: Period, days: Ints) -> Ints:
    """Returns the days a period later, as `Period.after` does it one by one; NEVER stays."""
    found = np.full(len(days), NEVER, dtype=np.int64)
    dated = days < NEVER
    some = days[dated]
    moved = forward(some, np.full(len(some), period.months, dtype=np.int64)) if period.months else some
    found[dated] = moved + period.days
    return found
