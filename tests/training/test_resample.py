"""Intervals by bootstrap: the same as counting by hand, entities drawn whole, differences paired."""

import numpy as np
import pytest

from training.metrics import auc, calibration_slope, ece, sigmoid
from training.resample import aucs, bootstrapped, drawn, ece_noise, interval

RANDOM = np.random.default_rng(5)
LABELS = RANDOM.random(400) < 0.2
SCORES = (RANDOM.random(400) + LABELS * 0.3).round(1)
ROWS = np.arange(400)


def test_auc_of_four_rows_by_hand() -> None:
    labels, scores = np.array([True, False, True, False]), np.array([0.9, 0.5, 0.5, 0.1])
    weights = np.array([[1.0, 1, 1, 1], [1, 2, 0, 0], [0, 1, 1, 0], [1, 0, 1, 0]])
    found = aucs(labels, scores, weights)
    assert found[:3].tolist() == [3.5 / 4, 1.0, 0.5]
    assert np.isnan(found[3])


def test_weights_mean_the_same_as_rows_written_again() -> None:
    weights = RANDOM.integers(0, 4, (20, 400))
    again = [auc(LABELS[np.repeat(ROWS, one)], SCORES[np.repeat(ROWS, one)]) for one in weights]
    assert aucs(LABELS, SCORES, weights.astype(np.float64)) == pytest.approx(again)


def test_rows_of_an_entity_are_drawn_together() -> None:
    entities = np.array([7, 3, 7, 9, 3])
    draws = np.concatenate(list(drawn(entities, 200, 1)))
    assert draws.shape == (200, 5)
    assert (draws[:, 0] == draws[:, 2]).all()
    assert (draws[:, 1] == draws[:, 4]).all()
    assert (draws[:, [0, 1, 3]].sum(axis=1) == 3).all()
    assert draws[:, 3].mean() == pytest.approx(1, abs=0.2)


def test_interval_agrees_with_the_known_error_of_an_auc() -> None:
    found = bootstrapped(LABELS, {"a": SCORES}, ROWS, 1_000, 2)["a"]
    low, high = interval(found)
    value, bad = auc(LABELS, SCORES), int(LABELS.sum())
    good = len(LABELS) - bad
    twice = value / (2 - value), 2 * value**2 / (1 + value)
    error = (
        (value * (1 - value) + (bad - 1) * (twice[0] - value**2) + (good - 1) * (twice[1] - value**2)) / bad / good
    ) ** 0.5
    assert low < value < high
    assert (high - low) / (2 * 1.96 * error) == pytest.approx(1, abs=0.2)


def test_draws_are_shared_so_that_a_ranking_never_differs_from_itself() -> None:
    found = bootstrapped(LABELS, {"a": SCORES, "twice": SCORES * 2, "back": -SCORES}, ROWS, 100, 3)
    assert (found["a"] == found["twice"]).all()
    assert found["a"] + found["back"] == pytest.approx(1)
    assert (found["a"] == bootstrapped(LABELS, {"a": SCORES}, ROWS, 100, 3)["a"]).all()
    assert (found["a"] != bootstrapped(LABELS, {"a": SCORES}, ROWS, 100, 4)["a"]).any()


def test_noise_is_the_error_of_a_calibrated_model() -> None:
    chances = sigmoid(RANDOM.normal(-2, 1, 3_000))
    noise = ece_noise(chances, 500, 6)
    own = [ece(RANDOM.random(3_000) < chances, chances) for _ in range(200)]
    assert noise.mean() == pytest.approx(np.mean(own), rel=0.05)
    assert ece(RANDOM.random(3_000) < np.minimum(chances * 2, 1), chances) > np.percentile(noise, 95)


def test_slope_says_by_how_much_chances_are_too_bold() -> None:
    log_odds = RANDOM.normal(-1, 1.5, 20_000)
    labels = RANDOM.random(20_000) < sigmoid(log_odds)
    assert calibration_slope(labels, sigmoid(log_odds)) == pytest.approx(1, abs=0.05)
    assert calibration_slope(labels, sigmoid(2 * log_odds)) == pytest.approx(0.5, abs=0.05)
