"""Arrays of days and marks, and the arithmetic of legal periods over them."""

from collections.abc import Iterable
from datetime import date
from typing import Any

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


def one_of(found: NDArray[Any], wanted: Iterable[float]) -> Bools:
    """Marks what equals one of a few values: to sort them, as numpy does for many, costs more than to compare."""
    marked = np.zeros(len(found), dtype=np.bool_)
    for value in wanted:
        marked |= found == value
    return marked


def forward(days: Ints, months: Ints | np.int64) -> Ints:
    """Moves days forward by months, one number for all or one for each, and clamps to the end of the month."""
    if len(days) and (days.min() < _FIRST_DAY or days.max() >= _FIRST_DAY + len(_MONTH_OF)):
        return _moved_far(days, months)
    month = _MONTH_OF[days - _FIRST_DAY]
    target = month + months
    if len(target) and target.max() >= len(_LENGTHS):
        # A term that means for ever, such as P999Y.
        return _moved_far(days, months)
    inside = days - _STARTS[month]
    moved: Ints = _STARTS[target] + np.minimum(inside, _LENGTHS[target] - 1)
    return moved


def _moved_far(days: Ints, months: Ints | np.int64) -> Ints:
    """Moves days of any century, without the tables, for many times the price."""
    dates = (days - EPOCH_DAY).astype("datetime64[D]")
    start = dates.astype("datetime64[M]")
    inside = (dates - start.astype("datetime64[D]")).astype(np.int64)
    target = start + months.astype("timedelta64[M]")
    first = target.astype("datetime64[D]")
    length = ((target + np.timedelta64(1, "M")).astype("datetime64[D]") - first).astype(np.int64)
    moved: Ints = first.astype(np.int64) + np.minimum(inside, length - 1) + EPOCH_DAY
    return moved


def after(period: Period, days: Ints) -> Ints:
    """Returns the days a period later, as `Period.after` does it one by one; NEVER stays."""
    dated = days < NEVER
    if dated.all():
        return _later(period, days)
    found = np.full(len(days), NEVER, dtype=np.int64)
    found[dated] = _later(period, days[dated])
    return found


def _later(period: Period, days: Ints) -> Ints:
    moved: Ints = (forward(days, np.int64(period.months)) if period.months else days) + period.days
    return moved
