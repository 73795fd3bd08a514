"""Which version of a model judges: promotion by its figures, rollback, and the history of both.

The registry is a file of the release, reviewed like code; servers read it at their start. What it names is verified by
signature when it is loaded, so the registry can choose among signed versions and nothing else.
"""

import json
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from credit_service.errors import CreditError, Reason
from credit_service.grades.artefact import REGISTRY, Artefact, invalid, load, load_keys, parse
from credit_service.legal_days import day_text, parse_day

CHAMPION, CHALLENGER = "champion", "challenger"
ALIASES = (CHAMPION, CHALLENGER, "shadow")
GATE: Mapping[str, Any] = tomllib.loads((Path(__file__).parent / "gate.toml").read_text("utf-8"))


@dataclass(frozen=True, slots=True)
class Act:
    """Says who moves an alias, on which day, and why."""

    by: str
    on: int
    reason: str

    def __post_init__(self) -> None:
        """Refuses an act that nobody answers for, or that has no reason."""
        agency, _, officer = self.by.partition("/")
        if not (agency.strip() and officer.strip()):
            raise CreditError(Reason.FIELD_INVALID, f"by: got {self.by!r}, want agency/officer")
        if not self.reason.strip():
            raise CreditError(Reason.FIELD_MISSING, "reason: got none, want why")


def register(models: Path, name: str, version: str, on: str) -> None:
    """Notes a newly published version: the first is the champion, a later one challenges it."""
    held = read(models)
    aliases = held["aliases"].setdefault(name, {})
    alias = CHALLENGER if aliases.get(CHAMPION, version) != version else CHAMPION
    if aliases.get(alias) != version:
        _move(held, (name, alias), version, {"on": on})
    write(models, held)


def promote(models: Path, name: str, version: str, alias: str, act: Act) -> dict[str, Any]:
    """Points an alias at a version and returns the entry of the history.

    A champion must pass the gate; the figures that let it pass stay in the entry. Fails with MODEL_NOT_FOUND and
    everything that loading may fail with, and with MODEL_INVALID that names what falls short.
    """
    if alias not in ALIASES:
        raise CreditError(Reason.FIELD_INVALID, f"alias: got {alias}, want one of {', '.join(ALIASES)}")
    held, keys = read(models), load_keys(models / "keys")
    artefact = load(models / name / version, keys)
    if artefact.manifest["model"] != name:
        raise CreditError(Reason.MODEL_INVALID, f"model: got {artefact.manifest['model']}, want {name}")
    told: dict[str, Any] = {"on": day_text(act.on), "by": act.by, "reason": act.reason}
    if alias == CHAMPION:
        former = held["aliases"].get(name, {}).get(CHAMPION)
        told["figures"] = passed(artefact, load(models / name / former, keys) if former else None, act.on)
    entry = _move(held, (name, alias), version, told)
    if alias == CHAMPION and held["aliases"][name].get(CHALLENGER) == version:
        # It has won, and challenges nobody any more.
        del held["aliases"][name][CHALLENGER]
    write(models, held)
    return entry


def rollback(models: Path, name: str, act: Act) -> dict[str, Any]:
    """Makes the former champion champion again, at once and without a gate; fails with MODEL_NOT_FOUND.

    A rollback is no former champion of its own: done twice it goes back two versions.
    """
    held = read(models)
    former = _former(held, name)
    if former is None:
        raise CreditError(Reason.MODEL_NOT_FOUND, f"model: got {name}, want one with a former champion")
    load(models / name / former, load_keys(models / "keys"))
    told = {"on": day_text(act.on), "by": act.by, "reason": act.reason, "is_rollback": True}
    entry = _move(held, (name, CHAMPION), former, told)
    write(models, held)
    return entry


