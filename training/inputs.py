"""The data sets that recipes name: how each is read, and what is said of it in a manifest."""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from credit_service.ledger.sources import load_sources
from training import tw_osh
from training.data import gather
from training.dataset import History, history
from training.recipe import Recipe

CLOCK = "facts count as known from the later of their publication and the source's declared lag."


def load_history(recipe: Recipe, path: Path | None = None) -> tuple[History, dict[str, Any]]:
    """Returns the facts of a recipe's data set, and their description."""
    return _READERS[recipe.dataset](recipe, path)


def _tw_osh(_: Recipe, path: Path | None) -> tuple[History, dict[str, Any]]:
    source = path or tw_osh.SHIPPED
    sources = load_sources()
    held = history(gather(tw_osh.events(tw_osh.read(source)), sources))
    told: Mapping[str, Any] = {
        "title": "Ministry of Labor, Taiwan, open data sets 155978 and 126835 (Open Government Data License 1.0).",
        "sources": {
            name: {
                "registration": sources[name].registration,
                "declared_lag_days": sources[name].declared_lag_days,
            }
            for name in tw_osh.SOURCES
        },
        "registration": "backfill",
        "clock": CLOCK,
        "snapshot": f"sha-256:{hashlib.sha256(source.read_bytes()).hexdigest()}",
    }
    return held, dict(told)


_READERS = {"tw_osh": _tw_osh}
