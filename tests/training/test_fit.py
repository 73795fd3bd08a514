"""The fit: additive, monotone, the same table as the booster, the same table every time."""

import math
from dataclasses import replace

import lightgbm
import numpy as np
import pytest

from credit_service.grades.scorecard import Scale
from credit_service.legal_days import parse_day
from training.fit import Calibration, Fitted, Shape, calibrate, export, exposure_lines, fit, points, signs_of
from training.making import EVER
from training.metrics import Labels, sigmoid
from training.recipe import RECIPES, load_recipe

NAMES = ("penalties_60m", "standard_level", "headcount")
OPTIONS = {"rounds": 60, "num_leaves": 4, "learning_rate": 0.1, "min_data_in_leaf": 20, "lambda_l2": 5.0}
Matrix = np.ndarray[tuple[int, int], np.dtype[np.float64]]


@pytest.fixture(scope="module")
def drawn() -> tuple[Matrix, Labels]:
    random = np.random.default_rng(3)
    matrix = np.stack(
        [random.poisson(2, 4_000), random.integers(0, 4, 4_000), random.lognormal(3, 1, 4_000).round()], axis=1
    ).astype(np.float64)
    matrix[::7, 2] = np.nan
    odds = 0.6 * matrix[:, 0] - 0.5 * matrix[:, 1] + 0.01 * np.nan_to_num(matrix[:, 2]) - 2.5
    return matrix, random.random(4_000) < sigmoid(odds)


@pytest.fixture(scope="module")
def fitted(drawn: tuple[Matrix, Labels]) -> Fitted:
    return fit(*drawn, signs_of(NAMES), OPTIONS, {}, 1)


def test_shapes_equal_the_booster_on_rows_never_seen(fitted: Fitted) -> None:
    random = np.random.default_rng(4)
    rows = random.uniform(-5, 60, (10_000, 3)).round(1)
    rows[::3, 2] = np.nan
    rows[::5, 0] = 0.0
    raw = np.asarray(fitted.booster.predict(rows, raw_score=True))
    assert np.abs(fitted.log_odds(rows) - raw).max() <= 1e-12


def test_missing_where_training_had_none_goes_the_way_of_the_booster(drawn: tuple[Matrix, Labels]) -> None:
    matrix, labels = drawn
    whole = fit(np.nan_to_num(matrix), labels, signs_of(NAMES), OPTIONS, {}, 1)
    rows = np.full((1, 3), math.nan)
    assert whole.log_odds(rows)[0] == pytest.approx(float(whole.booster.predict(rows, raw_score=True)[0]), abs=1e-12)


def test_shapes_follow_the_declared_signs(fitted: Fitted) -> None:
    rising, falling, _ = (np.diff(shape.values) for shape in fitted.shapes)
    assert (rising >= 0).all()
    assert (falling <= 0).all()
    assert rising.sum() > 0.5
    assert falling.sum() < -0.5


def test_sign_holds_against_data_that_say_otherwise() -> None:
    random = np.random.default_rng(6)
    matrix = random.integers(0, 4, (4_000, 2)).astype(np.float64)
    labels = random.random(4_000) < sigmoid(matrix[:, 1] - matrix[:, 0] - 1)
    adverse, merit = fit(matrix, labels, signs_of(NAMES[:2]), OPTIONS, {}, 1).shapes
    assert (np.diff(adverse.values) >= 0).all()
    assert (np.diff(merit.values) <= 0).all()


def test_tree_that_mixes_features_is_refused(drawn: tuple[Matrix, Labels]) -> None:
    matrix, labels = drawn
    data = lightgbm.Dataset(matrix, labels.astype(np.float64))
    mixed = lightgbm.train({"objective": "binary", "num_leaves": 8, "verbose": -1, "num_threads": 1}, data, 5)
    with pytest.raises(ValueError, match="want one"):
        export(mixed, NAMES)


def test_same_inputs_give_the_same_trees(drawn: tuple[Matrix, Labels], fitted: Fitted) -> None:
    again = fit(*drawn, signs_of(NAMES), OPTIONS, {}, 1)
    assert again.booster.model_to_string() == fitted.booster.model_to_string()


def test_reluctance_gives_the_credit_to_other_features() -> None:
    random = np.random.default_rng(5)
    twins = np.repeat(random.poisson(2, (4_000, 1)), 2, axis=1).astype(np.float64)
    labels = random.random(4_000) < sigmoid(twins[:, 0] - 3)
    names = ("penalties_60m", "accidents_60m")
    first, second = fit(twins, labels, signs_of(names), OPTIONS, {"penalties_60m": 0.1}, 1).shapes
    assert max(second.values) - min(second.values) > max(first.values) - min(first.values)


