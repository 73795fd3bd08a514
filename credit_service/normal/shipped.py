"""Reads the tables shipped beside the code."""

import csv
import tomllib
from importlib.resources import files
from typing import Any

_DATA = files("credit_service.normal").joinpath("tables")


def rows(name: str) -> list[dict[str, str]]:
    """Reads a table with a heading."""
    return list(csv.DictReader(_DATA.joinpath(name).read_text("utf-8").splitlines()))


def tables(name: str) -> dict[str, Any]:
    """Reads a TOML file."""
    return tomllib.loads(_DATA.joinpath(name).read_text("utf-8"))
