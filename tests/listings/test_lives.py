"""Leads the lives of `tests/rulebook/cases/lives`: what officers do and what is refused, and how the listing stands.

Days are noon in Shanghai unless a time is named. Before each act and each look, rules and time do what they may.
`listed` leads the listing to its publication on that day. An act is refused with a reason or with a guard's name.
"""

import tomllib
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from credit_service.database import Database
from credit_service.errors import CreditError
from credit_service.ledger.fact import Fact, place_of
from credit_service.legal_days import civil_day, day_text, parse_day
from credit_service.rulebook.edition import load_editions
from tests.listings.life import Life, at, open_tables

CASES = Path(__file__).parents[1] / "rulebook" / "cases" / "lives"
FILES = {path.stem: tomllib.loads(path.read_text("utf-8"))["case"] for path in sorted(CASES.glob("*.toml"))}
EDITIONS = load_editions()
BLACK: list[dict[str, Any]] = [
    {"name": "accident", "kind": "ACC", "day": "2026-05-10", "level": "MAJOR", "deaths": 11, "liability": "LIABLE"},
    {
        "name": "penalty", "kind": "PEN", "day": "2026-08-01", "refers_to": "accident",
        "organ_kind": "EMERGENCY_MANAGEMENT", "severity": "SERIOUS",
    },
]  # fmt: skip
RED: list[dict[str, Any]] = [
    {"name": "commitment", "kind": "COM", "day": "2020-01-01", "status": "KEPT"},
    {
        "name": "standard", "kind": "STD", "day": "2025-01-01", "level": 1,
        "from_date": "2025-01-01", "to_date": "2032-01-01",
    },
]  # fmt: skip
MINUTE = timedelta(minutes=1)


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    """Opens empty listings and an empty feed."""
    database = Database(database_url)
    open_tables(database)
    yield database
    database.close()


def _facts(case: dict[str, Any]) -> list[Fact]:
    usual = RED if case.get("red") else BLACK
    kept = [] if case.get("replaces") else [f for f in usual if f["name"] not in case.get("without_facts", ())]
    registered = {"name": "registration", "kind": "REG", "day": "2010-01-01", "founded_date": "2010-01-01"}
    given = [{**registered, "sectors": case.get("sectors", ["CHEMICAL"])}, *kept, *case.get("facts", ())]
    facts = []
    for number, values in enumerate(given, 1):
        rest = dict(values)
        name, kind, day = rest.pop("name"), rest.pop("kind"), parse_day(rest.pop("day"))
        target = rest.pop("refers_to", None)
        domain = rest.pop("domain", "WORK")
        refers_to = f"city/{target}" if target else None
        facts.append(Fact(number, "city", name, 1, kind, domain, day, day, "", refers_to, rest))
    return sorted(facts, key=place_of)


def _listed(case: dict[str, Any]) -> list[tuple[datetime, str, str]]:
    """Returns the acts that lead to a publication on a day."""
    noon = at(case["listed"])
    if case.get("red"):
        way = [("NOTIFY", noon - timedelta(days=11)), ("DECIDE", noon - 5 * MINUTE)]
    else:
        way = [
            ("NOTIFY", noon - 8 * MINUTE), ("SERVE_NOTICE", noon - 7 * MINUTE), ("WAIVE_REPLY", noon - 6 * MINUTE),
            ("DECIDE", noon - 5 * MINUTE),
        ]  # fmt: skip
    way += [("CONFIRM", noon), ("SERVE_DECISION", noon), ("PUBLISH", noon)]
    return [(time, name, "officer-2" if name == "CONFIRM" else "officer-1") for name, time in way]


class Player:
    """Plays one case."""

    def __init__(self, database: Database, case: dict[str, Any]) -> None:
        """Takes the facts of the case."""
        self.case, self.life = case, Life(database, EDITIONS)
        self.life.facts = _facts(case)
        self.ids = {fact.record_id: fact.event_id for fact in self.life.facts}
        for taken in case.get("retracts", ()):
            self.life.retracted[self.ids[taken["name"]]] = at(taken["on"])

    def play(self) -> None:
        """Does everything in order of time; what shares a time stays as it was written."""
        steps: list[tuple[datetime, Callable[[datetime], None]]] = [
            (at(self.case.get("starts", "2026-08-01")), _nothing)
        ]
        if self.case.get("red"):
            steps.append((at("2026-08-02"), lambda now: self.life.nominate("R-01", "officer-1", now)))
        if "nominated" in self.case:
            steps.append((at(self.case["nominated"]["on"]), self._nominate))
        if "listed" in self.case:
            steps += [(time, self._doing(name, officer, {})) for time, name, officer in _listed(self.case)]
        for act in self.case["acts"]:
            steps.append((at(act["on"]), self._doing(act["do"], act.get("by", "officer-1"), act)))
        for fact in self.life.facts:
            if fact.day > civil_day(steps[0][0]):
                steps.append((at(day_text(fact.day)), _nothing))
        steps += [(at(taken["on"]) + MINUTE / 2, _nothing) for taken in self.case.get("retracts", ())]
        steps += [(at(look["day"]), self._looking(look)) for look in self.case["on"]]
        for time, step in sorted(steps, key=lambda one: one[0]):
            self.life.tick(time)
            step(time)

    def _nominate(self, now: datetime) -> None:
        wanted = self.case["nominated"]
        self.life.nominate(wanted["rule"], "officer-1", now, [self.ids[name] for name in wanted["proof"]])

    def _doing(self, name: str, officer: str, act: dict[str, Any]) -> Callable[[datetime], None]:
        def do(now: datetime) -> None:
            given: dict[str, Any] = {act["without"]: None} if "without" in act else {}
            if "key" in act:
                given["officer_key"] = act["key"]
            if "dated" in act:
                given["legal_time"] = at(act["dated"])
            refused = ""
            try:
                self.life.act(self.life.rows()[0], name, officer, now, **given)
            except CreditError as error:
                refused = error.facts.get("guard", str(error.reason))
            assert refused == act.get("refused", ""), (name, now, self.case["story"])

        return do

    def _looking(self, look: dict[str, Any]) -> Callable[[datetime], None]:
        def see(now: datetime) -> None:
            rows, day = self.life.rows(), civil_day(now)
            row = rows[0]
            seen = {
                "state": row.state, "states": [r.state for r in rows], "in_force": row.is_in_force(day),
                "displayed": row.is_displayed(day), "last_day": row.last_day and day_text(row.last_day),
                "due": [f"{key} {day_text(d)}{' provisional' if p else ''}" for key, d, p in self.life.duties(now)],
            }  # fmt: skip
            wanted = {key: value for key, value in look.items() if key != "day"}
            assert {key: seen[key] for key in wanted} == wanted, (look["day"], self.case["story"])
            is_black = not self.case.get("red")
            assert (self.life.blacklisted_until(now, now) is not None) == (is_black and row.is_in_force(day))

        return see


def _nothing(_now: datetime) -> None:
    """Only lets rules and time do what they may."""


@pytest.mark.parametrize(
    "case",
    [pytest.param(c, id=f"{file}:{c['id']}") for file, cases in FILES.items() for c in cases],
)
def test_life_goes_as_the_law_says(database: Database, case: dict[str, Any]) -> None:
    Player(database, case).play()


def test_cases_are_told_and_enough() -> None:
    cases = [case for cases in FILES.values() for case in cases]
    assert len({case["id"] for case in cases}) == len(cases) >= 35
    assert all(len(case["story"].split()) >= 8 for case in cases)
    assert len(FILES["legal_days"]) >= 8
