"""Makes a model by its recipe: sets by cut-off, fit, calibration, points. Measures nothing."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from credit_service.arrays import Floats
from credit_service.grades.scorecard import Calibrator, Line, Scorecard
from credit_service.legal_days import add_months, day_text
from training.dataset import HORIZON_MONTHS, TASKS, History, Sample, join, sample
from training.fit import Additive, Calibration, calibrate, exposure_lines, fit, points, signs_of
from training.logistic import fit_logistic
from training.metrics import Labels
from training.priors import Newcomers, newcomers, priors_of
from training.recipe import LOGISTIC, Recipe

EVER = 2**29


@dataclass(frozen=True, slots=True)
class Held:
    """Holds the facts to fit and calibrate with, those to test with, and what is said of both.

    The two are one and the same unless the test has subjects of its own.
    """

    past: History
    test: History
    told: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Sets:
    """Holds the three sets of a recipe; no row of one tells of the time of the next.

    Of the pending subjects, who is not scored, those to learn rates of classes from, and those of the test.
    """

    fitting: Sample
    calibration: Sample
    test: Sample
    pending: Newcomers
    pending_test: Newcomers


@dataclass(frozen=True, slots=True)
class Made:
    """Holds what was made for one task."""

    task: str
    fitted: Additive
    calibration: Calibration
    scorecard: Scorecard


def sets(recipe: Recipe, held: Held) -> Sets:
    """Builds the sets; refuses a cut-off whose labels had not matured by `known_by`."""
    tasks = [TASKS[name] for name in recipe.tasks]
    for cutoff in (*recipe.fit_cutoffs, recipe.calibration_cutoff):
        matured = add_months(cutoff, HORIZON_MONTHS + recipe.maturity_months)
        if matured > recipe.known_by:
            raise ValueError(f"cut-off {day_text(cutoff)}: matured on {day_text(matured)}, want by known_by")
    known_by, names = recipe.known_by, recipe.columns
    past = [sample(held.past, tasks, day, known_by, names) for day in recipe.fit_cutoffs]
    calibration = sample(held.past, tasks, recipe.calibration_cutoff, known_by, names)
    test = sample(held.test, tasks, recipe.test_cutoff, EVER, names)
    return Sets(
        fitting=join(past),
        calibration=calibration,
        test=test,
        pending=newcomers(recipe.edition, held.past, [*past, calibration]),
        pending_test=newcomers(recipe.edition, held.test, [test]),
    )


def make(recipe: Recipe, task: str, given: Sets) -> Made:
    """Fits, calibrates and rounds to points for one task."""
    fitting, later = given.fitting, given.calibration
    fitted = _fitted(recipe, fitting.features, fitting.labels[task])
    raw = fitted.log_odds(later.features)
    calibration = calibrate(raw, later.labels[task], recipe.least_positives_for_slope)
    unscored = (*recipe.controls, *recipe.exposure)
    base, lines = points(fitted, calibration, recipe.scale, unscored, fitting.features)
    exposure = exposure_lines(fitted, calibration, recipe.scale, recipe.exposure, fitting.features)
    card = replace(scorecard(recipe, base, lines), priors=priors_of(given.pending, task), exposure=exposure)
    return Made(task, fitted, calibration, card)


def _fitted(recipe: Recipe, matrix: Floats, labels: Labels) -> Additive:
    signs = signs_of(recipe.columns, recipe.exposure)
    if recipe.kind == LOGISTIC:
        return fit_logistic(matrix, labels, signs, recipe.logistic, recipe.reluctance)
    return fit(matrix, labels, signs, recipe.booster, recipe.reluctance, recipe.seed)


def scorecard(recipe: Recipe, base: int, lines: Sequence[Line]) -> Scorecard:
    """Puts the points on the recipe's scale."""
    return Scorecard(f"{recipe.name}/{recipe.version}", base, tuple(lines), recipe.scale, Calibrator(0.0, 1.0))


def scored(recipe: Recipe, features: Floats) -> Floats:
    """Returns the columns that earn points; controls and exposure come last and are left out."""
    return np.ascontiguousarray(features[:, : len(recipe.features)])


def exposed(recipe: Recipe, features: Floats) -> Floats:
    """Returns the columns of exposure, which come last of all."""
    return np.ascontiguousarray(features[:, features.shape[1] - len(recipe.exposure) :])


def chances(recipe: Recipe, card: Scorecard, features: Floats) -> Floats:
    """Returns the published probabilities, each at the exposure of its row."""
    return card.probability(card.score(scored(recipe, features)), card.exposure_points(exposed(recipe, features)))
