"""Serving from the command line: what is refused before anything is touched, and what a demo folder keeps."""

import socket
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from credit_service.certificates import VALID_DAYS
from credit_service.cli.connection import read_profile
from credit_service.cli.throwaway import ENTERPRISE, LEAST_LEFT, prepare
from credit_service.settings import Settings
from tests.cli.conftest import Command
from tests.stories.processes import ServerProcess
from training.simulate import DEFAULT_SEED, DEFAULT_SUBJECTS, DEFAULT_UNTIL, city

NOW = datetime(2026, 11, 23, 4, 0, tzinfo=UTC)


def certificates(folder: Path) -> dict[str, bytes]:
    """Reads every certificate and key of a folder."""
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.suffix in {".pem", ".key"}}


def test_second_server_on_a_taken_address_touches_nothing(command: Command, filled: ServerProcess) -> None:
    target = read_profile(filled.profile("regulator")).target
    before = certificates(filled.folder)
    ended = command("serve", "--demo", str(filled.folder), "--listen", target)
    assert ended.code == 2
    assert ended.err == f"credit-service: SETTING_INVALID: listen: got {target}, which is taken, want a free address\n"
    assert certificates(filled.folder) == before
    assert command("whoami", "--profile", filled.profile("regulator")).code == 0


@pytest.mark.parametrize(
    ("listen", "word"),
    [
        ("foo", "want HOST:PORT"),
        ("127.0.0.1:port", "want HOST:PORT"),
        ("127.0.0.1:65536", "want HOST:PORT"),
        (":50051", "want HOST:PORT"),
        ("nowhere.invalid:50051", "want the name or address of this machine"),
        ("192.0.2.1:50051", "want an address to listen on"),
    ],
)
def test_address_nobody_can_listen_on_is_refused_in_one_line(
    command: Command, tmp_path: Path, listen: str, word: str
) -> None:
    ended = command("serve", "--demo", str(tmp_path / "house"), "--listen", listen)
    assert (ended.code, len(ended.err.splitlines()), word in ended.err) == (2, 1, True)
    assert not (tmp_path / "house").exists()


def test_demo_folder_that_is_a_file_is_refused(command: Command, tmp_path: Path) -> None:
    file = tmp_path / "README.md"
    file.write_text("x", "utf-8")
    ended = command("serve", "--demo", str(file), "--listen", "127.0.0.1:0")
    # The words stand in a box, and where its lines break depends on the folder.
    assert (ended.code, "is a file" in " ".join(ended.err.replace("│", " ").split())) == (2, True)


def test_certificates_in_force_are_used_again(tmp_path: Path) -> None:
    prepare(Settings(), tmp_path, NOW)
    before = certificates(tmp_path)
    prepare(Settings(), tmp_path, NOW + timedelta(days=VALID_DAYS) - LEAST_LEFT - timedelta(seconds=1))
    assert certificates(tmp_path) == before


@pytest.mark.parametrize("spoil", ["old", "early", "lost", "foreign", "torn", "rebound"])
def test_certificates_that_would_not_serve_are_all_made_anew(tmp_path: Path, spoil: str) -> None:
    prepare(Settings(), tmp_path, NOW)
    before, now, enterprise = certificates(tmp_path), NOW, ""
    if spoil == "old":
        now += timedelta(days=VALID_DAYS) - LEAST_LEFT
    elif spoil == "early":
        now -= timedelta(days=2)
    elif spoil == "lost":
        (tmp_path / "agency.key").unlink()
    elif spoil == "foreign":
        prepare(Settings(), tmp_path / "other", NOW)
        for name in ("insurer.pem", "insurer.key"):
            (tmp_path / name).write_bytes((tmp_path / "other" / name).read_bytes())
    elif spoil == "torn":
        (tmp_path / "server.key").write_bytes(before["agency.key"])
    else:
        enterprise = "91350100M000100Y43"
    made = prepare(Settings(), tmp_path, now, enterprise)
    after = certificates(tmp_path)
    assert after["person.key"] == before["person.key"]
    assert {name for name in before if before[name] == after[name]} == {"person.key"}
    assert made == replace(made, client_ca_file=str(tmp_path / "ca.pem"))


def test_enterprise_of_the_demo_is_chosen_and_stays_chosen(command: Command, tmp_path: Path) -> None:
    def served_for(*options: str) -> str:
        assert command("serve", "--demo", str(tmp_path), "--print-settings", *options).code == 0
        return (tmp_path / "enterprise.txt").read_text("utf-8").strip()

    assert served_for() == ENTERPRISE
    assert served_for("--enterprise", "91350100M000100Y43") == "USCC:91350100M000100Y43"
    assert served_for() == "USCC:91350100M000100Y43"
    assert served_for("--enterprise", ENTERPRISE) == ENTERPRISE
    refused = command("serve", "--demo", str(tmp_path), "--print-settings", "--enterprise", "91350100M000100Y44")
    assert (refused.code, "CHECK_DIGIT" in refused.err) == (2, True)
    alone = command("serve", "--print-settings", "--enterprise", ENTERPRISE)
    assert (alone.code, "without --demo" in alone.err) == (2, True)


def test_enterprise_of_the_demo_lives_in_the_city_that_the_readme_draws() -> None:
    subjects = (event["subject"] for event in city(DEFAULT_SUBJECTS, DEFAULT_SEED, DEFAULT_UNTIL))
    assert ENTERPRISE in (f"{subject['scheme']}:{subject['code']}" for subject in subjects)


def test_address_is_tried_before_the_certificates_are_asked_for(command: Command) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        ended = command("serve", "--listen", f"127.0.0.1:{port}")
    assert (ended.code, "taken" in ended.err) == (2, True)
    assert "certificate_file" in command("serve", "--listen", f"127.0.0.1:{port}").err
