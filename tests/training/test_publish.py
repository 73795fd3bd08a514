"""Publication: signed, verified, repeatable; the committed tables are those of the committed recipes."""

import csv
import gzip
import hashlib
import io
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from credit_service.errors import CreditError, Reason
from credit_service.grades.artefact import key_id, load, load_champions, load_keys
from credit_service.legal_days import parse_day
from training import commands, tw_osh
from training.__main__ import main
from training.evaluate import measured
from training.inputs import load as load_held
from training.publish import new_key, publish, read_key
from training.recipe import RECIPES, Recipe, load_recipe

MODELS = Path(__file__).parents[2] / "models"


@pytest.fixture(scope="module")
def snapshot(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A quarter of the shipped subjects."""
    path = tmp_path_factory.mktemp("data") / "events.csv.gz"
    rows = [row for row in tw_osh.read() if row["entity_id"][2] in "0123"]
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, tw_osh.COLUMNS)
    writer.writeheader()
    writer.writerows(rows)
    path.write_bytes(gzip.compress(text.getvalue().encode()))
    return path


@pytest.fixture(scope="module")
def small() -> Recipe:
    """A recipe of seconds: two cut-offs, few rounds, few draws."""
    recipe = load_recipe(RECIPES / "tw_osh_pd.toml")
    cutoffs = (parse_day("2018-12-31"), parse_day("2019-12-31"))
    return replace(recipe, fit_cutoffs=cutoffs, booster={**recipe.booster, "rounds": 40}, bootstrap=20)


@pytest.fixture(scope="module")
def key_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("keys")
    new_key(folder / "private.pem", folder / "public")
    return folder / "private.pem"


@pytest.fixture(scope="module")
def published(small: Recipe, snapshot: Path, key_file: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """The same recipe made and published twice, from the facts on."""
    found = []
    for _ in range(2):
        report = measured(small, load_held(small, snapshot))
        made = report.made[small.served_task]
        folder = tmp_path_factory.mktemp("models")
        found.append(publish(small, made, report.sets, report.document, folder, read_key(key_file)))
    return found


def test_same_inputs_give_the_same_artefact_byte_for_byte(published: list[Path]) -> None:
    first, second = ({p.name: p.read_bytes() for p in folder.iterdir()} for folder in published)
    assert first == second
    assert hashlib.sha256(first["table.json"]).hexdigest() == hashlib.sha256(second["table.json"]).hexdigest()


def test_published_artefact_loads_under_its_public_key_alone(published: list[Path], key_file: Path) -> None:
    keys = load_keys(key_file.parent / "public")
    artefact = load(published[0], keys)
    assert artefact.metrics["tasks"]["tw-b"]["auc"] > artefact.metrics["tasks"]["tw-b"]["rule_auc"]
    with pytest.raises(CreditError) as caught:
        load(published[0], load_keys(MODELS / "keys"))
    assert caught.value.reason is Reason.MODEL_UNTRUSTED


def test_registry_names_the_champion_once(published: list[Path], key_file: Path) -> None:
    models = published[0].parents[1]
    registry = json.loads((models / "registry.json").read_text("utf-8"))
    assert registry["aliases"] == {"tw_osh_pd": {"champion": "2026.11.0"}}
    assert len(registry["history"]) == 1
    assert list(load_champions(models, load_keys(key_file.parent / "public"))) == ["tw_osh_pd"]


def test_artefact_that_does_not_verify_takes_no_place(
    small: Recipe, snapshot: Path, published: list[Path], key_file: Path
) -> None:
    report = measured(small, load_held(small, snapshot))
    made = report.made["tw-b"]
    broken = replace(made, scorecard=replace(made.scorecard, base_points=1_500))
    before = (published[0] / "table.json").read_bytes()
    with pytest.raises(CreditError, match="want scores from 0 to 1000"):
        publish(small, broken, report.sets, report.document, published[0].parents[1], read_key(key_file))
    assert (published[0] / "table.json").read_bytes() == before
    assert [p.name for p in published[0].parent.iterdir()] == ["2026.11.0"]


def test_manifest_says_where_the_model_comes_from(published: list[Path]) -> None:
    manifest = json.loads((published[0] / "manifest.json").read_text("utf-8"))
    assert manifest["data"]["sources"]["tw-mol-126835"] == {"registration": "backfill", "declared_lag_days": 60}
    assert manifest["data"]["snapshot"].startswith("sha-256:")
    assert manifest["libraries"]["lightgbm"]


def test_private_key_is_for_its_owner_and_never_overwritten(key_file: Path) -> None:
    assert key_file.stat().st_mode & 0o077 == 0
    with pytest.raises(FileExistsError):
        new_key(key_file, key_file.parent / "public")
    assert key_id(read_key(key_file).public_key()) in load_keys(key_file.parent / "public")


def test_key_of_another_kind_is_refused(tmp_path: Path) -> None:
    other = generate_private_key(SECP256R1())
    (tmp_path / "k.pem").write_bytes(other.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    with pytest.raises(CreditError, match="want an Ed25519 key"):
        read_key(tmp_path / "k.pem")


@pytest.mark.parametrize("kept", [b"no key at all", None])
def test_publishing_looks_at_the_key_before_it_fits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], kept: bytes | None
) -> None:
    def fit(*_: object) -> None:
        raise AssertionError("fitted without a key")

    monkeypatch.setattr(commands, "measured", fit)
    file = tmp_path / "k.pem"
    if kept:
        file.write_bytes(kept)
    assert main(["publish", "--key", str(file), "--models", str(tmp_path / "models")]) == 2
    said = capsys.readouterr().err
    assert said.startswith("publish: FILE_INVALID: ")
    assert (file.name in said, len(said.splitlines())) == (True, 1)
    assert isinstance(Ed25519PrivateKey.generate(), Ed25519PrivateKey)


@pytest.mark.parametrize("path", sorted(RECIPES.glob("*.toml")), ids=lambda path: path.stem)
def test_committed_manifest_names_the_committed_recipe_and_data(path: Path) -> None:
    recipe = load_recipe(path)
    manifest = json.loads((MODELS / recipe.name / recipe.version / "manifest.json").read_text("utf-8"))
    assert manifest["recipe"] == recipe.digest
    if recipe.dataset == "tw_osh":
        data = Path(__file__).parents[2] / "training" / "data" / "tw_osh" / "events.csv.gz"
        assert manifest["data"]["snapshot"] == f"sha-256:{hashlib.sha256(data.read_bytes()).hexdigest()}"


def test_committed_table_is_what_its_recipe_makes(tmp_path: Path) -> None:
    assert main(["fit", "--recipe", "tw_osh_pd", "--out", str(tmp_path)]) == 0
    committed = MODELS / "tw_osh_pd" / "2026.11.0" / "table.json"
    assert (tmp_path / "table.json").read_bytes() == committed.read_bytes()


def test_dataset_command_writes_one_row_a_subject(tmp_path: Path, snapshot: Path) -> None:
    out = tmp_path / "set.csv"
    assert main(["dataset", "--input", str(snapshot), "--out", str(out)]) == 0
    head, *rows = out.read_text("utf-8").splitlines()
    assert head.split(",")[:2] == ["subject_id", "cutoff"]
    assert 2_000 < len(rows) < 3_500
    assert rows[0].startswith("TW-OSH:tw")


@pytest.fixture
def small_file(tmp_path: Path) -> Path:
    """Writes a recipe of seconds."""
    text = (RECIPES / "tw_osh_pd.toml").read_text("utf-8")
    text = text.replace("bootstrap = 1000", "bootstrap = 5").replace("rounds = 300", "rounds = 20")
    recipe = tmp_path / "small.toml"
    recipe.write_text(text, "utf-8")
    return recipe


def test_evaluate_command_tells_of_a_ledger_and_of_earlier_reports(
    tmp_path: Path, snapshot: Path, small_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    report, page, lines, past = (tmp_path / name for name in ("report.json", "page.html", "evaluation.prom", "past"))
    ledger = tmp_path / "events.jsonl"
    events = list(tw_osh.events(tw_osh.read(snapshot)))
    ledger.write_text("".join(json.dumps(event, ensure_ascii=False) + "\n" for event in events), "utf-8")
    past.mkdir()
    wild, model = {"psi": 9.0, "floor": 0.1}, f"tw_osh_pd/{load_recipe(small_file).version}"
    for day in ("2014-12-31", "2015-02-28"):
        told = {"as_of": day, "drift": {"score": wild, "features": {}}}
        (past / f"{day}.json").write_text(json.dumps({"model": model, "tasks": {}, "ledger": told}), "utf-8")
    given = ["--recipe", str(small_file), "--input", str(snapshot), "--out", str(report), "--page", str(page)]
    given += ["--extract", str(ledger), "--history", str(past), "--metrics", str(lines)]
    assert main(["evaluate", *given]) == 0
    found = json.loads(report.read_text("utf-8"))
    assert set(found["tasks"]) == {"tw-b", "tw-c"}
    assert set(found["ledger"]["sources"]) == {event["source"] for event in events}
    assert "overrides" not in found["ledger"]
    kinds = found["tasks"]["tw-b"]["monitoring"]["with_exposure"]["kind"]
    assert {kind: one["n"] for kind, one in kinds.items()} == {
        kind: one["n"] for kind, one in found["tasks"]["tw-b"]["monitoring"]["by_group"]["kind"].items()
    }
    assert "with size and visits" in page.read_text("utf-8")
    drift = found["ledger"]["drift"]
    assert [one["psi"] for one in drift["periods"]] == [9.0, 9.0, drift["score"]["psi"]]
    labels = f'{{model="{model}",of="ledger",value="score"}}'
    assert f"safety_credit_evaluation_drift{labels} {drift['score']['psi']:.15g}" in lines.read_text("utf-8")
    (past / "broken.json").write_text("{", "utf-8")
    lines.unlink()
    assert main(["evaluate", *given]) == 2
    assert "broken.json" in capsys.readouterr().err
    assert not lines.exists()


def test_commands_key_and_publish(
    tmp_path: Path, snapshot: Path, small_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    key, models = tmp_path / "key.pem", tmp_path / "models"
    assert main(["key", str(key), "--keys", str(models / "keys")]) == 0
    where = ["--input", str(snapshot), "--key", str(key), "--models", str(models)]
    assert main(["publish", "--recipe", str(small_file), *where]) == 0
    assert list(load_champions(models, load_keys(models / "keys"))) == ["tw_osh_pd"]
    assert '"task": "tw-b"' in capsys.readouterr().out


def a_city(recipe: Recipe) -> Recipe:
    data: dict[str, Any] = {**recipe.data, "subjects": 1_500, "test_subjects": 1_500}
    return replace(recipe, data=data, bootstrap=5, booster={**recipe.booster, "rounds": 20})


def test_simulated_model_is_made_from_two_cities_and_says_so() -> None:
    recipe = a_city(load_recipe(RECIPES / "cn_sim_pd.toml"))
    held = load_held(recipe)
    assert held.past is not held.test
    assert held.told["title"].startswith("SIMULATED")
    report = measured(recipe, held)
    card = report.made["cn-main"].scorecard
    assert {*recipe.controls, *recipe.exposure}.isdisjoint(card.feature_names)
    assert card.exposure_names == recipe.exposure == ("headcount",)
    assert report.document["tasks"]["cn-main"]["n"] > 1_000


def test_evaluate_command_makes_the_folders_of_what_it_writes(
    tmp_path: Path, snapshot: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Measuring takes minutes, and would be in vain for want of a folder."""
    monkeypatch.setattr(commands, "measured", lambda *_: None)
    monkeypatch.setattr(commands, "watched", lambda *_: {"model": "m/1", "tasks": {}})
    report, lines = tmp_path / "reports" / "new.json", tmp_path / "collector" / "evaluation.prom"
    given = ["--recipe", "tw_osh_pd", "--input", str(snapshot), "--out", str(report), "--metrics", str(lines)]
    assert main(["evaluate", *given]) == 0
    assert json.loads(report.read_text("utf-8"))["model"] == "m/1"
    assert lines.is_file()
