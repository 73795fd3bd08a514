"""Drift with its floor, lights by grade, moves and groups: by numbers worked out by hand, and against chance."""

import math
from typing import Any

import numpy as np
import pytest

from credit_service.grades.artefact import Artefact
from credit_service.grades.drift import noise_floor, stability_index
from credit_service.ledger.sources import Source
from credit_service.legal_days import day_start, parse_day
from tests.grades.conftest import champions  # noqa: F401  # a fixture
from training import monitoring
from training.data import gather
from training.dataset import history
from training.grouping import groups_of
from training.monitoring import by_grade, by_group, drift, migration, reference
from training.pages import page, reliability
from training.watching import reliability_bins

T = parse_day("2026-06-30")


def test_index_is_the_sum_over_bins() -> None:
    assert stability_index([50, 50], [50, 50]) == 0
    wanted = (0.8 - 0.5) * math.log(0.8 / 0.5) + (0.2 - 0.5) * math.log(0.2 / 0.5)
    assert stability_index([500, 500], [80, 20]) == pytest.approx(wanted)
    assert math.isfinite(stability_index([100, 0], [50, 50]))


def test_chance_alone_passes_the_floor_once_in_a_hundred_times() -> None:
    random, shares = np.random.default_rng(3), np.full(10, 0.1)
    passed = 0
    for _ in range(3_000):
        kept, counts = random.multinomial(5_000, shares).tolist(), random.multinomial(500, shares).tolist()
        passed += stability_index(kept, counts) > noise_floor(kept, counts)
    assert 0.005 < passed / 3_000 < 0.02
    assert noise_floor([10], [10]) == 0


def test_drift_is_seen_in_the_feature_that_moved(champions: dict[str, Artefact]) -> None:  # noqa: F811
    card, random = champions["cn_sim_pd"].scorecard, np.random.default_rng(4)
    rows = np.stack([random.choice([0.0, *line.cuts, 99.0], 4_000) for line in card.lines], axis=1)
    kept = reference(card, rows)
    still = drift(kept, card, rows[:1_000], card.score(rows[:1_000]))
    assert not still["score"]["is_alarm"]
    assert not any(found["is_alarm"] for found in still["features"].values())
    place = next(n for n, line in enumerate(card.lines) if len(line.cuts) > 1)
    moved = rows.copy()
    moved[:, place] = 99.0
    found = drift(kept, card, moved, card.score(moved))
    assert [name for name, one in found["features"].items() if one["is_alarm"]] == [card.lines[place].feature.name]


@pytest.mark.parametrize(
    ("n", "positives", "expected", "light"),
    [
        (1_000, 100, 0.10, "green"),
        (1_000, 118, 0.10, "green"),  # sure enough for yellow, but a gap of 18 % is no matter
        (1_000, 122, 0.10, "yellow"),
        (1_000, 140, 0.10, "red"),
        (1_000, 60, 0.10, "red"),
        (20, 4, 0.10, "green"),  # twice as many, by chance
        (100_000, 10_500, 0.10, "green"),  # sure beyond doubt, and no matter
    ],
)
def test_light_is_for_what_is_sure_and_matters(n: int, positives: int, expected: float, light: str) -> None:
    labels = np.arange(n) < positives
    found = by_grade(np.full(n, "C"), labels, np.full(n, expected))
    assert found["grades"]["C"]["light"] == light
    assert found["grades"]["A"] == {"n": 0, "light": None}


def test_rates_that_fall_from_grade_to_grade_are_told() -> None:
    letters = np.array(["A"] * 10 + ["B"] * 10)
    labels = np.array([True] + [False] * 19)
    assert not by_grade(letters, labels, np.full(20, 0.1))["is_rising"]
    assert by_grade(letters, labels[::-1], np.full(20, 0.1))["is_rising"]


def test_moves_are_counted_from_grade_to_grade() -> None:
    found = migration(np.array(list("AAAABBCD")), np.array(list("AAABBDCD")))
    assert found["matrix"]["A"] == {"A": 3, "B": 1, "C": 0, "D": 0}
    assert found["stay"] == {"A": 0.75, "B": 0.5, "C": 1.0, "D": 1.0}
    assert (found["changed"], found["jumped"]) == (0.25, 0.125)
    assert migration(np.array(["A"]), np.array(["A"]))["stay"]["D"] is None


