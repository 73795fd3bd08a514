"""The committed models: verified, monotone by brute force, better than the rule that they replace."""

import json
from typing import Any

import numpy as np
import pytest

from credit_service.grades.artefact import Artefact, load, load_keys
from credit_service.grades.features import BY_NAME
from tests.grades.conftest import MODELS

NAMES = ("tw_osh_pd", "cn_sim_pd")
Random = np.random.Generator


def rows_of(artefact: Artefact, random: Random, n: int) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Draws rows on, beside and beyond the cuts, where a table could go wrong."""
    columns = []
    for line in artefact.scorecard.lines:
        edges = np.array([0.0, *line.cuts, (line.cuts or (1.0,))[-1] * 2 + 1])
        columns.append(np.abs(random.choice(edges, n) + random.choice([-1e-9, 0.0, 1e-9, 0.3], n)))
    return np.stack(columns, axis=1)


def violations(artefact: Artefact) -> int:
    """Counts, by brute force, how often a step up of one feature moves the score against its sign."""
    card, found = artefact.scorecard, 0
    rows = rows_of(artefact, np.random.default_rng(7), 1_000)
    before = card.score(rows)
    for place, line in enumerate(card.lines):
        for step in (1e-9, 0.01, 0.1, 0.5, 1.0, 2.0, 5.0, 20.0, 1_000.0):
            moved = rows.copy()
            moved[:, place] += step
            found += int(((card.score(moved) - before) * line.feature.sign < 0).sum())
    return found


@pytest.mark.parametrize("name", NAMES)
def test_raising_an_adverse_value_never_raises_the_score(champions: dict[str, Artefact], name: str) -> None:
    assert violations(champions[name]) == 0


@pytest.mark.parametrize("name", NAMES)
def test_points_of_the_committed_table_sum_to_the_score(champions: dict[str, Artefact], name: str) -> None:
    card = champions[name].scorecard
    rows = rows_of(champions[name], np.random.default_rng(8), 500)
    scores = card.score(rows)
    assert (card.base_points + card.contributions(rows).sum(axis=1) == scores).all()
    assert [card.score_row(row) for row in rows.tolist()] == scores.tolist()
    assert scores.min() >= 0
    assert scores.max() <= 1_000


@pytest.mark.parametrize("name", NAMES)
def test_committed_model_is_signed_by_a_committed_key_and_says_what_it_is(
    champions: dict[str, Artefact], name: str
) -> None:
    artefact = champions[name]
    seal = json.loads((artefact.directory / "manifest.sig").read_text("utf-8"))
    assert seal["algorithm"] == "Ed25519"
    assert seal["key_id"] in load_keys(MODELS / "keys")
    assert {entry["algorithm"] for entry in artefact.manifest["files"].values()} == {"SHA-256"}
    assert artefact.manifest["data"]["registration"] == "backfill"
    assert artefact.manifest["is_simulated"] is (name == "cn_sim_pd")
    assert artefact.metrics["model"] == artefact.scorecard.model_id


def test_simulated_model_says_so_where_it_shows(champions: dict[str, Artefact]) -> None:
    card = (champions["cn_sim_pd"].directory / "card.md").read_text("utf-8")
    assert "SIMULATED 模拟数据" in card
    assert "SIMULATED" in champions["cn_sim_pd"].manifest["data"]["title"]


@pytest.mark.parametrize("task", ["tw-b", "tw-c"])
def test_model_beats_the_rule_and_is_no_worse_than_logistic(champions: dict[str, Artefact], task: str) -> None:
    found = champions["tw_osh_pd"].metrics["tasks"][task]
    assert found["test_cutoff"] == "2022-06-30"
    assert found["over_rule"]["ci"][0] > 0
    assert found["auc"] >= found["rule_auc"] + 0.03
    assert found["auc"] >= found["logistic_auc"] - 0.01
    assert found["brier"] < found["brier_reference"]
    assert 0.9 <= found["calibration_slope"] <= 1.1
    assert max(found["fitting"]["cutoffs"]) < found["calibration"]["cutoff"] < found["test_cutoff"]


def test_challenger_is_monotone_and_asks_what_the_champion_asks(champions: dict[str, Artefact]) -> None:
    aliases = json.loads((MODELS / "registry.json").read_text("utf-8"))["aliases"]["cn_sim_pd"]
    champion = champions["cn_sim_pd"]
    found = load(MODELS / "cn_sim_pd" / aliases["challenger"], load_keys(MODELS / "keys"))
    assert found.scorecard.columns == champion.scorecard.columns
    assert found.scorecard.scale == champion.scorecard.scale
    assert found.manifest["edition"] == champion.manifest["edition"]
    assert found.scorecard.model_id != champion.scorecard.model_id
    assert violations(found) == 0
    rows = rows_of(found, np.random.default_rng(8), 500)
    assert (found.scorecard.score(rows) != champion.scorecard.score(rows)).any()


def test_observed_rates_rise_from_band_to_band(champions: dict[str, Artefact]) -> None:
    for name, task in (("tw_osh_pd", "tw-b"), ("cn_sim_pd", "cn-main")):
        bands = champions[name].metrics["tasks"][task]["bands"]
        observed = [bands[letter]["observed"] for letter in "ABCD"]
        assert observed == sorted(observed)
        assert sum(bands[letter]["share"] for letter in "ABCD") == pytest.approx(1, abs=1e-4)


def test_no_model_scores_where_or_by_whom_a_subject_is_watched(champions: dict[str, Artefact]) -> None:
    for artefact in champions.values():
        names = set(artefact.scorecard.feature_names)
        assert names <= set(BY_NAME)
        assert not {name for name in names if BY_NAME[name].sign == 0}


def test_model_of_the_city_knows_size_in_its_probability_alone(champions: dict[str, Artefact]) -> None:
    card = champions["cn_sim_pd"].scorecard
    assert card.exposure_names == ("headcount",)
    people = np.array([[1.0], [9.0], [49.0], [299.0], [3_000.0], [np.nan]])
    found = card.probability(np.full(len(people), 800), card.exposure_points(people)).tolist()
    assert found[:5] == sorted(found[:5])
    assert found[4] > 2 * found[0]
    assert found[5] == card.probability(np.array([800]), np.array([0]))[0], "of an unstated size the mean is supposed"
    assert champions["tw_osh_pd"].scorecard.exposure == ()
    assert card.priors is not None


def test_million_rows_are_scored_within_bounds(champions: dict[str, Artefact]) -> None:
    card = champions["tw_osh_pd"].scorecard
    rows = np.tile(rows_of(champions["tw_osh_pd"], np.random.default_rng(9), 1_000), (1_000, 1))
    scores = card.score(rows)
    assert scores.shape == (1_000_000,)
    assert (scores[:1_000] == scores[-1_000:]).all()


def test_nothing_in_the_models_folder_is_a_pickle_or_a_private_key() -> None:
    for path in MODELS.rglob("*"):
        if path.is_file():
            assert path.suffix in {".json", ".sig", ".csv", ".txt", ".md", ".pub"}
            assert b"PRIVATE KEY" not in path.read_bytes()
