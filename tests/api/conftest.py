"""One running server per module and database; tests of a module share it and use subjects of their own."""

from collections.abc import Iterator

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
def street(module_street: Street) -> Street:
    """Hands the server to a test with the clock set back."""
    module_street.clock.now = NOW
    return module_street
