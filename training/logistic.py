"""Fits a logistic scorecard: a weight for each step from bin to bin of a feature, of the sign that the feature has."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from credit_service.arrays import Floats
from training.fit import Additive, Shape
from training.metrics import Labels, sigmoid

# Weights are kept to so many decimals: further ones are the search's, not the data's, and earn a hundredth of a point.
DECIMALS = 4
# What is left of the slope of the likelihood, over all rows, when the search may end.
TOLERANCE = 1e-3

Side = tuple[float | None, float | None]
# Where a weight may lie, by its sign.
_SIDES: Mapping[int, Side] = {1: (0.0, None), -1: (None, 0.0), 0: (None, None)}


@dataclass(frozen=True, slots=True)
class Weighted(Additive):
    """Holds a logistic regression in both forms: the weight of each step up from a cut, and its sum of shapes."""

    weights: Mapping[str, tuple[float, ...]]

    @property
    def provenance(self) -> str:
        """Returns constant, cuts and weights: the log-odds are the constant and the weights of all cuts passed."""
        features = [
            {"feature": shape.name, "cuts": list(shape.cuts), "weights": list(self.weights[shape.name]),
             "missing": shape.missing}
            for shape in self.shapes
        ]  # fmt: skip
        document = {"kind": "logistic", "constant": self.constant, "features": features}
        return json.dumps(document, ensure_ascii=False, indent=1) + "\n"


@dataclass(frozen=True, slots=True)
class _Column:
    """Holds one feature laid in bins: its cuts, the bin of the missing, and of each row the bin."""

    name: str
    cuts: tuple[float, ...]
    missing: int | None
    bins: NDArray[np.int16]


def fit_logistic(
    matrix: Floats,
    labels: Labels,
    signs: Mapping[str, int],
    options: Mapping[str, Any],
    reluctance: Mapping[str, float],
) -> Weighted:
    """Fits weights by penalised likelihood, none against its sign: 1, and more never lowers the chance; -1, raises it.

    `reluctance` draws the weights of some features nearer to nothing, so that others are asked first. No matrices are
    multiplied, and rows are counted by their bins: nothing hangs on a library's threads or on the order of rows.
    """
    columns = [
        _column(name, matrix[:, place], labels, options["bins_of"].get(name, options["bins"]), options["least_in_bin"])
        for place, name in enumerate(signs)
    ]
    ridge = {name: options["ridge"] / reluctance.get(name, 1.0) for name in signs}
    constant, weights = _likeliest(columns, labels, signs, ridge)
    shapes = tuple(_shape(column, weights[column.name]) for column in columns)
    return Weighted(constant, shapes, {name: tuple(found.tolist()) for name, found in weights.items()})


def cuts_of(values: Floats, most: int, least: int) -> tuple[float, ...]:
    """Cuts values into at most so many bins of about as many rows each, none of fewer than `least`.

    A value that many rows share fills a bin by itself, and the bins that it leaves part the others.
    """
    distinct, counts = np.unique(values[~np.isnan(values)], return_counts=True)
    cuts: list[float] = []
    left, held = int(counts.sum()), 0
    for value, count in zip(distinct.tolist(), counts.tolist(), strict=True):
        held += count
        rest, room = left - held, most - len(cuts)
        if room > 1 and rest >= least and held >= max(least, left / room):
            cuts.append(value)
            left, held = rest, 0
    return tuple(cuts)


def _column(name: str, values: Floats, labels: Labels, most: int, least: int) -> _Column:
    """Lays a feature in bins; who has no value joins the bin whose rate of harm is nearest to that of his like."""
    cuts = cuts_of(values, most, least)
    bins: NDArray[np.int16] = np.searchsorted(cuts, values, side="left").astype(np.int16)
    unknown = np.isnan(values)
    if not unknown.any():
        return _Column(name, cuts, None, bins)
    sizes = np.bincount(bins[~unknown], minlength=len(cuts) + 1)
    rates = np.bincount(bins[~unknown], labels[~unknown], minlength=len(cuts) + 1) / sizes
    bins[unknown] = missing = int(np.argmin(np.abs(rates - labels[unknown].mean())))
    return _Column(name, cuts, missing, bins)


def _likeliest(
    columns: Sequence[_Column], labels: Labels, signs: Mapping[str, int], ridge: Mapping[str, float]
) -> tuple[float, dict[str, Floats]]:
    """Returns constant and weights of the least penalised loss; it has one minimum, whatever the search begins with."""
    # Rows of equal bins are counted together: they are a tenth of all.
    rows, place = np.unique(np.stack([column.bins for column in columns], axis=1), axis=0, return_inverse=True)
    counts = np.bincount(place).astype(np.float64)
    harmed = np.bincount(place, labels, minlength=len(rows))
    ends = np.cumsum([0, *(len(column.cuts) for column in columns)])
    spans = [slice(1 + low, 1 + high) for low, high in pairwise(ends.tolist())]
    drawn = np.concatenate([[0.0], *(np.full(len(column.cuts), ridge[column.name]) for column in columns)])

    def loss(point: Floats) -> tuple[float, Floats]:
        odds, slope = np.full(len(rows), point[0]), np.empty(len(point))
        for n, span in enumerate(spans):
            odds += _risen(point[span])[rows[:, n]]
        gaps = counts * sigmoid(odds) - harmed
        slope[0] = gaps.sum()
        for n, span in enumerate(spans):
            by_bin = np.bincount(rows[:, n], gaps, minlength=span.stop - span.start + 1)
            slope[span] = by_bin[::-1].cumsum()[::-1][1:]
        total = float(np.sum(counts * np.logaddexp(0.0, odds) - harmed * odds) + np.sum(drawn * point**2) / 2)
        return total, slope + drawn * point

    bounds = [(None, None), *(_SIDES[signs[column.name]] for column in columns for _ in column.cuts)]
    start = np.zeros(len(drawn))
    start[0] = math.log(harmed.sum() / (counts.sum() - harmed.sum()))
    found = minimize(
        loss, start, jac=True, bounds=bounds, method="L-BFGS-B",
        options={"maxiter": 20_000, "maxfun": 40_000, "maxcor": 50, "ftol": 0.0, "gtol": TOLERANCE},
    )  # fmt: skip
    _check_found(found.x, loss(found.x)[1], bounds)
    kept = np.round(found.x, DECIMALS) + 0.0
    return float(kept[0]), {column.name: kept[span] for column, span in zip(columns, spans, strict=True)}


def _check_found(point: Floats, slope: Floats, bounds: Sequence[Side]) -> None:
    """Refuses a point from which a step that is allowed would still lead down."""
    for value, steep, (low, high) in zip(point.tolist(), slope.tolist(), bounds, strict=True):
        held = (value == low and steep > 0) or (value == high and steep < 0)
        if not held and not abs(steep) <= 10 * TOLERANCE:
            raise ValueError(f"weights: got a slope of {steep} where the search ended, want one near 0")


def _risen(weights: Floats) -> Floats:
    """Returns what each bin adds: nothing in the first, then the weights of all cuts passed."""
    return np.concatenate([[0.0], np.cumsum(weights)])


def _shape(column: _Column, weights: Floats) -> Shape:
    values = _risen(weights)
    # Where the fit has seen nobody without a value, such a one is taken for a subject of the mean.
    sizes = np.bincount(column.bins, minlength=len(values))
    missing = np.sum(values * sizes) / sizes.sum() if column.missing is None else values[column.missing]
    return Shape(column.name, column.cuts, tuple(values.tolist()), float(missing))
