"""The one list of features, used by training and service alike, and the matrix of their values."""

import hashlib
import json
from collections.abc import Mapping, Sequence

import numpy as np

from credit_service.grades import features_conduct, features_records
from credit_service.grades.columns import KIND_CODES, NEVER, Columns, Floats, Ints, single
from credit_service.grades.feature import Feature
from credit_service.grades.windows import forward, passed

FEATURES: tuple[Feature, ...] = (*features_records.FEATURES, *features_conduct.FEATURES)
BY_NAME: Mapping[str, Feature] = {feature.name: feature for feature in FEATURES}


def describe(feature: Feature) -> dict[str, object]:
    """Returns what a model's artefact says of a feature."""
    return {
        "name": feature.name,
        "unit": feature.unit,
        "unit_zh": feature.unit_zh,
        "window_months": feature.window_months,
        "sign": feature.sign,
        "is_actionable": feature.is_actionable,
        "missing": feature.missing,
        "zh": feature.zh,
        "en": feature.en,
        "explanation": feature.explanation,
    }


def set_hash(names: Sequence[str]) -> str:
    """Digests the descriptions of features in order; a model refuses features that differ."""
    text = json.dumps([describe(BY_NAME[name]) for name in names], ensure_ascii=False, sort_keys=True)
    return f"sha-256:{hashlib.sha256(text.encode()).hexdigest()}"


FEATURE_SET_HASH = set_hash(tuple(BY_NAME))


def matrix(columns: Columns, as_of_day: int, names: Sequence[str] | None = None) -> Floats:
    """Returns a row a subject and a column a feature, over columns visible on the day."""
    chosen = tuple(BY_NAME) if names is None else names
    found = np.empty((columns.subjects, len(chosen)), dtype=np.float64)
    for place, name in enumerate(chosen):
        found[:, place] = BY_NAME[name].function(columns, as_of_day)
    return found


def evidence(columns: Columns, index: int, as_of_day: int, name: str) -> tuple[int, ...]:
    """Returns the event ids behind a feature's value of one subject, sorted."""
    own = single(columns, index)
    return tuple(sorted(int(n) for n in own.event_id[BY_NAME[name].rows(own, as_of_day)]))


def next_change_days(columns: Columns, as_of_day: int, names: Sequence[str] | None = None) -> list[int | None]:
    """Returns per subject the first later day on which time alone may move a feature, or None."""
    days = np.minimum(_dated(columns, as_of_day), columns.unusable_from)
    for kind, steps in _steps_by_kind(names).items():
        rows = np.flatnonzero(columns.kind == KIND_CODES[kind])
        behind = passed(columns.day[rows], as_of_day, steps)
        ahead = behind < len(steps)
        rows = rows[ahead]
        months = np.array(steps, dtype=np.int64)[behind[ahead]]
        days[rows] = np.minimum(days[rows], forward(columns.day[rows], months))
    first = np.full(columns.subjects, NEVER, dtype=np.int64)
    np.minimum.at(first, columns.subject, days)
    return [None if day >= NEVER else int(day) for day in first]


def _dated(columns: Columns, as_of_day: int) -> Ints:
    """Returns per row the first later day that the fact itself names: a start, a lapse, an end."""
    found = np.full(len(columns.day), NEVER, dtype=np.int64)
    for days in (columns.start_day, columns.due_day + 1, columns.over_day):
        np.minimum(found, np.where(days > as_of_day, days, NEVER), out=found)
    return found


def _steps_by_kind(names: Sequence[str] | None) -> dict[str, tuple[int, ...]]:
    chosen = FEATURES if names is None else [BY_NAME[name] for name in names]
    steps: dict[str, set[int]] = {}
    for feature in chosen:
        for kind in feature.kinds:
            steps.setdefault(kind, set()).update(feature.steps)
    return {kind: tuple(sorted(found)) for kind, found in steps.items() if found}
