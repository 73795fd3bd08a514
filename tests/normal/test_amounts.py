"""Sums of money: every written form gives exact fen, and a doubtful one is refused."""

from contextlib import suppress
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from credit_service.errors import CreditError, Reason
from credit_service.normal.amounts import MOST_FEN, Unit, fen, yuan
from tests.normal.widths import wide

FEN = st.integers(0, MOST_FEN)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("50000", 5_000_000),
        ("50,000.00元", 5_000_000),
        (wide("50,000") + "元整", 5_000_000),
        ("人民币5万元", 5_000_000),
        ("人民幣5萬圓", 5_000_000),
        ("5万元人民币", 5_000_000),
        ("￥50000.00", 5_000_000),
        ("RMB 50 000", 5_000_000),
        ("0.000001万元", 1),
        ("1.5亿元", 15_000_000_000),
        ("3千元", 300_000),
        ("2百万元", 200_000_000),
        ("7角", 70),
        ("9分", 9),
        ("+0.10", 10),
        ("-0", 0),
        ("0.10000", 10),
        (50000, 5_000_000),
        (0.1, 10),
        (19.99, 1999),
        (1e16, 10**18),
        (Decimal("1E+3"), 100_000),
    ],
)
def test_sum_is_read_in_whole_fen(text: str | int | float | Decimal, expected: int) -> None:
    assert fen(text) == expected


@pytest.mark.parametrize(
    ("unit", "expected"),
    [(Unit.FEN, 3), (Unit.YUAN, 300), (Unit.THOUSAND_YUAN, 300_000), (Unit.WAN, 3_000_000)],
)
def test_number_without_unit_takes_that_of_its_column(unit: Unit, expected: int) -> None:
    assert fen("3", unit) == expected
    assert fen("3元", unit) == 300


@given(FEN)
def test_fen_survives_being_written_and_read(amount: int) -> None:
    assert fen(yuan(amount)) == amount
    assert fen(f"{amount // 100:,}.{amount % 100:02d}元") == amount
    assert fen(f"{Decimal(amount).scaleb(-6):f}", Unit.WAN) == amount
    assert fen(f"{amount}", Unit.FEN) == amount


@given(st.integers(0, 10**11))
def test_cell_of_a_spreadsheet_loses_nothing(amount: int) -> None:
    assert fen(amount / 100) == amount


def test_negative_sum_is_written_with_its_sign() -> None:
    assert yuan(-5) == "-0.05"


@pytest.mark.parametrize(
    ("text", "reason", "want"),
    [
        ("", Reason.FIELD_MISSING, "amount: got nothing, want a sum"),
        ("  ", Reason.FIELD_MISSING, "want a sum"),
        ("伍万元", Reason.FIELD_INVALID, "got 伍万元, want a sum such as"),
        ("1,23", Reason.FIELD_INVALID, "got 1,23, want"),
        ("12,34.5", Reason.FIELD_INVALID, "want a sum"),
        ("1.2E+05", Reason.FIELD_INVALID, "want a sum"),
        ("3元5角", Reason.FIELD_INVALID, "want a sum"),
        ("5美元", Reason.FIELD_INVALID, "want a sum"),
        ("5万-10万元", Reason.FIELD_INVALID, "want a sum"),
        (".5", Reason.FIELD_INVALID, "want a sum"),
        ("1" * 61, Reason.FIELD_INVALID, "want a sum"),
        ("0.005", Reason.FIELD_INVALID, "whole fen"),
        ("0.5分", Reason.FIELD_INVALID, "whole fen"),
        (0.1 + 0.2, Reason.FIELD_INVALID, "whole fen"),
        ("-1元", Reason.AMOUNT_NEGATIVE, "got -1元, want a sum of at least 0"),
        (-1, Reason.AMOUNT_NEGATIVE, "at least 0"),
        ("92233720368547758.08", Reason.FIELD_OUT_OF_RANGE, "at most 92233720368547758.07 yuan"),
        (float("nan"), Reason.FIELD_INVALID, "want a sum"),
        (float("inf"), Reason.FIELD_INVALID, "want a sum"),
        (True, Reason.FIELD_INVALID, "got True, want a sum"),
        (1e300, Reason.FIELD_INVALID, "want a sum"),
    ],
)
def test_doubtful_sum_is_refused_by_name(text: str | float, reason: Reason, want: str) -> None:
    with pytest.raises(CreditError) as caught:
        fen(text)
    assert caught.value.reason is reason
    assert want in caught.value.message


@given(st.one_of(st.text(), st.text("0123456789,.元万 -+"), st.floats(), st.integers()))
def test_anything_is_read_or_refused(value: str | float) -> None:
    with suppress(CreditError):
        assert 0 <= fen(value) <= MOST_FEN
