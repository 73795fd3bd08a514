"""What a ledger tells of its model: the right days, the right subjects, and nothing where there is nobody."""

import numpy as np
import pytest

from credit_service.grades.drift import stability_index
from credit_service.grades.features import matrix
from credit_service.grades.scorecard import Scorecard
from credit_service.ledger.sources import load_sources
from credit_service.legal_days import add_months, day_text, parse_day
from tests.training.test_officers import EDITION, LAST, TASK, a_life, an_event, an_extract, card  # noqa: F401  # a fixture
from training.data import gather
from training.dataset import history
from training.extract import Extract, graded
from training.monitoring import reference
from training.served import Serving, drifted, moved, outcomes

MATURED = add_months(LAST, -21)


def serving(card: Scorecard, fitted_until: int = MATURED) -> Serving:  # noqa: F811
    return Serving(EDITION, card, TASK, {"A": 900, "B": 750, "C": 600}, fitted_until)


def test_outcomes_are_of_the_last_year_that_the_ledger_knows_in_full(card: Scorecard) -> None:  # noqa: F811
    extract = an_extract()
    machine = [one for one in graded(extract, EDITION, card, MATURED).values() if one.score is not None]
    found = outcomes(extract, serving(card), LAST)
    assert found is not None
    assert (found["day"], found["is_out_of_time"]) == (day_text(MATURED), True)
    # Both accidents lie in the year after the day; CLEAN has none, and NEW is not scored yet.
    assert (found["n"], found["positives"]) == (len(machine), 2) == (3, 2)
    expected = sum(one.probability or 0 for one in machine)
    assert found["observed_to_expected"] == pytest.approx(2 / expected)
    sizes = found["by_group"]["size"]
    assert {name: (one["n"], one["positives"]) for name, one in sizes.items()} == {"50 to 299": (3, 2)}
    told = outcomes(extract, serving(card, MATURED + 1), LAST)
    assert told is not None
    assert not told["is_out_of_time"]


def test_bands_are_of_the_score_and_groups_of_the_grade(card: Scorecard) -> None:  # noqa: F811
    begin = day_text(MATURED - 30)
    lives = [
        *a_life("CAPPED"), *a_life("FREE"), an_event("FREE", "HON", LAST, level="CITY"),
        an_event("CAPPED", "ORD", MATURED - 30, order_kind="STOP_WORK", from_date=begin),
    ]  # fmt: skip
    sources = load_sources()
    extract = Extract(history(gather(lives, sources)), sources, (), ())
    machine = graded(extract, EDITION, card, MATURED)
    assert [one.grade for one in machine.values()] == ["C", "B"]
    found = outcomes(extract, serving(card), LAST)
    assert found is not None
    scores = [one.score or 0 for one in machine.values()]
    wanted = {"B": sum(750 <= score < 900 for score in scores), "C": sum(600 <= score < 750 for score in scores)}
    assert {letter: found["by_grade"]["grades"][letter]["n"] for letter in "BC"} == wanted == {"B": 2, "C": 0}
    assert found["by_group"]["size"]["50 to 299"]["clean_at_c_or_d"] == 0.5


def test_moves_are_of_those_scored_on_both_days(card: Scorecard) -> None:  # noqa: F811
    lives = [
        *a_life("STILL"), *a_life("FELL"), *a_life("YOUNG", founded=day_text(LAST - 500)),
        an_event("FELL", "ORD", LAST - 30, order_kind="STOP_WORK", from_date=day_text(LAST - 30)),
        an_event("STILL", "HON", LAST, level="CITY"),
    ]  # fmt: skip
    sources = load_sources()
    extract = Extract(history(gather(lives, sources)), sources, (), ())
    found = moved(extract, serving(card), extract.last_known_day)
    assert found is not None
    day = extract.last_known_day
    assert (found["from"], found["to"]) == (day_text(add_months(day, -12)), day_text(day))
    # The order caps the grade; STILL keeps its own, and YOUNG was not scored yet a year before.
    assert found["matrix"]["B"] == {"A": 0, "B": 1, "C": 1, "D": 0}
    assert (found["stay"]["B"], found["changed"]) == (0.5, 0.5)


def test_drift_is_against_the_reference_of_the_model(card: Scorecard) -> None:  # noqa: F811
    extract = an_extract()
    # All four, also the one who was not scored before: the reference of a model has its newcomers as well.
    rows = matrix(extract.held.known_on(LAST), LAST, card.feature_names)
    assert len(rows) == 4
    same = drifted(extract, serving(card), reference(card, rows), LAST)
    assert same is not None
    assert same["score"]["psi"] == 0
    assert all(one["psi"] == 0 for one in same["features"].values())
    assert set(same["features"]) == set(card.feature_names)
    other = reference(card, np.full((50, len(card.lines)), 99.0))
    found = drifted(extract, serving(card), other, LAST)
    assert found is not None
    mine = np.histogram(card.score(rows), other["score"]["edges"])[0].tolist()
    assert found["score"]["psi"] == pytest.approx(stability_index(other["score"]["counts"], mine))
    assert found["score"]["psi"] > 0


def test_nothing_is_told_of_nobody(card: Scorecard) -> None:  # noqa: F811
    extract, before = an_extract(), parse_day("2005-01-01")
    assert drifted(extract, serving(card), reference(card, np.zeros((5, len(card.lines)))), before) is None
    assert moved(extract, serving(card), before) is None
    assert outcomes(extract, serving(card), before) is None
