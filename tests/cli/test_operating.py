"""Operating from the command line: migrate, verify, doctor, settings, watch."""

import json
import re
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace

import pytest
from sqlalchemy import text

from credit_service import migrations
from credit_service.cli.throwaway import prepare
from credit_service.database import Database
from credit_service.ledger.figures import LAYOUT
from credit_service.ledger.timelines import Timeline
from credit_service.settings import Settings
from tests.cli.conftest import Command
from tests.grades.conftest import champion
from tests.stories.processes import ServerProcess
from tests.test_server import seal_somebody


def test_migrate_names_what_runs_and_runs_it_once(command: Command, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'new.db'}"
    assert command("migrate", "--url", url, "--dry-run", "--json").json()["migrations"] == [
        "ledger/0001",
        "ledger/0002",
        "ledger/0003",
        "ledger/0004",
        "ledger/0005",
        "ledger/0006",
        "ledger/0007",
        "ledger/0008",
        "ledger/0009",
        "ledger/0010",
        "ledger/0011",
        "ledger/0012",
        "audit/0001",
    ]
    assert command("migrate", "--url", url, "--json").json()["migrations"] == [
        "ledger/0001",
        "ledger/0002",
        "ledger/0003",
        "ledger/0004",
        "ledger/0005",
        "ledger/0006",
        "ledger/0007",
        "ledger/0008",
        "ledger/0009",
        "ledger/0010",
        "ledger/0011",
        "ledger/0012",
        "audit/0001",
    ]
    assert "nothing" in command("migrate", "--url", url).err


def test_verify_ledger_tells_head_and_root(command: Command, filled: ServerProcess) -> None:
    url = f"sqlite:///{filled.folder / 'credit.db'}"
    facts = command("verify-ledger", "--url", url, "--json").json()
    assert facts["verified"] is True
    assert (len(facts["head"]), facts["algorithm"]) == (64, "SHA-256")
    said = command("verify-ledger", "--url", url).err
    assert "the chain holds" in said
    assert re.search(r"^query records: \d+, sound$", said, re.MULTILINE)


BREAK = {
    "credit.db": "UPDATE ledger_head SET position = 3",
    "credit.audit.db": "INSERT INTO query_record VALUES (7,'s',0,'a','r',NULL,'p','m','o','q',x'00')",
}


@pytest.mark.parametrize(
    ("names", "told"),
    [
        (["credit.db"], ["ledger: the first broken link is event 1; 0 events", "query records: 0, sound"]),
        (["credit.audit.db"], ["ledger: 0 events, sound", "query records: the first broken link is query record 1"]),
        (list(BREAK), ["ledger: the first broken link is event 1", "the first broken link is query record 1"]),
    ],
    ids=["ledger", "queries", "both"],
)
def test_verify_ledger_names_the_first_broken_link_of_each_chain(
    command: Command, tmp_path: Path, names: list[str], told: list[str]
) -> None:
    url = f"sqlite:///{tmp_path / 'credit.db'}"
    migrations.upgrade(url, f"sqlite:///{tmp_path / 'credit.audit.db'}")
    for name in names:
        database = Database(f"sqlite:///{tmp_path / name}")
        with database.transaction() as session:
            session.execute(text(BREAK[name]))
        database.close()
    ended = command("verify-ledger", "--url", url)
    assert ended.code == 1
    assert [words in ended.err for words in told] == [True, True]
    assert ended.err.count("CHAIN_BROKEN") == len(names)


def test_verify_ledger_names_a_subject_whose_packed_facts_were_changed(command: Command, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'credit.db'}"
    migrations.upgrade(url, f"sqlite:///{tmp_path / 'credit.audit.db'}")
    database = Database(url)
    with database.transaction() as session:
        columns = ", ".join(column.name for column in Timeline.__table__.columns)  # type: ignore[attr-defined]  # SQLModel's type hides it
        values = ", ".join(["'USCC:X'", "1", str(LAYOUT), *["x'5b5d'"] * (columns.count(",") - 2)])
        session.execute(text(f"INSERT INTO timeline ({columns}) VALUES ({values})"))
    database.close()
    ended = command("verify-ledger", "--url", url)
    assert (ended.code, "tells other facts than the ledger is that of USCC:X" in ended.err) == (1, True)
    assert command("verify-ledger", "--url", url, "--json").json()["untrue_timeline"] == "USCC:X"


def test_verify_ledger_never_makes_a_database(command: Command, tmp_path: Path) -> None:
    ended = command("verify-ledger", "--url", f"sqlite:///{tmp_path / 'nosuch.db'}")
    assert (ended.code, len(ended.err.splitlines())) == (2, 1)
    assert "CREDIT_SERVICE_DATABASE_URL" in ended.err
    assert list(tmp_path.iterdir()) == []


