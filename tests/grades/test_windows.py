"""Windows agree with the legal days, in arrays as one by one."""

from datetime import date

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from credit_service.arrays import NEVER, after, forward
from credit_service.grades.windows import cutoff, passed, quarters, within
from credit_service.legal_days import add_months, parse_day, parse_period
from tests.grades.conftest import a_fact, laid

DAYS = st.integers(parse_day("2015-01-01"), parse_day("2032-12-31"))
MONTHS = st.integers(1, 84)


@given(DAYS, DAYS, MONTHS)
def test_day_is_inside_exactly_while_its_forward_window_lasts(day: int, as_of: int, months: int) -> None:
    assert (day > cutoff(as_of, months)) == (add_months(day, months) > as_of)


@given(
    st.integers(-3, 3),
    st.integers(-3, 3),
    st.integers(1, 48),
    st.sampled_from(["2024-02-29", "2026-03-01", "2026-01-31"]),
)
def test_month_ends_are_inside_exactly_while_their_window_lasts(a: int, b: int, months: int, start: str) -> None:
    as_of = parse_day(start) + a
    day = add_months(as_of, -months) + b
    assert (day > cutoff(as_of, months)) == (add_months(day, months) > as_of)


@pytest.mark.parametrize(
    ("fact", "as_of", "months", "is_inside"),
    [
        ("2025-06-30", "2026-06-29", 12, True),
        ("2025-06-30", "2026-06-30", 12, False),
        # Shorter months lack the last days of longer ones: these windows end on the last day there is.
        ("2024-02-29", "2025-02-27", 12, True),
        ("2024-02-29", "2025-02-28", 12, False),
        ("2025-12-31", "2026-02-27", 2, True),
        ("2025-12-29", "2026-02-28", 2, False),
        ("2025-12-31", "2026-02-28", 2, False),
        ("2026-01-01", "2026-02-28", 2, True),
    ],
)
def test_row_is_inside_until_the_last_day_of_its_window(fact: str, as_of: str, months: int, is_inside: bool) -> None:
    columns = laid([a_fact("PEN", fact, 1, articles=["甲/1"])])
    assert within(columns, parse_day(as_of), months).tolist() == [is_inside]


@given(st.lists(DAYS, min_size=1), DAYS)
def test_steps_passed_are_those_whose_window_is_over(days: list[int], as_of: int) -> None:
    steps = (3, 6, 12, 60)
    days += [add_months(as_of, -step) + beside for step in steps for beside in (-1, 0, 1)]
    want = [sum(add_months(day, step) <= as_of for step in steps) for day in days]
    assert passed(np.array(days), as_of, steps).tolist() == want


@given(st.lists(st.tuples(DAYS, MONTHS), min_size=1))
def test_days_move_forward_in_arrays_as_one_by_one(pairs: list[tuple[int, int]]) -> None:
    days, months = (np.array(part) for part in zip(*pairs, strict=True))
    assert forward(days, months).tolist() == [add_months(day, month) for day, month in pairs]


@pytest.mark.parametrize("term", ["P1Y", "P574Y", "P575Y", "P999Y", "P7900Y11M"])
@pytest.mark.parametrize("start", ["1600-02-29", "1949-10-01", "2026-01-31", "2200-12-31", "2601-02-28"])
def test_a_term_that_means_for_ever_ends_on_its_day_in_arrays_too(start: str, term: str) -> None:
    """An edition may state any term; the calendar at hand ends earlier."""
    period, day = parse_period(term), parse_day(start)
    if date.fromordinal(day).year + period.months // 12 < 9998:
        assert after(period, np.array([day, NEVER, parse_day("2026-02-28")])).tolist() == [
            period.after(day), NEVER, period.after(parse_day("2026-02-28")),
        ]  # fmt: skip


def test_quarters_begin_with_their_first_month() -> None:
    days = [parse_day(text) for text in ("2026-03-31", "2026-04-01", "2026-06-30", "2026-07-01")]
    found = quarters(np.array(days))
    assert (found - found[0]).tolist() == [0, 1, 1, 2]
