"""A shadow beside the champion: from the ledger by an extract, by the service's own judgement, and never as a grade."""

import csv
import json
import os
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from credit_service.api.house import House
from credit_service.cli import main as service
from credit_service.grades.artefact import golden_text, key_id, load, load_champions, load_keys
from credit_service.ledger.fact import Fact
from credit_service.ledger.sources import Source
from credit_service.legal_days import day_start, day_text, parse_day
from credit_service.rulebook.edition import SHIPPED, load_edition
from credit_service.rulebook.law import Edition
from tests.cli.conftest import Command, command  # noqa: F401  # a fixture
from tests.grades.conftest import MODELS, champion
from tests.grades.test_artefact import KEY, changed, seal
from tests.training.test_parity import UNTIL, at, house, records  # noqa: F401  # fixtures
from training.__main__ import main
from training.data import gather, known_day
from training.extract import Extract, graded, read_extract
from training.publish import json_text
from training.registry import Act, promote
from training.shadow import compared, named

NAME, SHADOW = "cn_sim_pd", "2026.12.0"
CHAMPION = champion(NAME)
LAST = UNTIL.toordinal()
# A year and its maturity before the last day of the records.
PAST = parse_day("2024-12-31")
LOWER = 16


@pytest.fixture(scope="module")
def edition() -> Edition:
    return load_edition(SHIPPED / "cn-2026-04.toml")


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The shipped models and a shadow, signed by a key of the test, that gives everybody sixteen points less."""
    folder = Path(shutil.copytree(MODELS, tmp_path_factory.mktemp("shadow") / "models"))
    made = Path(shutil.copytree(folder / NAME / CHAMPION, folder / NAME / SHADOW))
    card = load(made, load_keys(MODELS / "keys")).scorecard
    lower = replace(card, base_points=card.base_points - LOWER)
    changed("table.json", lambda table: table.__setitem__("base_points", lower.base_points))(made)
    rows = list(csv.reader((made / "golden.csv").read_text("utf-8").splitlines()))[1:]
    matrix = np.array([[float(v) for v in row[: len(card.columns)]] for row in rows])
    (made / "golden.csv").write_text(golden_text(lower, matrix), "utf-8")
    seal(made, version=SHADOW)
    write_key(folder / "keys")
    promote(folder, NAME, SHADOW, "shadow", Act("bureau/officer-1", LAST, "试运行"))
    return folder


def write_key(keys: Path) -> None:
    public = KEY.public_key()
    (keys / f"{key_id(public)}.pub").write_bytes(public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))


@pytest.fixture(scope="module")
def folder(house: House, tmp_path_factory: pytest.TempPathFactory) -> Path:  # noqa: F811
    """An extract of the ledger, by the operator's command."""
    path = tmp_path_factory.mktemp("extract") / "made"
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("sys.argv", ["credit-service", "extract", str(path), "--url", str(house.database.engine.url)])
        with pytest.raises(SystemExit) as ended:
            service()
    assert not ended.value.code
    return path


@pytest.fixture(scope="module")
def extract(folder: Path, edition: Edition) -> Extract:
    return read_extract(folder, edition)


def told(population: Any, place: int) -> list[tuple[str, ...]]:
    """Returns what training may learn of one subject, but for the numbers of events and what they say."""
    told_of = [n for n, name in enumerate(Fact._fields) if name not in ("event_id", "payload")]
    pairs = zip(population.facts[place], population.superseded[place], strict=True)
    return sorted((*(str(fact[n]) for n in told_of), str(until)) for fact, until in pairs)


def test_extract_tells_what_was_sent(extract: Extract, records: list[dict[str, Any]]) -> None:  # noqa: F811
    sent, got = gather(records, extract.sources), extract.held.population
    places = [n for n, kind in enumerate(sent.kinds) if kind != "PERSON"]
    assert [sent.subject_ids[n] for n in places] == list(got.subject_ids)
    assert len(places) > 300
    compared_facts = 0
    for place, n in enumerate(places):
        assert told(got, place) == told(sent, n)
        payloads = {(fact.record_id, fact.version): fact.payload for fact in got.facts[place]}
        for fact in sent.facts[n]:
            # The ledger adds the level of an accident that follows from its counts.
            wanted = {name: value for name, value in fact.payload.items() if name != "name"}
            assert payloads[fact.record_id, fact.version].items() >= wanted.items()
            compared_facts += 1
    assert compared_facts > 2_000


def test_extract_holds_no_names_and_no_persons_and_is_its_owners(folder: Path, records: list[dict[str, Any]]) -> None:  # noqa: F811
    lines = [json.loads(line) for line in (folder / "events.jsonl").read_text("utf-8").splitlines()]
    assert {line["subject"]["scheme"] for line in lines} == {"USCC"}
    text = (folder / "events.jsonl").read_text("utf-8")
    names = {record["subject"]["name"] for record in records if "name" in record["subject"]}
    assert len(names) > 300
    assert not [name for name in names if name in text]
    assert sorted(path.name for path in folder.iterdir()) == ["events.jsonl", "overrides.jsonl", "sources.jsonl"]
    assert {oct(os.stat(path).st_mode & 0o777) for path in folder.iterdir()} == {"0o600"}
    assert {"sim-city-em", "sim-city-fire"} <= {
        json.loads(line)["source"] for line in (folder / "sources.jsonl").read_text("utf-8").splitlines()
    }


