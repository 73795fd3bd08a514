"""What a ledger tells of the model that grades it: drift, moves within a year, and what came true by grade and group.

The grades are the service's own judgement of what was known on each day, before listings and what officers set.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from credit_service.grades.grading import Graded
from credit_service.grades.scorecard import Scorecard
from credit_service.legal_days import add_months, day_text
from credit_service.rulebook.law import Edition
from training.dataset import HORIZON_MONTHS, MATURITY_MONTHS, TASKS, sample
from training.extract import Extract, graded, is_scored
from training.grouping import groups_of
from training.monitoring import banded, by_grade, by_group, drift, migration

YEAR_MONTHS = 12


@dataclass(frozen=True, slots=True)
class Serving:
    """Holds what grades a ledger: edition, points, label, bands, and the last day of what they were fitted on."""

    edition: Edition
    card: Scorecard
    task: str
    bands: Mapping[str, int]
    fitted_until: int


def drifted(extract: Extract, serving: Serving, kept: Mapping[str, Any], day: int) -> dict[str, Any] | None:
    """Returns how far scores and features on a day lie from the model's reference; nothing of nobody.

    Of everybody of whom the reference would be, newcomers too: other subjects than those would look like drift.
    """
    card = serving.card
    now = sample(extract.held, [TASKS[serving.task]], day, day, card.feature_names)
    return drift(kept, card, now.features, card.score(now.features)) if len(now) else None


def moved(extract: Extract, serving: Serving, day: int) -> dict[str, Any] | None:
    """Returns the moves of those who were scored a year before a day and on it; nothing of nobody."""
    begin = add_months(day, -YEAR_MONTHS)
    before, after = (_scored(extract, serving, one) for one in (begin, day))
    both = sorted(before.keys() & after.keys())
    if not both:
        return None
    letters = (np.array([found[n].grade for n in both]) for found in (before, after))
    return {"from": day_text(begin), "to": day_text(day), **migration(*letters)}


def outcomes(extract: Extract, serving: Serving, day: int) -> dict[str, Any] | None:
    """Returns what came true by band and by group in the last year that a day knows in full; nothing of nobody.

    Bands are those of the score alone, since the law that caps a grade says nothing of its probability. Where the model
    was fitted on that year, it is told: it then says less than it seems to.
    """
    begin, task = add_months(day, -HORIZON_MONTHS - MATURITY_MONTHS), serving.task
    told = sample(extract.held, [TASKS[task]], begin, day, serving.card.feature_names)
    label_of = dict(zip(told.subject.tolist(), told.labels[task].tolist(), strict=True))
    found = {n: one for n, one in _scored(extract, serving, begin).items() if one.probability is not None}
    places = [n for n in found if n in label_of]
    if not places:
        return None
    scores = np.array([found[n].score for n in places], dtype=np.int64)
    letters, chances = np.array([found[n].grade for n in places]), np.array([found[n].probability for n in places])
    labels = np.array([label_of[n] for n in places], dtype=np.bool_)
    groups = groups_of(extract.held, places, begin)
    return {
        "day": day_text(begin), "n": len(places), "positives": int(labels.sum()),
        "observed_to_expected": float(labels.sum() / chances.sum()),
        "is_out_of_time": begin >= serving.fitted_until,
        "by_grade": by_grade(banded(serving.bands, scores), labels, chances),
        "by_group": {way: by_group(of, letters, labels, chances) for way, of in groups.items()},
    }  # fmt: skip


def _scored(extract: Extract, serving: Serving, day: int) -> dict[int, Graded]:
    found = graded(extract, serving.edition, serving.card, day)
    return {n: one for n, one in found.items() if is_scored(one)}
