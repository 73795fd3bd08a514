"""Measures agree with a second opinion and with what they are meant to say."""

import math

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, brier_score_loss, roc_auc_score

from training.evaluate import rounded
from training.metrics import (
    auc,
    average_precision,
    bootstrap,
    brier,
    captured,
    ece,
    logit,
    observed_to_expected,
    sigmoid,
)

RANDOM = np.random.default_rng(11)
CHANCE = RANDOM.random(2_000).round(2)
LABELS = RANDOM.random(2_000) < CHANCE


def test_rankings_agree_with_a_second_implementation() -> None:
    assert auc(LABELS, CHANCE) == pytest.approx(roc_auc_score(LABELS, CHANCE))
    assert average_precision(LABELS, CHANCE) == pytest.approx(average_precision_score(LABELS, CHANCE))
    assert brier(LABELS, CHANCE) == pytest.approx(brier_score_loss(LABELS, CHANCE))


def test_ties_and_one_sided_labels() -> None:
    assert auc(np.array([True, False]), np.array([1.0, 1.0])) == 0.5
    assert math.isnan(auc(np.array([True, True]), np.array([0.1, 0.2])))


def test_calibration_error_is_small_for_true_chances_and_large_for_false_ones() -> None:
    assert ece(LABELS, CHANCE) < 0.05
    assert ece(LABELS, np.full(2_000, 0.9)) == pytest.approx(0.9 - LABELS.mean())
    assert observed_to_expected(LABELS, np.full(2_000, LABELS.mean() / 2)) == pytest.approx(2.0)


def test_captured_counts_the_positives_at_the_top() -> None:
    labels = np.array([True] * 5 + [False] * 95)
    scores = np.arange(100, 0, -1.0)
    assert captured(labels, scores, 0.05) == 1.0
    assert captured(labels, -scores, 0.05) == 0.0


def test_bootstrap_is_repeatable_and_holds_the_figure() -> None:
    def measure(rows: np.ndarray[tuple[int], np.dtype[np.int64]]) -> float:
        return auc(LABELS[rows], CHANCE[rows])

    first, second = (bootstrap(measure, len(LABELS), 200, 5) for _ in range(2))
    assert first == second
    assert first[0] < auc(LABELS, CHANCE) < first[1]


def test_log_odds_and_back() -> None:
    chances = np.array([0.01, 0.5, 0.99])
    assert sigmoid(logit(chances)) == pytest.approx(chances)


def test_report_rounds_numbers_and_leaves_unmeasured_ones_empty() -> None:
    assert rounded({"a": [1.23456789, math.nan], "b": 3, "c": "x"}) == {"a": [1.234568, None], "b": 3, "c": "x"}