def test_few_positives_move_the_level_alone() -> None:
    raw = np.linspace(-4, 0, 1_000)
    labels = np.arange(1_000) % 20 == 0
    found = calibrate(raw, labels, 51)
    assert found.slope == 1.0
    assert sigmoid(raw + found.intercept).sum() == pytest.approx(labels.sum())
    assert calibrate(raw, labels, 50).slope != 1.0


def test_points_put_the_best_bin_at_zero_and_merge_equal_neighbours() -> None:
    shapes = (
        Shape("penalties_60m", (0.5, 1.5000000000000002, 2.5), (-1.0, 0.0, 0.001, 1.0), -1.0),
        Shape("headcount", (10.0,), (-0.5, 0.5), 0.0),
    )
    made = Fitted(-4.0, shapes, lightgbm.Booster(model_str=_stump()))
    matrix = np.array([[0.0, 5.0], [1.0, 20.0], [2.0, 5.0], [3.0, 20.0]])
    base, lines = points(made, Calibration(0.1, 1.0, 4, 2), Scale(75.0, 750.0, 49.0), ["headcount"], matrix)
    assert [line.feature.name for line in lines] == ["penalties_60m"]
    assert lines[0].cuts == (0.5, 2.5)
    assert lines[0].points == (0, -108, -216)
    assert lines[0].missing is None
    mean = 750 - 75 / math.log(2) * (np.mean([-1, 0, 0.001, 1]) - 3.9 + math.log(49))
    assert abs(base + np.mean([0, -108, -108, -216]) - mean) <= 0.5


def test_exposure_lines_lie_about_their_mean() -> None:
    shapes = (
        Shape("penalties_60m", (0.5,), (-1.0, 1.0), -1.0),
        Shape("headcount", (10.0, 100.0), (-0.5, 0.5, 1.5), 0.25),
    )
    made = Fitted(-4.0, shapes, lightgbm.Booster(model_str=_stump()))
    calibration, scale = Calibration(0.1, 2.0, 4, 2), Scale(75.0, 750.0, 49.0)
    matrix = np.array([[0.0, 5.0], [1.0, 20.0], [0.0, 5.0], [0.0, 200.0]])
    per = -75 / math.log(2) * 2.0
    (line,) = exposure_lines(made, calibration, scale, ["headcount"], matrix)
    assert (line.cuts, line.missing) == ((10.0, 100.0), 0)
    assert line.points == tuple(round((value - 0.25) * per) for value in (-0.5, 0.5, 1.5))
    matrix[2, 1] = math.nan
    (line,) = exposure_lines(made, calibration, scale, ["headcount"], matrix)
    assert line.missing == round((0.25 - np.mean([-0.5, 0.5, 0.25, 1.5])) * per)
    assert exposure_lines(made, calibration, scale, [], matrix) == ()


def test_more_exposure_never_lowers_the_odds_whatever_the_data_say() -> None:
    random = np.random.default_rng(9)
    people = random.lognormal(3, 1, (4_000, 1)).round()
    labels = random.random(4_000) < sigmoid(1 - np.log(people[:, 0]))
    free, held = (
        fit(people, labels, signs_of(["headcount"], exposure), OPTIONS, {}, 1).shapes[0].values
        for exposure in ((), ("headcount",))
    )
    assert min(np.diff(free)) < 0
    assert (np.diff(held) >= 0).all()


def _stump() -> str:
    data = lightgbm.Dataset(np.zeros((20, 1)), np.arange(20) % 2)
    found: str = lightgbm.train({"objective": "binary", "verbose": -1, "num_threads": 1}, data, 1).model_to_string()
    return found


def test_missing_bin_is_cut_only_where_values_were_missing(drawn: tuple[Matrix, Labels]) -> None:
    matrix, labels = drawn
    fitted = fit(matrix, labels, signs_of(NAMES), OPTIONS, {}, 1)
    _, lines = points(fitted, Calibration(0.0, 1.0, 1, 1), Scale(75.0, 750.0, 49.0), [], matrix)
    assert [line.missing is None for line in lines] == [True, True, False]


def test_recipes_forbid_what_the_method_forbids() -> None:
    for path in sorted(RECIPES.glob("*.toml")):
        recipe = load_recipe(path)
        if recipe.kind == "logistic":
            assert recipe.logistic["ridge"] >= 5
            assert recipe.logistic["least_in_bin"] >= 100
        else:
            assert recipe.booster["num_leaves"] in {4, 5, 6}
            assert recipe.booster["lambda_l2"] >= 5
            assert not {"scale_pos_weight", "is_unbalance"} & set(recipe.booster)
        assert max(recipe.fit_cutoffs) < recipe.calibration_cutoff < recipe.test_cutoff < EVER
        assert recipe.digest != replace(recipe, digest="").digest
    assert load_recipe(RECIPES / "tw_osh_pd.toml").known_by == parse_day("2022-06-30")
