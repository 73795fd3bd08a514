"""Which version judges: the gate, the aliases, the way back, and what the registry remembers."""

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from credit_service.errors import CreditError, Reason
from credit_service.grades.artefact import Artefact, load, load_champions, load_keys
from credit_service.legal_days import parse_day
from tests.grades.conftest import FIRST_VERSION, MODELS, champion
from training import registry
from training.__main__ import main
from training.registry import Act, passed, promote, read, register, rollback

NAME = "cn_sim_pd"
VERSION = champion(NAME)
DAY = parse_day("2026-12-01")
ACT = Act("bureau/officer-1", DAY, "季度更新")
GOOD = {
    "observed_to_expected": 1.02, "calibration_slope": 1.0, "ece": 0.0005, "base_rate": 0.01, "auc": 0.70,
    "over_rule": {"ci": [0.05, 0.09]}, "test_cutoff": "2025-01-31",
    "by_size": {
        "under 10": {"n": 900, "observed_to_expected": 0.8}, "300 and more": {"n": 499, "observed_to_expected": 4.0},
    },
    "bands": {"A": {"observed": 0.01}, "B": {"observed": 0.02}, "C": {"observed": None}, "D": {"observed": 0.1}},
}  # fmt: skip


@pytest.fixture
def models(tmp_path: Path) -> Path:
    return Path(shutil.copytree(MODELS, tmp_path / "models"))


@pytest.fixture(scope="module")
def artefact() -> Artefact:
    return load(MODELS / NAME / VERSION, load_keys(MODELS / "keys"))


def showing(artefact: Artefact, **figures: Any) -> Artefact:
    return replace(artefact, metrics={"served_task": "t", "tasks": {"t": {**GOOD, **figures}}})


def test_version_that_holds_passes_with_its_figures(artefact: Artefact) -> None:
    told = passed(showing(artefact), showing(artefact, auc=0.704), DAY)
    assert (told["auc"], told["champion_auc"]) == (0.70, 0.704)
    assert told["observed_to_expected_by_size"] == {"under 10": 0.8, "300 and more": 4.0}
    assert passed(showing(artefact), None, DAY)["champion_auc"] is None


@pytest.mark.parametrize(
    ("figures", "fault"),
    [
        ({"observed_to_expected": 1.26}, "observed_to_expected: got 1.26, want 0.8 to 1.25"),
        ({"observed_to_expected": 0.79}, "observed_to_expected: got 0.79"),
        ({"calibration_slope": 1.11}, "calibration_slope: got 1.11"),
        (
            {"by_size": {"300 and more": {"n": 500, "observed_to_expected": 3.86}}},
            "observed_to_expected of 300 and more: got 3.86, want 0.75 to 1.33",
        ),
        ({"by_size": None}, "by_size: got none, want the level of every size"),
        ({"ece": 0.0011}, "ece: got 0.0011, want at most 0.001"),
        ({"ece": float("nan")}, "ece: got nan"),
        ({"over_rule": {"ci": [-0.001, 0.1]}}, "over_rule lower bound: got -0.001, want at least 0"),
        ({"auc": 0.69}, "auc: got 0.69, want at least 0.695"),
        ({"bands": {"A": {"observed": 0.02}, "B": {"observed": 0.01}}}, "want them to rise from A to D"),
    ],
)
def test_gate_names_what_falls_short(artefact: Artefact, figures: dict[str, Any], fault: str) -> None:
    with pytest.raises(CreditError) as caught:
        passed(showing(artefact, **figures), showing(artefact), DAY)
    assert caught.value.reason is Reason.MODEL_INVALID
    assert fault in caught.value.message


def test_champion_of_the_city_passes_the_gate_by_figures_that_the_registry_keeps(artefact: Artefact) -> None:
    first = load(MODELS / NAME / FIRST_VERSION, load_keys(MODELS / "keys"))
    made = [entry for entry in read(MODELS)["history"] if (entry["model"], entry["to"]) == (NAME, VERSION)]
    entry = next(entry for entry in made if entry["alias"] == "champion")
    assert passed(artefact, first, parse_day(entry["on"])) == entry["figures"]
    sizes = entry["figures"]["observed_to_expected_by_size"]
    assert set(sizes) == {"under 10", "10 to 49", "50 to 299", "300 and more"}
    with pytest.raises(CreditError, match=r"ece: got 0\.002"):
        passed(first, None, DAY)


def test_shipped_challenger_passes_the_gate_and_is_of_another_method(artefact: Artefact) -> None:
    version = read(MODELS)["aliases"][NAME]["challenger"]
    challenger = load(MODELS / NAME / version, load_keys(MODELS / "keys"))
    told = passed(challenger, artefact, DAY)
    assert told["champion_auc"] == artefact.metrics["tasks"]["cn-main"]["auc"]
    assert challenger.manifest["kind"] == "logistic"
    assert json.loads((challenger.directory / "booster.txt").read_text("utf-8"))["kind"] == "logistic"
    assert challenger.manifest["data"]["snapshot"] == artefact.manifest["data"]["snapshot"], "the same two cities"


def test_expired_version_does_not_pass_and_another_cutoff_is_not_compared(artefact: Artefact) -> None:
    with pytest.raises(CreditError, match="want a day that is not over"):
        passed(showing(artefact), None, parse_day(artefact.manifest["expires_on"]) + 1)
    passed(showing(artefact, auc=0.5), showing(artefact, test_cutoff="2024-01-31"), DAY)


