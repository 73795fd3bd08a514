"""The planted cases: the edition of 2026-04 finds what was planted and nothing forbidden."""

import json
from collections import defaultdict
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from credit_service.ledger.fact import Fact, place_of
from credit_service.rulebook.accidents import accident_level
from credit_service.rulebook.edition import SHIPPED, load_edition
from credit_service.rulebook.evaluate import evaluate
from credit_service.rulebook.usable import unusable_from
from credit_service.rulebook.vetoes import pending, vetoes
from credit_service.rulebook.view import View
from training.simulate import DEFAULT_SEED, DEFAULT_UNTIL, main
from training.simulated_city.cases import Case, case_of, cases, planted_below
from training.simulated_city.city import planted, subject_events

EDITION = load_edition(SHIPPED / "cn-2026-04.toml")
LAST = DEFAULT_UNTIL.toordinal()
PLANTED = [(index, case) for index in planted_below(300) if (case := case_of(index)) is not None]
# The rule of 7(4) only draws an officer's eye, so any case with a serious penalty may meet it.
HINT = "B-09"


def _fact(position: int, event: dict[str, Any]) -> Fact:
    payload = dict(event["payload"])
    if event["kind"] == "ACC":
        counts = (payload["deaths"], payload["serious_injuries"], payload.get("direct_loss_fen"))
        payload["level"] = accident_level(EDITION.accidents, *counts)
    reference = event.get("refers_to")
    if reference and "/" not in reference:
        reference = f"{event['source']}/{reference}"
    return Fact(
        event_id=position,
        source=event["source"],
        record_id=event["source_record_id"],
        version=event["source_version"],
        kind=event["kind"],
        domain=event["domain"],
        day=date.fromisoformat(event["occur_time"][:10]).toordinal(),
        known_day=date.fromisoformat(event["source_publish_time"][:10]).toordinal(),
        document_no=event.get("document_no", ""),
        refers_to=reference,
        payload=payload,
    )


def _facts(index: int) -> dict[str, list[Fact]]:
    current: dict[tuple[str, str], tuple[str, Fact] | None] = {}
    for position, event in enumerate(subject_events(index, DEFAULT_SEED, DEFAULT_UNTIL)):
        key = (event["source"], event["source_record_id"])
        scheme = event["subject"]["scheme"]
        current[key] = (scheme, _fact(position, event)) if event["payload"] else None
    facts: dict[str, list[Fact]] = defaultdict(list)
    for found in current.values():
        if found is not None:
            facts[found[0]].append(found[1])
    return {s: sorted(own, key=place_of) for s, own in facts.items()}


def _rules(scheme: str, facts: list[Fact]) -> set[str]:
    found = evaluate(View(EDITION, facts, unusable_from(EDITION, facts), LAST), scheme)
    return {finding.rule_id for finding in found}


def _limit(facts: list[Fact]) -> str:
    usable = unusable_from(EDITION, facts)
    if pending(View(EDITION, facts, usable, LAST)):
        return "PENDING"
    return max((veto.cap for veto in vetoes(View(EDITION, facts, usable, LAST))), default="")


@pytest.mark.parametrize(("index", "case"), PLANTED, ids=[case.id for _, case in PLANTED])
def test_edition_finds_the_planted_case(index: int, case: Case) -> None:
    facts = _facts(index)
    found = {scheme: _rules(scheme, own) for scheme, own in facts.items()}
    assert set(case.rules) <= set().union(*found.values())
    hit = found["USCC"] - {HINT}
    assert not [rule for rule in hit if rule.startswith(case.forbids or ("never",))]
    assert _limit(facts["USCC"]) == case.limit


def test_default_city_carries_every_case() -> None:
    assert len(PLANTED) == len(cases())
    assert len({case.id for _, case in PLANTED}) == len(PLANTED)


def test_every_rule_has_a_planted_case() -> None:
    planted_rules = {rule for _, case in PLANTED for rule in case.rules}
    wanted = {rule.id for rule in EDITION.rules} - {HINT}
    assert planted_rules >= wanted


def test_person_case_lists_the_person_alone() -> None:
    index = next(index for index, case in PLANTED if case.id == "no-rescue")
    facts = _facts(index)
    assert _rules("PERSON", facts["PERSON"]) == {"B-05"}
    assert "B-05" not in _rules("USCC", facts["USCC"])


@pytest.mark.parametrize("index", [0, 1, 2, 299])
def test_other_subjects_are_not_planted(index: int) -> None:
    assert case_of(index) is None


def test_cases_file_names_the_subjects_that_carry_them(tmp_path: Path) -> None:
    assert main(["--out", str(tmp_path), "--subjects", "120"]) == 0
    document = json.loads((tmp_path / "cases.json").read_text("utf-8"))
    assert document["simulated"] is True
    carried = {life.firm.code: case.id for life, case in planted(120, DEFAULT_SEED, DEFAULT_UNTIL)}
    assert {code: entry["planted"] for code, entry in document["cases"].items()} == carried
    for code, entry in document["cases"].items():
        own = subject_events(entry["index"], DEFAULT_SEED, DEFAULT_UNTIL)
        assert code in {event["subject"]["code"] for event in own}
        if "person" in entry:
            assert entry["person"] in {event["subject"]["code"] for event in own}


@pytest.mark.parametrize("seed", [1, 77])
@pytest.mark.parametrize("until", [date(2026, 5, 31), date(2027, 2, 28)])
def test_cases_hold_for_other_seeds_and_last_days(seed: int, until: date) -> None:
    for life, case in planted(300, seed, until):
        own = subject_events(life.firm.index, seed, until)
        assert own, case.id
        assert all(e["occur_time"] <= e["source_publish_time"] for e in own)
