"""One site per database for all faults, and the sum of the faults at the end of the run."""

from collections.abc import Iterator

import pytest

from tests.stories.faults import TALLY, Faults
from tests.stories.site import Site, site


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def module_site(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Holds the site of a module."""
    with site(request.param, tmp_path_factory.mktemp("site")) as made:
        yield made


@pytest.fixture
def faults() -> Faults:
    """Hands out the tally of the run."""
    return TALLY
