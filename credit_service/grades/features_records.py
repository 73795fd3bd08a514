"""Features of penalties and accidents: how often, how lately, how long, how grave."""

from functools import partial

import numpy as np

from credit_service.arrays import NEVER, Bools, Floats, Ints
from credit_service.grades.columns import Columns, mark_of
from credit_service.grades.feature import QUARTERLY, YEARLY, Feature
from credit_service.grades.windows import (
    count,
    earliest,
    first_citations,
    first_of_each,
    latest,
    on_day,
    passed,
    quarters,
    total,
    within,
)

MEMORY = 60
# Looked up and not computed by array, so that one subject and a batch never differ in a last bit.
WEIGHTS: Floats = np.array([2.0 ** (-years / 2) for years in range(len(YEARLY) + 1)])
SERIOUS = mark_of("PEN", "SERIOUS")
NOT_LIABLE = mark_of("ACC", "NOT_LIABLE")


def _penalties(columns: Columns, as_of_day: int, months: int = MEMORY) -> Bools:
    return columns.of_kind("PEN") & within(columns, as_of_day, months)


def _penalty_days(columns: Columns, as_of_day: int, months: int = MEMORY) -> Bools:
    return first_of_each(columns, _penalties(columns, as_of_day, months), columns.day)


def _accidents(columns: Columns, as_of_day: int) -> Bools:
    is_own = columns.of_kind("ACC") & (columns.mark != NOT_LIABLE)
    rows: Bools = is_own & within(columns, as_of_day, MEMORY)
    return rows


def _harm(columns: Columns, as_of_day: int) -> Bools:
    is_notice = _penalties(columns, as_of_day) & columns.flag
    return is_notice | _accidents(columns, as_of_day)


def _weights(columns: Columns, as_of_day: int) -> Floats:
    """A fact counts fully in its first year and half as much two years later."""
    weights: Floats = WEIGHTS[passed(columns.day, as_of_day, YEARLY)]
    return weights


def _months(days: Ints, as_of_day: int) -> Floats:
    """Rounds the age down to quarters, so that it moves four times a year and not each day."""
    return (passed(days, as_of_day, QUARTERLY) * 3).astype(np.float64)


def _last(rows: Bools, columns: Columns) -> Bools:
    return on_day(columns, rows, latest(columns, rows, columns.day))


def penalties_60m(columns: Columns, as_of_day: int) -> Floats:
    """Counts the penalties in force that were decided in the past 60 months."""
    return count(columns, _penalties(columns, as_of_day))


def penalty_days_12m(columns: Columns, as_of_day: int) -> Floats:
    """Counts the days of the past 12 months on which a penalty was decided."""
    return count(columns, _penalty_days(columns, as_of_day, 12))


def penalty_days_weighted(columns: Columns, as_of_day: int) -> Floats:
    """Adds up the days of the past 60 months on which a penalty was decided.

    Each loses half its weight in two years, in yearly steps.
    """
    rows = _penalty_days(columns, as_of_day)
    return total(columns, rows, _weights(columns, as_of_day))


def penalty_quarters_60m(columns: Columns, as_of_day: int) -> Floats:
    """Counts the calendar quarters of the past 60 months in which a penalty was decided."""
    return count(columns, _penalty_quarters(columns, as_of_day))


def _penalty_quarters(columns: Columns, as_of_day: int) -> Bools:
    return first_of_each(columns, _penalties(columns, as_of_day), quarters(columns.day))


def months_since_penalty(columns: Columns, as_of_day: int) -> Floats:
    """Counts the months since the last penalty, in quarters, up to 60; 60 for none."""
    return _months(latest(columns, _penalties(columns, as_of_day), columns.day), as_of_day)


def months_of_penalties(columns: Columns, as_of_day: int) -> Floats:
    """Counts the months since the first penalty of the past 60 months, in quarters; 0 for none."""
    first = earliest(columns, _penalties(columns, as_of_day), columns.day)
    return _months(np.where(first == NEVER, as_of_day, first), as_of_day)


