"""One grade in microseconds, and a million rows by the points table beside the boosters that it replaces."""

import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import lightgbm
import numpy as np

from credit_service.arrays import Floats
from credit_service.grades.artefact import load_champions, load_keys
from credit_service.grades.columns import build, visible
from credit_service.grades.features import Evidence, matrix
from credit_service.grades.scorecard import Scorecard
from credit_service.rulebook.edition import SHIPPED, load_edition
from credit_service.rulebook.usable import unusable_from
from tests.bench.lives import AS_OF_DAY, lives
from training.fit import export

MODELS = Path("models")
MODEL = "cn_sim_pd"
ROWS = 1_000_000
ROUNDS = 5
SINGLES = 300
# A booster of the usual size, as a free challenger would be.
FREE = {
    "objective": "binary", "num_leaves": 31, "num_threads": 2, "deterministic": True, "force_row_wise": True,
    "seed": 7, "verbose": -1,
}  # fmt: skip
FREE_ROUNDS, FREE_ROWS = 300, 40_000


def measure_scoring(rows: int = ROWS) -> dict[str, object]:
    """Returns the figures; table and boosters take turns over the same rows."""
    artefact = load_champions(MODELS, load_keys(MODELS / "keys"))[MODEL]
    card = artefact.scorecard
    booster = lightgbm.Booster(model_file=str(artefact.directory / "booster.txt"))
    fitted = export(booster, booster.feature_name())
    given = _rows(card, booster, rows)
    places = [booster.feature_name().index(name) for name in card.feature_names]
    # As the features are laid: column by column.
    served = np.asfortranarray(given[:, places])
    free = _free(given[:FREE_ROWS], booster)
    acts: dict[str, Callable[[], Any]] = {
        "table": lambda: card.score(served),
        "unrounded": lambda: fitted.log_odds(given),
        "own": lambda: booster.predict(given, raw_score=True, num_threads=2),
        "free": lambda: free.predict(given, raw_score=True, num_threads=2),
    }
    seconds: dict[str, list[float]] = {name: [] for name in acts}
    for _ in range(ROUNDS):
        for name, act in acts.items():
            begun = time.perf_counter()
            act()
            seconds[name].append(time.perf_counter() - begun)
    told = {name: median(taken) for name, taken in seconds.items()}
    gap = float(np.max(np.abs(fitted.log_odds(given) - booster.predict(given, raw_score=True))))
    return {
        "grade_single_us": _single(card),
        "table_vs_own_booster": round(told["own"] / told["table"], 1),
        "table_vs_free_booster": round(told["free"] / told["table"], 1),
        "scoring": {
            "rows": rows, "seconds": {name: round(taken, 4) for name, taken in told.items()},
            "unrounded_table_vs_own_booster": round(told["own"] / told["unrounded"], 1),
            "largest_difference_to_own_booster": gap, "own_trees": booster.num_trees(),
            "free_trees": free.num_trees(), "rounds": ROUNDS,
        },
    }  # fmt: skip


def _single(card: Scorecard) -> dict[str, float]:
    """Returns the median microseconds of each step for one subject of some twenty records."""
    edition = load_edition(SHIPPED / "cn-2026-04.toml")
    taken: dict[str, list[float]] = {"features": [], "score": [], "reasons": []}
    for facts in lives(SINGLES):
        ends = unusable_from(edition, facts)
        begun = time.perf_counter()
        columns = visible(build([facts], [ends]), AS_OF_DAY)
        row = matrix(columns, AS_OF_DAY, card.feature_names)[0].tolist()
        counted = time.perf_counter()
        card.score_row(row)
        scored = time.perf_counter()
        evidence = Evidence(columns, AS_OF_DAY)
        card.reasons(row, partial(evidence.of, 0))
        ended = time.perf_counter()
        for name, one in zip(taken, (counted - begun, scored - counted, ended - scored), strict=True):
            taken[name].append(one * 1e6)
    return {name: round(median(found), 1) for name, found in taken.items()}


def _rows(card: Scorecard, booster: lightgbm.Booster, n: int) -> Floats:
    """Draws rows on and between the cuts of every feature."""
    random = np.random.default_rng(11)
    cuts = {line.feature.name: line.cuts for line in card.lines}
    columns = []
    for name in booster.feature_name():
        edges = np.array([0.0, *cuts.get(name, (1.0,)), (cuts.get(name) or (1.0,))[-1] * 2 + 1])
        columns.append(random.choice(edges, n) + random.choice([0.0, 0.25], n))
    return np.stack(columns, axis=1)


def _free(rows: Floats, booster: lightgbm.Booster) -> lightgbm.Booster:
    chance = np.asarray(booster.predict(rows))
    labels = (np.random.default_rng(12).random(len(rows)) < chance).astype(np.float64)
    return lightgbm.train(dict(FREE), lightgbm.Dataset(rows, labels), FREE_ROUNDS)
