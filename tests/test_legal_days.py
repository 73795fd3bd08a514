"""Legal days: civil dates in Shanghai, clamped months, half-open windows."""

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from credit_service.errors import CreditError, Reason
from credit_service.legal_days import (
    SHANGHAI,
    Period,
    add_months,
    civil_day,
    day_start,
    day_text,
    parse_day,
    parse_period,
)

DAYS = st.integers(date(1950, 1, 1).toordinal(), date(2199, 12, 31).toordinal())


def test_half_past_eleven_at_night_belongs_to_the_day_and_half_past_midnight_to_the_next() -> None:
    late = datetime(2026, 2, 28, 23, 30, tzinfo=SHANGHAI)
    assert day_text(civil_day(late)) == "2026-02-28"
    assert day_text(civil_day(late + timedelta(hours=1))) == "2026-03-01"


def test_civil_day_is_that_of_shanghai_whatever_the_offset() -> None:
    assert day_text(civil_day(datetime(2026, 2, 28, 15, 59, 59, tzinfo=UTC))) == "2026-02-28"
    assert day_text(civil_day(datetime(2026, 2, 28, 16, 0, tzinfo=UTC))) == "2026-03-01"


def test_naive_time_is_refused() -> None:
    with pytest.raises(CreditError, match="want a time with an offset") as caught:
        civil_day(datetime(2026, 2, 28, 12))  # noqa: DTZ001
    assert caught.value.reason is Reason.FIELD_INVALID


@pytest.mark.parametrize(
    ("start", "months", "expected"),
    [
        ("2028-02-29", 12, "2029-02-28"),
        ("2028-02-29", 48, "2032-02-29"),
        ("2027-02-28", 12, "2028-02-28"),
        ("2026-08-31", 1, "2026-09-30"),
        ("2026-01-31", 1, "2026-02-28"),
        ("2028-01-31", 1, "2028-02-29"),
        ("2026-12-31", 2, "2027-02-28"),
        ("2026-03-31", -1, "2026-02-28"),
        ("2026-01-15", -13, "2024-12-15"),
        ("2026-01-15", 0, "2026-01-15"),
    ],
)
def test_months_clamp_to_the_end_of_the_month(start: str, months: int, expected: str) -> None:
    assert day_text(add_months(parse_day(start), months)) == expected


def test_window_of_twelve_months_is_half_open() -> None:
    first, window = parse_day("2026-01-10"), parse_period("P12M")
    assert parse_day("2027-01-09") < window.after(first)
    assert not parse_day("2027-01-10") < window.after(first)


@pytest.mark.parametrize(
    ("text", "months", "days"),
    [("P12M", 12, 0), ("P3Y", 36, 0), ("P180D", 0, 180), ("P1Y6M", 18, 0), ("P1M15D", 1, 15)],
)
def test_periods_are_read_and_written_as_they_came(text: str, months: int, days: int) -> None:
    period = parse_period(text)
    assert period == Period(months, days)
    assert str(period) == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "P",
        "12M",
        "P0M",
        "P-3M",
        "P3W",
        "PT3H",
        "P1.5Y",
        " P3M",
        "p3m",
        "P3M ",
        "P\uff11\uff12M",
        "P1D1M",
    ],
)
def test_what_is_no_period_is_refused(text: str) -> None:
    with pytest.raises(CreditError, match=r"period: got .*, want P3Y") as caught:
        parse_period(text)
    assert caught.value.reason is Reason.BAD_PERIOD


def test_period_without_text_writes_itself_in_months_and_days() -> None:
    assert [str(Period(36, 0)), str(Period(0, 0)), str(Period(1, 2))] == ["P36M", "P0D", "P1M2D"]


@pytest.mark.parametrize("text", ["", "2026-2-3", "20260203", "2026-02-30", "2026-W01-1", "03/02/2026"])
def test_what_is_no_date_is_refused(text: str) -> None:
    with pytest.raises(CreditError, match="want YYYY-MM-DD"):
        parse_day(text)


@given(DAYS)
def test_day_start_is_the_first_instant_of_the_civil_day(day: int) -> None:
    start = day_start(day)
    assert start.tzinfo is UTC
    assert civil_day(start) == day
    assert civil_day(start - timedelta(microseconds=1)) == day - 1


@given(DAYS, st.integers(0, 600), st.integers(0, 600))
def test_adding_months_keeps_order_and_day_of_month(day: int, one: int, more: int) -> None:
    moved, start = date.fromordinal(add_months(day, one)), date.fromordinal(day)
    assert (moved.year * 12 + moved.month) - (start.year * 12 + start.month) == one
    assert moved.day == start.day or (moved + timedelta(days=1)).day == 1
    assert add_months(day, one) <= add_months(day, one + more)


@given(DAYS, st.integers(0, 36), st.integers(0, 400))
def test_going_back_by_a_period_never_passes_the_start(day: int, months: int, days: int) -> None:
    period = Period(months, days)
    assert period.before(period.after(day)) in range(day - 3, day + 1)
    assert parse_day(day_text(day)) == day