def test_group_is_judged_only_when_it_is_large() -> None:
    groups = ["large"] * 600 + ["small"] * 50
    labels = np.array([True] * 120 + [False] * 480 + [True] * 20 + [False] * 30)
    letters = np.array(["C"] * 150 + ["A"] * 500)
    found = by_group(groups, letters, labels, np.full(650, 0.1))
    assert (found["large"]["observed_to_expected"], found["large"]["is_alarm"]) == (pytest.approx(2.0), True)
    assert found["large"]["clean_at_c_or_d"] == pytest.approx(30 / 480)
    assert (found["small"]["observed_to_expected"], found["small"]["is_alarm"]) == (pytest.approx(4.0), False)


def test_gap_of_a_group_is_sure_only_with_enough_harm() -> None:
    few, many = ["few"] * 600, ["many"] * 60_000
    labels = np.concatenate([np.arange(600) < 9, np.arange(60_000) < 900])
    found = by_group(few + many, np.full(60_600, "B"), labels, np.full(60_600, 0.01))
    assert all(one["is_alarm"] and one["observed_to_expected"] == pytest.approx(1.5) for one in found.values())
    assert 0.5 < found["few"]["sureness"] < 0.95 < 0.9999 < found["many"]["sureness"]


def test_reliability_holds_every_row_once_and_its_interval_the_rate() -> None:
    random = np.random.default_rng(5)
    chance = random.random(1_000) * 0.3
    bins = reliability_bins(random.random(1_000) < chance, chance, 10)
    assert [one["n"] for one in bins] == [100] * 10
    assert all(one["low"] <= one["observed"] <= one["high"] for one in bins)
    assert [one["expected"] for one in bins] == sorted(one["expected"] for one in bins)
    assert reliability(bins).count("<circle") == 10


def test_page_shows_the_figures_and_escapes_names() -> None:
    ranking: dict[str, Any] = {}
    for key in ("", "rule_", "logistic_", "free_"):
        ranking |= {
            f"{key}auc": 0.71234, f"{key}auc_ci": [0.7, 0.72], f"{key}average_precision": 0.1,
            f"{key}captured_top_5_percent": 0.2,
        }  # fmt: skip
    told = {
        "n": 1000, "positives": 10, "base_rate": 0.01, "brier": 0.009, "brier_reference": 0.0099, "ece": 0.001,
        "observed_to_expected": 1.02, "calibration_slope": 0.98, "test_cutoff": "2025-01-31",
        "reliability": [{"expected": 0.1, "observed": 0.1, "low": 0.05, "high": 0.2}], "capture": [[0, 0], [1, 1]],
    }  # fmt: skip
    text = page({"model": "<b>", "is_simulated": True, "tasks": {"t": {**ranking, **told}}})
    assert "<b>SIMULATED" in text
    assert "&lt;b&gt;" in text
    for figure in ("0.7123", "1,000", "1.02", "2025-01-31"):
        assert figure in text
    assert "http" not in text


def a_registration(code: str, record: str, day: int, **told: Any) -> dict[str, Any]:
    """Builds a registration, known on its day."""
    return {
        "source": "s", "source_record_id": record, "source_version": 1, "op": "ASSERT", "kind": "REG",
        "domain": "WORK", "subject": {"scheme": "USCC", "code": code}, "occur_time": day_start(day).isoformat(),
        "payload": told,
    }  # fmt: skip


def test_groups_are_those_of_the_last_registration_known_by_the_day() -> None:
    events = [
        a_registration("A", "1", T - 400, headcount=9, supervising_region="110105", industry_code="C2611"),
        a_registration("A", "2", T - 10, headcount=10),
        a_registration("B", "3", T - 5, headcount=300, industry_code="B"),
        a_registration("C", "4", T + 1, headcount=5),
    ]
    held = history(gather(events, {"s": Source("s", "USCC", "live", 0, "源", "source", None)}))
    assert held.subject_ids == ("USCC:A", "USCC:B", "USCC:C")
    assert groups_of(held, [0, 1, 2], T) == {
        "kind": ["ENTERPRISE"] * 3,
        "size": ["10 to 49", "300 and more", "unknown"],
        "district": ["110105", "unknown", "unknown"],
        "industry": ["C", "B", "unknown"],
    }
    assert groups_of(held, [0], T - 11)["size"] == ["under 10"]


def test_few_that_drifted_by_chance_raise_no_alarm_and_many_do() -> None:
    few, many = (monitoring._drifted([500, 500], counts) for counts in ([8, 2], [800, 200]))
    assert few["psi"] == pytest.approx(many["psi"])
    assert few["psi"] > monitoring.DRIFT
    assert (few["is_alarm"], many["is_alarm"]) == (False, True)