def _first(columns: Columns, as_of_day: int) -> Bools:
    rows = _penalties(columns, as_of_day)
    return on_day(columns, rows, earliest(columns, rows, columns.day))


def provisions_60m(columns: Columns, as_of_day: int) -> Floats:
    """Counts the different provisions of law that penalties of the past 60 months cite."""
    row, _, is_first = first_citations(columns, _penalties(columns, as_of_day))
    return np.bincount(columns.subject[row[is_first]], minlength=columns.subjects).astype(np.float64)


def provisions_at_once_60m(columns: Columns, as_of_day: int) -> Floats:
    """Takes the largest number of provisions that one penalty of the past 60 months cites."""
    rows = _penalties(columns, as_of_day)
    cited = np.bincount(columns.cite_row, minlength=len(columns.day)).astype(np.float64)
    found = np.zeros(columns.subjects)
    np.maximum.at(found, columns.subject[rows], cited[rows])
    return found


def _repeats(columns: Columns, as_of_day: int) -> Bools:
    row, first_day, _ = first_citations(columns, _penalties(columns, as_of_day))
    repeated = np.zeros(len(columns.day), dtype=np.bool_)
    repeated[row[columns.day[row] > first_day]] = True
    return repeated


def _repeated(columns: Columns, as_of_day: int) -> Bools:
    """Marks the repeats and the penalties that they repeat: without either there is no repeat."""
    row, first_day, is_first = first_citations(columns, _penalties(columns, as_of_day))
    provision = np.cumsum(is_first) - 1
    is_repeated = np.bincount(provision, columns.day[row] > first_day) > 0
    found = np.zeros(len(columns.day), dtype=np.bool_)
    found[row[is_repeated[provision]]] = True
    return found


def repeat_penalties_60m(columns: Columns, as_of_day: int) -> Floats:
    """Counts the penalties of the past 60 months under a provision that an earlier one cites."""
    return count(columns, _repeats(columns, as_of_day))


def _serious(columns: Columns, as_of_day: int) -> Bools:
    rows: Bools = _penalties(columns, as_of_day, 36) & (columns.mark == SERIOUS)
    return rows


def serious_penalties_36m(columns: Columns, as_of_day: int) -> Floats:
    """Counts the penalties of the past 36 months that are classed as serious 严重."""
    return count(columns, _serious(columns, as_of_day))


def _fined(columns: Columns, as_of_day: int) -> Bools:
    return _penalties(columns, as_of_day, 36) & (columns.amount > 0)


def fines_36m(columns: Columns, as_of_day: int) -> Floats:
    """Adds up the fines of the past 36 months, in units of 10,000 yuan."""
    return total(columns, _fined(columns, as_of_day), columns.amount / 10_000)


def accidents_60m(columns: Columns, as_of_day: int) -> Floats:
    """Counts the accidents of the past 60 months, except those found to be without liability."""
    return count(columns, _accidents(columns, as_of_day))


def casualties_60m(columns: Columns, as_of_day: int) -> Floats:
    """Counts the people killed, seriously injured or taken to hospital in those accidents."""
    return total(columns, _accidents(columns, as_of_day), columns.amount)


def harm_weighted(columns: Columns, as_of_day: int) -> Floats:
    """Adds up accidents and accident-related penalties of the past 60 months.

    Each loses half its weight in two years, in yearly steps.
    """
    return total(columns, _harm(columns, as_of_day), _weights(columns, as_of_day))


def months_since_harm(columns: Columns, as_of_day: int) -> Floats:
    """Counts the months since the last accident or accident-related penalty, in quarters.

    It counts up to 60, and is 60 for none.
    """
    return _months(latest(columns, _harm(columns, as_of_day), columns.day), as_of_day)


PENALTY = ("PEN",)
HARM = ("ACC", "PEN")

