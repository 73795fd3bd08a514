"""The tree itself: sizes, forbidden imports, the clock, and words that do not belong."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.house.tree import ROOT, files, imports, python_files, text

LINES = 400
HEAVY = {"joblib", "lightgbm", "numba", "pandas", "scipy", "sklearn"}
# Names of the composition root and the street: they read the clock and hand it down.
ABOVE = {"__main__.py", "api", "cli", "server.py"}
CLOCKS = {
    "datetime.now", "datetime.today", "datetime.utcnow", "date.today", "time.time", "time.time_ns",
    "os.urandom", "uuid.uuid1", "uuid.uuid4",
}  # fmt: skip
CHANCE = {"random", "secrets"}
# Folders of one machine, and words of a work log; the brackets keep a pattern from finding itself.
MACHINE_PATH = re.compile(r"(^|[^A-Za-z0-9_.:/])/(home|root|tm[p]|Users|work|mnt)/[A-Za-z0-9_]")
WORK_LOG = re.compile(r"\b(issu[e]|phas[e]|milestone|session|iteration|sprint) #?\d|\b(TOD[O]|FIXM[E]|XX[X])\b")
NEVER_COMMITTED = {".db", ".joblib", ".key", ".pem", ".pickle", ".pkl", ".sqlite", ".sqlite3"}


def short(path: Path) -> str:
    """Names a file from the root."""
    return str(path.relative_to(ROOT))


def test_no_file_is_longer_than_the_limit() -> None:
    lengths = {short(p): len(p.read_text("utf-8").splitlines()) for p in files(".py")}
    assert {name: n for name, n in lengths.items() if n > LINES} == {}


def test_no_folder_lies_deeper_than_three() -> None:
    deep = [short(p) for p in python_files("credit_service") if len(p.relative_to(ROOT).parts) > 4]
    assert deep == []


def test_every_module_says_what_it_is_for() -> None:
    silent = [
        short(p)
        for p in python_files("credit_service", "training")
        if not ast.get_docstring(ast.parse(p.read_text("utf-8")))
    ]
    assert silent == []


def test_a_name_is_imported_from_where_it_is_made() -> None:
    """The form `import X as X` hands a name of another module on: who wants it asks that module."""
    handed_on = [
        f"{short(path)}: {name.name}"
        for path in python_files("credit_service", "training", "tests")
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Import | ast.ImportFrom)
        for name in node.names
        if name.asname == name.name
    ]
    assert handed_on == []


def test_nothing_reads_pickles() -> None:
    forbidden = {"cloudpickle", "dill", "joblib", "marshal", "pickle", "shelve"}
    found = {
        short(p): found
        for p in python_files("credit_service", "training", "tests")
        if (found := {name.split(".")[0] for name in imports(p)} & forbidden)
    }
    assert found == {}


def _rooms() -> list[Path]:
    service = ROOT / "credit_service"
    left_out = ABOVE | {"certificates.py", "migrations"}
    return [p for p in python_files("credit_service") if p.relative_to(service).parts[0] not in left_out]


@pytest.mark.parametrize("path", _rooms(), ids=short)
def test_room_reads_neither_clock_nor_chance(path: Path) -> None:
    assert imports(path) & CHANCE == set()
    called = {
        f"{node.func.value.id}.{node.func.attr}"
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and isinstance(node.func.value, ast.Name)
    }
    assert called & CLOCKS == set()


@pytest.mark.parametrize("module", ["credit_service.server", "credit_service.cli"])
def test_serving_loads_no_training_library(module: str) -> None:
    code = f"import sys, {module}; print(*{{name.split('.')[0] for name in sys.modules}})"
    ended = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    loaded = set(ended.stdout.split())
    assert "grpc" in loaded
    assert loaded & (HEAVY | {"training"}) == set()


def test_every_folder_of_tests_is_a_package() -> None:
    folders = {p.parent for p in python_files("tests")}
    assert {short(f) for f in folders if not (f / "__init__.py").is_file()} == set()


def test_no_machine_path_stands_in_a_file() -> None:
    assert _lines_with(MACHINE_PATH) == []


def test_no_word_of_a_work_log_stands_in_a_file() -> None:
    assert _lines_with(WORK_LOG) == []


def _lines_with(pattern: re.Pattern[str]) -> list[str]:
    return [
        f"{short(path)}:{number}: {line.strip()[:100]}"
        for path in files()
        if path.suffix != ".csv"
        for number, line in enumerate(path.read_text("utf-8").splitlines(), 1)
        if pattern.search(line)
    ]


def test_nothing_secret_or_binary_lies_in_the_tree() -> None:
    assert [short(p) for p in files(*NEVER_COMMITTED)] == []


def test_every_make_target_says_what_it_does_in_few_lines() -> None:
    makefile = text("Makefile").replace("\\\n", "")
    targets = re.findall(r"^([a-z-]+):(.*)\n((?:\t.*\n)*)", makefile, re.MULTILINE)
    listed = set(re.findall(r"[a-z-]+", makefile.split(".PHONY:")[1].split("\n")[0]))
    assert {name for name, _, _ in targets} == listed
    assert [name for name, rest, _ in targets if "## " not in rest] == []
    assert [name for name, _, body in targets if len(body.splitlines()) > 5] == []


def test_help_lists_every_target() -> None:
    ended = subprocess.run(["make", "--no-print-directory"], cwd=ROOT, capture_output=True, text=True, check=True)
    for target in re.findall(r"^([a-z-]+):.*## ", text("Makefile"), re.MULTILINE):
        assert re.search(rf"^  {target} +\S", ended.stdout, re.MULTILINE), target


def test_ci_runs_the_tests() -> None:
    script = ROOT / ".ci" / "run"
    assert script.stat().st_mode & 0o111 == 0o111
    assert script.read_text("utf-8").splitlines()[-1] == "exec make test"
