"""The checks of the desk bite: each planted fault makes its tool fail, and name it."""

from pathlib import Path

import pytest

from tests.house.tree import ROOT, copy_of_code, run

UPWARD = {
    "a room imports the street": ("subjects/schemes.py", "credit_service.api.wire"),
    "a room imports the river": ("ledger/append.py", "credit_service.assessment"),
    "a sibling imports its sibling": ("grades/grading.py", "credit_service.listings.tables"),
    "a room speaks protobuf": ("listings/lifecycle.py", "google.protobuf.message"),
    "a room reads settings": ("ledger/append.py", "credit_service.settings"),
    "a pure room knows the database": ("rulebook/evaluate.py", "credit_service.database"),
    "the service imports training": ("assessment.py", "training"),
    "the service loads a booster": ("grades/grading.py", "lightgbm"),
}
FAULTS = {
    "DTZ005": "from datetime import datetime\n\nNOW = datetime.now()\n",
    "DTZ001": "from datetime import datetime\n\nNOW = datetime(2026, 1, 1)\n",
    "TID251": "import pickle\n\nLOADS = pickle.loads\n",
    "T201": 'print("here")\n',
    "BLE001": "try:\n    VALUE = 1\nexcept Exception:\n    VALUE = 2\n",
    "G004": 'import logging\n\nlogging.getLogger("x").info(f"{1}")\n',
    "PLR0913": "def f(a, b, c, d, e, g, h): ...\n",
    "ERA001": "# value = 1\n",
    "D103": "def door(): ...\n",
    "PGH003": "VALUE = 1  # type: ignore\n",
}


@pytest.fixture(scope="module")
def code(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Copies the code once; each test takes back what it planted."""
    return copy_of_code(tmp_path_factory.mktemp("planted"))


def test_import_ladder_holds() -> None:
    ended = run("lint-imports", "--no-cache")
    assert ended.returncode == 0, ended.stdout


@pytest.mark.parametrize("fault", UPWARD)
def test_planted_import_is_refused(code: Path, fault: str) -> None:
    name, target = UPWARD[fault]
    path = code / "credit_service" / name
    before = path.read_text("utf-8")
    path.write_text(f"{before}\nimport {target}\n", "utf-8")
    ended = run("lint-imports", "--no-cache", cwd=code)
    path.write_text(before, "utf-8")
    importer = f"credit_service.{name.removesuffix('.py').replace('/', '.')}"
    assert ended.returncode == 1, ended.stdout
    assert "BROKEN" in ended.stdout
    assert importer in ended.stdout


def test_room_without_a_rung_is_refused(code: Path) -> None:
    path = code / "credit_service" / "attic.py"
    path.write_text('"""Keeps things."""\n', "utf-8")
    ended = run("lint-imports", "--no-cache", cwd=code)
    path.unlink()
    assert ended.returncode == 1
    assert "credit_service.attic" in ended.stdout


def test_contract_is_clean() -> None:
    ended = run("buf", "lint", cwd=ROOT / "proto")
    assert ended.returncode == 0, ended.stdout


@pytest.mark.parametrize(
    ("declared", "complaint"),
    [
        ("// A planted message.\nmessage Planted {\n  string bare = 1;\n}\n", '"bare"'),
        ("enum Planted {\n  // Not stated.\n  PLANTED_UNSPECIFIED = 0;\n}\n", '"Planted"'),
        ("// buf:lint:ignore COMMENT_MESSAGE\nmessage Planted {}\n", '"Planted"'),
    ],
    ids=["field", "enum", "ignore"],
)
def test_planted_element_without_a_comment_is_refused(code: Path, declared: str, complaint: str) -> None:
    path = code / "proto" / "credit_service" / "v1" / "subjects.proto"
    before = path.read_text("utf-8")
    path.write_text(f"{before}\n{declared}", "utf-8")
    ended = run("buf", "lint", cwd=code / "proto")
    path.write_text(before, "utf-8")
    assert ended.returncode != 0
    assert complaint in ended.stdout
    assert "comment" in ended.stdout


def test_planted_break_of_the_contract_is_refused(code: Path) -> None:
    path = code / "proto" / "credit_service" / "v1" / "errors.proto"
    before = path.read_text("utf-8")
    path.write_text(before.replace("ERROR_REASON_FIELD_MISSING = 3", "ERROR_REASON_GONE = 3"))
    ended = run("buf", "breaking", code / "proto", "--against", ROOT / "proto")
    path.write_text(before, "utf-8")
    assert ended.returncode != 0
    assert "FIELD_MISSING" in ended.stdout


@pytest.mark.parametrize("rule", FAULTS)
def test_planted_fault_is_refused(code: Path, rule: str) -> None:
    path = code / "credit_service" / "subjects" / "planted.py"
    path.write_text(f'"""Holds a fault."""\n\n{FAULTS[rule]}', "utf-8")
    ended = run("ruff", "check", "--no-cache", "--output-format=concise", path, cwd=code)
    path.unlink()
    assert ended.returncode == 1, ended.stdout
    assert rule in ended.stdout


def test_planted_wrong_type_is_refused(code: Path) -> None:
    path = code / "credit_service" / "subjects" / "planted.py"
    path.write_text('"""Holds a fault."""\n\nfrom credit_service.errors import shown\n\nshown(1, "2")\n')
    ended = run("mypy", "--follow-imports=silent", path, cwd=code)
    path.unlink()
    assert ended.returncode == 1, ended.stdout
    assert "planted.py:5: error" in ended.stdout
