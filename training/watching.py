"""What an evaluation tells beyond its figures: drawings' points, drift, moves between two days, groups."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from credit_service.arrays import Floats
from credit_service.legal_days import add_months, day_text
from credit_service.rulebook.edition import SHIPPED, load_edition
from training.completeness import reporting, silence
from training.dataset import HORIZON_MONTHS, TASKS, Sample, sample
from training.evaluate import Report
from training.extract import Extract
from training.grouping import groups_of
from training.lasting import Earlier, lasting
from training.making import EVER, Held, Made, Sets, chances, scored
from training.metrics import Labels, captured, sigmoid
from training.monitoring import banded, by_grade, by_group, drift, migration, reference
from training.officers import overrides
from training.recipe import Recipe
from training.served import Serving, drifted, moved, outcomes

RELIABILITY_BINS = 15


def watched(
    recipe: Recipe, report: Report, held: Held, extract: Extract | None = None, earlier: Sequence[Earlier] = ()
) -> dict[str, Any]:
    """Returns the figures of a report with everything that its page shows; of a ledger only where one was given.

    Drift is told beside that of earlier reports of the same version.
    """
    document = dict(report.document)
    document["tasks"] = {
        task: {**found, **_drawn(recipe, report.made[task], report.sets)} for task, found in document["tasks"].items()
    }
    served = report.made[recipe.served_task]
    mine = [one for one in earlier if one.model == document["model"]]
    before = [one.test for one in mine if one.test is not None]
    monitoring = _monitoring(recipe, served, report.sets, held)
    monitoring["drift"] = lasting(monitoring["drift"], recipe.test_cutoff, before)
    document["tasks"][recipe.served_task]["monitoring"] = monitoring
    document["history"] = {"reports": len(earlier), "of_this_version": len(mine)}
    if extract is not None:
        document["ledger"] = _of_ledger(recipe, served, report.sets, extract)
        if (found := document["ledger"].get("drift")) is not None:
            before = [one.ledger for one in mine if one.ledger is not None]
            document["ledger"]["drift"] = lasting(found, extract.last_known_day, before)
    return document


def _of_ledger(recipe: Recipe, made: Made, given: Sets, extract: Extract) -> dict[str, Any]:
    """Returns what a ledger tells of its model, of its sources and of what officers set, on the last day it knows."""
    day, edition = extract.last_known_day, load_edition(SHIPPED / f"{recipe.edition}.toml")
    until = add_months(recipe.calibration_cutoff, HORIZON_MONTHS)
    serving = Serving(edition, made.scorecard, made.task, recipe.bands, until)
    kept = reference(made.scorecard, scored(recipe, given.calibration.features))
    found = {
        "as_of": day_text(day), "reporting": reporting(extract.held, day),
        "sources": silence(extract.held, extract.sources, day, extract.signs),
    }  # fmt: skip
    if extract.overrides:
        found["overrides"] = overrides(extract, edition, made.scorecard, made.task, day)
    of_model = {
        "drift": drifted(extract, serving, kept, day), "migration": moved(extract, serving, day),
        "outcomes": outcomes(extract, serving, day),
    }  # fmt: skip
    return found | {name: one for name, one in of_model.items() if one is not None}


def _drawn(recipe: Recipe, made: Made, given: Sets) -> dict[str, Any]:
    labels = given.test.labels[made.task]
    chance = chances(recipe, made.scorecard, given.test.features)
    return {"reliability": reliability_bins(labels, chance), "capture": _capture(labels, chance)}


def reliability_bins(labels: Labels, chance: Floats, bins: int = RELIABILITY_BINS) -> list[dict[str, float]]:
    """Returns expected and observed rates of bins of equal count, with 95 % intervals by Wilson."""
    found = []
    for rows in np.array_split(np.argsort(chance, kind="stable"), bins):
        n, p = len(rows), float(labels[rows].mean())
        z = 1.96
        middle, half = p + z * z / (2 * n), z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
        low, high = ((middle + sign * half) / (1 + z * z / n) for sign in (-1, 1))
        found.append(
            {"expected": float(chance[rows].mean()), "observed": p, "low": max(0.0, low), "high": high, "n": float(n)}
        )
    return found


def _capture(labels: Labels, chance: Floats) -> list[list[float]]:
    """Returns the share of positives among each twentieth of the worst."""
    shares = [n / 20 for n in range(21)]
    return [[share, captured(labels, chance, share) if share else 0.0] for share in shares]


def _monitoring(recipe: Recipe, made: Made, given: Sets, held: Held) -> dict[str, Any]:
    """Returns drift, calibration by grade, moves since the calibration cut-off, and groups, on the test cut-off."""
    test, card = given.test, made.scorecard
    rows = scored(recipe, test.features)
    score = card.score(rows)
    letters, labels, chance = banded(recipe.bands, score), test.labels[made.task], chances(recipe, card, test.features)
    # The subjects of the test, whoever they are: those of the calibration may be others.
    earlier = sample(held.test, [TASKS[made.task]], recipe.calibration_cutoff, EVER, recipe.columns)
    before, after = _both(earlier, test)
    then = card.score(scored(recipe, earlier.features[before]))
    groups = groups_of(held.test, test.subject.tolist(), recipe.test_cutoff)
    # The score leaves exposure out, and the whole fit knows the controls as well: both show what explains a gap.
    alone = card.probability(score, np.zeros(len(score), dtype=np.int64))
    whole = sigmoid(made.calibration.intercept + made.calibration.slope * made.fitted.log_odds(test.features))
    return {
        "drift": drift(reference(card, scored(recipe, given.calibration.features)), card, rows, score),
        "by_grade": by_grade(letters, labels, chance),
        "migration": migration(banded(recipe.bands, then), letters[after]),
        "by_group": {name: by_group(of, letters, labels, chance) for name, of in groups.items()},
        "by_score_alone": {name: by_group(of, letters, labels, alone) for name, of in groups.items()},
        "with_exposure": {name: by_group(of, letters, labels, whole) for name, of in groups.items()},
        "reporting": reporting(held.test, recipe.test_cutoff),
        "from": day_text(recipe.calibration_cutoff), "to": day_text(recipe.test_cutoff),
    }  # fmt: skip


def _both(one: Sample, other: Sample) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Returns the places of the subjects that are in both samples, in the order of the subjects."""
    _, places, others = np.intersect1d(one.subject, other.subject, return_indices=True)
    return places, others
