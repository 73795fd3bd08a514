"""The one list of features, used by training and service alike, and the matrix of their values."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from functools import cache

import numpy as np

from credit_service.arrays import NEVER, Floats, Ints, forward
from credit_service.grades import features_conduct, features_records
from credit_service.grades.columns import Columns
from credit_service.grades.feature import Feature
from credit_service.grades.windows import passed
from credit_service.ledger.figures import KIND_CODES

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


def kinds_of(names: Sequence[str]) -> tuple[str, ...]:
    """Returns the kinds of records that features read, each once."""
    return tuple(dict.fromkeys(kind for name in names for kind in BY_NAME[name].kinds))


def matrix(columns: Columns, as_of_day: int, names: Sequence[str] | None = None) -> Floats:
    """Returns a row a subject and a column a feature, over columns visible on the day."""
    chosen = tuple(BY_NAME) if names is None else names
    # Features are written, and points looked up, column by column.
    found = np.empty((columns.subjects, len(chosen)), dtype=np.float64, order="F")
    for place, name in enumerate(chosen):
        found[:, place] = BY_NAME[name].function(columns, as_of_day)
    return found


class Evidence:
    """Finds the events behind features, of many subjects at once; each feature is looked through once."""

    def __init__(self, columns: Columns, as_of_day: int) -> None:
        """Takes the columns visible on the day."""
        self._columns, self._as_of_day = columns, as_of_day
        self._found: dict[str, tuple[Ints, Ints]] = {}

    def of(self, index: int, name: str) -> tuple[int, ...]:
        """Returns the event ids behind a feature's value of one subject, sorted."""
        found = self._found.get(name)
        if found is None:
            found = self._found[name] = self._look(name)
        event_ids, starts = found
        return tuple(event_ids[starts[index] : starts[index + 1]].tolist())

    def _look(self, name: str) -> tuple[Ints, Ints]:
        """Returns the event ids in order of subject and id, and where each subject's begin."""
        rows = np.flatnonzero(BY_NAME[name].rows(self._columns, self._as_of_day))
        subjects, event_ids = self._columns.subject[rows], self._columns.event_id[rows]
        order = np.lexsort((event_ids, subjects))
        starts = np.searchsorted(subjects[order], np.arange(self._columns.subjects + 1))
        return event_ids[order], starts


def next_change_days(columns: Columns, as_of_day: int, names: Sequence[str] | None = None) -> list[int | None]:
    """Returns per subject the first later day on which time alone may move a feature, or None."""
    return [None if day >= NEVER else int(day) for day in turning_days(columns, as_of_day, names)]


def turning_days(columns: Columns, as_of_day: int, names: Sequence[str] | None = None) -> Ints:
    """Returns per subject the first later day on which a feature may move, NEVER without any.

    Rows of later days are looked at too: they move it on their own day.
    """
    days = np.minimum(_dated(columns, as_of_day), columns.unusable_from)
    for kind, steps in _steps_by_kind(None if names is None else tuple(names)).items():
        rows = np.flatnonzero(columns.kind == KIND_CODES[kind])
        behind = passed(columns.day[rows], as_of_day, steps)
        ahead = behind < len(steps)
        rows = rows[ahead]
        months = np.array(steps, dtype=np.int64)[behind[ahead]]
        days[rows] = np.minimum(days[rows], forward(columns.day[rows], months))
    first = np.full(columns.subjects, NEVER, dtype=np.int64)
    np.minimum.at(first, columns.subject, days)
    return first


def _dated(columns: Columns, as_of_day: int) -> Ints:
    """Returns per row the first later day that the fact itself names: a start, a lapse, an end."""
    found = np.full(len(columns.day), NEVER, dtype=np.int64)
    for days in (columns.day, columns.start_day, columns.due_day + 1, columns.over_day):
        np.minimum(found, np.where(days > as_of_day, days, NEVER), out=found)
    return found


@cache
def _steps_by_kind(names: tuple[str, ...] | None) -> Mapping[str, tuple[int, ...]]:
    chosen = FEATURES if names is None else [BY_NAME[name] for name in names]
    steps: dict[str, set[int]] = {}
    for feature in chosen:
        for kind in feature.kinds:
            steps.setdefault(kind, set()).update(feature.steps)
    return {kind: tuple(sorted(found)) for kind, found in steps.items() if found}
