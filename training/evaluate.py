"""Measures a made model on a later year, beside logistic regression and the one-line rule."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import lightgbm
import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from credit_service.arrays import Floats
from credit_service.grades.features import BY_NAME
from credit_service.legal_days import day_text
from training.dataset import History, Sample
from training.grouping import groups_of
from training.making import Held, Made, Sets, chances, make, scored, sets
from training.metrics import (
    Labels,
    auc,
    average_precision,
    bootstrap,
    brier,
    calibration_slope,
    captured,
    ece,
    observed_to_expected,
)
from training.priors import figures
from training.recipe import Recipe

TOP_SHARE = 0.05
LETTERS = ("A", "B", "C", "D")


@dataclass(frozen=True, slots=True)
class Rival:
    """Holds the scores of everything that is compared on the test set; higher means worse."""

    ours: Floats
    rule: Floats
    logistic: Floats
    free: Floats


@dataclass(frozen=True, slots=True)
class Report:
    """Holds what was made for every task, the sets behind it, and the figures."""

    made: Mapping[str, Made]
    sets: Sets
    document: Mapping[str, Any]


def measured(recipe: Recipe, held: Held) -> Report:
    """Makes every task of a recipe and measures it."""
    given = sets(recipe, held)
    made = {task: make(recipe, task, given) for task in recipe.tasks}
    document = {
        "model": f"{recipe.name}/{recipe.version}",
        "served_task": recipe.served_task,
        "is_simulated": recipe.is_simulated,
        "data": dict(held.told),
        "tasks": {task: evaluate(recipe, one, given, held.test) for task, one in made.items()},
    }
    return Report(made, given, document)


def evaluate(recipe: Recipe, made: Made, given: Sets, held: History) -> dict[str, Any]:
    """Returns the report of one task on the test cut-off: rankings of the whole points, chances as published."""
    test, labels = given.test, given.test.labels[made.task]
    score = made.scorecard.score(scored(recipe, test.features))
    chance = chances(recipe, made.scorecard, test.features)
    rivals = Rival(-score.astype(np.float64), test.rule, *_challengers(recipe, made, given))
    base_rate = float(labels.mean())
    groups = groups_of(held, test.subject.tolist(), recipe.test_cutoff)
    return {
        "task": made.task,
        "n": len(labels),
        "positives": int(labels.sum()),
        "base_rate": base_rate,
        "test_cutoff": day_text(recipe.test_cutoff),
        **_ranking(recipe, labels, rivals),
        "chance_auc": auc(labels, chance),
        **_with_signs(recipe, made, given),
        "brier": brier(labels, chance),
        "brier_reference": base_rate * (1 - base_rate),
        "ece": ece(labels, chance),
        "observed_to_expected": observed_to_expected(labels, chance),
        "calibration_slope": calibration_slope(labels, chance),
        "fitting": _told(given.fitting, made.task) | {"cutoffs": [day_text(d) for d in recipe.fit_cutoffs]},
        "calibration": _told(given.calibration, made.task)
        | {
            "cutoff": day_text(recipe.calibration_cutoff),
            "intercept": made.calibration.intercept,
            "slope": made.calibration.slope,
        },
        "bands": _bands(recipe, labels, score, chance),
        "by_kind": _by_group(groups["kind"], labels, chance),
        "by_size": _by_group(groups["size"], labels, chance),
        **_of_pending(made, given, chance),
    }


def _ranking(recipe: Recipe, labels: Labels, rivals: Rival) -> dict[str, Any]:
    def interval(of: Any) -> list[float]:
        return bootstrap(of, len(labels), recipe.bootstrap, recipe.seed)

    def gap(other: Floats) -> dict[str, Any]:
        def measure(rows: NDArray[Any]) -> float:
            return auc(labels[rows], rivals.ours[rows]) - auc(labels[rows], other[rows])

        return {
            "difference": auc(labels, rivals.ours) - auc(labels, other),
            "ci": interval(measure),
        }

    found: dict[str, Any] = {}
    for name, scores in (
        ("", rivals.ours),
        ("rule_", rivals.rule),
        ("logistic_", rivals.logistic),
        ("free_", rivals.free),
    ):
        found[f"{name}auc"] = auc(labels, scores)
        found[f"{name}auc_ci"] = interval(lambda rows, s=scores: auc(labels[rows], s[rows]))
        found[f"{name}average_precision"] = average_precision(labels, scores)
        found[f"{name}captured_top_5_percent"] = captured(labels, scores, TOP_SHARE)
    found["over_rule"], found["over_logistic"] = gap(rivals.rule), gap(rivals.logistic)
    return found


def _challengers(recipe: Recipe, made: Made, given: Sets) -> tuple[Floats, Floats]:
    """Returns logistic regression on the features that earn points, and a booster without restraint."""
    labels = given.fitting.labels[made.task]
    fitting, test = scored(recipe, given.fitting.features), scored(recipe, given.test.features)
    model = _logistic().fit(_logs(fitting), labels)
    options: Mapping[str, Any] = {
        "objective": "binary",
        "num_leaves": 15,
        "learning_rate": 0.05,
        "min_data_in_leaf": 200,
        "deterministic": True,
        "force_row_wise": True,
        "num_threads": 1,
        "seed": recipe.seed,
        "verbose": -1,
    }
    free = lightgbm.train(dict(options), lightgbm.Dataset(fitting, labels.astype(np.float64)), 150)
    logistic: Floats = model.predict_proba(_logs(test))[:, 1]
    return logistic, np.asarray(free.predict(test), dtype=np.float64)


def _with_signs(recipe: Recipe, made: Made, given: Sets) -> dict[str, Any]:
    """Returns which weights of the logistic regression run against their signs, and its AUC without those features.

    What such a weight gains, no points table may have: more of a merit would cost points.
    """
    labels, signs = given.fitting.labels[made.task], np.array([BY_NAME[name].sign for name in recipe.features])
    fitting, test = (_logs(scored(recipe, one.features)) for one in (given.fitting, given.test))
    weights = _logistic().fit(fitting, labels)[-1].coef_[0]
    against = weights * signs > 0
    kept = _logistic().fit(fitting[:, ~against], labels).decision_function(test[:, ~against])
    told = sorted(zip(-np.abs(weights[against]), np.flatnonzero(against), strict=True))
    return {
        "logistic_against_sign": [recipe.features[place] for _, place in told],
        "logistic_without_these_auc": auc(given.test.labels[made.task], kept),
    }


def _logistic() -> Pipeline:
    return make_pipeline(StandardScaler(), LogisticRegression(C=0.1, max_iter=3000))


def _logs(features: Floats) -> Floats:
    return np.log1p(np.nan_to_num(features))


def _told(given: Sample, task: str) -> dict[str, Any]:
    return {"n": len(given), "positives": int(given.labels[task].sum())}


def _bands(recipe: Recipe, labels: Labels, score: NDArray[np.int64], chance: Floats) -> dict[str, Any]:
    """Returns share, mean probability and observed rate of each band, before any law."""
    edges = [recipe.bands[letter] for letter in LETTERS[:-1]]
    place = np.searchsorted(-np.array(edges), -score, side="left")
    found = {}
    for n, letter in enumerate(LETTERS):
        rows = place == n
        size = int(rows.sum())
        found[letter] = {
            "share": size / len(score),
            "expected": float(chance[rows].mean()) if size else None,
            "observed": float(labels[rows].mean()) if size else None,
        }
    return found


def _of_pending(made: Made, given: Sets, chance: Floats) -> dict[str, Any]:
    """Returns how the rates of classes held for the pending subjects of the test, where there are any."""
    if made.scorecard.priors is None or not len(given.pending_test):
        return {}
    return {"pending": figures(made.scorecard.priors, given.pending_test, made.task, chance)}


def _by_group(groups: Sequence[str], labels: Labels, chance: Floats) -> dict[str, Any]:
    names, found = np.array(groups), {}
    for name in sorted(set(groups)):
        rows = names == name
        found[name] = {
            "n": int(rows.sum()),
            "positives": int(labels[rows].sum()),
            "observed_to_expected": observed_to_expected(labels[rows], chance[rows]),
        }
    return found


def rounded(value: Any, digits: int = 6) -> Any:
    """Rounds every number of a report, and turns what could not be measured into null."""
    if isinstance(value, dict):
        return {key: rounded(one, digits) for key, one in value.items()}
    if isinstance(value, list):
        return [rounded(one, digits) for one in value]
    if isinstance(value, float):
        return round(value, digits) if math.isfinite(value) else None
    return value