def test_extract_never_writes_into_a_folder_that_is_there(
    house: House,  # noqa: F811
    folder: Path,
    command: Command,  # noqa: F811
) -> None:
    ended = command("extract", str(folder), "--url", str(house.database.engine.url))
    assert (ended.code, "want a new one" in ended.err) == (2, True)


def test_live_source_is_known_from_its_receipt_and_backfill_from_its_publication() -> None:
    event = {
        "occur_time": day_start(LAST - 50).isoformat(), "source_publish_time": day_start(LAST - 40).isoformat(),
        "collect_time": day_start(LAST - 9).isoformat(),
    }  # fmt: skip
    live = Source("s", "USCC", "live", 0, "源", "source", None)
    assert known_day(event, live) == LAST - 9
    assert known_day(event, replace(live, registration="backfill")) == LAST - 40
    assert known_day({**event, "collect_time": day_start(LAST - 60).isoformat()}, live) == LAST - 50


def test_champion_gives_in_training_the_grades_of_the_service(
    extract: Extract,
    house: House,  # noqa: F811
    edition: Edition,
) -> None:
    champion = load_champions(MODELS, load_keys(MODELS / "keys"))[NAME]
    found = graded(extract, edition, champion.scorecard, LAST)
    ids = [extract.held.subject_ids[n] for n in found]
    with house.database.reading() as session:
        service = house.assessor.grades(session, ids, at(LAST), at(LAST))
    for mine, theirs in zip(found.values(), service, strict=True):
        assert (mine.subject_id, mine.grade, mine.score) == (theirs.subject_id, theirs.grade, theirs.score)
    assert {"A", "B", "PENDING"} <= {one.grade for one in found.values()}


def test_shadow_is_compared_and_its_moves_are_counted(models: Path, extract: Extract) -> None:
    report = compared(*named(models, NAME, "shadow"), extract, LAST)
    assert (report["champion"], report["shadow"]) == (f"{NAME}/{CHAMPION}", f"{NAME}/{SHADOW}")
    assert report["n"] + report["not_scored"] == len([k for k in extract.held.kinds if k != "PERSON"])
    score = report["score"]
    assert (score["mean_difference"], score["difference_5_50_95"]) == (-LOWER, [-LOWER] * 3)
    assert score["rank_correlation"] == pytest.approx(1)
    assert score["psi"] > 0
    matrix = report["migration"]["matrix"]
    worse = sum(matrix[a][b] for a in "ABCD" for b in "ABCD" if b > a)
    assert 0 < worse == sum(one["worse"] for one in report["moved"]["size"].values())
    assert sum(one["better"] for way in report["moved"].values() for one in way.values()) == 0
    assert sum(one["n"] for one in report["moved"]["industry"].values()) == report["n"]
    assert "matures on 2028-07-31" in report["outcomes"]["reason"]


def test_what_came_true_is_compared_in_pairs(models: Path, extract: Extract) -> None:
    found = compared(*named(models, NAME, "shadow"), extract, PAST)["outcomes"]
    assert 0 < found["positives"] < found["n"]
    assert found["auc"]["champion"] == found["auc"]["shadow"] > 0.5, "a shift moves no rank"
    assert found["auc"]["ci"] == [0.0, 0.0]
    ratio = found["observed_to_expected"]
    assert ratio["champion"] > ratio["shadow"], "fewer points expect more harm"
    assert found["brier"]["difference"] == pytest.approx(found["brier"]["shadow"] - found["brier"]["champion"])
    assert found["is_out_of_time"] == {f"{NAME}/{CHAMPION}": False, f"{NAME}/{SHADOW}": False}
    assert all(pair["champion"] < pair["shadow"] for pair in found["pairs"])


def test_command_writes_the_report_and_names_a_missing_alias(
    models: Path, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = ["--extract", str(folder), "--as-of", day_text(LAST), "--models", str(models)]
    assert main(["shadow", NAME, *given, "--out", str(tmp_path / "report.json")]) == 0
    report = json.loads((tmp_path / "report.json").read_text("utf-8"))
    assert (tmp_path / "report.json").read_text("utf-8") == json_text(report)
    assert report["shadow"] == f"{NAME}/{SHADOW}"
    assert main(["shadow", "tw_osh_pd", *given, "--alias", "challenger"]) == 2
    assert "got no challenger of tw_osh_pd" in capsys.readouterr().err


def test_server_never_loads_a_shadow(models: Path) -> None:
    found = load_champions(models, load_keys(models / "keys"))
    assert found[NAME].scorecard.model_id == f"{NAME}/{CHAMPION}"
