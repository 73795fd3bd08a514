"""Installing: locks without addresses, honest bounds, a wheel that works away from the tree."""

import re
import subprocess
import sys
import zipfile
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from tests.house.tree import ROOT, imports, pyproject, python_files, run, text

LOCKS = ("requirements.txt", "requirements-dev.txt", "requirements-proto.txt")
ADDRESS = re.compile(r"[a-z+]+://|^\s*-(?!-hash)|(^|\s)--(?!hash)|(^|\s)[./~]", re.MULTILINE)


def pins(name: str) -> dict[str, set[str]]:
    """Reads the pinned versions of a lock; one package may have one per Python version."""
    found: dict[str, set[str]] = {}
    for pinned, version in re.findall(r"^([A-Za-z0-9_.-]+)(?:\[[a-z,]+\])?==([^ ;]+)", text(name), re.MULTILINE):
        found.setdefault(canonicalize_name(pinned), set()).add(version)
    return found


@pytest.mark.parametrize("name", LOCKS)
def test_lock_carries_no_address_and_no_option(name: str) -> None:
    lines = [line for line in text(name).splitlines() if not line.lstrip().startswith("#")]
    assert [line for line in lines if ADDRESS.search(line)] == []
    assert "://" not in text(name)


@pytest.mark.parametrize("name", LOCKS)
def test_every_pin_has_a_hash(name: str) -> None:
    entries = re.split(r"\n(?=[A-Za-z0-9])", text(name))
    pinned = [entry for entry in entries if not entry.startswith("#")]
    assert pinned
    assert [entry.split()[0] for entry in pinned if "--hash=sha256:" not in entry] == []


def _wanted(name: str) -> list[str]:
    project, groups = pyproject()["project"], pyproject()["dependency-groups"]
    run_set: list[str] = [
        *project["dependencies"],
        *project["optional-dependencies"]["postgres"],
        *groups["build"],
        *groups["training"],
    ]
    wanted: list[str] = {LOCKS[0]: run_set, LOCKS[1]: groups["dev"], LOCKS[2]: groups["proto"]}[name]
    return wanted


@pytest.mark.parametrize("name", LOCKS)
def test_lock_satisfies_pyproject(name: str) -> None:
    pinned = pins(name)
    for requirement in map(Requirement, _wanted(name)):
        versions = pinned.get(canonicalize_name(requirement.name), set())
        assert versions, f"{requirement} is not locked: run make lock"
        assert all(requirement.specifier.contains(v) for v in versions), f"{requirement}: {versions}"


def test_run_and_desk_locks_agree() -> None:
    ours, desk = pins(LOCKS[0]), pins(LOCKS[1])
    assert {name for name in ours.keys() & desk.keys() if not desk[name] <= ours[name]} == set()


def test_generated_code_runs_on_the_oldest_runtime_we_allow() -> None:
    (made_by,) = pins(LOCKS[2])["grpcio-tools"]
    (runtime,) = (r for r in map(Requirement, _wanted(LOCKS[0])) if r.name == "grpcio")
    (least,) = (bound.version for bound in runtime.specifier if bound.operator == ">=")
    assert Version(least) == Version(made_by)


@pytest.mark.parametrize("folder", ["credit_service", "training"])
def test_everything_imported_is_declared(folder: str) -> None:
    project, groups = pyproject()["project"], pyproject()["dependency-groups"]
    allowed = [*project["dependencies"], *project["optional-dependencies"]["postgres"]]
    allowed += groups["training"] if folder == "training" else []
    names = {canonicalize_name(Requirement(r).name) for r in allowed}
    owners = packages_distributions()
    for path in python_files(folder):
        tops = {name.split(".")[0] for name in imports(path)} - set(sys.stdlib_module_names)
        for top in tops - {"credit_service", "training", "google"}:
            declared = {canonicalize_name(owner) for owner in owners.get(top, [])} & names
            assert declared, f"{path.relative_to(ROOT)} imports {top}, which is not declared"


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Builds the wheel and unpacks it away from the tree."""
    folder = tmp_path_factory.mktemp("wheel")
    built = run("hatchling", "build", "--target", "wheel", "--directory", folder)
    assert built.returncode == 0, built.stdout
    (wheel,) = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder / "site")
    return folder / "site"


def test_wheel_holds_the_service_with_its_data_and_nothing_else(unpacked: Path) -> None:
    assert {p.name for p in unpacked.iterdir() if p.suffix != ".dist-info"} == {"credit_service"}
    tree = {p.relative_to(ROOT) for p in (ROOT / "credit_service").rglob("*") if p.is_file()}
    wanted = {p for p in tree if "__pycache__" not in p.parts}
    packed = {p.relative_to(unpacked) for p in (unpacked / "credit_service").rglob("*")}
    assert wanted <= packed
    licences = {p.name for p in unpacked.glob("*.dist-info/licenses/*")}
    assert licences == {"LICENSE", "NOTICE"}


def test_wheel_answers_away_from_the_tree(unpacked: Path) -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "credit_service", "--help"],
        cwd=unpacked,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    assert "serve" in ended.stdout
