"""Windows and sums over columns: the few array verbs that every feature is made of."""

from collections.abc import Sequence
from datetime import date
from functools import lru_cache

import numpy as np

from credit_service.arrays import EPOCH_DAY, NEVER, Bools, Floats, Ints
from credit_service.grades.columns import Columns
from credit_service.legal_days import add_months


# One judgement asks for the same few days again for every feature and cycle.
@lru_cache(maxsize=4096)
def cutoff(as_of_day: int, months: int) -> int:
    """Returns the last day whose window of so many months is over: later days are inside.

    A window runs forward from the fact, [d, d + months), and month ends clamp; so the last day of a
    month stands for all later days that shorter months lack.
    """
    first = add_months(as_of_day, -months)
    is_month_end = date.fromordinal(as_of_day + 1).day == 1
    if not is_month_end:
        return first
    start = date.fromordinal(first).replace(day=1).toordinal()
    return add_months(start, 1) - 1


def within(columns: Columns, as_of_day: int, months: int) -> Bools:
    """Marks the rows whose fact lies within so many months of the day."""
    return columns.day > cutoff(as_of_day, months)


def passed(days: Ints, as_of_day: int, steps: Sequence[int]) -> Ints:
    """Counts how many of the rising steps in months each day has behind it."""
    return len(steps) - np.searchsorted(_edges(as_of_day, tuple(steps)), days, side="left")


@lru_cache(maxsize=1024)
def _edges(as_of_day: int, steps: tuple[int, ...]) -> Ints:
    """Returns the cut-offs in rising order: a day at or before one of them has passed its step."""
    return np.array([cutoff(as_of_day, step) for step in reversed(steps)], dtype=np.int64)


def count(columns: Columns, rows: Bools) -> Floats:
    """Counts the marked rows of each subject."""
    return np.bincount(columns.subject[rows], minlength=columns.subjects).astype(np.float64)


def total(columns: Columns, rows: Bools, weights: Floats) -> Floats:
    """Sums the weights of each subject's marked rows, row by row, so that a batch adds like one."""
    found = np.bincount(columns.subject[rows], weights[rows], minlength=columns.subjects)
    return found.astype(np.float64)


def latest(columns: Columns, rows: Bools, days: Ints) -> Ints:
    """Returns the latest of the days among each subject's marked rows, -NEVER without any."""
    found = np.full(columns.subjects, -NEVER, dtype=np.int64)
    np.maximum.at(found, columns.subject[rows], days[rows])
    return found


def earliest(columns: Columns, rows: Bools, days: Ints) -> Ints:
    """Returns the earliest of the days among each subject's marked rows, NEVER without any."""
    found = np.full(columns.subjects, NEVER, dtype=np.int64)
    np.minimum.at(found, columns.subject[rows], days[rows])
    return found


def on_day(columns: Columns, rows: Bools, days: Ints) -> Bools:
    """Narrows the marked rows to those on the day given for their subject."""
    found: Bools = rows & (columns.day == days[columns.subject])
    return found


def first_of_each(columns: Columns, rows: Bools, period: Ints) -> Bools:
    """Marks the first of a subject's marked rows in each period; periods rise with the rows."""
    places = np.flatnonzero(rows)
    subject, when = columns.subject[places], period[places]
    is_first = np.ones(len(places), dtype=np.bool_)
    is_first[1:] = (subject[1:] != subject[:-1]) | (when[1:] != when[:-1])
    kept = np.zeros(len(rows), dtype=np.bool_)
    kept[places[is_first]] = True
    return kept


def quarters(days: Ints) -> Ints:
    """Numbers the calendar quarters."""
    months: Ints = (days - EPOCH_DAY).astype("datetime64[D]").astype("datetime64[M]").astype(np.int64)
    return months // 3


def first_citations(columns: Columns, rows: Bools) -> tuple[Ints, Ints, Bools]:
    """Returns, per citation of the marked rows: its row, the day of the first, whether it is first.

    The first is the earliest citation of that provision against that subject in the marked rows.
    """
    kept = rows[columns.cite_row]
    row, code = columns.cite_row[kept], columns.cite[kept]
    order = np.lexsort((row, code, columns.subject[row]))
    row, code = row[order], code[order]
    subject = columns.subject[row]
    is_first = np.ones(len(row), dtype=np.bool_)
    is_first[1:] = (subject[1:] != subject[:-1]) | (code[1:] != code[:-1])
    leader = np.maximum.accumulate(np.where(is_first, np.arange(len(row)), 0))
    return row, columns.day[row[leader]], is_first
