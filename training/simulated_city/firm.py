"""One subject of the city: who it is, how large, how careful, and the days on which it lives."""

from dataclasses import dataclass, field
from math import exp, log2
from typing import Any

from credit_service.legal_days import add_months
from training.simulated_city.clerk import Clerk, Record, text_of
from training.simulated_city.codes import subject_code
from training.simulated_city.dice import Dice
from training.simulated_city.world import District, Domain, Trade, World, world

_YEAR = 365


@dataclass(frozen=True, slots=True)
class Wish:
    """Fixes what a planted subject must be; what is left out is drawn."""

    trade: str
    headcount: int = 40
    founded_months: int = 130
    region: str = ""
    is_licensed: bool = True


@dataclass(frozen=True, slots=True)
class Firm:
    """Holds a subject's identity and exposure."""

    index: int
    code: str
    name: str
    kind: str
    trade: Trade
    district: District
    operating: District
    headcount: int
    founded_day: int

    @property
    def subject(self) -> dict[str, str]:
        """Returns the subject as events name it."""
        return {"scheme": "USCC", "code": self.code, "name": self.name, "kind": self.kind}


@dataclass(slots=True)
class Life:
    """Carries a subject through its years: its dice, its clerk, its culture, what it holds."""

    firm: Firm
    dice: Dice
    clerk: Clerk
    world: World
    seed: int
    first_day: int
    last_day: int
    culture: float = 0.0
    standards: list[Record] = field(default_factory=list)
    covers: list[tuple[int, int, Domain]] = field(default_factory=list)
    _years: list[tuple[int, int, float]] = field(default_factory=list)

    @property
    def exposure(self) -> float:
        """Returns how much can go wrong, by headcount."""
        shape = self.world.culture
        power: float = shape["exposure_power"]
        return float((self.firm.headcount / shape["exposure_headcount"]) ** power)

    def years(self) -> list[tuple[int, int, float]]:
        """Splits the life into years: first day, day after the last, culture of that year."""
        if not self._years:
            for start in range(self.first_day, self.last_day + 1, _YEAR):
                level = self.culture + self.world.culture["yearly_wander"] * self.dice.normal()
                self._years.append((start, min(start + _YEAR, self.last_day + 1), level))
        return self._years

    def close(self, day: int) -> None:
        """Ends the life early: nothing more happens after this day."""
        kept = [(start, min(end, day + 1), level) for start, end, level in self.years() if start <= day]
        self.last_day, self._years = day, kept

    def culture_on(self, day: int) -> float:
        """Returns the culture of the year of this day."""
        years = self.years()
        return years[min(max(0, day - self.first_day) // _YEAR, len(years) - 1)][2]

    def happenings(self, per_year: float, culture_slope: float = 0.0) -> list[int]:
        """Draws the days of something that happens so often a year, by culture."""
        days: list[int] = []
        for start, end, level in self.years():
            mean = per_year * (end - start) / _YEAR * exp(culture_slope * level)
            if drawn := self.dice.count(mean):
                days += [self.dice.whole(start, end - 1) for _ in range(drawn)]
        return sorted(days)

    def document(self, mark: str, day: int) -> str:
        """Returns the number of a decision of this day; it says that it is simulated."""
        serial = self.dice.whole(1, 999)
        return f"（模拟）{mark}〔{text_of(day)[:4]}〕{self.firm.index:07d}-{serial}号"

    def open(self, domain: Domain, kind: str, day: int, **texts: Any) -> Record:
        """Opens a record about this subject."""
        return self.clerk.open(domain, kind, day, **texts)

    def is_covered(self, day: int, domain: Domain) -> bool:
        """Says whether a liability policy of this domain covers the day."""
        return any(start <= day < end and cover is domain for start, end, cover in self.covers)


def begin(seed: int, index: int, until: int, wish: Wish | None = None) -> Life:
    """Draws the subject with this index from the seed, the index and the last day alone."""
    tables = world()
    dice = Dice(f"simulated city/{seed}/{index}/{until}")
    history = add_months(until, -tables.history_months)
    firm = _planted(seed, index, until, wish, dice) if wish else _drawn(seed, index, until, dice)
    clerk = Clerk(index, firm.subject, history, until, dice, tables.clocks)
    first_day = max(history, firm.founded_day + 30)
    life = Life(firm, dice, clerk, tables, seed, first_day, until)
    size = firm.headcount / tables.culture["exposure_headcount"]
    life.culture = dice.normal() + tables.culture["size_slope"] * log2(size)
    return life


def new_name(dice: Dice, trade: Trade, headcount: int, kind: str) -> str:
    """Makes up a name that says it is simulated."""
    names = world().names
    stem = dice.one_of(names["first"]) + dice.one_of(names["second"])
    if dice.chance(0.5):
        stem += dice.one_of(names["second"])
    form = "股份有限公司" if headcount > 300 else "有限公司"
    if kind == "SOLE_TRADER":
        form = names["sole_trader"]
    return f"{dice.one_of(names['prefixes'])}{stem}{dice.one_of(trade.words)}{form}"


def _drawn(seed: int, index: int, until: int, dice: Dice) -> Firm:
    tables = world()
    registry = tables.registry
    trade = dice.weighted(tables.trades)
    headcount = min(
        20000,
        max(1, round(trade.headcount * exp(tables.culture["headcount_sigma"] * dice.normal()))),
    )
    kind = _kind(trade, headcount, dice)
    district = dice.weighted(tables.districts)
    operating = dice.weighted(tables.districts) if dice.chance(registry["operates_elsewhere"]) else district
    history = add_months(until, -tables.history_months)
    if dice.chance(registry["founded_in_history"]):
        founded = dice.whole(history, until - 45)
    else:
        founded = dice.whole(history - _YEAR * registry["oldest_years"], history - 1)
    return Firm(
        index,
        subject_code(seed, index, "92" if kind == "SOLE_TRADER" else "91", district.code),
        new_name(dice, trade, headcount, kind),
        kind,
        trade,
        district,
        operating,
        headcount,
        founded,
    )


def _planted(seed: int, index: int, until: int, wish: Wish, dice: Dice) -> Firm:
    tables = world()
    trade = tables.trade(wish.trade)
    district = dice.weighted(tables.districts)
    kind = "INSTITUTION" if trade.is_institution else "ENTERPRISE"
    return Firm(
        index,
        subject_code(seed, index, "91", wish.region or district.code),
        new_name(dice, trade, wish.headcount, kind),
        kind,
        trade,
        district,
        district,
        wish.headcount,
        add_months(until, -wish.founded_months),
    )


def _kind(trade: Trade, headcount: int, dice: Dice) -> str:
    registry = world().registry
    if trade.is_institution:
        return "INSTITUTION"
    if headcount < registry["sole_trader_below"] and dice.chance(registry["sole_trader"]):
        return "SOLE_TRADER"
    return "ENTERPRISE"
