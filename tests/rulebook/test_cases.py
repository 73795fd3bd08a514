"""Runs the cases of `cases/*.toml`: facts of one subject, and what the law says on certain days.

A case names its facts; an expectation lists what must hold on a day; what it leaves out is not
checked. `sectors` adds the fact `registration`, founded 2010-01-01. A finding reads "B-01: accident
penalty".
"""

import tomllib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from credit_service.ledger.fact import Fact
from credit_service.legal_days import day_text, parse_day
from credit_service.rulebook.edition import edition_for, load_editions
from credit_service.rulebook.evaluate import evaluate
from credit_service.rulebook.law import Edition
from credit_service.rulebook.review import next_change_day
from credit_service.rulebook.usable import unusable_from
from credit_service.rulebook.vetoes import a_conditions, hard_record, pending, vetoes
from credit_service.rulebook.view import View

CASES = Path(__file__).parent / "cases"
FILES = {path.stem: tomllib.loads(path.read_text("utf-8"))["case"] for path in sorted(CASES.glob("*.toml"))}
EDITIONS = load_editions()
Facts = Sequence[Fact]


def _proof(facts: Facts, event_ids: Sequence[int]) -> str:
    return " ".join(fact.record_id for fact in facts if fact.event_id in event_ids)


def _until(day: int | None) -> str:
    return "" if day is None else f" until {day_text(day)}"


def _findings(edition: Edition, facts: Facts, day: int, case: dict[str, Any]) -> list[str]:
    found = evaluate(View(edition, facts, unusable_from(edition, facts), day), case["scheme"])
    return [f"{f.rule_id}: {_proof(facts, f.event_ids)}" for f in found]


def _found_on(edition: Edition, facts: Facts, day: int, case: dict[str, Any]) -> list[str]:
    found = evaluate(View(edition, facts, unusable_from(edition, facts), day), case["scheme"])
    return [f"{f.rule_id} {f.effect} since {day_text(f.found_day)}{_until(f.until_day)}" for f in found]


def _vetoes(edition: Edition, facts: Facts, day: int, case: dict[str, Any]) -> list[str]:
    usable, listed = unusable_from(edition, facts), case.get("on_blacklist", False)
    found = vetoes(View(edition, facts, usable, day, ("BLACK",) if listed else ()))
    return [f"{v.id} {v.cap}{_until(v.until_day)}: {_proof(facts, v.event_ids)}".rstrip(": ") for v in found]


def _usable(edition: Edition, facts: Facts, day: int, _case: dict[str, Any]) -> list[str]:
    ends = unusable_from(edition, facts)
    return [f.record_id for f, end in zip(facts, ends, strict=True) if day < end and f.kind not in ("REP", "REG")]


def _hard(edition: Edition, facts: Facts, day: int, _case: dict[str, Any]) -> str:
    return _proof(facts, hard_record(View(edition, facts, unusable_from(edition, facts), day)))


def _unmet(edition: Edition, facts: Facts, day: int, _case: dict[str, Any]) -> list[str]:
    return [s.id for s in a_conditions(View(edition, facts, unusable_from(edition, facts), day))]


def _pending(edition: Edition, facts: Facts, day: int, case: dict[str, Any]) -> str:
    reason = pending(View(edition, facts, unusable_from(edition, facts), day), case["scheme"])
    return "" if reason is None else reason.id


def _next(edition: Edition, facts: Facts, day: int, _case: dict[str, Any]) -> str:
    change = next_change_day(View(edition, facts, unusable_from(edition, facts), day))
    return "" if change is None else day_text(change)


ANSWERS = {
    "findings": _findings,
    "found": _found_on,
    "vetoes": _vetoes,
    "usable": _usable,
    "hard_record": _hard,
    "unmet": _unmet,
    "pending": _pending,
    "next_change": _next,
}


def _facts(case: dict[str, Any], a_fact: Callable[..., Fact]) -> list[Fact]:
    given = list(case.get("facts", ()))
    if "sectors" in case:
        registration = {"name": "registration", "kind": "REG", "day": "2010-01-01"}
        given.append(registration | {"sectors": case["sectors"], "founded_date": "2010-01-01"})
    facts = []
    for number, values in enumerate(given, 1):
        rest = dict(values)
        facts.append(a_fact(number, rest.pop("kind"), rest.pop("day"), **rest))
    return sorted(facts, key=lambda fact: (fact.day, fact.event_id))


@pytest.mark.parametrize(
    "case",
    [pytest.param(c, id=f"{file}:{c['id']}") for file, cases in FILES.items() for c in cases],
)
def test_case_reads_as_the_law_says(case: dict[str, Any], a_fact: Callable[..., Fact]) -> None:
    case = {"scheme": "USCC"} | case
    facts = _facts(case, a_fact)
    for expected in case["on"]:
        day = parse_day(expected["day"])
        edition = edition_for(EDITIONS, case["scheme"], day)
        keys = [key for key in expected if key != "day"]
        answers = {key: ANSWERS[key](edition, facts, day, case) for key in keys}
        assert answers == {key: expected[key] for key in keys}, (expected["day"], case["story"])


def test_every_rule_and_veto_has_a_case_that_meets_it() -> None:
    told = str(FILES)
    for edition in EDITIONS:
        clauses = (*edition.rules, *edition.grading.vetoes, *edition.grading.pending)
        missing = [c.id for c in (*clauses, *edition.grading.a_conditions) if c.id not in told]
        assert not missing, (edition.id, missing)


def test_case_names_are_unique_and_stories_are_told() -> None:
    cases = [case for cases in FILES.values() for case in cases]
    assert len({case["id"] for case in cases}) == len(cases) >= 35
    assert all(len(case["story"].split()) >= 8 for case in cases)
    assert len(FILES["fire"]) >= 8
