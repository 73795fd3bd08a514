"""Fits the additive monotone booster, exports it as a points table, calibrates its level."""

import math
from abc import ABC, abstractmethod
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import lightgbm
import numpy as np
from sklearn.linear_model import LogisticRegression

from credit_service.arrays import Floats
from credit_service.grades.features import BY_NAME
from credit_service.grades.scorecard import Line, Scale
from training.metrics import Labels, sigmoid

EXPORT_TOLERANCE = 1e-12
# LightGBM writes the edge beside zero as 1e-35; nothing lies between the two.
NOTHING = 1e-30


@dataclass(frozen=True, slots=True)
class Shape:
    """Holds what the booster adds in each interval of one feature, in log-odds."""

    name: str
    cuts: tuple[float, ...]
    values: tuple[float, ...]
    missing: float

    def at(self, values: Floats) -> Floats:
        """Returns what the feature adds for each value."""
        found = np.array(self.values)[np.searchsorted(self.cuts, values, side="left")]
        return np.where(np.isnan(values), self.missing, found)


@dataclass(frozen=True, slots=True)
class Additive(ABC):
    """Holds a model that adds up shapes, one a feature, whatever it was fitted by."""

    constant: float
    shapes: tuple[Shape, ...]

    @property
    @abstractmethod
    def provenance(self) -> str:
        """Returns the text of what was fitted: kept beside the table, and parsed by nobody."""

    def log_odds(self, matrix: Floats) -> Floats:
        """Returns the uncalibrated log-odds by the shapes."""
        return self.constant + sum(
            (shape.at(matrix[:, place]) for place, shape in enumerate(self.shapes)),
            start=np.zeros(len(matrix)),
        )


@dataclass(frozen=True, slots=True)
class Fitted(Additive):
    """Holds an additive model in both forms: the booster, and its sum of shapes."""

    booster: lightgbm.Booster

    @property
    def provenance(self) -> str:
        """Returns the booster as LightGBM writes it."""
        return str(self.booster.model_to_string())


@dataclass(frozen=True, slots=True)
class Calibration:
    """Moves uncalibrated log-odds to those that came true on a later, matured set."""

    intercept: float
    slope: float
    n: int
    positives: int


def fit(
    matrix: Floats,
    labels: Labels,
    signs: Mapping[str, int],
    options: Mapping[str, Any],
    reluctance: Mapping[str, float],
    seed: int,
) -> Fitted:
    """Fits a sum of trees over features of the service, some asked later than others."""
    wanted = dict(options) | {"feature_contri": [reluctance.get(name, 1.0) for name in signs]}
    return fit_signed(matrix, labels, signs, wanted, seed)


def signs_of(names: Sequence[str], exposure: Sequence[str] = ()) -> dict[str, int]:
    """Returns which way more of each feature may move the odds of harm; more exposure never lowers them."""
    return {name: 1 if name in exposure else -BY_NAME[name].sign for name in names}


def fit_signed(
    matrix: Floats, labels: Labels, signs: Mapping[str, int], options: Mapping[str, Any], seed: int
) -> Fitted:
    """Fits a sum of trees that mix no inputs: sign 1, and more never lowers the chance; -1, and it never raises it."""
    settings = dict(options)
    rounds = settings.pop("rounds")
    parameters = settings | {
        "objective": "binary",
        "interaction_constraints": [[place] for place in range(len(signs))],
        "monotone_constraints": list(signs.values()),
        "monotone_constraints_method": "basic",
        "deterministic": True,
        "force_row_wise": True,
        "num_threads": 1,
        "seed": seed,
        "verbose": -1,
    }
    names = list(signs)
    data = lightgbm.Dataset(matrix, labels.astype(np.float64), feature_name=names, free_raw_data=False)
    booster = lightgbm.train(parameters, data, num_boost_round=rounds)
    fitted = export(booster, names)
    gap = float(np.max(np.abs(fitted.log_odds(matrix) - booster.predict(matrix, raw_score=True))))
    if gap > EXPORT_TOLERANCE:
        raise ValueError(f"table and booster: got a difference of {gap}, want at most {EXPORT_TOLERANCE}")
    return fitted


def export(booster: lightgbm.Booster, names: Sequence[str]) -> Fitted:
    """Walks the trees once and sums their leaves per interval of each feature."""
    trees = [tree["tree_structure"] for tree in booster.dump_model()["tree_info"]]
    by_feature: dict[int, list[dict[str, Any]]] = defaultdict(list)
    constant = 0.0
    for tree in trees:
        used = _features(tree)
        if len(used) > 1:
            raise ValueError(f"tree: got features {sorted(used)}, want one")
        if used:
            by_feature[used.pop()].append(tree)
        else:
            constant += tree["leaf_value"]
    shapes = tuple(_shape(name, by_feature[place]) for place, name in enumerate(names))
    return Fitted(constant, shapes, booster)


def calibrate(raw: Floats, labels: Labels, least_positives_for_slope: int) -> Calibration:
    """Fits intercept, and slope when there are positives enough to tell one from noise."""
    positives = int(labels.sum())
    if positives >= least_positives_for_slope:
        model = LogisticRegression(C=1e6, tol=1e-10, max_iter=1000).fit(raw[:, None], labels)
        return Calibration(float(model.intercept_[0]), float(model.coef_[0, 0]), len(raw), positives)
    return Calibration(level(raw, positives), 1.0, len(raw), positives)


