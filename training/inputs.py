"""The data sets that recipes name: how each is read, and what a manifest says of it."""

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from datetime import date
from functools import partial
from pathlib import Path
from typing import Any

from credit_service.ledger.sources import Source, load_sources
from credit_service.rulebook.edition import SHIPPED, load_edition
from credit_service.rulebook.usable import unusable_from
from training import tw_osh
from training.data import gather, read_events
from training.dataset import History, history
from training.making import Held
from training.recipe import Recipe
from training.simulate import city, sources

CLOCK = "facts count as known from the later of their publication and the source's declared lag."


def load(recipe: Recipe, path: Path | None = None) -> Held:
    """Returns the facts of a recipe's data set."""
    return _READERS[recipe.dataset](recipe, path)


def _tw_osh(_: Recipe, path: Path | None) -> Held:
    file = path or tw_osh.SHIPPED
    registered = load_sources()
    held = history(gather(tw_osh.events(tw_osh.read(file)), registered))
    title = "Ministry of Labor, Taiwan, open data sets 155978 and 126835 (Open Government Data License 1.0)."
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    names = tw_osh.SOURCES
    return Held(held, held, _told(title, digest, {name: registered[name] for name in names}))


def _sim_city(recipe: Recipe, path: Path | None) -> Held:
    """Draws two cities; a file of events takes the place of the first."""
    registered, digest = load_sources(), hashlib.sha256()

    def counted(events: Iterator[dict[str, Any]]) -> Iterator[dict[str, Any]]:
        for event in events:
            digest.update(json.dumps(event, ensure_ascii=False, sort_keys=True).encode())
            yield event

    def lay(events: Iterator[dict[str, Any]]) -> History:
        population = gather(counted(events), registered)
        edition = load_edition(SHIPPED / f"{recipe.edition}.toml")
        return history(population, partial(unusable_from, edition))

    data = recipe.data
    until = date.fromisoformat(data["until"])
    first = read_events(path) if path else city(data["subjects"], data["city_seed"], until)
    past = lay(first)
    test = lay(city(data["test_subjects"], data["test_city_seed"], until))
    title = (
        f"SIMULATED: two made-up cities of {data['subjects']:,} and {data['test_subjects']:,} subjects,"
        f" seeds {data['city_seed']} and {data['test_city_seed']}; tested on the second."
    )
    told = _told(title, digest.hexdigest(), {name: registered[name] for name in sources()})
    return Held(past, test, told)


def _told(title: str, digest: str, registered: Mapping[str, Source]) -> dict[str, Any]:
    return {
        "title": title,
        "sources": {
            name: {
                "registration": source.registration,
                "declared_lag_days": source.declared_lag_days,
            }
            for name, source in registered.items()
        },
        "registration": "backfill",
        "clock": CLOCK,
        "snapshot": f"sha-256:{digest}",
    }


_READERS: Mapping[str, Callable[[Recipe, Path | None], Held]] = {
    "tw_osh": _tw_osh,
    "sim_city": _sim_city,
}
