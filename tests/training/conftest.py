"""A small simulated city with its recipe, its facts and its evaluation: made once, in seconds."""

from dataclasses import replace
from typing import Any

import pytest

from training.evaluate import Report, measured
from training.inputs import load
from training.making import Held
from training.recipe import RECIPES, Recipe, load_recipe


@pytest.fixture(scope="session")
def recipe() -> Recipe:
    """A recipe of seconds, of a version that has been published by nobody."""
    found = load_recipe(RECIPES / "cn_sim_pd.toml")
    data: dict[str, Any] = {**found.data, "subjects": 4_000, "test_subjects": 4_000}
    return replace(found, version="2026.12.0", data=data, bootstrap=5, booster={**found.booster, "rounds": 20})


@pytest.fixture(scope="session")
def held(recipe: Recipe) -> Held:
    return load(recipe)


@pytest.fixture(scope="session")
def report(recipe: Recipe, held: Held) -> Report:
    return measured(recipe, held)