FEATURES = (
    Feature(
        "penalties_60m", "penalties", "次", MEMORY, -1, False,
        "近60个月行政处罚",
        "Penalties in the past 60 months",
        PENALTY, (60,), penalties_60m, _penalties,
    ),
    Feature(
        "penalty_days_12m", "days", "天", 12, -1, False,
        "近12个月被处罚的天数",
        "Days with a penalty in the past 12 months",
        PENALTY, (12,), penalty_days_12m, partial(_penalties, months=12),
    ),
    Feature(
        "penalty_days_weighted", "weighted days", "（加权天数）", MEMORY, -1, False,
        "近60个月被处罚的天数（逐年递减计权）",
        "Days with a penalty in the past 60 months, fading by year",
        PENALTY, YEARLY, penalty_days_weighted, _penalties,
    ),
    Feature(
        "penalty_quarters_60m", "quarters", "个季度", MEMORY, -1, False,
        "近60个月受过处罚的季度",
        "Quarters with a penalty in the past 60 months",
        PENALTY, (60,), penalty_quarters_60m, _penalties,
    ),
    Feature(
        "months_since_penalty", "months", "个月", MEMORY, 1, False,
        "距最近一次行政处罚",
        "Since the last penalty",
        PENALTY, QUARTERLY, months_since_penalty, lambda c, d: _last(_penalties(c, d), c),
    ),
    Feature(
        "months_of_penalties", "months", "个月", MEMORY, -1, False,
        "距近60个月内首次行政处罚",
        "Since the first penalty of the past 60 months",
        PENALTY, QUARTERLY, months_of_penalties, _first,
    ),
    Feature(
        "provisions_60m", "provisions", "项", MEMORY, -1, False,
        "近60个月处罚所引用的不同条款",
        "Different provisions cited in the past 60 months",
        PENALTY, (60,), provisions_60m, _penalties,
    ),
    Feature(
        "provisions_at_once_60m", "provisions", "项", MEMORY, -1, False,
        "近60个月单次处罚引用条款最多",
        "Most provisions cited by one penalty in the past 60 months",
        PENALTY, (60,), provisions_at_once_60m, _penalties,
    ),
    Feature(
        "repeat_penalties_60m", "penalties", "次", MEMORY, -1, False,
        "近60个月同一条款再次受罚",
        "Repeated penalties under one provision in the past 60 months",
        PENALTY, (60,), repeat_penalties_60m, _repeated,
    ),
    Feature(
        "serious_penalties_36m", "penalties", "次", 36, -1, False,
        "近36个月严重行政处罚",
        "Serious penalties in the past 36 months",
        PENALTY, (36,), serious_penalties_36m, _serious,
    ),
    Feature(
        "fines_36m", "10,000 yuan", "万元", 36, -1, False,
        "近36个月罚款合计",
        "Fines in the past 36 months",
        PENALTY, (36,), fines_36m, _fined,
    ),
    Feature(
        "accidents_60m", "accidents", "起", MEMORY, -1, False,
        "近60个月事故（认定无责任的除外）",
        "Accidents in the past 60 months, except without liability",
        ("ACC",), (60,), accidents_60m, _accidents,
    ),
    Feature(
        "casualties_60m", "people", "人", MEMORY, -1, False,
        "近60个月事故伤亡",
        "Casualties of accidents in the past 60 months",
        ("ACC",), (60,), casualties_60m, _accidents,
    ),
    Feature(
        "harm_weighted", "weighted records", "（加权起数）", MEMORY, -1, False,
        "近60个月事故及与事故有关的处罚（逐年递减计权）",
        "Accidents and accident-related penalties in the past 60 months, fading by year",
        HARM, YEARLY, harm_weighted, _harm,
    ),
    Feature(
        "months_since_harm", "months", "个月", MEMORY, 1, False,
        "距最近一次事故或者与事故有关的处罚",
        "Since the last accident or accident-related penalty",
        HARM, QUARTERLY, months_since_harm, lambda c, d: _last(_harm(c, d), c),
    ),
)  # fmt: skip
