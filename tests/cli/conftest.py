"""The command line in process, against the real server in a process of its own with a small city in it."""

import json
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from credit_service.cli import main
from credit_service.cli.connection import Connection, read_profile
from credit_service.cli.files import placed
from credit_service.cli.importing import Importer
from tests.stories.processes import ServerProcess, server_process
from training.simulated_city.city import city

UNTIL = date(2026, 10, 31)
SUBJECTS = 60


@dataclass(frozen=True)
class Ended:
    """Holds what a command printed and how it ended."""

    code: int
    out: str
    err: str

    def json(self) -> Any:
        """Reads the one JSON value on stdout."""
        return json.loads(self.out)

    def lines(self) -> list[Any]:
        """Reads the JSON lines on stdout."""
        return [json.loads(line) for line in self.out.splitlines()]


Command = Callable[..., Ended]


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    """Runs `credit-service` with arguments and returns how it ended."""

    def run(*arguments: str) -> Ended:
        monkeypatch.setattr(sys, "argv", ["credit-service", *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
        captured = capsys.readouterr()
        code = ended.value.code
        return Ended(code if isinstance(code, int) else int(code is not None), captured.out, captured.err)

    return run


@pytest.fixture(scope="session")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """Serves an empty house; the first import test fills it."""
    with server_process(tmp_path_factory.mktemp("served")) as server:
        server.start()
        yield server


@pytest.fixture(scope="session")
def events() -> list[dict[str, Any]]:
    """Returns the events of a small simulated city."""
    return list(city(SUBJECTS, 11, UNTIL))


@pytest.fixture(scope="session")
def filled(served: ServerProcess, events: list[dict[str, Any]]) -> ServerProcess:
    """Fills the house with the city through the importer."""
    connection = Connection(read_profile(served.profile("source")))
    tally = Importer(connection, lambda _line: None, lambda _tally: None).run(placed(events))
    assert sum(tally.statuses.values()) == len(events)
    connection.channel.close()
    return served


@pytest.fixture
def as_regulator(filled: ServerProcess, monkeypatch: pytest.MonkeyPatch) -> ServerProcess:
    """Calls as the regulator by default."""
    monkeypatch.setenv("CREDIT_SERVICE_PROFILE", filled.profile("regulator"))
    return filled


@pytest.fixture
def code(events: list[dict[str, Any]]) -> str:
    """Returns the code of an enterprise of the city."""
    found: str = next(e["subject"]["code"] for e in events if e["kind"] == "PEN" and e["subject"]["scheme"] == "USCC")
    return found


@pytest.fixture
def lines_file(tmp_path: Path) -> Callable[[list[dict[str, Any]]], Path]:
    """Writes records as JSON lines."""

    def write(records: list[dict[str, Any]]) -> Path:
        path = tmp_path / "records.jsonl"
        path.write_text("".join(json.dumps(r, ensure_ascii=False) + "\n" for r in records), "utf-8")
        return path

    return write
