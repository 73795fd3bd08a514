"""The points table: features in, integer points, score, probability and reasons out. Pure."""

import math
from bisect import bisect_left
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np

from credit_service.arrays import Floats, Ints
from credit_service.errors import CreditError, Reason
from credit_service.grades.feature import Feature
from credit_service.grades.prior import Priors
from credit_service.rulebook.law import LegalBasis

REASON_LIMIT = 4
FEW_CUTS = 40
FEW_ROWS = 8
MANY_ROWS = 4_096
ROWS_AT_ONCE = 16_384
BYTE = 8  # cuts
_PROBABILITY_DIGITS = 13  # significant

# Finds the event ids behind the value of a feature; asked only for features that are told.
Proof = Callable[[str], tuple[int, ...]]


@dataclass(frozen=True, slots=True)
class Line:
    """Holds the points of one feature: bin i ends at cuts[i], inclusive; the last bin is open."""

    feature: Feature
    cuts: tuple[float, ...]
    points: tuple[int, ...]
    missing: int | None = None

    @property
    def best(self) -> int:
        """Returns the most points that a known value can earn."""
        return max(self.points)

    def points_of(self, values: Floats) -> Ints:
        """Returns the points of many values."""
        unknown = np.isnan(values)
        if not self.cuts and not unknown.any():
            return np.broadcast_to(np.int64(self.points[0]), len(values))
        if len(self.cuts) <= FEW_CUTS:
            # Passing over the values once a cut is several times faster than searching in so few.
            bins: Any = np.zeros(len(values), dtype=np.int8)
            for cut in self.cuts:
                bins += (values > cut).view(np.int8)
        else:
            bins = np.searchsorted(self.cuts, values, side="left")
        found: Ints = np.array(self.points, dtype=np.int64).take(bins)
        # A value that is no number fell into some bin; it is put right here.
        if unknown.any():
            if self.missing is None:
                raise _no_value(self.feature.name)
            found[unknown] = self.missing
        return found

    def at(self, value: float) -> int:
        """Returns the points of one value."""
        if math.isnan(value):
            if self.missing is None:
                raise _no_value(self.feature.name)
            return self.missing
        return self.points[bisect_left(self.cuts, value)]


@dataclass(frozen=True, slots=True)
class Scale:
    """Ties points to odds: `base` stands for 1 to `odds_against`, `pdo` points more halve them."""

    pdo: float
    base: float
    odds_against: float

    def log_odds(self, score: float) -> float:
        """Returns the log-odds that a score stands for."""
        return (self.base - score) * math.log(2) / self.pdo - math.log(self.odds_against)


@dataclass(frozen=True, slots=True)
class Calibrator:
    """Moves the log-odds of the score to those that are published: intercept and slope alone."""

    intercept: float
    slope: float


class ReasonLine(NamedTuple):
    """Says why points were lost: feature, value, points below the best, the events behind it."""

    feature: str
    value: float | None
    unit: str
    points: int
    is_actionable: bool
    text_zh: str
    text_en: str
    event_ids: tuple[int, ...]

    def document(self) -> dict[str, Any]:
        """Returns the reason as it is kept and sent."""
        return self._asdict() | {"event_ids": list(self.event_ids)}


@dataclass(frozen=True, slots=True)
class Contribution:
    """Says what one feature adds to the score, and the most that it could add."""

    feature: str
    value: float | None
    unit: str
    points: int
    best_points: int
    text_zh: str
    text_en: str
    event_ids: tuple[int, ...]
    # By which articles it counts; stated where a grade is explained.
    bases: tuple[LegalBasis, ...] = ()


