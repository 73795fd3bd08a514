"""Whether what should be reported is reported: groups with too few accidents, and sources that fell silent.

A group that reports few light accidents may be careful or may hide them. Three measures are shown side by side, because
each is blind to something: exposure (people times years) to care, fatal accidents, which can hardly be hidden, to small
numbers, and insured losses to who is insured.
"""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from scipy.stats import binom, poisson

from credit_service.ledger.fact import Fact
from credit_service.ledger.sources import Source
from credit_service.legal_days import add_months, day_text, parse_day
from training.dataset import GRADED_KINDS, History
from training.grouping import groups_of

WINDOW_MONTHS = 24
DAYS_OF_YEAR = 365.25
# What is both sure and too far below what was expected is told.
SURE, LOW = 0.999, 0.75
QUARTER, YEAR = 91, 365
WAYS = ("size", "district", "industry")


@dataclass(slots=True)
class Tally:
    """Counts what a group reported, and what it could have reported."""

    n: int = 0
    person_years: float = 0.0
    light: int = 0
    fatal: int = 0
    claims: int = 0
    # Light accidents that its exposure lets expect, at the rates of its industries.
    by_exposure: float = 0.0

    def add(self, other: "Tally") -> None:
        """Adds the counts of another."""
        self.n += other.n
        self.person_years += other.person_years
        self.light += other.light
        self.fatal += other.fatal
        self.claims += other.claims


def reporting(held: History, day: int) -> dict[str, Any]:
    """Returns by group how many light accidents of two years were reported, of those that were to be expected.

    Everything that became known later counts, so that a late report is no missing one.
    """
    begin = add_months(day, -WINDOW_MONTHS)
    known = held.facts_known_on(int(held.columns.known_day.max(initial=day)))
    places = [n for n, facts in enumerate(known) if facts and held.kinds[n] in GRADED_KINDS]
    tallies = [_tally(known[n], begin, day) for n in places]
    groups = groups_of(held, places, day)
    rates = _rates(tallies, groups["industry"])
    for tally, industry in zip(tallies, groups["industry"], strict=True):
        tally.by_exposure = tally.person_years * rates[industry]
    everybody = _summed(tallies)
    return {
        "from": day_text(begin + 1), "to": day_text(day), "light": everybody.light, "fatal": everybody.fatal,
        "claims": everybody.claims, **{way: _by_group(way, tallies, groups[way], everybody) for way in WAYS},
    }  # fmt: skip


def silence(
    held: History, registered: Mapping[str, Source], day: int, signs: Sequence[Mapping[str, Any]] = ()
) -> dict[str, Any]:
    """Returns by source how its last quarter compares with the year before it, and whether it has fallen silent.

    `signs` are the declarations and receipts of an extract: a source that declared itself complete is not silent.
    """
    by_source: dict[str, Counter[int]] = defaultdict(Counter)
    for facts in held.population.facts:
        for fact in facts:
            by_source[fact.source][fact.known_day] += 1
    declared = {sign["source"]: sign for sign in signs}
    return {
        name: _quarter(days, day)
        | _silent(registered[name], day - max((d for d in days if d <= day), default=0), declared.get(name))
        for name, days in sorted(by_source.items())
        if min(days) <= day
    }


def _tally(facts: Sequence[Fact], begin: int, end: int) -> Tally:
    found = Tally(n=1)
    within = [fact for fact in facts if begin < fact.day <= end]
    for fact in within:
        if fact.kind == "ACC":
            # Where nobody counted the dead, nobody can say which of the two it was.
            deaths = fact.payload.get("deaths")
            found.fatal += bool(deaths)
            found.light += deaths == 0
        found.claims += fact.kind == "CLM"
    registered = [fact for fact in facts if fact.kind == "REG" and fact.day <= end]
    people = next((f.payload["headcount"] for f in reversed(registered) if "headcount" in f.payload), 0)
    founded = next((parse_day(f.payload["founded_date"]) for f in registered if "founded_date" in f.payload), begin)
    found.person_years = people * max(0, end - max(begin, founded)) / DAYS_OF_YEAR
    return found


def _rates(tallies: Sequence[Tally], industries: Sequence[str]) -> dict[str, float]:
    """Returns light accidents a person and year of each industry."""
    sums: dict[str, Tally] = defaultdict(Tally)
    for tally, industry in zip(tallies, industries, strict=True):
        if tally.person_years:
            sums[industry].add(tally)
    rates = {name: one.light / one.person_years for name, one in sums.items()}
    return {name: rates.get(name, 0.0) for name in set(industries)}


def _by_group(way: str, tallies: Sequence[Tally], groups: Sequence[str], everybody: Tally) -> dict[str, Any]:
    sums: dict[str, Tally] = defaultdict(Tally)
    for tally, name in zip(tallies, groups, strict=True):
        sums[name].add(tally)
        # A person of a large firm has fewer accidents: by size, exposure would take that for silence.
        sums[name].by_exposure += 0 if way == "size" else tally.by_exposure
    return {name: _told(sums[name], everybody) for name in sorted(sums)}


def _told(one: Tally, everybody: Tally) -> dict[str, Any]:
    """Returns the three measures of a group; one that has nothing to stand on is absent."""
    found: dict[str, Any] = {
        "n": one.n, "person_years": one.person_years, "light": one.light, "fatal": one.fatal, "claims": one.claims,
    }  # fmt: skip
    if one.by_exposure:
        found["by_exposure"] = _measure(one.light, one.by_exposure, float(poisson.cdf(one.light, one.by_exposure)))
    for name, mine, theirs in (("by_fatal", one.fatal, everybody.fatal), ("by_claims", one.claims, everybody.claims)):
        if mine and everybody.light:
            # Both numbers are chance: of all of them together so many should be light accidents.
            share = everybody.light / (everybody.light + theirs)
            chance = float(binom.cdf(one.light, one.light + mine, share))
            found[name] = _measure(one.light, mine * everybody.light / theirs, chance)
    return found


def _measure(observed: int, expected: float, chance_of_so_few: float) -> dict[str, Any]:
    ratio = observed / expected
    return {
        "expected": expected, "observed_to_expected": ratio, "sureness": 1 - chance_of_so_few,
        "is_alarm": ratio < LOW and chance_of_so_few < 1 - SURE,
    }  # fmt: skip


def _quarter(days: Mapping[int, int], day: int) -> dict[str, Any]:
    """Compares the last quarter with what the year before it lets expect; both numbers are chance."""
    observed = sum(n for known, n in days.items() if day - QUARTER < known <= day)
    before = sum(n for known, n in days.items() if day - QUARTER - YEAR < known <= day - QUARTER)
    found: dict[str, Any] = {"quarter": observed, "year_before": before}
    if before:
        chance = float(binom.cdf(observed, observed + before, QUARTER / (QUARTER + YEAR)))
        found |= _measure(observed, before * QUARTER / YEAR, chance)
    return found


def _silent(source: Source, days_since: int, sign: Mapping[str, Any] | None) -> dict[str, Any]:
    agreed = source.interval_days
    found: dict[str, Any] = {"days_since_last": days_since, "interval_days": agreed}
    if sign is not None:
        return found | {
            "complete_until_time": sign.get("complete_until_time"), "is_silent": bool(sign["is_stale"]),
        }  # fmt: skip
    return found | {"is_silent": None if agreed is None else days_since > agreed}


def _summed(tallies: Sequence[Tally]) -> Tally:
    found = Tally()
    for tally in tallies:
        found.add(tally)
    return found
