"""An evaluation as it is read: exposure, reporting, and what a ledger adds, in figures and on the page."""

import pytest

from credit_service.ledger.sources import load_sources
from credit_service.legal_days import add_months, day_text
from training.evaluate import Report, rounded
from training.extract import Extract, Overridden
from training.lasting import Earlier
from training.making import Held
from training.pages import page
from training.publish import json_text
from training.recipe import Recipe
from training.watching import watched

SIGNS = [{"source": "sim-city-fire", "is_stale": True}]


@pytest.fixture(scope="module")
def extract(held: Held, recipe: Recipe, report: Report) -> Extract:
    """The test city as a ledger in which officers made a dozen grades worse, two years before its end."""
    day = add_months(recipe.test_cutoff, -2)
    some = report.sets.test.subject[:12].tolist()
    set_by_hand = [Overridden(held.test.subject_ids[n], "D", "EVIDENCE", day, day + 90) for n in some]
    return Extract(held.test, load_sources(), set_by_hand, SIGNS)


def test_score_leaves_size_out_and_the_probability_knows_it(recipe: Recipe, held: Held, report: Report) -> None:
    found = watched(recipe, report, held)
    assert "ledger" not in found
    m = found["tasks"]["cn-main"]["monitoring"]
    sizes = ("under 10", "10 to 49", "50 to 299")
    kinds = ("by_score_alone", "by_group", "with_exposure")
    plain, published, whole = ([m[kind]["size"][one] for one in sizes] for kind in kinds)
    assert [one["n"] for one in plain] == [one["n"] for one in published] == [one["n"] for one in whole]
    # Twenty rounds on a small city learn a part of it: the large firms' harm looks less unexpected.
    for one in (published, whole):
        assert 1 < one[2]["observed_to_expected"] < 0.9 * plain[2]["observed_to_expected"]
    told = found["tasks"]["cn-main"]["by_size"]
    assert [told[size]["observed_to_expected"] for size in sizes] == [one["observed_to_expected"] for one in published]
    assert m["reporting"]["to"] == day_text(recipe.test_cutoff)
    assert sum(one["light"] for one in m["reporting"]["size"].values()) == m["reporting"]["light"] > 0


def test_ledger_adds_sources_reporting_and_overrides(
    recipe: Recipe, held: Held, report: Report, extract: Extract
) -> None:
    found = watched(recipe, report, held, extract)
    told = found["ledger"]
    assert told["as_of"] == day_text(extract.last_known_day)
    assert told["sources"]["sim-city-fire"]["is_silent"]
    assert not told["sources"]["sim-city-em"]["is_silent"]
    evidence = told["overrides"]["by_reason"]["EVIDENCE"]
    assert evidence["n"] == evidence["known"] == 12
    assert evidence["agreed"] == evidence["harmed"]
    assert 0 < evidence["agreed_expected"] < 3
    text = page(rounded(found))
    assert f"Ledger on {told['as_of']}" in text
    assert "by_reason EVIDENCE" in text
    assert json_text(rounded(found))


def test_ledger_tells_how_its_model_does(recipe: Recipe, held: Held, report: Report, extract: Extract) -> None:
    found = watched(recipe, report, held, extract)
    told, m = found["ledger"], found["tasks"]["cn-main"]["monitoring"]
    # The test city once more: two days later than its cut-off, by the service's own judgement.
    assert set(told["drift"]["features"]) == set(m["drift"]["features"]) == set(recipe.features)
    assert told["drift"]["score"]["psi"] > 0
    assert told["drift"]["periods"][-1]["day"] == told["as_of"]
    moves = told["migration"]
    assert (moves["from"], moves["to"]) == (day_text(add_months(extract.last_known_day, -12)), told["as_of"])
    stayed = sum(row[letter] for letter, row in moves["matrix"].items())
    everybody = sum(sum(row.values()) for row in moves["matrix"].values())
    assert moves["changed"] == pytest.approx(1 - stayed / everybody)
    outcomes = told["outcomes"]
    assert outcomes["day"] == day_text(add_months(extract.last_known_day, -21))
    assert not outcomes["is_out_of_time"]
    for way in ("size", "district", "industry"):
        assert sum(one["n"] for one in outcomes["by_group"][way].values()) == outcomes["n"]
        assert sum(one["positives"] for one in outcomes["by_group"][way].values()) == outcomes["positives"] > 0
    assert sum(one["n"] for one in outcomes["by_grade"]["grades"].values()) == outcomes["n"]
    text = page(rounded(found))
    assert f"What came true in the year after {outcomes['day']}" in text
    assert "The model was fitted on this time" in text


def test_reports_of_other_versions_say_nothing_of_drift(recipe: Recipe, held: Held, report: Report) -> None:
    drift = {"score": {"psi": 9.0, "floor": 0.1}, "features": {n: {"psi": 9.0, "floor": 0.1} for n in recipe.features}}
    before = (recipe.test_cutoff - 40, drift)
    reports = [Earlier(name, before, None) for name in (report.document["model"], "cn_sim_pd/0")]
    found = watched(recipe, report, held, None, reports)
    assert found["history"] == {"reports": 2, "of_this_version": 1}
    periods = found["tasks"]["cn-main"]["monitoring"]["drift"]["periods"]
    assert [one["psi"] for one in periods][:-1] == [9.0]