def test_verify_ledger_of_a_file_without_tables_asks_to_migrate(command: Command, tmp_path: Path) -> None:
    (tmp_path / "empty.db").touch()
    ended = command("verify-ledger", "--url", f"sqlite:///{tmp_path / 'empty.db'}")
    assert (ended.code, "run `credit-service migrate`" in ended.err, len(ended.err.splitlines())) == (1, True, 1)


NOBODY = "postgresql://clerk:secret@127.0.0.1:1/credit"


@pytest.mark.parametrize("arguments", [("verify-ledger", "--url", NOBODY), ("migrate", "--url", NOBODY)])
def test_database_that_does_not_answer_is_one_line(command: Command, arguments: tuple[str, ...]) -> None:
    ended = command(*arguments)
    assert (ended.code, len(ended.err.splitlines())) == (4, 1)
    assert "UNREACHABLE: database" in ended.err
    assert "secret" not in ended.err


@pytest.mark.parametrize("url", [NOBODY, "sqlite:///nosuch.db"])
def test_doctor_tells_causes_and_no_class_names(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, url: str
) -> None:
    monkeypatch.setenv("CREDIT_SERVICE_DATABASE_URL", url.replace("nosuch", str(tmp_path / "nosuch")))
    ended = command("doctor", "--json")
    failed = {line["what"]: line["found"] for line in ended.lines() if line["state"] == "fail"}
    assert ended.code == 1
    assert "ledger" in failed
    assert not any("Error" in found or "secret" in found for found in failed.values())
    assert list(tmp_path.iterdir()) == []


