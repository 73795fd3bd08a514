"""The points table as JSON: each rule of form refuses by itself, before any golden row is asked."""

import json
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

from credit_service.errors import CreditError, Reason
from credit_service.grades.features import BY_NAME, describe
from credit_service.grades.scorecard import Line
from credit_service.grades.table import EXPOSURE, exposure_document, read_scorecard, table_document

NAMES = ("table.json", "features.json", "scale.json", "calibrator.json")
Documents = dict[str, dict[str, Any]]
SIZE = Line(BY_NAME["headcount"], (10.0, 100.0), (30, 0, -90), 0)
FINES = Line(BY_NAME["fines_36m"], (1.0,), (0, -5))
FAULTS: list[tuple[str, Callable[[Documents], object]]] = [
    ("points that follow the sign -1", lambda d: first(d)["points"].__setitem__(1, 5)),
    ("cuts that rise", lambda d: first(d)["cuts"].sort(reverse=True)),
    ("one point more than cuts", lambda d: first(d)["points"].pop()),
    ("a finite number", lambda d: first(d)["cuts"].__setitem__(0, float("inf"))),
    ("a finite number", lambda d: first(d)["cuts"].__setitem__(0, True)),
    ("a whole number within 1000", lambda d: first(d)["points"].__setitem__(0, 0.5)),
    ("a whole number within 1000", lambda d: first(d)["points"].__setitem__(-1, -1001)),
    ("a list", lambda d: first(d).__setitem__("points", "0")),
    ("points of the missing within those of the bins", lambda d: first(d).__setitem__("missing", 1)),
    ("one line a feature", lambda d: doubled(d)),
    ("a feature as this service understands it", lambda d: described(d).__setitem__("window_months", 36)),
    ("the features of the table, in its order", lambda d: d["features.json"]["features"].reverse()),
    ("lists of features and lines", lambda d: d["features.json"].__setitem__("features", {})),
    ("scores from 0 to 1000", lambda d: d["table.json"].__setitem__("base_points", 1001)),
    ("scores from 0 to 1000", lambda d: d["table.json"].__setitem__("base_points", 300)),
    ("a scale within reason", lambda d: d["scale.json"].__setitem__("odds_against", 0.5)),
    ("a rising calibrator within reason", lambda d: d["calibrator.json"].__setitem__("slope", 0)),
    ("logit-linear", lambda d: d["calibrator.json"].__setitem__("kind", "beta")),
    ("whose points fall as they rise", lambda d: exposed(d)["points"].__setitem__(1, 31)),
    ("a whole number within 1000", lambda d: exposed(d)["points"].__setitem__(2, -1001)),
    ("one point more than cuts", lambda d: exposed(d)["cuts"].pop()),
    ("points of the missing", lambda d: exposed(d).__setitem__("missing", None)),
    ("points of the missing within those of the bins", lambda d: exposed(d).__setitem__("missing", -91)),
    ("a feature as this service understands it", lambda d: d[EXPOSURE]["features"][0].__setitem__("sign", -1)),
    ("exposures without a sign", lambda d: d.__setitem__(EXPOSURE, exposure_document([FINES]))),
    ("each scored or an exposure", lambda d: d.__setitem__(EXPOSURE, exposure_document([SIZE, SIZE]))),
    ("each scored or an exposure", lambda d: d.__setitem__(EXPOSURE, exposure_document([]))),
]


def exposed(documents: Documents) -> dict[str, Any]:
    found: dict[str, Any] = documents[EXPOSURE]["lines"][0]
    return found


def first(documents: Documents) -> dict[str, Any]:
    found: dict[str, Any] = documents["table.json"]["lines"][0]
    return found


def described(documents: Documents) -> dict[str, Any]:
    found: dict[str, Any] = documents["features.json"]["features"][0]
    return found


def doubled(documents: Documents) -> None:
    documents["table.json"]["lines"][1] = first(documents)
    documents["features.json"]["features"][1] = described(documents)


@pytest.fixture
def documents(model_folder: Path) -> Documents:
    found = {name: json.loads((model_folder / name).read_text("utf-8")) for name in NAMES}
    return found | {EXPOSURE: exposure_document([SIZE])}


def test_table_reads_back_as_it_was_written(documents: Documents) -> None:
    card = read_scorecard("m/1", documents)
    assert table_document(card.base_points, card.lines) == documents["table.json"]
    assert card.exposure == (SIZE,)
    del documents[EXPOSURE]
    assert read_scorecard("m/1", documents).exposure == ()


@pytest.mark.parametrize(("want", "fault"), FAULTS)
def test_each_fault_is_named(documents: Documents, want: str, fault: Callable[[Documents], object]) -> None:
    broken = deepcopy(documents)
    fault(broken)
    with pytest.raises(CreditError) as caught:
        read_scorecard("m/1", broken)
    assert caught.value.reason is Reason.MODEL_INVALID
    assert want in caught.value.message


def test_too_many_cuts_are_refused(documents: Documents) -> None:
    first(documents)["cuts"] = list(range(1_001))
    first(documents)["points"] = [0] * 1_002
    with pytest.raises(CreditError, match="one point more than cuts"):
        read_scorecard("m/1", documents)


def test_signless_feature_may_earn_no_points(documents: Documents) -> None:
    documents["features.json"]["features"][0] = describe(BY_NAME["visits_36m"])
    documents["table.json"]["lines"][0] = {"feature": "visits_36m", "cuts": [], "points": [0], "missing": None}
    with pytest.raises(CreditError, match="points that follow the sign 0"):
        read_scorecard("m/1", documents)
