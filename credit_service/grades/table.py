"""The points table as JSON: what a well-formed one is, and how it becomes a scorecard."""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

from credit_service.errors import CreditError, Reason, shown
from credit_service.grades.feature import Feature
from credit_service.grades.features import BY_NAME, describe
from credit_service.grades.scorecard import Calibrator, Line, Scale, Scorecard

EXPOSURE = "exposure.json"
POINT_LIMIT = 1000
CUT_LIMIT = 1000
SCORE_RANGE = (0, 1000)

Documents = Mapping[str, Mapping[str, Any]]


def read_scorecard(model_id: str, documents: Documents) -> Scorecard:
    """Reads table, scale, calibrator and features; refuses whatever could mislead a grade."""
    table, described = documents["table.json"], documents["features.json"]["features"]
    if not isinstance(described, list) or not isinstance(table["lines"], list):
        raise _invalid("table.json", type(described), "lists of features and lines")
    if [line["feature"] for line in table["lines"]] != [feature["name"] for feature in described]:
        raise _invalid("features.json", shown(described), "the features of the table, in its order")
    lines = tuple(_scored(line, told) for line, told in zip(table["lines"], described, strict=True))
    if not lines or len({line.feature.name for line in lines}) != len(lines):
        raise _invalid("table.json", len(lines), "one line a feature")
    base = _whole("base_points", table["base_points"], 2 * POINT_LIMIT)
    _check_range(base, lines)
    return Scorecard(
        model_id,
        base,
        lines,
        _scale(documents["scale.json"]),
        _calibrator(documents["calibrator.json"]),
        exposure=_exposure(documents[EXPOSURE], lines) if EXPOSURE in documents else (),
    )


def table_document(base_points: int, lines: Sequence[Line]) -> dict[str, Any]:
    """Writes the points table; the twin of `read_scorecard`."""
    return {"base_points": base_points, "lines": [_written(line) for line in lines]}


def exposure_document(lines: Sequence[Line]) -> dict[str, Any]:
    """Writes the lines of exposure, with what their features mean."""
    return {"features": [describe(line.feature) for line in lines], "lines": [_written(line) for line in lines]}


def _written(line: Line) -> dict[str, Any]:
    return {
        "feature": line.feature.name, "cuts": list(line.cuts), "points": list(line.points), "missing": line.missing,
    }  # fmt: skip


def _exposure(document: Mapping[str, Any], scored: Sequence[Line]) -> tuple[Line, ...]:
    """Reads the lines of exposure: none earns points of the score, and more exposure never lowers the probability."""
    lines = tuple(_line(*pair) for pair in zip(document["lines"], document["features"], strict=True))
    names = [line.feature.name for line in (*scored, *lines)]
    if not lines or len(set(names)) != len(names):
        raise _invalid(EXPOSURE, names, "one line a feature, each scored or an exposure")
    for line in lines:
        if line.feature.sign or any(high > low for low, high in pairwise(line.points)):
            raise _invalid(EXPOSURE, line.points, "exposures without a sign, whose points fall as they rise")
        if line.missing is None and line.feature.may_be_missing:
            raise _invalid(EXPOSURE, line.feature.name, f"points of the missing: {line.feature.missing}")
    return lines


def _scored(line: Mapping[str, Any], told: Mapping[str, Any]) -> Line:
    found = _line(line, told)
    _check_sign(found.feature, found.points)
    return found


def _line(line: Mapping[str, Any], told: Mapping[str, Any]) -> Line:
    name = line["feature"]
    feature = BY_NAME.get(name)
    if feature is None or describe(feature) != told:
        raise _invalid(name, told, "a feature as this service understands it")
    cuts = _numbers(name, line["cuts"])
    points = [_whole(name, value, POINT_LIMIT) for value in _list(name, line["points"])]
    if len(cuts) > CUT_LIMIT or len(points) != len(cuts) + 1:
        raise _invalid(name, f"{len(cuts)} cuts and {len(points)} points", "one point more than cuts")
    if any(low >= high for low, high in pairwise(cuts)):
        raise _invalid(name, cuts, "cuts that rise")
    missing = line["missing"]
    if missing is not None and not min(points) <= _whole(name, missing, POINT_LIMIT) <= max(points):
        raise _invalid(name, missing, "points of the missing within those of the bins")
    return Line(feature, tuple(cuts), tuple(points), missing)


def _check_sign(feature: Feature, points: Sequence[int]) -> None:
    steps = [high - low for low, high in pairwise(points)]
    if feature.sign == 0 or any(step * feature.sign < 0 for step in steps):
        raise _invalid(feature.name, points, f"points that follow the sign {feature.sign}")


def _check_range(base: int, lines: Sequence[Line]) -> None:
    worst = base + sum(min(line.points) for line in lines)
    best = base + sum(line.best for line in lines)
    if worst < SCORE_RANGE[0] or best > SCORE_RANGE[1]:
        raise _invalid("table.json", f"scores from {worst} to {best}", "scores from 0 to 1000")


def _scale(document: Mapping[str, Any]) -> Scale:
    pdo, base, against = (_number(key, document[key]) for key in ("pdo", "base", "odds_against"))
    if not 1 <= pdo <= 1000 or not 0 <= base <= 1000 or not 1 <= against <= 1e6:
        raise _invalid("scale.json", document, "a scale within reason")
    return Scale(pdo, base, against)


def _calibrator(document: Mapping[str, Any]) -> Calibrator:
    if document["kind"] != "logit-linear":
        raise _invalid("calibrator.json", document["kind"], "logit-linear")
    intercept, slope = (_number(key, document[key]) for key in ("intercept", "slope"))
    if not abs(intercept) <= 20 or not 0 < slope <= 10:
        raise _invalid("calibrator.json", document, "a rising calibrator within reason")
    return Calibrator(intercept, slope)


def _list(name: str, value: object) -> list[Any]:
    if not isinstance(value, list):
        raise _invalid(name, value, "a list")
    return value


def _numbers(name: str, value: object) -> list[float]:
    return [_number(name, one) for one in _list(name, value)]


def _number(name: str, value: object) -> float:
    # A number too large for a float reads as infinite, so the range is asked for.
    if isinstance(value, bool) or not isinstance(value, int | float) or not -1e12 <= value <= 1e12:
        raise _invalid(name, value, "a finite number")
    return float(value)


def _whole(name: str, value: object, limit: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not -limit <= value <= limit:
        raise _invalid(name, value, f"a whole number within {limit}")
    return value


def _invalid(name: str, got: object, want: str) -> CreditError:
    return CreditError(Reason.MODEL_INVALID, f"{name}: got {shown(got)}, want {want}", file=name)