@dataclass(frozen=True, slots=True)
class Scorecard:
    """Holds a published points table; base points and the points of all lines are the score."""

    model_id: str
    base_points: int
    lines: tuple[Line, ...]
    scale: Scale
    calibrator: Calibrator
    # The last day of its service; none: it never expires.
    expires_day: int | None = None
    # What it publishes of classes; none: nothing is said of who is pending.
    priors: Priors | None = None
    # Lines of exposure: their points move the published probability, and never the score.
    exposure: tuple[Line, ...] = ()

    @property
    def feature_names(self) -> tuple[str, ...]:
        """Returns the columns that a matrix must have, in order."""
        return tuple(line.feature.name for line in self.lines)

    @property
    def exposure_names(self) -> tuple[str, ...]:
        """Returns the columns of exposure, in order."""
        return tuple(line.feature.name for line in self.exposure)

    @property
    def columns(self) -> tuple[str, ...]:
        """Returns everything that an answer hangs on: features, then exposures."""
        return (*self.feature_names, *self.exposure_names)

    @property
    def moving(self) -> "Scorecard":
        """Returns the same score by the lines that can move it: a line of one bin is part of the base."""
        fixed = [line for line in self.lines if not line.cuts and line.missing is None]
        base = self.base_points + sum(line.points[0] for line in fixed)
        return replace(self, base_points=base, lines=tuple(line for line in self.lines if line not in fixed))

    def contributions(self, matrix: Floats) -> Ints:
        """Returns the points of every row and feature."""
        found = np.empty(matrix.shape, dtype=np.int64)
        for place, line in enumerate(self.lines):
            found[:, place] = line.points_of(matrix[:, place])
        return found

    def score(self, matrix: Floats) -> Ints:
        """Returns the score of every row."""
        if len(matrix) < FEW_ROWS:
            return np.array([self.score_row(row) for row in matrix.tolist()], dtype=np.int64)
        if len(matrix) < MANY_ROWS:
            return self._summed(matrix)
        if matrix.shape[1] != len(self.lines):
            raise ValueError(f"matrix: got {matrix.shape[1]} columns, want {len(self.lines)}")
        firsts = self.base_points + sum(line.points[0] for line in self.lines)
        groups, total = _groups(self.lines), np.empty(len(matrix), dtype=np.int64)
        for start in range(0, len(matrix), ROWS_AT_ONCE):
            part, found = matrix[start : start + ROWS_AT_ONCE], total[start : start + ROWS_AT_ONCE]
            # The sum of values is no number where one of them is none.
            if math.isnan(part.sum()):
                found[:] = self._summed(part)
                continue
            # Columns of a part lie side by side and stay in the cache.
            columns = np.ascontiguousarray(part.T)
            found[:] = firsts
            for cuts, worths in groups:
                found += worths.take(_passed(columns, cuts))
        return total

    def _summed(self, matrix: Floats) -> Ints:
        """Returns the score of every row, line by line."""
        total = np.full(len(matrix), self.base_points, dtype=np.int64)
        for line, values in zip(self.lines, matrix.T, strict=True):
            total += line.points_of(values)
        return total

    def score_row(self, row: Sequence[float]) -> int:
        """Returns the score of one row without arrays."""
        pairs = zip(self.lines, row, strict=True)
        return self.base_points + sum(line.at(value) for line, value in pairs)

    def exposure_points(self, matrix: Floats) -> Ints:
        """Returns per row by how many points exposure moves the score that the probability is read from."""
        total = np.zeros(len(matrix), dtype=np.int64)
        for line, values in zip(self.exposure, matrix.T, strict=True):
            total += line.points_of(values)
        return total

    def probability(self, score: Ints, exposure: Ints) -> Floats:
        """Returns the published probability of the model's label in the next 12 months, at the subject's exposure.

        The same score has the same probability in every batch and on every machine: a vectorised exponential
        differs in its last bits with the place of a row, which would make an unchanged grade look changed.
        """
        scores, places = np.unique(score + exposure, return_inverse=True)
        return np.array([self._chance(float(one)) for one in scores])[places]

    def _chance(self, score: float) -> float:
        odds = self.calibrator.intercept + self.calibrator.slope * self.scale.log_odds(score)
        return float(f"{1.0 / (1.0 + math.exp(-odds)):.{_PROBABILITY_DIGITS}g}")

    def worst(self, points: Ints) -> list[list[tuple[int, int]]]:
        """Returns, a row of points each, the (line, points below its best) of the features that lost most, worst first.

        Ties keep the order of features; features that lost nothing are left out.
        """
        lost = points - np.array([line.best for line in self.lines], dtype=np.int64)
        # Most lines cost nobody of a batch anything, and to sort costs by the line.
        told = np.flatnonzero(lost.any(axis=0))
        lost = lost[:, told]
        places = np.argsort(lost, axis=1, kind="stable")[:, :REASON_LIMIT]
        pairs = zip(told[places].tolist(), np.take_along_axis(lost, places, axis=1).tolist(), strict=True)
        return [[one for one in zip(*pair, strict=True) if one[1] < 0] for pair in pairs]

    def reasons(
        self, row: Sequence[float], proof: Proof, worst: Sequence[tuple[int, int]] | None = None
    ) -> list[ReasonLine]:
        """Returns the four features that lost most points; what the subject can act on comes first.

        Points are counted against the best value of the feature; `worst` is what `worst` says of the row, where it
        was asked already.
        """
        if worst is None:
            worst = self.worst(self.contributions(np.array([row], dtype=np.float64)))[0]
        told = [(self.lines[place].feature, points, row[place]) for place, points in worst]
        told.sort(key=lambda one: not one[0].is_actionable)
        return [self._reason(points, feature, value, proof) for feature, points, value in told]

    def explain(self, row: Sequence[float], proof: Proof) -> list[Contribution]:
        """Returns what every feature adds; with the base points they sum to the score."""
        return [_contribution(line, value, proof) for line, value in zip(self.lines, row, strict=True)]

    def explain_exposure(self, row: Sequence[float], proof: Proof) -> list[Contribution]:
        """Returns by how many points each exposure moves the published probability."""
        return [_contribution(line, value, proof) for line, value in zip(self.exposure, row, strict=True)]

    @staticmethod
    def _reason(points: int, feature: Feature, value: float, proof: Proof) -> ReasonLine:
        shown = None if math.isnan(value) else float(value)
        return ReasonLine(
            feature.name, shown, feature.unit, points, feature.is_actionable,
            *feature.text(shown), proof(feature.name),
        )  # fmt: skip


