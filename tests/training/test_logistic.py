"""The logistic scorecard: coarse bins, weights that keep their signs, one optimum, the same table every time."""

import json
import math
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from credit_service.grades.scorecard import Line, Scale
from training.fit import Calibration, points, signs_of
from training.logistic import Weighted, cuts_of, fit_logistic
from training.metrics import Labels, sigmoid

NAMES = ("penalties_60m", "standard_level", "headcount")
OPTIONS: dict[str, Any] = {"bins": 6, "bins_of": {"headcount": 12}, "least_in_bin": 100, "ridge": 5.0}
SCALE = Scale(75.0, 750.0, 49.0)
Matrix = np.ndarray[tuple[int, int], np.dtype[np.float64]]


@pytest.fixture(scope="module")
def drawn() -> tuple[Matrix, Labels]:
    random = np.random.default_rng(3)
    matrix = np.stack(
        [random.poisson(2, 8_000), random.integers(0, 4, 8_000), random.lognormal(3, 1, 8_000).round()], axis=1
    ).astype(np.float64)
    matrix[::7, 2] = np.nan
    odds = 0.6 * matrix[:, 0] - 0.5 * matrix[:, 1] + 0.01 * np.nan_to_num(matrix[:, 2]) - 2.5
    return matrix, random.random(8_000) < sigmoid(odds)


@pytest.fixture(scope="module")
def fitted(drawn: tuple[Matrix, Labels]) -> Weighted:
    return fit_logistic(*drawn, signs_of(NAMES, ["headcount"]), OPTIONS, {})


