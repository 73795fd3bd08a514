"""Civil dates in the forms that files carry, read into YYYY-MM-DD; an impossible date is refused by its fault.

A time of day is dropped, for these fields are days. A time with an offset is refused: its civil day in
Shanghai may be another, so it has to be converted first.
"""

import math
import re
import unicodedata
from calendar import monthrange
from datetime import date, datetime, timedelta
from typing import Literal

from credit_service.errors import CreditError, Reason, shown

Calendar = Literal["ce", "roc"]

FIRST_YEAR, LAST_YEAR = 1900, 2199
# Year 1 of the Republic of China (民国) is 1912.
ROC_OFFSET = 1911
_SERIAL_START = datetime(1899, 12, 30)  # noqa: DTZ001  # a civil day, of no offset
_PHANTOM_SERIAL = 60  # a spreadsheet counts 1900-02-29, which never was
_LAST_SERIAL = (date(LAST_YEAR, 12, 31) - _SERIAL_START.date()).days
# Workbooks of the 1904 system count its first day as 0, and no day that never was.
_SERIALS_TO_1904 = 1462
_SECONDS = 86_400
_MOST_NUMBER = 100_000_000
_WANT = "a date such as 2026-03-01, 2026/3/1, 2026.3.1, 2026年3月1日 or 20260301"
_WANT_ROC = "a date such as 民国115年3月1日, 115/03/01 or 1150301"
_TIME = re.compile(r"(?P<day>.*[\d日号])(?:[ T]+)(?:[01]?\d|2[0-3]):[0-5]\d(?::[0-5]\d(?:\.\d+)?)?", re.ASCII)
_ERA = re.compile(r"(?:中[华華])?民[国國]\s*")
# A blank between two numbers separates them and stays, so that it is refused.
_BLANKS = re.compile(r"\s*([-/.年月日号])\s*")
_SPLIT = re.compile(
    r"(?P<y>\d+)(?:(?P<s>[-/.])(?P<m>\d{1,2})(?P=s)(?P<d>\d{1,2})|年(?P<m2>\d{1,2})月(?P<d2>\d{1,2})[日号])", re.ASCII
)
_COMPACT = re.compile(r"(?P<y>\d+)(?P<m>\d\d)(?P<d>\d\d)", re.ASCII)


def civil_date(value: str | int | float, calendar: Calendar = "ce") -> str:
    """Returns a date as YYYY-MM-DD; numbers are compact dates or serials of a spreadsheet (1900 system).

    A text that names 民国 is read so whatever the calendar.
    Fails with FIELD_MISSING, FIELD_INVALID, FIELD_OUT_OF_RANGE.
    """
    if isinstance(value, str):
        return _from_text(value, calendar)
    # Written so that NaN is refused too.
    if isinstance(value, bool) or not abs(value) < _MOST_NUMBER:
        raise _refusal(value, _WANT)
    if value > _LAST_SERIAL and value == int(value):
        return _from_text(str(int(value)), calendar)
    return serial_time(value).date().isoformat()


def _from_text(value: str, calendar: Calendar) -> str:
    text = unicodedata.normalize("NFKC", value).strip()
    if not text:
        raise _refusal(value, _WANT, Reason.FIELD_MISSING)
    if timed := _TIME.fullmatch(text):
        text = timed["day"]
    text, eras = _ERA.subn("", _BLANKS.sub(r"\g<1>", text), count=1)
    is_roc = calendar == "roc" or eras > 0
    parts = _parts(text.replace("元年", "1年") if is_roc else text, is_roc)
    if parts is None:
        raise _refusal(value, _WANT_ROC if is_roc else _WANT)
    year, month, day = parts
    return _checked(value, year + ROC_OFFSET if is_roc else year, month, day)


def _parts(text: str, is_roc: bool) -> tuple[int, int, int] | None:
    found = _SPLIT.fullmatch(text)
    if found:
        year, month, day = found["y"], found["m"] or found["m2"], found["d"] or found["d2"]
    elif found := _COMPACT.fullmatch(text):
        year, month, day = found["y"], found["m"], found["d"]
    else:
        return None
    # Two digits can be a year of either calendar, and four never one of the Republic's.
    fits = len(year) <= 3 if is_roc else len(year) == 4
    return (int(year), int(month), int(day)) if fits else None


def serial_time(value: float, *, is_1904: bool = False) -> datetime:
    """Returns the day and time of day that a serial of a spreadsheet says, to the second.

    Fails with FIELD_INVALID, FIELD_OUT_OF_RANGE.
    """
    day, least, most = math.floor(value), 1, _LAST_SERIAL
    if is_1904:
        least, most = 0, _LAST_SERIAL - _SERIALS_TO_1904
    elif day == _PHANTOM_SERIAL:
        raise _refusal(value, "a serial of a day that was (60 is 1900-02-29, which never was)")
    if not least <= day <= most:
        raise _refusal(value, f"a serial from {least} to {most}", Reason.FIELD_OUT_OF_RANGE)
    whole = day + (_SERIALS_TO_1904 if is_1904 else day < _PHANTOM_SERIAL)
    # A time a moment before midnight is still of its day.
    seconds = min(round((value - day) * _SECONDS), _SECONDS - 1)
    return _SERIAL_START + timedelta(days=whole, seconds=seconds)


def _checked(value: str, year: int, month: int, day: int) -> str:
    if not FIRST_YEAR <= year <= LAST_YEAR:
        raise _refusal(value, f"a year from {FIRST_YEAR} to {LAST_YEAR}", Reason.FIELD_OUT_OF_RANGE)
    if not 1 <= month <= 12:
        raise _refusal(value, "a month from 1 to 12")
    days = monthrange(year, month)[1]
    if not 1 <= day <= days:
        raise _refusal(value, f"a day from 1 to {days} in {year}-{month:02d}")
    return date(year, month, day).isoformat()


def _refusal(value: object, want: str, reason: Reason = Reason.FIELD_INVALID) -> CreditError:
    return CreditError(reason, f"date: got {shown(value).strip() or 'nothing'}, want {want}")
