"""One running server per module and database; tests of a module share it and use subjects of their own."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.api.street import NOW, Clock, Street, serving
from tests.conftest import fresh_database


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def module_street(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Street]:
    """Runs the server of the module."""
    folder = tmp_path_factory.mktemp("street")
    with (
        fresh_database(request, request.param, folder) as url,
        serving(folder, Clock(), database_url=url) as street,
    ):
        yield street


@pytest.fixture
def street(request: pytest.FixtureRequest, module_street: Street, tmp_path: Path) -> Iterator[Street]:
    """Hands the server of the module to a test, or one of its own to a test that moves the clock.

    A ledger never goes back in time, so a clock that was moved could not be shared.
    """
    if request.node.get_closest_marker("moves_clock") is None:
        assert module_street.clock.now == NOW
        yield module_street
        return
    kind = "sqlite" if module_street.settings.database_url.startswith("sqlite") else "postgresql"
    with (
        fresh_database(request, kind, tmp_path) as url,
        serving(tmp_path, Clock(), database_url=url) as own,
    ):
        yield own
