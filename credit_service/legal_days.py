"""Legal days: civil dates in Asia/Shanghai as ordinals, and the arithmetic of terms and windows.

A window of n forward from day d is half-open, [d, d + n): day d + n is outside. A term of n that an
act of day d starts runs from d + 1 and ends at 24:00 of d + n, so d + n is its last day. Months
clamp to their end.
"""

import re
from calendar import monthrange
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time
from functools import lru_cache
from zoneinfo import ZoneInfo

from credit_service.errors import CreditError, Reason, shown

SHANGHAI = ZoneInfo("Asia/Shanghai")
DAY_MICROSECONDS = 86_400_000_000
# From 1992 on Shanghai keeps one offset: the last summer time ended in September 1991.
_STEADY_SINCE = int(datetime(1992, 1, 1, tzinfo=UTC).timestamp()) * 1_000_000
_STEADY_SHIFT = date(1970, 1, 1).toordinal() * DAY_MICROSECONDS + 8 * 3_600_000_000

# Python also reads week dates and dates without dashes; the law writes neither.
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_PERIOD = re.compile(r"P(?:(\d{1,4})Y)?(?:(\d{1,4})M)?(?:(\d{1,5})D)?", re.ASCII)


@dataclass(frozen=True, slots=True)
class Period:
    """Measures a legal period in months and days, such as P12M or P180D."""

    months: int
    days: int
    text: str = field(default="", compare=False, repr=False)

    def after(self, day: int) -> int:
        """Returns the day this period later: the first outside a window that begins on `day`."""
        return add_months(day, self.months) + self.days

    def before(self, day: int) -> int:
        """Returns the day this period earlier."""
        return add_months(day - self.days, -self.months)

    def __str__(self) -> str:
        """Reads as it was written, else in months and days."""
        months = f"{self.months}M" if self.months else ""
        days = f"{self.days}D" if self.days or not months else ""
        return self.text or f"P{months}{days}"


def parse_period(text: str) -> Period:
    """Reads P12M, P3Y, P180D or a sum of these; refuses an empty or negative period."""
    found = _PERIOD.fullmatch(text)
    years, months, days = (int(part or 0) for part in found.groups()) if found else (0, 0, 0)
    if years + months + days == 0:
        raise CreditError(
            Reason.BAD_PERIOD,
            f"period: got {shown(text)!r}, want P3Y, P12M, P180D or a sum of these",
        )
    return Period(months=12 * years + months, days=days, text=text)


def civil_day(t: datetime) -> int:
    """Returns the civil date in Shanghai of an aware time, as an ordinal."""
    if t.tzinfo is None:
        raise CreditError(Reason.FIELD_INVALID, f"time: got {t.isoformat()}, want a time with an offset")
    return t.astimezone(SHANGHAI).toordinal()


def local_text(t: datetime) -> str:
    """Returns a time as people in the jurisdiction read it."""
    return t.astimezone(SHANGHAI).isoformat(sep=" ", timespec="seconds")


def civil_day_at(count: int) -> int:
    """Returns the civil date in Shanghai of a time in microseconds since 1970 UTC, as an ordinal."""
    if count >= _STEADY_SINCE:
        return (count + _STEADY_SHIFT) // DAY_MICROSECONDS
    return civil_day(datetime.fromtimestamp(count // 1_000_000, UTC))


@lru_cache(maxsize=16384)
def add_months(day: int, months: int) -> int:
    """Moves a day by months, forward or back, and clamps to the end of the month."""
    start = date.fromordinal(day)
    years, month = divmod(start.month - 1 + months, 12)
    year, month = start.year + years, month + 1
    return date(year, month, min(start.day, monthrange(year, month)[1])).toordinal()


def day_start(day: int) -> datetime:
    """Returns 00:00 in Shanghai of that day, in UTC."""
    return datetime.combine(date.fromordinal(day), time(), SHANGHAI).astimezone(UTC)


def day_text(day: int) -> str:
    """Writes a day as 2026-11-23."""
    return date.fromordinal(day).isoformat()


@lru_cache(maxsize=65536)
def parse_day(text: str) -> int:
    """Reads a civil date written as 2026-11-23."""
    if _DATE.fullmatch(text):
        with suppress(ValueError):
            return date.fromisoformat(text).toordinal()
    raise CreditError(Reason.FIELD_INVALID, f"date: got {shown(text)!r}, want YYYY-MM-DD")
