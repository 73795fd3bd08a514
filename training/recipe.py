"""Recipes: what a model is made from and how, as data."""

import hashlib
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from credit_service.errors import CreditError, Reason, shown
from credit_service.grades.scorecard import Scale
from credit_service.legal_days import parse_day

RECIPES = Path(__file__).parent / "recipes"
KINDS = BOOSTER, LOGISTIC = "booster", "logistic"


@dataclass(frozen=True, slots=True)
class Recipe:
    """Holds one recipe; days are civil ordinals.

    `kind` says what is fitted: trees that `booster` describes, or a logistic scorecard that `logistic` does.
    `reluctance` lowers the gain of some features, so that others are asked first. `controls` are known to the fit and
    to nothing else; `exposure` earns no points either, and its shapes move the published probability.
    """

    name: str
    version: str
    kind: str
    published_on: str
    expires_on: str
    title_zh: str
    title_en: str
    is_simulated: bool
    edition: str
    served_task: str
    tasks: tuple[str, ...]
    seed: int
    dataset: str
    known_by: int
    fit_cutoffs: tuple[int, ...]
    calibration_cutoff: int
    test_cutoff: int
    maturity_months: int
    data: Mapping[str, Any]
    features: tuple[str, ...]
    reluctance: Mapping[str, float]
    controls: tuple[str, ...]
    exposure: tuple[str, ...]
    booster: Mapping[str, Any]
    logistic: Mapping[str, Any]
    scale: Scale
    bands: Mapping[str, int]
    least_positives_for_slope: int
    bootstrap: int
    digest: str

    @property
    def columns(self) -> tuple[str, ...]:
        """Returns every column of the matrix: features, then controls and exposure, which earn no points."""
        return (*self.features, *self.controls, *self.exposure)


def load_recipe(path: Path) -> Recipe:
    """Reads one recipe file."""
    content = path.read_bytes()
    table = tomllib.loads(content.decode())
    data, scale, kind = table["data"], table["scale"], table.get("kind", BOOSTER)
    if kind not in KINDS or kind not in table:
        want = f"{BOOSTER} or {LOGISTIC}, with a table of its options"
        raise CreditError(Reason.FILE_INVALID, f"kind: got {shown(kind)}, want {want}")
    heads = (
        "name", "version", "published_on", "expires_on", "title_zh", "title_en", "is_simulated",
        "edition", "served_task", "seed",
    )  # fmt: skip
    return Recipe(
        **{key: table[key] for key in heads},
        tasks=tuple(table["tasks"]),
        dataset=data["dataset"],
        known_by=parse_day(data["known_by"]),
        fit_cutoffs=tuple(parse_day(day) for day in data["fit_cutoffs"]),
        calibration_cutoff=parse_day(data["calibration_cutoff"]),
        test_cutoff=parse_day(data["test_cutoff"]),
        maturity_months=data["maturity_months"],
        data=data,
        features=tuple(table["features"]["names"]),
        reluctance=table["features"].get("reluctance", {}),
        controls=tuple(table["features"]["controls"]),
        exposure=tuple(table["features"].get("exposure", ())),
        kind=kind,
        booster=table.get(BOOSTER, {}),
        logistic=table.get(LOGISTIC, {}),
        scale=Scale(float(scale["pdo"]), float(scale["base"]), float(scale["odds_against"])),
        bands=scale["bands"],
        least_positives_for_slope=table["calibration"]["least_positives_for_slope"],
        bootstrap=table["evaluation"]["bootstrap"],
        digest=f"sha-256:{hashlib.sha256(content).hexdigest()}",
    )
