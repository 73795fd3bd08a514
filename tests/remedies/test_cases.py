"""Asks the cases of `tests/rulebook/cases/repairs`: which condition stands in the way of a repair, day by day."""

import tomllib
from pathlib import Path
from typing import Any

import pytest

from credit_service.ledger.fact import Fact
from credit_service.legal_days import parse_day
from credit_service.remedies.repairs import CONDITIONS, Claim, founding, missing
from credit_service.rulebook.edition import edition_for, load_editions
from credit_service.rulebook.usable import unusable_from
from credit_service.rulebook.vocabulary import REPAIR_GUARDS

FOLDER = Path(__file__).parents[1] / "rulebook" / "cases" / "repairs"
CASES: list[dict[str, Any]] = [
    case for path in sorted(FOLDER.glob("*.toml")) for case in tomllib.loads(path.read_text("utf-8"))["case"]
]
EDITIONS = load_editions()
VERIFIED = {"is_penalty_performed": True, "is_conduct_corrected": True}


def _facts(case: dict[str, Any]) -> list[Fact]:
    facts = []
    for number, values in enumerate(case["facts"], 1):
        rest = dict(values)
        name, kind, day = rest.pop("name"), rest.pop("kind"), parse_day(rest.pop("day"))
        target = rest.pop("refers_to", None)
        facts.append(
            Fact(number, "city", name, 1, kind, "WORK", day, day, "", f"city/{target}" if target else None, rest)
        )
    return facts


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["id"])
def test_case(case: dict[str, Any]) -> None:
    facts = _facts(case)
    by_name = {fact.record_id: fact for fact in facts}
    listed = founding({f"city/{name}" for name in case.get("listed", ())}, facts)
    for look in case["on"]:
        day = parse_day(look["day"])
        edition, fact = edition_for(EDITIONS, "USCC", day), by_name[look.get("record", "penalty")]
        claim = Claim(
            fact, facts, edition, day, listed, case.get("commitment", "守法承诺"), case.get("stated", VERIFIED)
        )
        found = missing(claim)
        assert (found[0] if found else None) == look.get("refused"), (look, found)
        assert look.get("says", "") in (found[1] if found else ""), (look, found)
    if "repaired" in case:
        _check_effect(case, facts)


def _check_effect(case: dict[str, Any], facts: list[Fact]) -> None:
    """From the day of the repair on the record is not used, and what does not fall with it still is."""
    day = parse_day(case["repaired"])
    repair = Fact(
        99, "own", "REP-1", 1, "REP", "WORK", day, day, "", "city/penalty", {"decision_date": case["repaired"]}
    )
    ends = dict(
        zip(
            [f.record_id for f in facts],
            unusable_from(edition_for(EDITIONS, "USCC", day), [*facts, repair]),
            strict=False,
        )
    )
    assert ends["penalty"] == parse_day(case["unusable_from"])
    assert [name for name in case.get("still_used", ()) if ends[name] <= day] == []


def test_every_condition_of_an_edition_is_built_and_has_a_case() -> None:
    assert set(CONDITIONS) == set(REPAIR_GUARDS)
    refused = {look.get("refused") for case in CASES for look in case["on"]}
    assert set(REPAIR_GUARDS) <= refused
