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


def forward(days: Ints, months: Ints) -> Ints:
    """Moves days forward by months and clamps to the end of the month."""
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
    found = np.full(len(days), NEVER, dtype=np.int64)
    dated = days < NEVER
    some = days[dated]
    moved = forward(some, np.full(len(some), period.months, dtype=np.int64)) if period.months else some
    found[dated] = moved + period.days
    return found