def test_doctor_says_what_to_do(command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CREDIT_SERVICE_DATABASE_URL", f"sqlite:///{tmp_path / 'none.db'}")
    ended = command("doctor", "--json")
    found = {line["what"]: line for line in ended.lines()}
    assert ended.code == 1
    assert found["migrations"]["state"] == "fail"
    assert "migrate" in found["migrations"]["remedy"]
    assert found["models"]["state"] == "ok"
    assert not (tmp_path / "none.db").exists()


def test_doctor_is_content_with_a_served_house(
    command: Command, filled: ServerProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, file in (
        ("CERTIFICATE_FILE", "server.pem"),
        ("CLIENT_CA_FILE", "ca.pem"),
        ("PERSON_KEY_FILE", "person.key"),
    ):
        monkeypatch.setenv(f"CREDIT_SERVICE_{name}", str(filled.folder / file))
    monkeypatch.setenv("CREDIT_SERVICE_DATABASE_URL", f"sqlite:///{filled.folder / 'credit.db'}")
    ended = command("doctor", "--json")
    assert ended.code == 0
    assert {line["state"] for line in ended.lines()} <= {"ok", "warn"}
    assert "valid until" in command("doctor").out


@pytest.fixture
def house(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Makes a house that could be served, and names it in the environment."""
    settings = prepare(Settings(), tmp_path, datetime.now(UTC))
    for name in ("database_url", "certificate_file", "key_file", "client_ca_file", "person_key_file"):
        monkeypatch.setenv(f"CREDIT_SERVICE_{name.upper()}", getattr(settings, name))
    return settings


def failing(command: Command) -> dict[str, str]:
    """Returns what the doctor finds broken, with its words."""
    ended = command("doctor", "--json")
    found = {line["what"]: line["found"] for line in ended.lines() if line["state"] == "fail"}
    assert ended.code == int(bool(found))
    return found


def test_doctor_notices_another_key_for_persons(command: Command, house: Settings) -> None:
    assert failing(command) == {}
    seal_somebody(house)
    assert failing(command) == {}
    Path(house.person_key_file).write_text("cd" * 32, "ascii")
    assert failing(command)["person_key_file"].startswith("person_key_file: got another key")
    Path(house.person_key_file).write_text("cd", "ascii")
    assert "32 bytes" in failing(command)["person_key_file"]


def test_doctor_notices_a_key_that_is_not_the_certificates(
    command: Command, house: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = Path(house.key_file).with_name("regulator.key")
    monkeypatch.setenv("CREDIT_SERVICE_KEY_FILE", str(other))
    assert failing(command)["key_file"].startswith(f"key_file: got {other}")
    Path(house.certificate_file).write_text("no certificate", "ascii")
    assert set(failing(command)) == {"certificate_file", "key_file"}


def test_doctor_names_the_model_that_is_damaged(
    command: Command, house: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = shutil.copytree("models", tmp_path / "models")
    monkeypatch.setenv("CREDIT_SERVICE_MODELS_DIR", str(folder))
    table = folder / "cn_sim_pd" / champion("cn_sim_pd") / "table.json"
    table.write_text(table.read_text("utf-8").replace("1", "2", 1), "utf-8")
    ended = command("doctor", "--json")
    models = [(line["state"], line["found"]) for line in ended.lines() if line["what"] == "models"]
    assert ended.code == 1
    assert models[0] == ("fail", "cn_sim_pd: table.json: got another content, want the signed content")
    assert (models[1][0], "tw_osh_pd/" in models[1][1], "cn_sim_pd" in models[1][1]) == ("ok", True, False)


def test_regrade_without_a_model_says_whose_grades_stay_as_they_are(
    command: Command, house: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sound = command("regrade", "--processes", "1", "--json")
    assert (sound.code, sound.json()["missing_models"]) == (0, [])
    assert "nobody to grade" in command("regrade", "--processes", "1").err
    folder = shutil.copytree("models", tmp_path / "models")
    monkeypatch.setenv("CREDIT_SERVICE_MODELS_DIR", str(folder))
    (folder / "cn_sim_pd" / champion("cn_sim_pd") / "table.json").unlink()
    ended = command("regrade", "--processes", "1")
    assert ended.code == 1
    assert "no grades of cn-2026-04: its model cn_sim_pd is missing or damaged; `credit-service doctor`" in ended.err
    assert "tw_osh_pd" not in ended.err


@pytest.mark.parametrize(("free", "state"), [(63, "fail"), (1000, "warn"), (2000, "ok")])
def test_doctor_looks_for_room(
    command: Command, house: Settings, monkeypatch: pytest.MonkeyPatch, free: int, state: str
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _folder: SimpleNamespace(free=free << 20))
    found = [line for line in command("doctor", "--json").lines() if line["what"] == "disk"]
    assert [(line["state"], line["found"].partition(" in ")[0]) for line in found] == [(state, f"{free} MB free")]


def test_file_that_is_no_database_is_one_line_with_advice(command: Command, tmp_path: Path) -> None:
    (tmp_path / "noise.db").write_bytes(b"noise" * 1000)
    ended = command("verify-ledger", "--url", f"sqlite:///{tmp_path / 'noise.db'}")
    assert (ended.code, len(ended.err.splitlines())) == (1, 1)
    assert "file is not a database" in ended.err
    assert "restore a backup" in ended.err


def test_settings_are_printed_with_secrets_masked(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CREDIT_SERVICE_DATABASE_URL", "postgresql://clerk:secret@host/credit")
    ended = command("serve", "--print-settings")
    assert ended.json()["database_url"] == "postgresql://clerk:***@host/credit"
    assert "secret" not in ended.out + ended.err


def test_serving_without_certificates_is_refused_with_a_sentence(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CREDIT_SERVICE_DATABASE_URL", f"sqlite:///{tmp_path / 'none.db'}")
    ended = command("serve", "--listen", "127.0.0.1:0")
    assert (ended.code, "certificate_file: got nothing, want a file" in ended.err) == (2, True)


def test_watch_prints_the_snapshot_and_keeps_its_place(filled: ServerProcess, tmp_path: Path) -> None:
    token = tmp_path / "token"
    command = [
        sys.executable, "-m", "credit_service", "watch", "--token", str(token), "--profile", filled.profile("agency"),
        "--heartbeats",
    ]  # fmt: skip
    watching = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert watching.stdout is not None
    kinds = []
    for line in watching.stdout:
        kinds.append(next(iter(json.loads(line))))
        if kinds[-1] == "heartbeat":
            break
    watching.kill()
    watching.communicate()
    assert kinds[0] == "snapshot"
    assert token.read_text("utf-8")


def test_regrade_says_once_a_run_which_model_is_damaged(
    filled: ServerProcess, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many processes judge, and each of them opens the models."""
    for name in ("credit.db", "credit.audit.db"):
        with closing(sqlite3.connect(filled.folder / name)) as served, closing(sqlite3.connect(tmp_path / name)) as own:
            served.backup(own)
    folder = Path(shutil.copytree("models", tmp_path / "models"))
    (folder / "cn_sim_pd" / champion("cn_sim_pd") / "table.json").unlink()
    monkeypatch.setenv("CREDIT_SERVICE_MODELS_DIR", str(folder))
    url = f"sqlite:///{tmp_path / 'credit.db'}"
    command = [sys.executable, "-m", "credit_service", "regrade", "--all", "--processes", "2", "--url", url]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert (done.returncode, "subjects looked at" in done.stderr) == (1, True), done.stderr
    assert (done.stderr.count("model refused"), done.stderr.count('"model missing"'), done.stdout) == (1, 3, "")
    assert done.stderr.count("no grades of cn-2026-04") == 1
