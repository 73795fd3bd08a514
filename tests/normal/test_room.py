"""The room of normal forms stands on nothing but errors, and its tables say where they come from."""

import sys
from pathlib import Path

import pytest

from credit_service import normal
from tests.house.tree import imports

ROOM = Path(normal.__file__).parent


@pytest.mark.parametrize("path", sorted(ROOM.glob("*.py")), ids=lambda path: path.name)
def test_room_imports_errors_and_the_standard_library_alone(path: Path) -> None:
    known = ("credit_service.errors", "credit_service.normal")
    foreign = {name for name in imports(path) if name.split(".")[0] not in sys.stdlib_module_names}
    assert {name for name in foreign if not name.startswith(known)} == set()


def test_readme_names_every_table() -> None:
    readme = (ROOM / "tables" / "README.md").read_text("utf-8")
    tables = {path.name for path in (ROOM / "tables").iterdir()} - {"README.md"}
    assert tables == {"divisions.csv", "industries.toml", "names.toml", "obsolete_divisions.csv"}
    assert all(f"`{name}`" in readme for name in tables)
    assert "licence Apache-2.0" in readme
