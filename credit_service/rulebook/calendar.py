"""Working days by the notices of the State Council, and last days counted in them. Pure.

A deadline that reaches a year without a notice is provisional: earlier for an authority's duty, later for a
subject's right, and computed anew when the notice is loaded.
"""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from functools import cache
from pathlib import Path

from credit_service.legal_days import parse_day
from credit_service.rulebook.schema import Table

FILE = Path(__file__).parent / "calendars" / "cn.toml"
SATURDAY = 5


@dataclass(frozen=True, slots=True)
class LastDay:
    """Names the last day of a deadline, as an ordinal, and whether a missing notice made it provisional."""

    day: int
    is_provisional: bool = False


@dataclass(frozen=True, slots=True)
class Calendar:
    """Knows the days off and the working weekend days of the years whose notice is out."""

    off: frozenset[int]
    on: frozenset[int]
    years: frozenset[int]
    working_weekend_days: int
    longest_block_days: int

    def is_working(self, day: int) -> bool:
        """Says whether a day is worked; in a year without a notice every weekday counts as worked."""
        if day in self.on:
            return True
        return day not in self.off and date.fromordinal(day).weekday() < SATURDAY

    def is_announced(self, day: int) -> bool:
        """Says whether the notice of the day's year is out."""
        return date.fromordinal(day).year in self.years

    def nth_working_day(self, day: int, count: int) -> int:
        """Returns the count-th working day after a day; the day itself never counts."""
        while count:
            day += 1
            count -= self.is_working(day)
        return day

    def last_day(self, day: int, count: int, *, is_right: bool) -> LastDay:
        """Returns the last day of a deadline of `count` working days that an act of `day` starts."""
        last = self.nth_working_day(day, count)
        if self.is_announced(last):
            return LastDay(last)
        if is_right:
            return LastDay(self.nth_working_day(last + self.longest_block_days - 1, 1), is_provisional=True)
        # At least one day is left, however short the count.
        return LastDay(self.nth_working_day(day, max(1, count - self.working_weekend_days)), is_provisional=True)


@cache
def shipped_calendar() -> Calendar:
    """Returns the calendar of the shipped notices."""
    return read_calendar(FILE.name, tomllib.loads(FILE.read_text("utf-8")))


def read_calendar(file: str, values: Mapping[str, object]) -> Calendar:
    """Reads notices; refuses, with EDITION_INVALID, a day that lies outside its year or a weekday worked anyway."""
    root = Table(file, "", values)
    years, off, on = root.table("years"), set[int](), set[int]()
    for name in years.names():
        year = years.table(name)
        year.text("notice")
        for span in year.texts("off"):
            off |= _span(year, name, span)
        on |= {_working(year, name, text) for text in year.texts("on")}
        year.finish(("notice", "off", "on"))
    unannounced = root.table("unannounced")
    calendar = Calendar(
        off=frozenset(off - on), on=frozenset(on), years=frozenset(map(int, years.names())),
        working_weekend_days=unannounced.whole("working_weekend_days", 0, 10),
        longest_block_days=unannounced.whole("longest_block_days", 1, 30),
    )  # fmt: skip
    unannounced.finish(("working_weekend_days", "longest_block_days"))
    root.finish(("years", "unannounced"))
    return calendar


def _span(year: Table, name: str, span: str) -> set[int]:
    first, _, last = span.partition("/")
    days = range(parse_day(first), parse_day(last or first) + 1)
    if not days or any(date.fromordinal(day).year != int(name) for day in days):
        year.refuse("off", span, f"days of {name}, first/last")
    return set(days)


def _working(year: Table, name: str, text: str) -> int:
    day = parse_day(text)
    if date.fromordinal(day).year != int(name) or date.fromordinal(day).weekday() < SATURDAY:
        year.refuse("on", text, f"a Saturday or Sunday of {name}")
    return day
