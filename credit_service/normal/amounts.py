"""Sums of money as texts carry them, as whole fen; exact, never through binary fractions.

A unit written in the text beats the unit of the column. What cannot be told for certain is refused:
a decimal comma, a power of ten (its last digits are lost), a fraction of a fen.
"""

import re
import unicodedata
from decimal import Decimal
from enum import StrEnum

from credit_service.errors import CreditError, Reason, shown

# The ledger keeps money in 64 bits.
MOST_FEN = 2**63 - 1
_FEN = {
    "分": 1, "角": 10, "元": 100, "块": 100, "千元": 10**5, "万": 10**6, "万元": 10**6,
    "百万元": 10**8, "千万元": 10**9, "亿": 10**10, "亿元": 10**10,
}  # fmt: skip
_SPELLINGS = str.maketrans("萬億圓圆", "万亿元元")
_CURRENCY = r"(?:人民币|RMB|CNY|¥)?"
_NUMBER = r"(?P<number>[+-]?(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?)"
_UNIT = rf"(?P<unit>{'|'.join(sorted(_FEN, key=len, reverse=True))})?"
_TEXT = re.compile(rf"{_CURRENCY}{_NUMBER}{_UNIT}{_CURRENCY}[整正]?", re.ASCII | re.IGNORECASE)
_LONGEST = 60
_WANT = "a sum such as 1,234.56, 50000元, 5万元"


class Unit(StrEnum):
    """Names the unit of a column whose numbers say none."""

    FEN = "分"
    YUAN = "元"
    THOUSAND_YUAN = "千元"
    WAN = "万元"


def fen(text: str | int | float | Decimal, unit: Unit = Unit.YUAN) -> int:
    """Returns the sum in fen; a number that is no text is read by its shortest decimal form.

    Fails with FIELD_MISSING, FIELD_INVALID, AMOUNT_NEGATIVE, FIELD_OUT_OF_RANGE.
    """
    written = _written(text)
    found = _TEXT.fullmatch(written) if len(written) <= _LONGEST else None
    if not found:
        reason = Reason.FIELD_INVALID if written else Reason.FIELD_MISSING
        raise _refusal(text, _WANT, reason)
    number = Decimal(found["number"].replace(",", ""))
    if number.is_signed() and number:
        raise _refusal(text, "a sum of at least 0", Reason.AMOUNT_NEGATIVE)
    return _whole(text, number, _FEN[found["unit"] or unit])


def yuan(amount: int) -> str:
    """Writes fen as yuan with two decimals, such as 1234.56."""
    sign, amount = ("-", -amount) if amount < 0 else ("", amount)
    return f"{sign}{amount // 100}.{amount % 100:02d}"


def _written(value: str | int | float | Decimal) -> str:
    if isinstance(value, bool):
        return str(value)
    if not isinstance(value, str):
        # A cell holds 1e22 or 1E+5 for a number that was typed in full.
        return format(Decimal(repr(value) if isinstance(value, float) else value), "f")
    text = unicodedata.normalize("NFKC", value).replace("人民幣", "人民币").translate(_SPELLINGS)
    return "".join(text.split())


def _whole(text: str | int | float | Decimal, number: Decimal, factor: int) -> int:
    numerator, denominator = number.as_integer_ratio()
    whole, rest = divmod(numerator * factor, denominator)
    if rest:
        raise _refusal(text, "a sum of whole fen (at most two decimals of a yuan)", Reason.FIELD_INVALID)
    if whole > MOST_FEN:
        raise _refusal(text, f"a sum of at most {yuan(MOST_FEN)} yuan", Reason.FIELD_OUT_OF_RANGE)
    return whole


def _refusal(text: object, want: str, reason: Reason) -> CreditError:
    got = shown(text if isinstance(text, str) else str(text)) or "nothing"
    return CreditError(reason, f"amount: got {got}, want {want}")
