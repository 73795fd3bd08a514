"""kill -9 at any moment of an import: every acknowledged event is there once, and the chain holds."""

import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterable
from contextlib import suppress
from datetime import date
from pathlib import Path
from random import Random
from typing import Any

import grpc
import pytest

from credit_service.cli.connection import Connection, read_profile
from credit_service.cli.files import placed
from credit_service.cli.importing import Importer, Tally
from credit_service.database import Database
from credit_service.grades.tables import grade_counts
from credit_service.ledger.verify import Verified, verify
from tests.conftest import fresh_database
from tests.stories.processes import ServerProcess, server_process
from training.simulated_city.city import city

UNTIL = date(2026, 10, 31)
SUBJECTS = 120
KILLS = {"sqlite": 8, "postgresql": 4}


def records() -> list[dict[str, Any]]:
    """Returns the events of a small city, in the order of their source."""
    return list(city(SUBJECTS, 7, UNTIL))


def import_from(server: ServerProcess, given: Iterable[dict[str, Any]], tally: Tally) -> Tally:
    """Imports on one connection; the tally counts what was acknowledged, also when the stream breaks."""
    connection = Connection(read_profile(server.profile("source")))
    importer = Importer(connection, lambda _line: None, lambda _tally: None)
    importer.tally = tally
    try:
        return importer.run(placed(given))
    finally:
        connection.channel.close()


def looked_at(url: str) -> tuple[Verified, dict[str, int]]:
    """Verifies a stopped server's ledger and counts its grades."""
    database = Database(url)
    with database.reading() as session:
        found = verify(session), grade_counts(session)
    database.close()
    return found


def undisturbed(folder: Path) -> tuple[Verified, dict[str, int]]:
    """Imports without any fault on SQLite."""
    folder.mkdir()
    with server_process(folder) as server:
        server.start()
        import_from(server, records(), Tally())
        assert server.stop() == 0
    return looked_at(f"sqlite:///{folder / 'credit.db'}")


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory) -> tuple[Verified, dict[str, int]]:
    """Holds what an undisturbed import leaves."""
    return undisturbed(tmp_path_factory.mktemp("crash") / "undisturbed")


@pytest.mark.timeout(300)
@pytest.mark.parametrize("dialect", ["sqlite", "postgresql"])
def test_killed_imports_end_like_an_undisturbed_one(
    request: pytest.FixtureRequest, tmp_path: Path, dialect: str, expected: tuple[Verified, dict[str, int]]
) -> None:
    given, chance = records(), Random(f"crash {dialect}")  # seeded faults, not secrets
    with fresh_database(request, dialect, tmp_path) as url:
        environment = {"CREDIT_SERVICE_DATABASE_URL": url}
        environment |= {"CREDIT_SERVICE_AUDIT_URL": url} if dialect == "postgresql" else {}
        with server_process(tmp_path, **environment) as server:
            acknowledged = Tally()
            for _ in range(KILLS[dialect]):
                server.start()
                killer = threading.Timer(chance.uniform(0.02, 0.8), server.kill)
                killer.start()
                with suppress(grpc.RpcError):
                    acknowledged = import_from(server, given[acknowledged.submitted :], acknowledged)
                killer.join()
            server.start()
            acknowledged = import_from(server, given[acknowledged.submitted :], acknowledged)
            again = import_from(server, given, Tally())
            assert server.stop() == 0
        verified, grades = looked_at(url)
    assert acknowledged.submitted == len(given)
    assert again.statuses == {"DUPLICATE": len(given)}
    assert verified.broken_position is None
    assert (verified.events, verified.content_root) == (expected[0].events, expected[0].content_root)
    assert grades == expected[1]


@pytest.mark.timeout(120)
def test_killed_importer_resumes_where_the_report_says(tmp_path: Path) -> None:
    lines = tmp_path / "city.jsonl"
    lines.write_text("".join(json.dumps(r, ensure_ascii=False) + "\n" for r in records()), "utf-8")
    with server_process(tmp_path) as server:
        server.start()
        command = [
            sys.executable,
            "-m",
            "credit_service",
            "import",
            str(lines),
            "--profile",
            server.profile("source"),
            "--json",
        ]
        first = subprocess.Popen(command, stdout=subprocess.PIPE)
        state = tmp_path / "city.jsonl.report.jsonl.state"
        limit = time.monotonic() + 30
        while not state.is_file() and first.poll() is None and time.monotonic() < limit:
            time.sleep(0.005)
        first.kill()
        first.communicate()
        ended = subprocess.run(command, capture_output=True, text=True, check=True)
        assert server.stop() == 0
    counted = json.loads(ended.stdout)
    assert counted["submitted"] == len(records())
    assert sum(counted["statuses"].values()) == len(records())
    assert looked_at(f"sqlite:///{tmp_path / 'credit.db'}")[0].events == len(records())
