"""A logistic scorecard as challenger: published like any other, shadow, promoted by the gate, and taken back."""

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from credit_service.errors import CreditError
from credit_service.grades.artefact import Artefact, load, load_champions, load_keys
from credit_service.grades.features import BY_NAME
from credit_service.legal_days import parse_day
from credit_service.rulebook.edition import SHIPPED, load_edition
from training import registry
from training.__main__ import main
from training.evaluate import Report, measured
from training.extract import Extract
from training.making import Held
from training.publish import new_key, publish, read_key
from training.recipe import RECIPES, Recipe, load_recipe
from training.registry import read
from training.shadow import compared, named

NAME, TASK, SECOND = "cn_sim_pd", "cn-main", "2026.12.1"
LOOSE = {
    "auc_loss": 1.0, "least_over_rule": -1.0, "observed_to_expected": [0.0, 9.0], "size_bounds": [0.0, 9.0],
    "least_of_size": 10**9, "calibration_slope": [-9.0, 9.0], "ece_share": 9.0,
}  # fmt: skip
ACT = ["--by", "bureau/officer-1", "--on", "2026-12-02", "--reason", "挑战者并行试算"]


@pytest.fixture(scope="module")
def scorecard_recipe(recipe: Recipe) -> Recipe:
    """The recipe of the challenger on the small city of the champion's, where bands below A would be chance."""
    found = load_recipe(RECIPES / f"{NAME}_logistic.toml")
    options, bands = {**found.logistic, "least_in_bin": 50}, {"A": 150, "B": 100, "C": 50}
    return replace(found, version=SECOND, data=recipe.data, bootstrap=5, logistic=options, bands=bands)


@pytest.fixture(scope="module")
def challenging(scorecard_recipe: Recipe, held: Held) -> Report:
    return measured(scorecard_recipe, held)


@pytest.fixture(scope="module")
def key_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("keys")
    new_key(folder / "private.pem", folder / "keys")
    return folder / "private.pem"


def published(folder: Path, key_file: Path, *made: tuple[Recipe, Report]) -> Path:
    shutil.copytree(key_file.parent / "keys", folder / "keys")
    for recipe, report in made:
        publish(recipe, report.made[TASK], report.sets, report.document, folder, read_key(key_file))
    return folder


@pytest.fixture
def models(
    recipe: Recipe, report: Report, scorecard_recipe: Recipe, challenging: Report, key_file: Path, tmp_path: Path
) -> Path:
    """A booster that is champion, and the logistic scorecard published after it."""
    return published(tmp_path / "models", key_file, (recipe, report), (scorecard_recipe, challenging))


def of(models: Path, version: str) -> Artefact:
    return load(models / NAME / version, load_keys(models / "keys"))


def test_scorecard_published_after_a_champion_challenges_it(models: Path) -> None:
    assert read(models)["aliases"][NAME] == {"champion": "2026.12.0", "challenger": SECOND}
    first, second = of(models, "2026.12.0"), of(models, SECOND)
    assert (first.manifest["kind"], second.manifest["kind"]) == ("booster", "logistic")
    assert sorted(first.manifest["files"]) == sorted(second.manifest["files"])
    assert second.manifest["feature_set"] == first.manifest["feature_set"]
    assert second.scorecard.exposure_names == ("headcount",)
    assert second.scorecard.priors == first.scorecard.priors
    assert load_champions(models, load_keys(models / "keys"))[NAME].scorecard.model_id == f"{NAME}/2026.12.0"


def test_provenance_beside_the_table_makes_the_table(models: Path, challenging: Report) -> None:
    artefact = of(models, SECOND)
    kept = json.loads((artefact.directory / "booster.txt").read_text("utf-8"))
    assert kept["kind"] == "logistic"
    made, rows = challenging.made[TASK], challenging.sets.test.features
    odds = np.full(len(rows), kept["constant"])
    for feature, values in zip(kept["features"], rows.T, strict=True):
        bins = np.searchsorted(feature["cuts"], values, side="left")
        shape = np.concatenate([[0.0], np.cumsum(feature["weights"])])[bins]
        odds += np.where(np.isnan(values), feature["missing"], shape)
    assert np.abs(odds - made.fitted.log_odds(rows)).max() <= 1e-9
    assert "logistic regression on coarse bins" in (artefact.directory / "card.md").read_text("utf-8")


def test_same_inputs_give_the_same_artefact_byte_for_byte(
    models: Path, scorecard_recipe: Recipe, held: Held, key_file: Path, tmp_path: Path
) -> None:
    again = published(tmp_path / "again", key_file, (scorecard_recipe, measured(scorecard_recipe, held)))
    first, second = (
        {path.name: path.read_bytes() for path in (folder / NAME / SECOND).iterdir()} for folder in (models, again)
    )
    assert first == second


