"""How commands end: one line for people, one exit code for scripts, whatever went wrong."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import grpc
import pytest
from sqlalchemy.exc import ArgumentError, OperationalError

from credit_service.api.status import DETAILS_KEY, STATUS, details
from credit_service.cli import throwaway
from credit_service.cli.connection import EXIT_FAILED, EXIT_REFUSED, EXIT_UNREACHABLE, EXIT_USAGE
from credit_service.cli.ending import ending_of
from credit_service.errors import CreditError, Reason
from tests.cli.conftest import Command
from tests.house.tree import text
from tests.stories.processes import ServerProcess


class Refusal(grpc.RpcError):
    """Is what a refused call raises."""

    def __init__(self, status: grpc.StatusCode) -> None:
        self.status = status

    def code(self) -> grpc.StatusCode:
        return self.status

    def details(self) -> str:
        return "told\nin two lines"

    def trailing_metadata(self) -> tuple[Any, ...]:
        return ()


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (CreditError(Reason.SETTING_INVALID, "x"), EXIT_USAGE),
        (CreditError(Reason.FILE_INVALID, "x"), EXIT_USAGE),
        (CreditError(Reason.SOURCE_UNKNOWN, "x"), EXIT_USAGE),
        (CreditError(Reason.MIGRATION_NEEDED, "x"), EXIT_FAILED),
        (CreditError(Reason.CHAIN_BROKEN, "x"), EXIT_FAILED),
        (Refusal(grpc.StatusCode.UNAVAILABLE), EXIT_UNREACHABLE),
        (Refusal(grpc.StatusCode.DEADLINE_EXCEEDED), EXIT_UNREACHABLE),
        (Refusal(grpc.StatusCode.INTERNAL), EXIT_FAILED),
        (Refusal(grpc.StatusCode.PERMISSION_DENIED), EXIT_REFUSED),
        (Refusal(grpc.StatusCode.INVALID_ARGUMENT), EXIT_REFUSED),
        (OperationalError("SELECT 1", {}, Exception("connection\nrefused")), EXIT_UNREACHABLE),
        (ArgumentError("no address"), EXIT_USAGE),
        (RuntimeError("one\ntwo"), EXIT_FAILED),
        (FileNotFoundError(2, "No such file", "/none/x.zip"), EXIT_USAGE),
        (OSError("nothing of a file"), EXIT_FAILED),
    ],
)
def test_every_failure_is_one_line_and_one_code(error: Exception, code: int) -> None:
    line, ended = ending_of(error)
    assert ended == code
    assert line
    assert "\n" not in line
    assert "Errno" not in line
    assert "SELECT" not in line


class Told(Refusal):
    """Is a refusal with its reason and facts, as the service sends them."""

    def __init__(self, error: CreditError) -> None:
        super().__init__(STATUS[error.reason][0])
        self.error = error

    def details(self) -> str:
        return self.error.message

    def trailing_metadata(self) -> tuple[Any, ...]:
        return ((DETAILS_KEY, details(self.error)),)


def test_refusal_says_nothing_twice_and_what_can_be_done() -> None:
    error = CreditError(Reason.MOVE_ILLEGAL, "move: got FILE, want 2027-06-01", move="FILE", guard="TERM")
    assert ending_of(Told(error)) == ("MOVE_ILLEGAL: move: got FILE, want 2027-06-01 (guard=TERM)", EXIT_REFUSED)
    line, _ = ending_of(Told(CreditError(Reason.PURPOSE_REQUIRED, "x-purpose: got nothing")))
    assert line.endswith("; say it with --purpose, or in the profile")
    line, _ = ending_of(Told(CreditError(Reason.MODEL_NOT_FOUND, "model: got none, want m")))
    assert line.endswith("; `credit-service doctor` on the server tells whether a model is missing or damaged")


def test_readme_lists_the_exit_codes() -> None:
    for code, words in ((0, "ok"), (1, "failed"), (2, "usage"), (3, "refused by a rule"), (4, "unreachable")):
        assert f"| {code} {words} |" in text("README.md")


@pytest.mark.parametrize("level", ["info", "debug"])
def test_fault_nobody_thought_of_is_a_line_and_a_traceback_on_demand(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, level: str
) -> None:
    monkeypatch.setenv("CREDIT_SERVICE_LOG_LEVEL", level)

    def fail(*_: object) -> None:
        raise ZeroDivisionError("nobody thought of it")

    monkeypatch.setattr(throwaway, "prepare", fail)
    ended = command("serve", "--demo", str(tmp_path / "house"), "--listen", "127.0.0.1:0")
    assert ended.code == 1
    assert "ZeroDivisionError: nobody thought of it (" in ended.err.splitlines()[-1]
    assert ("Traceback" in ended.err) == (level == "debug")


@pytest.mark.parametrize(
    ("content", "word"),
    [
        ("", "not JSON"),
        ("[]", "not an object"),
        ('{"target": "x"}', "no ca, certificate, key"),
        ('{"target": "x", "ca": "a", "certificate": "b", "key": "c", "colour": "d"}', "the unknown colour"),
        ('{"target": "x", "ca": "a", "certificate": "b", "key": 3}', "not text for key"),
        ('{"target": "x", "ca": "nofile", "certificate": "b", "key": "c"}', "no file nofile"),
        (b"\xff", "not UTF-8"),
    ],
)
def test_wrong_profile_is_told_in_words(command: Command, tmp_path: Path, content: str | bytes, word: str) -> None:
    file = tmp_path / "p.json"
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    ended = command("grade", "X", "--profile", str(file))
    assert (ended.code, len(ended.err.splitlines())) == (2, 1)
    assert word in ended.err
    assert not any(leak in ended.err for leak in ("Errno", "Expecting", "__init__", "argument", "codec"))


def test_profile_that_is_missing_or_a_folder_is_told_in_words(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CREDIT_SERVICE_PROFILE", raising=False)
    for arguments, word in (
        ((), "want --profile FILE"),
        (("--profile", str(tmp_path)), "the folder"),
        (("--profile", str(tmp_path / "none.json")), "is not there"),
    ):
        ended = command("whoami", *arguments)
        assert (ended.code, word in ended.err, "Errno" in ended.err) == (2, True, False)


def test_token_that_is_a_folder_is_refused(command: Command, as_regulator: ServerProcess, tmp_path: Path) -> None:
    ended = command("watch", "--token", str(tmp_path))
    assert (ended.code, "the folder" in ended.err, len(ended.err.splitlines())) == (2, True, 1)


@pytest.mark.parametrize("arguments", [("watch",), ("rulebook", "show", "--json"), ("rulebook", "show")])
def test_reader_who_has_read_enough_is_no_failure(filled: ServerProcess, arguments: tuple[str, ...]) -> None:
    environment = {**os.environ, "CREDIT_SERVICE_PROFILE": filled.profile("regulator")}
    command = [sys.executable, "-m", "credit_service", *arguments]
    running = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment)
    assert running.stdout is not None
    assert running.stderr is not None
    running.stdout.close()
    said = running.stderr.read().decode()
    running.stderr.close()
    assert (running.wait(60), "Traceback" in said, "BrokenPipe" in said) == (0, False, False), said