def points(
    fitted: Additive, calibration: Calibration, scale: Scale, unscored: Sequence[str], matrix: Floats
) -> tuple[int, list[Line]]:
    """Turns shapes into whole points, the best bin of each feature at 0, and the base points.

    Controls and exposure earn none: their mean over the matrix joins the base. The base is set last, so that
    rounding leaves the mean score of the matrix where it was.
    """
    per_log_odds = -scale.pdo / math.log(2) * calibration.slope
    lines: list[Line] = []
    for shape in fitted.shapes:
        if shape.name not in unscored:
            best = max(shape.values, key=lambda value: value * per_log_odds)
            lines.append(_line(shape, per_log_odds, best, matrix[:, len(lines)]))
    log_odds = calibration.intercept + calibration.slope * fitted.log_odds(matrix)
    wanted = scale.base - scale.pdo / math.log(2) * (log_odds + math.log(scale.odds_against))
    given = np.zeros(len(matrix), dtype=np.int64)
    for place, line in enumerate(lines):
        given += line.points_of(matrix[:, place])
    return round(float(np.mean(wanted - given))), lines


def exposure_lines(
    fitted: Additive, calibration: Calibration, scale: Scale, exposure: Sequence[str], matrix: Floats
) -> tuple[Line, ...]:
    """Turns the shapes of exposure into whole points about their mean over the matrix, which has joined the base.

    Who states no exposure is taken for a subject of the mean, unless the fit has seen what such subjects come to.
    """
    per_log_odds = -scale.pdo / math.log(2) * calibration.slope
    lines = []
    for place, shape in enumerate(fitted.shapes):
        if shape.name in exposure:
            values = matrix[:, place]
            line = _line(shape, per_log_odds, float(np.mean(shape.at(values))), values)
            is_open = line.missing is None and line.feature.may_be_missing
            lines.append(replace(line, missing=0) if is_open else line)
    return tuple(lines)


def _line(shape: Shape, per_log_odds: float, zero: float, values: Floats) -> Line:
    """Rounds a shape to points, of which `zero` is none."""
    whole = [round((value - zero) * per_log_odds) for value in shape.values]
    cuts, whole = _merged(shape.cuts, whole)
    missing = round((shape.missing - zero) * per_log_odds) if np.isnan(values).any() else None
    return Line(BY_NAME[shape.name], tuple(_plain(cut, values) for cut in cuts), tuple(whole), missing)


def _merged(cuts: Sequence[float], whole: Sequence[int]) -> tuple[list[float], list[int]]:
    """Joins neighbouring bins that came out with the same points."""
    kept = [place for place in range(len(cuts)) if whole[place] != whole[place + 1]]
    return [cuts[place] for place in kept], [*(whole[place] for place in kept), whole[-1]]


def _plain(cut: float, values: Floats) -> float:
    """Writes a cut with the fewest decimals that still part the values that were seen."""
    low = float(np.max(values[values <= cut]))
    high = float(np.min(values[values > cut]))
    return next((short for n in range(1, 12) if low <= (short := round(cut, n)) < high), cut)


def level(raw: Floats, positives: float, weights: Floats | None = None) -> float:
    """Finds the shift after which so many positives are expected, each row counting by its weight, by halving."""
    low, high = -20.0, 20.0
    for _ in range(100):
        middle = (low + high) / 2
        chances = sigmoid(raw + middle) if weights is None else weights * sigmoid(raw + middle)
        low, high = (middle, high) if chances.sum() < positives else (low, middle)
    return (low + high) / 2


def _features(node: Mapping[str, Any]) -> set[int]:
    if "split_feature" not in node:
        return set()
    return {node["split_feature"]} | _features(node["left_child"]) | _features(node["right_child"])


def _thresholds(node: Mapping[str, Any]) -> set[float]:
    if "threshold" not in node:
        return set()
    return {_cut(node["threshold"])} | _thresholds(node["left_child"]) | _thresholds(node["right_child"])


def _cut(threshold: float) -> float:
    return 0.0 if abs(threshold) < NOTHING else float(threshold)


def _shape(name: str, trees: Sequence[Mapping[str, Any]]) -> Shape:
    cuts = sorted(set().union(*(_thresholds(tree) for tree in trees)))
    # Each cut belongs to the interval below it; one more value lies above them all.
    inside = [*cuts, math.inf]
    values = [sum(_leaf(tree, value) for tree in trees) for value in inside]
    missing = sum(_leaf(tree, math.nan) for tree in trees)
    return Shape(name, tuple(cuts), tuple(values), missing)


def _leaf(node: Mapping[str, Any], value: float) -> float:
    while "threshold" in node:
        if math.isnan(value):
            is_left = node["default_left"] if node["missing_type"] == "NaN" else _cut(node["threshold"]) >= 0.0
        else:
            is_left = value <= _cut(node["threshold"])
        node = node["left_child"] if is_left else node["right_child"]
    return float(node["leaf_value"])
