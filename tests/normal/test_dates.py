"""Civil dates: every form that files carry reads back, and an impossible date is refused by its fault."""

from contextlib import suppress
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from credit_service.errors import CreditError, Reason
from credit_service.normal.dates import civil_date, serial_time
from tests.normal.widths import wide

DAYS = st.dates(date(1900, 1, 1), date(2199, 12, 31))
ROC_DAYS = st.dates(date(1912, 1, 1), date(2199, 12, 31))


@pytest.mark.parametrize(
    "value",
    [
        "2026-03-01", "2026-3-1", "2026/3/1", "2026.03.01", "2026年3月1日", "2026年03月01号", "20260301",
        " 2026 年 3 月 1 日 ",
        f"{wide('2026')}年{wide('3')}月1日", "2026-03-01 00:00:00", "2026/3/1 8:30", "2026-03-01T23:59:59.000",
        46082, 46082.0, 46082.75, 20260301,
        20260301.0, "民国115年3月1日", "中華民國115年3月1日", "民国 115/03/01",
    ],
)  # fmt: skip
def test_first_of_march_is_read_from_every_form(value: str | float) -> None:
    assert civil_date(value) == "2026-03-01"


@pytest.mark.parametrize(
    "value", ["115/03/01", "115.3.1", "115-3-1", "1150301", 1150301, "115年3月1日", "民國115年3月1日", 46082]
)
def test_first_of_march_is_read_in_the_calendar_of_the_republic(value: str | int) -> None:
    assert civil_date(value, calendar="roc") == "2026-03-01"


@given(DAYS)
def test_every_date_reads_back_from_each_form(day: date) -> None:
    forms = [
        f"{day:%Y-%m-%d}", f"{day.year}/{day.month}/{day.day}", f"{day.year}.{day.month}.{day.day}",
        f"{day.year}年{day.month}月{day.day}日", f"{day:%Y%m%d}", f"{day:%Y-%m-%d} 12:00:00",
    ]  # fmt: skip
    assert {civil_date(form) for form in forms} == {day.isoformat()}
    assert civil_date(int(f"{day:%Y%m%d}")) == day.isoformat()


@given(DAYS, st.floats(0, 0.99))
def test_every_date_reads_back_from_its_serial(day: date, time: float) -> None:
    serial = (day - date(1899, 12, 30)).days
    serial -= day < date(1900, 3, 1)
    assert civil_date(serial) == day.isoformat()
    assert civil_date(serial + time) == day.isoformat()


@given(ROC_DAYS)
def test_every_date_of_the_republic_reads_back(day: date) -> None:
    year = day.year - 1911
    forms = [f"{year}/{day.month:02d}/{day.day:02d}", f"{year}{day:%m%d}", f"民国{year}年{day.month}月{day.day}日"]
    assert {civil_date(form, calendar="roc") for form in forms} == {day.isoformat()}
    assert civil_date(forms[-1]) == day.isoformat()


def test_first_year_of_the_republic_has_a_name() -> None:
    assert civil_date("民国元年1月1日") == "1912-01-01"


def test_spreadsheet_counts_a_day_that_never_was() -> None:
    assert [civil_date(serial) for serial in (1, 59, 61)] == ["1900-01-01", "1900-02-28", "1900-03-01"]
    with pytest.raises(CreditError, match="1900-02-29, which never was"):
        civil_date(60)


def test_workbook_of_1904_counts_from_its_first_day() -> None:
    assert [serial_time(n, is_1904=True).isoformat() for n in (0, 59, 60.25, 44_620)] == [
        "1904-01-01T00:00:00", "1904-02-29T00:00:00", "1904-03-01T06:00:00", "2026-03-01T00:00:00",
    ]  # fmt: skip
    for serial in (-1, 108_113):
        with pytest.raises(CreditError, match="want a serial from 0 to 108112"):
            serial_time(serial, is_1904=True)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("2026-13-01", "got 2026-13-01, want a month from 1 to 12"),
        ("2026-00-10", "want a month from 1 to 12"),
        ("2026-02-29", "want a day from 1 to 28 in 2026-02"),
        ("2024年2月30日", "want a day from 1 to 29 in 2024-02"),
        ("2026.4.31", "want a day from 1 to 30 in 2026-04"),
        ("2026-01-00", "want a day from 1 to 31 in 2026-01"),
        ("民国115年2月29日", "want a day from 1 to 28 in 2026-02"),
        ("20261301", "want a month from 1 to 12"),
    ],
)
def test_impossible_date_is_refused_by_its_fault(value: str, message: str) -> None:
    with pytest.raises(CreditError) as caught:
        civil_date(value)
    assert caught.value.reason is Reason.FIELD_INVALID
    assert message in caught.value.message


@pytest.mark.parametrize(
    "value",
    [
        "2026-3/1", "2026.3.1.", "26/3/1", "3/1/2026", "2026年3月", "2026年3月1", "2026 3 1", "115/03/01",
        "民国前1年1月1日", "46082",
        "2026-03-01T16:00:00Z", "2026-03-01T00:00:00+08:00", "2026-03-01 25:00", "明天",
        "\u0662\u0660\u0662\u0666-03-01", "9" * 5000, 1150301,
        True, float("nan"), float("inf"), 1e300, 10**400, 110000.5,
    ],
)  # fmt: skip
def test_text_of_no_known_form_is_refused(value: str | float) -> None:
    with pytest.raises(CreditError, match=r"date: got .*, want a (date such as|serial)"):
        civil_date(value)


@pytest.mark.parametrize("value", ["2026/3/1", "民国2026年3月1日", "20260301", "115/3"])
def test_year_of_the_other_calendar_is_refused(value: str) -> None:
    with pytest.raises(CreditError, match="want a date such as 民国115年3月1日"):
        civil_date(value, calendar="roc")


@pytest.mark.parametrize("value", ["1899-12-31", "2200-01-01", "民国289年1月1日", 0, -1, 0.5, 109575.5])
def test_date_beyond_the_years_kept_is_out_of_range(value: str | float) -> None:
    with pytest.raises(CreditError) as caught:
        civil_date(value)
    assert caught.value.reason is Reason.FIELD_OUT_OF_RANGE


def test_absent_date_is_missing() -> None:
    with pytest.raises(CreditError, match="date: got nothing") as caught:
        civil_date(" ")
    assert caught.value.reason is Reason.FIELD_MISSING


@given(
    st.one_of(st.text(), st.text("0123456789-/.年月日 民国T:"), st.floats(), st.integers()),
    st.sampled_from(["ce", "roc"]),
)
def test_anything_is_read_or_refused(value: str | float, calendar: str) -> None:
    with suppress(CreditError):
        assert date.fromisoformat(civil_date(value, "roc" if calendar == "roc" else "ce"))
