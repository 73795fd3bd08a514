"""The tree as the house checks see it: files and folders of the project, tools of the desk."""

import ast
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from shutil import copytree, ignore_patterns, which
from typing import Any

ROOT = Path(__file__).parents[2]
GENERATED = ROOT / "credit_service" / "v1"
_LEFT_OUT = {"build", "dist", "__pycache__"}
_TEXTS = {".cfg", ".csv", ".json", ".md", ".proto", ".py", ".toml", ".txt", ".yaml", ""}


def files(*suffixes: str) -> list[Path]:
    """Lists the files of the project with these suffixes; generated code is left out."""
    return [p for p in _known() if p.suffix in (suffixes or _TEXTS) and GENERATED not in p.parents]


@cache
def _known() -> list[Path]:
    """Asks git, which knows what is ignored; an unpacked archive without git is walked."""
    if (ROOT / ".git").exists() and (git := which("git")):
        command = [git, "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
        listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
        if listed.returncode == 0:
            named = [ROOT / name for name in listed.stdout.split("\0") if name]
            return sorted(path for path in named if path.is_file())
    return list(_walk(ROOT))


def _walk(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.iterdir()):
        if path.name in _LEFT_OUT or (path.name.startswith(".") and path.name != ".ci"):
            continue
        if path.is_dir():
            yield from _walk(path)
        else:
            yield path


def python_files(*folders: str) -> list[Path]:
    """Lists the hand-written modules below the given folders of the root."""
    return [p for p in files(".py") if p.relative_to(ROOT).parts[0] in folders]


def text(name: str) -> str:
    """Reads a file of the root."""
    return (ROOT / name).read_text("utf-8")


def pyproject() -> dict[str, Any]:
    """Reads pyproject.toml."""
    return tomllib.loads(text("pyproject.toml"))


def imports(path: Path) -> set[str]:
    """Names what a module imports, as written, wherever in the module it stands."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            found.add(node.module or "")
    return found


def copy_of_code(target: Path) -> Path:
    """Copies the code and its settings, without data, so that a test may spoil them."""
    for folder in ("credit_service", "training", "proto"):
        copytree(ROOT / folder, target / folder, ignore=ignore_patterns("__pycache__", "data"))
    (target / "pyproject.toml").write_text(text("pyproject.toml"), "utf-8")
    return target


def run(tool: str, *arguments: str | Path, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    """Runs a tool of the virtual environment and returns how it ended and what it said."""
    command = [str(Path(sys.executable).parent / tool), *map(str, arguments)]
    return subprocess.run(command, cwd=cwd, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
