"""Drift that lasts: an index above chance in several evaluations running, by the reports of earlier ones.

A single index just above its floor is chance once in a hundred times, three running once in a million. Only reports of
the same version count: another one measures against another reference.
"""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from credit_service.errors import CreditError, Reason
from credit_service.legal_days import day_text, parse_day
from training.monitoring import DRIFT_POLICY

Drift = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Earlier:
    """Holds what an earlier report said of drift, by the day that it looked at: on its test, and of its ledger."""

    model: str
    test: tuple[int, Drift] | None
    ledger: tuple[int, Drift] | None


def read_reports(paths: Sequence[Path]) -> list[Earlier]:
    """Reads reports, or every one of a folder; fails with FILE_INVALID that names the one that is none."""
    files = [file for path in paths for file in (sorted(path.glob("*.json")) if path.is_dir() else [path])]
    return [_earlier(file) for file in files]


def lasting(drift: Drift, day: int, earlier: Sequence[tuple[int, Drift]]) -> dict[str, Any]:
    """Returns drift with how many evaluations running, up to this one, each index was above its floor."""
    periods = [(day, drift), *_apart(day, earlier)]
    return {
        "score": drift["score"] | _run([one["score"] for _, one in periods]),
        "features": {
            name: found | _run([one["features"].get(name) for _, one in periods])
            for name, found in drift["features"].items()
        },
        "periods": [
            {"day": day_text(when), "psi": one["score"]["psi"], "floor": one["score"]["floor"]}
            for when, one in reversed(periods)
        ],
    }


def _apart(day: int, earlier: Sequence[tuple[int, Drift]]) -> list[tuple[int, Drift]]:
    """Returns the evaluations before a day, latest first, without those that lie too close to the one after them."""
    found: list[tuple[int, Drift]] = []
    for when, drift in sorted(earlier, key=lambda one: one[0], reverse=True):
        if when <= (found[-1][0] if found else day) - DRIFT_POLICY["least_days_apart"]:
            found.append((when, drift))
    return found


def _run(latest_first: Sequence[Mapping[str, Any] | None]) -> dict[str, Any]:
    number = 0
    for one in latest_first:
        if one is None or one["psi"] <= one["floor"]:
            break
        number += 1
    return {"periods_above_floor": number, "is_lasting": number >= DRIFT_POLICY["periods"]}


def _earlier(file: Path) -> Earlier:
    try:
        report = json.loads(file.read_text("utf-8"))
        told = [one["monitoring"] for one in report["tasks"].values() if "monitoring" in one]
        test = _drift(told[0]["drift"], told[0]["to"]) if told else None
        ledger = report.get("ledger") or {}
        found = _drift(ledger["drift"], ledger["as_of"]) if "drift" in ledger else None
        return Earlier(str(report["model"]), test, found)
    except (ValueError, KeyError, TypeError, AttributeError, CreditError) as fault:
        raise CreditError(Reason.FILE_INVALID, f"history: got {file.name}, want a report of `evaluate`") from fault


def _drift(found: Any, day: str) -> tuple[int, Drift]:
    for one in (found["score"], *found["features"].values()):
        if not all(isinstance(one[name], int | float) and math.isfinite(one[name]) for name in ("psi", "floor")):
            raise ValueError("psi and floor: want numbers")
    return parse_day(day), found