def passed(candidate: Artefact, champion: Artefact | None, day: int) -> dict[str, Any]:
    """Returns the figures by which a version may become champion; fails with MODEL_INVALID and all that falls short."""
    task = candidate.metrics["served_task"]
    found, short = candidate.metrics["tasks"][task], list[str]()
    _within("observed_to_expected", found["observed_to_expected"], GATE["observed_to_expected"], short)
    _within("calibration_slope", found["calibration_slope"], GATE["calibration_slope"], short)
    _at_most("ece", found["ece"], GATE["ece_share"] * found["base_rate"], short)
    _sizes(found.get("by_size"), short)
    _at_least("over_rule lower bound", found["over_rule"]["ci"][0], GATE["least_over_rule"], short)
    observed = [band["observed"] for _, band in sorted(found["bands"].items()) if band["observed"] is not None]
    if observed != sorted(observed):
        short.append(f"bands: got observed rates {observed}, want them to rise from A to D")
    if day > parse_day(candidate.manifest["expires_on"]):
        short.append(f"expires_on: got {candidate.manifest['expires_on']}, want a day that is not over")
    before = champion and champion.metrics["tasks"].get(task)
    if before and before["test_cutoff"] == found["test_cutoff"]:
        _at_least("auc", found["auc"], before["auc"] - GATE["auc_loss"], short)
    if short:
        raise CreditError(Reason.MODEL_INVALID, f"gate: {'; '.join(short)}")
    names = ("auc", "ece", "base_rate", "observed_to_expected", "calibration_slope", "test_cutoff")
    sizes = {name: one["observed_to_expected"] for name, one in found["by_size"].items()}
    told = {"observed_to_expected_by_size": sizes, "champion_auc": before["auc"] if before else None}
    return {name: found[name] for name in names} | told


def read(models: Path) -> dict[str, Any]:
    """Reads the registry; an empty one when there is none. Fails with MODEL_INVALID."""
    path = models / REGISTRY
    if not path.is_file():
        return {"aliases": {}, "history": []}
    held = parse(REGISTRY, path.read_bytes())
    if not isinstance(held.get("aliases"), dict) or not isinstance(held.get("history"), list):
        raise invalid(REGISTRY, held, "aliases and a history")
    return held


def write(models: Path, held: Mapping[str, Any]) -> None:
    """Writes the registry as a whole or not at all."""
    path = models / REGISTRY
    draft = path.with_suffix(".draft")
    draft.write_text(json.dumps(held, ensure_ascii=False, indent=1) + "\n", "utf-8")
    draft.replace(path)


def _former(held: Mapping[str, Any], name: str) -> str | None:
    """Returns the champion before the one that stands, after as many rollbacks as there were."""
    stack: list[str] = []
    for entry in held["history"]:
        if (entry["model"], entry["alias"]) == (name, CHAMPION):
            stack = stack[:-1] if entry.get("is_rollback") else [*stack, entry["to"]]
    return stack[-2] if len(stack) > 1 else None


def _move(held: dict[str, Any], place: tuple[str, str], version: str, told: Mapping[str, Any]) -> dict[str, Any]:
    name, alias = place
    aliases = held["aliases"].setdefault(name, {})
    entry = {"model": name, "alias": alias, "from": aliases.get(alias), "to": version, **told}
    aliases[alias] = version
    held["history"].append(entry)
    return entry


def _within(name: str, value: float, bounds: list[float], short: list[str]) -> None:
    if not bounds[0] <= value <= bounds[1]:
        short.append(f"{name}: got {value}, want {bounds[0]} to {bounds[1]}")


def _sizes(sizes: Mapping[str, Any] | None, short: list[str]) -> None:
    """Asks the level of every size that has subjects enough: a level that is right on the whole may be of no size."""
    if sizes is None:
        short.append("by_size: got none, want the level of every size of subjects")
        return
    for name, found in sizes.items():
        if found["n"] >= GATE["least_of_size"]:
            _within(f"observed_to_expected of {name}", found["observed_to_expected"], GATE["size_bounds"], short)


def _at_most(name: str, value: float, limit: float, short: list[str]) -> None:
    if not value <= limit:
        short.append(f"{name}: got {value}, want at most {limit:.6g}")


def _at_least(name: str, value: float, limit: float, short: list[str]) -> None:
    if not value >= limit:
        short.append(f"{name}: got {value}, want at least {limit:.6g}")