# Up to eight cuts, each with the column that it cuts; and per byte of those passed, the points that they add.
Group = tuple[list[tuple[int, float]], Ints]


def _groups(lines: Sequence[Line]) -> list[Group]:
    """Splits the cuts of a table into bytes: whoever passes a cut gains the step to the next bin, whatever the rest."""
    steps = [
        (place, cut, step)
        for place, line in enumerate(lines)
        for cut, step in zip(line.cuts, np.diff(line.points).tolist(), strict=True)
        if step
    ]
    return [_group(steps[start : start + BYTE]) for start in range(0, len(steps), BYTE)]


def _group(steps: Sequence[tuple[int, float, int]]) -> Group:
    worths = np.zeros(1, dtype=np.int64)
    for _, _, step in steps:
        # The cut that is told last is the lowest bit.
        worths = np.stack([worths, worths + step], axis=1).ravel()
    return [(place, cut) for place, cut, _ in steps], worths


def _passed(columns: Floats, cuts: Sequence[tuple[int, float]]) -> Any:
    """Returns a byte a row: which of the cuts its values pass."""
    found = np.zeros(columns.shape[1], dtype=np.uint8)
    for place, cut in cuts:
        found <<= 1
        found |= (columns[place] > cut).view(np.uint8)
    return found


def _contribution(line: Line, value: float, proof: Proof) -> Contribution:
    shown = None if math.isnan(value) else float(value)
    f = line.feature
    return Contribution(f.name, shown, f.unit, line.at(value), line.best, *f.text(shown), proof(f.name))


def _no_value(name: str) -> CreditError:
    return CreditError(Reason.MODEL_INVALID, f"{name}: got no value, want a number; the table has no missing bin")
