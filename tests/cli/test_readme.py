"""The README against the program: its commands exist, its commands are all, its recipes work."""

import json
import re
import subprocess
from pathlib import Path
from shutil import which

import pytest
import typer

from credit_service.api.identity import PREFIX, ROLES, parse_identity
from credit_service.api.wire import draft_of
from credit_service.certificates import expiry
from credit_service.cli import app
from credit_service.cli.connection import read_profile
from credit_service.settings import Settings
from tests.house.tree import text

README = text("README.md")
SHELL = "\n".join(re.findall(r"^```(?:sh|bash)\n(.*?)^```", README, re.MULTILINE | re.DOTALL))


def commands() -> set[str]:
    """Names every command, a group's with the group."""
    found: set[str] = set()
    for name, command in getattr(typer.main.get_command(app), "commands").items():  # noqa: B009  # typer's type hides it
        found |= {f"{name} {part}" for part in getattr(command, "commands", {})} or {name}
    return found


def test_readme_calls_only_commands_that_exist() -> None:
    called = re.findall(
        r"credit-service ((?:(?:subject|listing|obligation|override|remedy|review|event|rulebook|source) )?[a-z-]+)",
        README,
    )
    assert set(called) - commands() - {"service"} == set()


def test_readme_shows_every_command() -> None:
    missing = {name for name in commands() if not re.search(rf"(`|credit-service |&& ){name}\b", README)}
    assert missing == set()


def test_example_of_an_import_line_is_a_draft() -> None:
    line = next(
        block for block in re.findall(r"^```json\n(.*?)^```", README, re.M | re.S) if "source_record_id" in block
    )
    assert draft_of(json.loads(line)).payload.penalty.fine_fen == 2_000_000


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Runs the recipe of the first real server up to its settings."""
    if which("openssl") is None or which("bash") is None:
        pytest.skip("the recipe needs bash and openssl")
    folder = tmp_path_factory.mktemp("recipe")
    recipe = README.split("### First real server")[1].split("```bash\n")[1].split("export ")[0]
    subprocess.run(["bash", "-euc", recipe], cwd=folder, check=True, capture_output=True)
    return folder / "house"


def test_recipe_issues_a_certificate_for_every_role(house: Path) -> None:
    uris = re.findall(rf"URI:({PREFIX}[^\s\"]+)", README)
    assert {parse_identity(uri, "").role for uri in uris} == ROLES
    assert len(list(house.glob("*.pem"))) == len(uris) + 2
    assert all(expiry(path).year for path in house.glob("*.pem"))
    assert bytes.fromhex((house / "person.key").read_text("ascii").strip())
    assert all(path.stat().st_mode & 0o077 == 0 for path in house.glob("*.key"))


def test_recipe_names_settings_and_a_profile_that_are_read(tmp_path: Path) -> None:
    named = {name.lower() for name in re.findall(r"CREDIT_SERVICE_([A-Z_]+)=", SHELL)}
    assert named - {"profile"} <= set(Settings.__dataclass_fields__)
    file = tmp_path / "officer.json"
    file.write_text(README.split("A caller's profile")[1].split("```json\n")[1].split("```")[0], "utf-8")
    assert read_profile(str(file)).certificate == "house/officer.pem"