def test_promotion_and_rollback_move_the_alias_and_keep_the_history(
    models: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(registry, "passed", lambda *_: {"auc": 0.7})
    monkeypatch.setattr(registry, "load", lambda path, _: load(models / NAME / VERSION, load_keys(models / "keys")))
    for version in ("2027.1.0", "2027.2.0"):
        register(models, NAME, version, "2027-01-01")
        assert read(models)["aliases"][NAME]["challenger"] == version
        entry = promote(models, NAME, version, "champion", ACT)
        assert (entry["to"], entry["by"], entry["figures"]) == (version, "bureau/officer-1", {"auc": 0.7})
        assert read(models)["aliases"][NAME] == {"champion": version}, "who has won challenges nobody"
    assert rollback(models, NAME, ACT)["to"] == "2027.1.0"
    assert rollback(models, NAME, ACT)["to"] == VERSION
    assert rollback(models, NAME, ACT)["to"] == FIRST_VERSION
    with pytest.raises(CreditError, match="want one with a former champion"):
        rollback(models, NAME, ACT)
    moves = [(e["alias"], e["from"], e["to"]) for e in read(models)["history"] if e["model"] == NAME]
    assert moves[-3:-1] == [("champion", "2027.2.0", "2027.1.0"), ("champion", "2027.1.0", VERSION)]


def test_registering_the_same_version_twice_notes_it_once(models: Path) -> None:
    before = read(models)
    register(models, NAME, VERSION, "2026-11-23")
    assert read(models) == before
    register(models, "new_pd", "1", "2026-11-23")
    assert read(models)["aliases"]["new_pd"] == {"champion": "1"}


def test_nothing_unsigned_or_unknown_is_promoted(models: Path) -> None:
    before = (models / "registry.json").read_bytes()
    with pytest.raises(CreditError) as caught:
        promote(models, NAME, "2099.1.0", "shadow", ACT)
    assert caught.value.reason is Reason.MODEL_NOT_FOUND
    (models / NAME / VERSION / "manifest.sig").write_text(json.dumps({}), "utf-8")
    with pytest.raises(CreditError) as caught:
        promote(models, NAME, VERSION, "shadow", ACT)
    assert caught.value.reason is Reason.MODEL_TAMPERED
    with pytest.raises(CreditError, match="want one of champion, challenger, shadow"):
        promote(models, NAME, VERSION, "star", ACT)
    assert (models / "registry.json").read_bytes() == before


def test_aliases_beside_the_champion_change_no_grade(models: Path) -> None:
    before = read(models)["aliases"][NAME]
    promote(models, NAME, VERSION, "shadow", ACT)
    assert read(models)["aliases"][NAME] == {**before, "champion": VERSION, "shadow": VERSION}
    assert load_champions(models, load_keys(models / "keys"))[NAME].scorecard.model_id == f"{NAME}/{VERSION}"


@pytest.mark.parametrize(
    ("given", "fault"),
    [
        (
            ["rollback", "tw_osh_pd", "--on", "2026-12-01"],
            "rollback: MODEL_NOT_FOUND: model: got tw_osh_pd, want one with a",
        ),
        (["rollback", NAME, "--on", "2026-11-31"], "rollback: FIELD_INVALID: date: got '2026-11-31'"),
        (["promote", NAME, "--on", "2026-12-01", "--version", "9"], "promote: MODEL_NOT_FOUND: model: got none at 9"),
    ],
)
def test_refused_move_is_one_line_and_moves_nothing(
    models: Path, capsys: pytest.CaptureFixture[str], given: list[str], fault: str
) -> None:
    before = read(models)
    assert main([*given, "--by", "bureau/officer-1", "--reason", "夜间", "--models", str(models)]) == 2
    said = capsys.readouterr().err
    assert said.startswith(fault)
    assert len(said.splitlines()) == 1
    assert read(models) == before


@pytest.mark.parametrize(
    ("by", "reason", "fault"),
    [
        ("officer-1", "夜间", "rollback: FIELD_INVALID: by: got 'officer-1'"),
        ("bureau/", "夜间", "rollback: FIELD_INVALID: by: got 'bureau/'"),
        ("bureau/officer-1", " ", "rollback: FIELD_MISSING: reason: got none"),
    ],
)
def test_move_names_an_officer_and_a_reason(
    models: Path, capsys: pytest.CaptureFixture[str], by: str, reason: str, fault: str
) -> None:
    before = read(models)
    given = ["rollback", NAME, "--on", "2026-12-01", "--by", by, "--reason", reason]
    assert main([*given, "--models", str(models)]) == 2
    assert capsys.readouterr().err.startswith(fault)
    assert read(models) == before


@pytest.mark.parametrize("text", ["", "{", "[]", '{"aliases": []}', '{"aliases": {}}'])
def test_damaged_registry_is_said_in_one_line_and_kept(
    models: Path, text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (models / "registry.json").write_text(text, "utf-8")
    given = ["rollback", NAME, "--on", "2026-12-01", "--by", "bureau/officer-1", "--reason", "夜间"]
    assert main([*given, "--models", str(models)]) == 2
    assert capsys.readouterr().err.startswith("rollback: MODEL_INVALID: registry.json: got ")
    assert (models / "registry.json").read_text("utf-8") == text