def test_published_table_is_monotone_by_brute_force(models: Path) -> None:
    card, random = of(models, SECOND).scorecard, np.random.default_rng(7)
    edges = [np.array([0.0, *line.cuts, (line.cuts or (1.0,))[-1] * 2 + 1]) for line in card.lines]
    rows = np.stack([random.choice(some, 500) for some in edges], axis=1)
    before, violations = card.score(rows), 0
    for place, line in enumerate(card.lines):
        for step in (1e-9, 0.1, 0.5, 1.0, 2.0, 20.0, 1_000.0):
            moved = rows.copy()
            moved[:, place] += step
            violations += int(((card.score(moved) - before) * line.feature.sign < 0).sum())
    assert violations == 0
    assert len(set(before.tolist())) > 50


def test_shadow_is_compared_with_the_champion_and_grades_nobody(models: Path, held: Held) -> None:
    assert main(["promote", NAME, "--version", SECOND, "--alias", "shadow", "--models", str(models), *ACT]) == 0
    assert read(models)["aliases"][NAME] == {"champion": "2026.12.0", "challenger": SECOND, "shadow": SECOND}
    edition = load_edition(SHIPPED / "cn-2026-04.toml")
    extract = Extract(held.test, {}, (), ())
    told = compared(*named(models, NAME, "shadow"), extract, parse_day("2024-12-31"))
    assert (told["champion"], told["shadow"], told["edition"]) == (f"{NAME}/2026.12.0", f"{NAME}/{SECOND}", edition.id)
    assert told["n"] > 1_000
    assert sum(sum(row.values()) for row in told["migration"]["matrix"].values()) == told["n"]
    assert load_champions(models, load_keys(models / "keys"))[NAME].scorecard.model_id == f"{NAME}/2026.12.0"


def test_challenger_becomes_champion_by_the_gate_alone_and_goes_back(
    models: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    given = ["promote", NAME, "--version", SECOND, "--models", str(models), *ACT]
    strict: dict[str, Any] = {**LOOSE, "observed_to_expected": [8.0, 9.0]}
    monkeypatch.setattr(registry, "GATE", strict)
    before = read(models)
    assert main(given) == 2
    assert "gate: observed_to_expected: got " in capsys.readouterr().err
    assert read(models) == before
    figures = of(models, SECOND).metrics["tasks"][TASK]
    monkeypatch.setattr(registry, "GATE", LOOSE)
    assert main(given) == 0
    assert read(models)["aliases"][NAME] == {"champion": SECOND}, "who has won challenges nobody"
    assert read(models)["history"][-1]["figures"]["auc"] == figures["auc"]
    assert load_champions(models, load_keys(models / "keys"))[NAME].scorecard.model_id == f"{NAME}/{SECOND}"
    assert main(["rollback", NAME, "--models", str(models), *ACT]) == 0
    assert read(models)["aliases"][NAME] == {"champion": "2026.12.0"}


def test_recipe_of_another_kind_or_without_its_options_is_refused(tmp_path: Path) -> None:
    text = (RECIPES / f"{NAME}_logistic.toml").read_text("utf-8")
    for told in (text.replace('kind = "logistic"', 'kind = "forest"'), text.replace("[logistic]", "[other]")):
        path = tmp_path / "recipe.toml"
        path.write_text(told, "utf-8")
        with pytest.raises(CreditError, match="want booster or logistic, with a table of its options"):
            load_recipe(path)
    assert load_recipe(RECIPES / f"{NAME}.toml").kind == "booster"


def test_report_names_the_weights_of_the_rival_that_run_against_their_signs(recipe: Recipe, report: Report) -> None:
    told = report.document["tasks"][TASK]
    fitting = np.log1p(report.sets.fitting.features[:, : len(recipe.features)])
    rows = (fitting - fitting.mean(axis=0)) / np.where(fitting.std(axis=0) > 0, fitting.std(axis=0), 1.0)
    model = LogisticRegression(C=0.1, max_iter=3000).fit(rows, report.sets.fitting.labels[TASK])
    weights = dict(zip(recipe.features, model.coef_[0].tolist(), strict=True))
    against = [name for name, weight in weights.items() if weight * BY_NAME[name].sign > 0]
    assert sorted(told["logistic_against_sign"]) == sorted(against)
    assert told["logistic_against_sign"] == sorted(against, key=lambda name: -abs(weights[name]))
    assert 0 < len(against) < len(recipe.features)
    assert told["logistic_without_these_auc"] != told["logistic_auc"]
