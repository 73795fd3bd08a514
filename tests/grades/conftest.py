"""Fixtures of grading: a builder of facts, random lives, and the committed models."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import strategies as st

from credit_service.arrays import NEVER
from credit_service.grades.artefact import Artefact, load_champions, load_keys
from credit_service.grades.columns import Columns, build
from credit_service.ledger.fact import Fact, place_of
from credit_service.legal_days import day_text, parse_day

MODELS = Path(__file__).parents[2] / "models"
# The first version of each model that was ever shipped: it publishes neither priors nor exposure.
FIRST_VERSION = "2026.11.0"
AS_OF = parse_day("2026-06-30")
FIRST = AS_OF - 6 * 365


def champion(name: str) -> str:
    """Returns the version that the registry of the release names champion."""
    registry = json.loads((MODELS / "registry.json").read_text("utf-8"))
    return str(registry["aliases"][name]["champion"])


def a_fact(kind: str, day: int | str, event_id: int = 0, known_day: int | None = None, **payload: Any) -> Fact:
    """Builds a fact; whatever else is named becomes its payload."""
    when = parse_day(day) if isinstance(day, str) else day
    known = when if known_day is None else known_day
    return Fact(event_id, "test", f"R-{event_id}", 1, kind, "WORK", when, known, "", None, payload)


def laid(*lives: list[Fact]) -> Columns:
    """Lays lives into columns; every fact may be used for ever."""
    ordered = [sorted(life, key=place_of) for life in lives]
    return build(ordered, [[NEVER] * len(life) for life in ordered])


def _dates(name: str) -> st.SearchStrategy[dict[str, str]]:
    dates = st.integers(FIRST, AS_OF + 200).map(day_text)
    return st.one_of(st.just({}), st.fixed_dictionaries({name: dates}))


def _payload(required: dict[str, Any], *parts: st.SearchStrategy[dict[str, Any]]) -> st.SearchStrategy[dict[str, Any]]:
    fixed = st.fixed_dictionaries(
        {k: v if isinstance(v, st.SearchStrategy) else st.just(v) for k, v in required.items()}
    )
    return st.tuples(fixed, *parts).map(lambda found: {k: v for part in found for k, v in part.items()})


_ARTICLES = st.lists(st.sampled_from(["甲/1", "甲/2", "乙/1"]), min_size=1, max_size=3, unique=True)
PAYLOADS: dict[str, st.SearchStrategy[dict[str, Any]]] = {
    "PEN": _payload(
        {
            "articles": _ARTICLES,
            "severity": st.sampled_from(["MINOR", "GENERAL", "SERIOUS"]),
            "fine_fen": st.integers(0, 10**8),
            "is_accident_related": st.booleans(),
        }
    ),
    "ACC": _payload(
        {"accident_kind": "WORK", "liability": st.sampled_from(["LIABLE", "UNKNOWN"]), "victims": st.integers(0, 9)}
    ),
    "HAZ": _payload(
        {"hazard_level": st.sampled_from(["MAJOR", "GENERAL"]), "found_by": st.sampled_from(["SELF", "AUTHORITY"])},
        _dates("due_date"),
        _dates("extended_due_date"),
        _dates("closed_date"),
    ),
    "INS": _payload(
        {"result": st.sampled_from(["CLEAN", "VIOLATION"]), "mode": st.sampled_from(["RANDOM", "PLANNED"])}
    ),
    "STD": _payload({"level": st.integers(1, 3)}, _dates("from_date"), _dates("to_date"), _dates("revoked_date")),
    "POL": _payload({}, _dates("from_date"), _dates("to_date")),
    "LIC": _payload(
        {
            "licence_type": st.sampled_from(["a", "b"]),
            "is_mandatory": st.booleans(),
            "status": st.sampled_from(["VALID", "SUSPENDED"]),
        },
        _dates("to_date"),
    ),
    "COM": _payload({"status": st.sampled_from(["KEPT", "BROKEN"])}),
    "ORD": _payload({"order_kind": st.sampled_from(["RECTIFY", "STOP_WORK"])}, _dates("lifted_date")),
    "OBSTR": _payload({}),
    "HON": _payload({"level": "CITY"}),
    "REG": _payload({"headcount": st.integers(1, 5000)}),
}
FACTS = st.sampled_from(sorted(PAYLOADS)).flatmap(
    lambda kind: st.builds(lambda day, payload: (kind, day, payload), st.integers(FIRST, AS_OF), PAYLOADS[kind])
)
LIVES = st.lists(FACTS, max_size=12).map(
    lambda told: [a_fact(kind, day, number, **payload) for number, (kind, day, payload) in enumerate(told)]
)


@pytest.fixture(scope="session")
def champions() -> dict[str, Artefact]:
    return load_champions(MODELS, load_keys(MODELS / "keys"))


@pytest.fixture(scope="session")
def model_folder() -> Path:
    return MODELS / "tw_osh_pd" / FIRST_VERSION


Builder = Callable[..., Fact]
