"""Reads the tables of the simulated city: trades, offences, districts, rates. Draws nothing."""

import csv
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from training.simulated_city.dice import Weighted

_HERE = Path(__file__).parent
_DIVISIONS = _HERE.parent / "data" / "divisions" / "beijing_districts.csv"

Section = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Trade:
    """Describes one kind of business: what it is called, how dangerous it is, what it must hold."""

    id: str
    words: tuple[str, ...]
    sectors: tuple[str, ...]
    industry_code: str
    share: float
    hazard: float
    fire: float
    headcount: int
    is_compulsory: bool = False
    licence: str = ""
    is_institution: bool = False

    @property
    def is_crowded(self) -> bool:
        """Says whether the public gathers there."""
        return "CROWDED_PLACE" in self.sectors


@dataclass(frozen=True, slots=True)
class Offence:
    """Describes what an authority penalises, by which article, with which fine in yuan."""

    article: str
    types: tuple[str, ...]
    facts: str
    fine: tuple[int, int] | None = None
    only: str = ""
    fire_matter: str = ""


@dataclass(frozen=True, slots=True)
class District:
    """Names a district, its share of the city's firms and how often its inspectors come."""

    code: str
    name: str
    share: float
    visits: float


@dataclass(frozen=True, slots=True)
class Domain:
    """Holds one authority's habits: how often it visits, what it finds at which safety culture."""

    name: str
    source: str
    organ: str
    organ_kind: str
    organ_mark: str
    mark: str
    order_basis: str
    random_visits: float
    planned_visits: float
    complaint_visits: float
    follow_up: float
    violation: float
    violation_culture: float
    major: float
    major_culture: float
    penalised_violation: float
    penalised_major: float
    serious_violation: float
    serious_major: float
    minor_violation: float
    hazard_found: float
    stop_work: float
    obstructed: float
    self_hazard: float
    accident: float
    accident_culture: float
    offences: Mapping[str, tuple[Offence, ...]]

    def danger(self, trade: Trade) -> float:
        """Returns how dangerous a trade is in this domain."""
        return trade.fire if self.name == "FIRE" else trade.hazard


@dataclass(frozen=True, slots=True)
class World:
    """Everything the city is drawn from."""

    history_months: int
    names: Section
    registry: Section
    culture: Section
    clocks: Section
    standing: Section
    conduct: Section
    penalty: Section
    accidents: Section
    work: Domain
    fire: Domain
    trades: Weighted[Trade]
    districts: Weighted[District]
    levels: Weighted[str]

    def trade(self, trade_id: str) -> Trade:
        """Finds a trade by its id."""
        return next(trade for trade in self.trades.things if trade.id == trade_id)


@cache
def world() -> World:
    """Reads all tables once."""
    table = _table("world.toml")
    return World(
        history_months=table["history_months"],
        names=table["names"],
        registry=table["registry"],
        culture=table["culture"],
        clocks=table["clocks"],
        standing=table["standing"],
        conduct=table["conduct"],
        penalty=table["penalty"],
        accidents=table["accidents"],
        work=_domain("WORK", table["domains"]),
        fire=_domain("FIRE", table["domains"]),
        trades=Weighted([(trade, trade.share) for trade in _trades()]),
        districts=Weighted([(place, place.share) for place in _districts(table["districts"])]),
        levels=Weighted(list(table["accidents"]["levels"].items())),
    )


def _table(name: str) -> dict[str, Any]:
    return tomllib.loads((_HERE / name).read_text(encoding="utf-8"))


def _tuples(row: Section) -> dict[str, Any]:
    return {key: tuple(value) if isinstance(value, list) else value for key, value in row.items()}


def _trades() -> list[Trade]:
    return [Trade(**_tuples(row)) for row in _table("trades.toml")["trades"]]


def _domain(name: str, table: Section) -> Domain:
    offences = {
        group: tuple(Offence(**_tuples(row)) for row in rows) for group, rows in _table("offences.toml")[name].items()
    }
    return Domain(name=name, offences=offences, **table[name])


def _districts(table: Section) -> list[District]:
    with _DIVISIONS.open(encoding="utf-8", newline="") as lines:
        return [District(row["code"], row["name"], **table[row["code"]]) for row in csv.DictReader(lines)]
