"""Measures of a probability and of a ranking, with intervals by bootstrap over entities."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

from credit_service.arrays import Floats

Labels = NDArray[np.bool_]
Measure = Callable[[Labels, Floats], float]
ECE_BINS = 15


def auc(labels: Labels, scores: Floats) -> float:
    """Returns the chance that a positive stands above a negative; ties count half."""
    positives = int(labels.sum())
    negatives = len(labels) - positives
    if not positives or not negatives:
        return math.nan
    _, place, counts = np.unique(scores, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2.0)[place]
    return float((ranks[labels].sum() - positives * (positives + 1) / 2.0) / (positives * negatives))


def brier(labels: Labels, probabilities: Floats) -> float:
    """Returns the mean squared error of probabilities."""
    return float(np.mean((probabilities - labels) ** 2))


def ece(labels: Labels, probabilities: Floats, bins: int = ECE_BINS) -> float:
    """Returns the expected calibration error over bins of equal count."""
    order = np.argsort(probabilities, kind="stable")
    gaps = [
        len(part) * abs(float(probabilities[part].mean()) - float(labels[part].mean()))
        for part in np.array_split(order, bins)
        if len(part)
    ]
    return sum(gaps) / len(labels)


def observed_to_expected(labels: Labels, probabilities: Floats) -> float:
    """Returns how many positives came for each that was expected."""
    return float(labels.sum() / probabilities.sum())


def logit(probabilities: Floats) -> Floats:
    """Returns log-odds."""
    found: Floats = np.log(probabilities / (1.0 - probabilities))
    return found


def sigmoid(values: Floats) -> Floats:
    """Returns probabilities of log-odds."""
    found: Floats = 1.0 / (1.0 + np.exp(-values))
    return found


def average_precision(labels: Labels, scores: Floats) -> float:
    """Returns the area under precision and recall; ties share their group's precision."""
    order = np.argsort(-scores, kind="stable")
    hits = np.cumsum(labels[order])
    last = np.append(np.flatnonzero(np.diff(scores[order])), len(scores) - 1)
    recall = hits[last] / hits[-1]
    return float(np.sum(np.diff(np.concatenate([[0.0], recall])) * hits[last] / (last + 1)))


def captured(labels: Labels, scores: Floats, share: float) -> float:
    """Returns the share of positives among the given share of highest scores."""
    top = np.argsort(-scores, kind="stable")[: max(1, round(share * len(scores)))]
    return float(labels[top].sum() / labels.sum())


def calibration_slope(labels: Labels, probabilities: Floats) -> float:
    """Returns by how much the log-odds that came true rise with those that were said; 1 is right."""
    model = LogisticRegression(C=1e6, max_iter=1000).fit(logit(probabilities)[:, None], labels)
    return float(model.coef_[0, 0])


def bootstrap(measure: Callable[[NDArray[Any]], float], n: int, times: int, seed: int) -> list[float]:
    """Returns the 95 % interval of a measure over drawn rows; each row is one entity."""
    random = np.random.default_rng(seed)
    found = np.array([measure(random.integers(0, n, n)) for _ in range(times)])
    low, high = np.nanpercentile(found, [2.5, 97.5])
    return [round(float(low), 4), round(float(high), 4)]
