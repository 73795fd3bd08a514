"""Whether a published model still holds: drift against its reference, calibration by grade, moves between two days.

Every alarm has a floor that comes from the numbers themselves: small samples drift by chance, and large ones make
every gap significant.
"""

import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binom

from credit_service.arrays import Floats, Ints
from credit_service.grades.drift import noise_floor, stability_index
from credit_service.grades.scorecard import Scorecard
from training.metrics import Labels

LETTERS = ("A", "B", "C", "D")
Letters = NDArray[np.str_]
DRIFT_POLICY: Mapping[str, Any] = tomllib.loads(Path(__file__).with_name("monitoring.toml").read_text("utf-8"))["drift"]
DRIFT: float = DRIFT_POLICY["above"]
YELLOW, RED = 0.95, 0.999
# A gap below this share of the expected rate is no matter, however sure it is.
MATERIAL = 0.20
# Groups of fewer subjects are not judged.
LEAST_GROUP = 500
GROUP_BOUNDS = (0.75, 1.33)
SCORE_STEP = 25


def reference(card: Scorecard, features: Floats) -> dict[str, Any]:
    """Returns counts per bin, against which later drift is measured."""
    score = card.score(features)
    edges = list(range(0, 1001, SCORE_STEP))
    bins = [
        np.bincount(np.searchsorted(line.cuts, features[:, place]), minlength=len(line.points)).tolist()
        for place, line in enumerate(card.lines)
    ]
    return {
        "rows": len(score),
        "features": {line.feature.name: counts for line, counts in zip(card.lines, bins, strict=True)},
        "score": {"edges": edges, "counts": np.histogram(score, edges)[0].tolist()},
    }


def drift(kept: Mapping[str, Any], card: Scorecard, features: Floats, scores: Ints) -> dict[str, Any]:
    """Returns index, floor and alarm of every feature of a card and of the score, against the model's reference."""
    found = {}
    for place, line in enumerate(card.lines):
        bins = np.searchsorted(line.cuts, features[:, place], side="left")
        counts = np.bincount(bins, minlength=len(line.points)).tolist()
        found[line.feature.name] = _drifted(kept["features"][line.feature.name], counts)
    edges = kept["score"]["edges"]
    counts = np.histogram(np.clip(scores, edges[0], edges[-1]), edges)[0].tolist()
    return {"score": _drifted(kept["score"]["counts"], counts), "features": found}


def banded(bands: Mapping[str, int], scores: Ints) -> Letters:
    """Returns the letter of each score by the lower edges of the bands, before any law."""
    edges = -np.array([bands[letter] for letter in LETTERS[:-1]])
    found: Letters = np.array(LETTERS)[np.searchsorted(edges, -scores, side="left")]
    return found


def by_grade(letters: Letters, labels: Labels, chances: Floats) -> dict[str, Any]:
    """Returns per grade how many came true of those expected, and a light: red only for what is sure and matters."""
    found: dict[str, dict[str, Any]] = {}
    for letter in LETTERS:
        rows = letters == letter
        n, positives = int(rows.sum()), int(labels[rows].sum())
        if not n:
            found[letter] = {"n": 0, "light": None}
            continue
        expected = float(chances[rows].mean())
        sure = _sureness(n, positives, expected)
        is_material = abs(positives / n - expected) > MATERIAL * expected
        light = "red" if sure >= RED and is_material else "yellow" if sure >= YELLOW and is_material else "green"
        found[letter] = {
            "n": n, "positives": positives, "expected": expected, "observed": positives / n, "sureness": sure,
            "is_material": is_material, "light": light,
        }  # fmt: skip
    observed = [one["observed"] for one in found.values() if one["n"]]
    return {"grades": found, "is_rising": observed == sorted(observed)}


def migration(before: Letters, after: Letters) -> dict[str, Any]:
    """Returns who of each grade came to which, who stayed, and who moved by two grades or more; the same subjects."""
    place = {letter: n for n, letter in enumerate(LETTERS)}
    matrix = np.zeros((len(LETTERS), len(LETTERS)), dtype=np.int64)
    for one, other in zip(before.tolist(), after.tolist(), strict=True):
        matrix[place[one], place[other]] += 1
    totals, steps = matrix.sum(axis=1), np.abs(np.subtract.outer(range(4), range(4)))
    stay = {letter: _share(matrix[n, n], totals[n]) for n, letter in enumerate(LETTERS)}
    everybody = int(matrix.sum())
    return {
        "matrix": {letter: dict(zip(LETTERS, matrix[n].tolist(), strict=True)) for n, letter in enumerate(LETTERS)},
        "stay": stay, "changed": _share(everybody - int(np.trace(matrix)), everybody),
        "jumped": _share(int(matrix[steps > 1].sum()), everybody),
    }  # fmt: skip


def by_group(groups: Sequence[str], letters: Letters, labels: Labels, chances: Floats) -> dict[str, Any]:
    """Returns per group what came true of what was expected, how surely that is no chance, and its clean at C or D."""
    names, found = np.array(groups), {}
    for name in sorted(set(groups)):
        rows = names == name
        clean = rows & ~labels
        n, positives, expected = int(rows.sum()), int(labels[rows].sum()), float(chances[rows].sum())
        ratio, is_judged = positives / expected, n >= LEAST_GROUP
        found[name] = {
            "n": n, "positives": positives, "observed_to_expected": ratio,
            "sureness": _sureness(n, positives, expected / n),
            "clean_at_c_or_d": _share(int(np.isin(letters[clean], ("C", "D")).sum()), int(clean.sum())),
            "is_alarm": is_judged and not GROUP_BOUNDS[0] <= ratio <= GROUP_BOUNDS[1],
        }  # fmt: skip
    return found


def _drifted(reference: Sequence[int], counts: Sequence[int]) -> dict[str, Any]:
    index, floor = stability_index(reference, counts), noise_floor(reference, counts)
    return {"psi": index, "floor": floor, "is_alarm": index > max(DRIFT, DRIFT_POLICY["floors"] * floor)}


def _sureness(n: int, positives: int, expected: float) -> float:
    """Returns how sure it is that the rate is not the expected one, by the binomial test of both sides."""
    low, high = binom.cdf(positives, n, expected), binom.sf(positives - 1, n, expected)
    return float(1 - min(1.0, 2 * min(low, high)))


def _share(part: int, whole: int) -> float | None:
    return float(part / whole) if whole else None
