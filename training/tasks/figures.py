"""The figures of one contender on one set, and of each grade; what cannot be measured is None."""

from collections.abc import Mapping
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from credit_service.arrays import Floats
from training.metrics import (
    Labels,
    auc,
    average_precision,
    brier,
    calibration_slope,
    captured,
    ece,
    observed_to_expected,
)
from training.resample import ece_noise, interval
from training.tasks.model import LETTERS
from training.tasks.rivals import Rival
from training.tasks.settings import SETTINGS

NO_CHANCES: Mapping[str, Any] = dict.fromkeys(("brier", "ece", "ece_noise_95", "oe_ratio", "slope")) | {
    "reason": "a ranking without probabilities"
}


def figures(labels: Labels, rival: Rival, drawn: Floats, others: Mapping[str, Floats]) -> dict[str, Any]:
    """Returns every figure of a contender; `drawn` holds its AUC in each draw, `others` those it is compared with."""
    base_rate = float(labels.mean())
    found: dict[str, Any] = {
        "auc": auc(labels, rival.ranking),
        "auc_ci": interval(drawn),
        "pr_auc": average_precision(labels, rival.ranking),
        "capture_at_5pct": captured(labels, rival.ranking, 0.05),
        "capture_at_10pct": captured(labels, rival.ranking, 0.10),
        "brier_reference": base_rate * (1 - base_rate),
    }
    found |= of_chances(labels, rival.chances) if rival.chances is not None else NO_CHANCES
    for name, other in others.items():
        found[f"paired_vs_{name}_ci"] = interval(drawn - other)
    return found


def of_chances(labels: Labels, chances: Floats) -> dict[str, float]:
    """Returns the figures of probabilities, and the calibration error that sampling alone exceeds in 1 of 20 cases."""
    noise = ece_noise(chances, SETTINGS["backtest"]["resamples"], SETTINGS["seed"])
    return {
        "brier": brier(labels, chances),
        "ece": ece(labels, chances),
        "ece_noise_95": float(np.percentile(noise, 95)),
        "oe_ratio": observed_to_expected(labels, chances),
        "slope": calibration_slope(labels, chances),
    }


def by_grade(labels: Labels, chances: Floats, letters: NDArray[np.str_]) -> dict[str, Any]:
    """Returns size, expected and observed rate of each grade."""
    found: dict[str, Any] = {}
    for letter in LETTERS:
        rows = letters == letter
        size = int(rows.sum())
        found[str(letter)] = {
            "n": size,
            "share": size / len(labels),
            "expected": float(chances[rows].mean()) if size else None,
            "observed": float(labels[rows].mean()) if size else None,
        }
    return found


def is_rising(grades: Mapping[str, Mapping[str, Any]]) -> bool:
    """Says whether the observed rate rises from grade to grade among those that hold enough entities."""
    least = SETTINGS["backtest"]["least_in_grade"]
    rates = [one["observed"] for one in grades.values() if one["n"] >= least]
    return all(low < high for low, high in pairwise(rates))