def by_weights(fitted: Weighted, matrix: Matrix) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Computes the log-odds anew from what is kept beside the table: the constant, and the weights of cuts passed."""
    document = json.loads(fitted.provenance)
    odds = np.full(len(matrix), document["constant"])
    for feature, values in zip(document["features"], matrix.T, strict=True):
        known = np.zeros(len(values))
        for cut, weight in zip(feature["cuts"], feature["weights"], strict=True):
            known += weight * (values > cut)
        odds += np.where(np.isnan(values), feature["missing"], known)
    return odds


def test_shapes_equal_the_logit_of_the_weights_on_rows_never_seen(fitted: Weighted) -> None:
    random = np.random.default_rng(4)
    rows = random.uniform(-5, 60, (10_000, 3)).round(1)
    rows[::3, 2] = np.nan
    rows[::5, 0] = 0.0
    assert np.abs(fitted.log_odds(rows) - by_weights(fitted, rows)).max() <= 1e-9
    assert len(set(fitted.log_odds(rows).tolist())) > 100


def test_points_are_the_logit_but_for_rounding(fitted: Weighted, drawn: tuple[Matrix, Labels]) -> None:
    matrix = drawn[0]
    base, lines = points(fitted, Calibration(0.3, 1.1, 1, 1), SCALE, [], matrix)
    given = base + sum(line.points_of(matrix[:, place]) for place, line in enumerate(lines))
    exact = SCALE.base - SCALE.pdo / math.log(2) * (0.3 + 1.1 * by_weights(fitted, matrix) + math.log(49.0))
    # Half a point a line, and half a point of the base.
    assert np.abs(given - exact).max() <= 0.5 * len(lines) + 0.5
    assert abs(float(np.mean(given - exact))) <= 0.5


def test_no_step_up_ever_moves_the_points_against_the_sign(fitted: Weighted, drawn: tuple[Matrix, Labels]) -> None:
    _, lines = points(fitted, Calibration(0.0, 1.0, 1, 1), SCALE, ["headcount"], drawn[0])
    adverse, merit = lines
    values = np.arange(-1.0, 15.0, 0.25)
    assert (np.diff(adverse.points_of(values)) <= 0).all()
    assert (np.diff(merit.points_of(values)) >= 0).all()
    assert min(spread(line) for line in lines) > 50
    rows = drawn[0][:500]
    before, violations = fitted.log_odds(rows), 0
    for place, sign in enumerate((1, -1, 1)):
        for step in (1e-9, 0.5, 1.0, 2.0, 5.0, 1_000.0):
            moved = rows.copy()
            moved[:, place] += step
            violations += int(((fitted.log_odds(moved) - before) * sign < 0).sum())
    assert violations == 0


def test_sign_holds_against_data_that_say_otherwise() -> None:
    random = np.random.default_rng(6)
    matrix = random.integers(0, 4, (4_000, 2)).astype(np.float64)
    labels = random.random(4_000) < sigmoid(matrix[:, 1] - matrix[:, 0] - 1)
    held = fit_logistic(matrix, labels, signs_of(NAMES[:2]), OPTIONS, {})
    assert set(held.weights["penalties_60m"]) | set(held.weights["standard_level"]) == {0.0}
    free = fit_logistic(matrix, labels, dict.fromkeys(NAMES[:2], 0), OPTIONS, {})
    assert max(free.weights["penalties_60m"]) < 0 < min(free.weights["standard_level"])


def test_weights_are_those_of_another_solver_where_no_sign_binds(drawn: tuple[Matrix, Labels]) -> None:
    matrix, labels = np.nan_to_num(drawn[0]), drawn[1]
    found = fit_logistic(matrix, labels, dict.fromkeys(NAMES, 0), OPTIONS, {})
    passed = [matrix[:, place] > cut for place, shape in enumerate(found.shapes) for cut in shape.cuts]
    steps = np.stack(passed, axis=1).astype(np.float64)
    other = LogisticRegression(C=1 / OPTIONS["ridge"], tol=1e-8, max_iter=10_000).fit(steps, labels)
    ours = np.concatenate([found.weights[name] for name in NAMES])
    assert np.abs(ours - other.coef_[0]).max() < 2e-3
    assert found.constant == pytest.approx(float(other.intercept_[0]), abs=2e-3)


def test_order_of_rows_changes_nothing(drawn: tuple[Matrix, Labels], fitted: Weighted) -> None:
    turned = np.random.default_rng(7).permutation(len(drawn[0]))
    again = fit_logistic(drawn[0][turned], drawn[1][turned], signs_of(NAMES, ["headcount"]), OPTIONS, {})
    assert again.provenance == fitted.provenance


def test_reluctance_gives_the_credit_to_other_features() -> None:
    random = np.random.default_rng(5)
    twins = np.repeat(random.poisson(2, (4_000, 1)), 2, axis=1).astype(np.float64)
    labels = random.random(4_000) < sigmoid(twins[:, 0] - 3)
    names = ("penalties_60m", "accidents_60m")
    alike = fit_logistic(twins, labels, signs_of(names), OPTIONS, {})
    assert sum(alike.weights[names[0]]) == pytest.approx(sum(alike.weights[names[1]]), abs=0.01)
    first, second = fit_logistic(twins, labels, signs_of(names), OPTIONS, {names[0]: 0.1}).shapes
    assert second.values[-1] > 5 * first.values[-1] > 0


def test_bins_are_few_and_hold_enough_rows() -> None:
    random = np.random.default_rng(8)
    values = np.where(random.random(10_000) < 0.8, 0.0, random.lognormal(0, 1, 10_000))
    cuts = cuts_of(values, 6, 300)
    sizes = np.bincount(np.searchsorted(cuts, values, side="left"))
    assert (cuts[0], len(cuts), sizes[0] > 7_500) == (0.0, 5, True)
    assert sizes[1:].min() > 380
    assert all(low < high for low, high in pairwise(cuts))
    assert set(cuts) <= set(values.tolist()), "a cut is a value that was seen"
    assert cuts_of(values, 6, 2_500) == ()
    assert cuts_of(np.array([0.0] * 99 + [1.0]), 6, 2) == (), "one row is no bin"
    assert cuts_of(np.full(50, np.nan), 6, 1) == ()


def test_missing_join_the_bin_whose_rate_is_nearest(drawn: tuple[Matrix, Labels], fitted: Weighted) -> None:
    matrix, labels = drawn
    shape = fitted.shapes[2]
    unknown = np.isnan(matrix[:, 2])
    bins = np.searchsorted(shape.cuts, matrix[~unknown, 2])
    rates = [labels[~unknown][bins == n].mean() for n in range(len(shape.values))]
    nearest = int(np.argmin([abs(rate - labels[unknown].mean()) for rate in rates]))
    assert shape.missing == shape.values[nearest]
    assert fitted.shapes[0].missing == pytest.approx(float(fitted.shapes[0].at(matrix[:, 0]).mean()))


def spread(line: Line) -> int:
    return max(line.points) - min(line.points)
