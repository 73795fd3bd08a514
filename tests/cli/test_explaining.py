"""What is taken away of a grade: a bundle that computes it again alone, and a sheet for its enterprise."""

import hashlib
import json
import subprocess
import sys
import zipfile
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from credit_service.cli import bundle_verifier
from credit_service.cli.bundles import make_sheet
from credit_service.grades.stability import settle
from credit_service.rulebook.edition import SHIPPED, load_edition
from credit_service.v1 import grades_pb2
from tests.cli.conftest import Command
from tests.stories.processes import ServerProcess

Told = dict[str, Any]


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("bundles")


@pytest.fixture
def bundle(command: Command, as_regulator: ServerProcess, code: str, kept: Path) -> Path:
    """Returns the bundle of a graded enterprise of the city."""
    assert as_regulator
    path = kept / f"{code}.zip"
    if not path.is_file():
        assert command("explain", code, "--bundle", str(path)).code == 0
    return path


def verify(path: Path) -> "subprocess.CompletedProcess[str]":
    """Runs the verifier as a stranger would: its own file alone, isolated from every package of ours."""
    with zipfile.ZipFile(path) as packed:
        script = path.with_name("verify.py")
        script.write_bytes(packed.read("verify.py"))
    return subprocess.run([sys.executable, "-I", str(script), str(path)], capture_output=True, text=True, check=False)


def changed(bundle: Path, to: Path, change: Callable[[dict[str, bytes]], None], *, indexed: bool = True) -> Path:
    """Writes another bundle; `indexed` makes the list of digests fit again, as a forger would."""
    with zipfile.ZipFile(bundle) as packed:
        files = {name: packed.read(name) for name in packed.namelist()}
    change(files)
    if indexed:
        digests = {name: hashlib.sha256(files[name]).hexdigest() for name in files if name != "index.json"}
        files["index.json"] = json.dumps(digests).encode()
    with zipfile.ZipFile(to, "w") as packed:
        for name, content in files.items():
            packed.writestr(name, content)
    return to


def telling(change: Callable[[Told], object]) -> Callable[[dict[str, bytes]], None]:
    def apply(files: dict[str, bytes]) -> None:
        told = json.loads(files["explanation.json"])
        change(told)
        files["explanation.json"] = json.dumps(told, ensure_ascii=False).encode()

    return apply


def written(name: str, old: bytes, new: bytes) -> Callable[[dict[str, bytes]], None]:
    def apply(files: dict[str, bytes]) -> None:
        assert old in files[name]
        files[name] = files[name].replace(old, new, 1)

    return apply


def _lower(told: Told, by: int) -> None:
    told["features"][0]["points"] -= by
    told["score"] -= by


def _best(told: Told, **letter: object) -> None:
    """Tells the best grade by other rules than those of the edition."""
    told["letter"] |= letter
    told |= {"grade": "A", "vetoes": [], "unmet": []}


FORGED: dict[str, tuple[Callable[[dict[str, bytes]], None], str]] = {
    "score": (telling(lambda t: t.__setitem__("score", t["score"] + 1)), "sum of the points"),
    "points": (telling(lambda t: t["features"][0].__setitem__("points", -7)), "sum of the points"),
    "points and score": (telling(lambda t: _lower(t, 7)), "points of "),
    "value": (telling(lambda t: [f.__setitem__("value", 1e9) for f in t["features"]]), "points of "),
    "feature left out": (telling(lambda t: t["features"].remove(next(f for f in t["features"] if not f["points"]))),
                         "features of the table"),
    "grade": (telling(lambda t: t.__setitem__("grade", "A" if t["grade"] != "A" else "B")), "grade: computed"),
    "probability": (telling(lambda t: t.__setitem__("probability", t["probability"] * 1.01)), "probability"),
    "vetoes": (telling(lambda t: t.__setitem__("vetoes", [] if t["vetoes"] else [{"cap": "D"}])), "grade: computed"),
    "bands": (telling(lambda t: _best(t, bands={"A": 0, "B": -1, "C": -2})), "grade: computed"),
    "buffer": (telling(lambda t: _best(t, buffer=999, has_hard_record=False, cycles=[["2026-01-01", 1000]])),
               "grade: computed"),
    "table": (written("model/table.json", b'"base_points": ', b'"base_points": 1'), "digest of table.json"),
    "people": (telling(lambda t: t["exposure"][0].__setitem__("value", 1e9)), "points of headcount"),
    "exposure": (telling(lambda t: t["exposure"][0].__setitem__("points", -500)), "points of headcount"),
    "exposure left out": (telling(lambda t: t.pop("exposure")), "features of the exposure"),
    "shape of exposure": (written("model/exposure.json", b'"missing": ', b'"missing": 1'), "digest of exposure.json"),
    "model file": (lambda files: files.update({"model/priors.json": b"{}"}), "digest of priors.json"),
    "manifest": (written("model/manifest.json", b'"2028-', b'"2038-'), "signature of the manifest"),
}  # fmt: skip


def test_bundle_computes_the_grade_again_without_our_program(bundle: Path, code: str) -> None:
    done = verify(bundle)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(f"HOLDS 一致: USCC:{code}")
    assert "good, by ed25519-" in done.stdout


@pytest.mark.parametrize("name", FORGED)
def test_whatever_is_forged_is_found_and_named(bundle: Path, tmp_path: Path, name: str) -> None:
    change, found = FORGED[name]
    done = verify(changed(bundle, tmp_path / "forged.zip", change))
    assert (done.returncode, found in done.stderr) == (1, True), done.stderr


def test_any_changed_file_is_found_by_the_list(bundle: Path, tmp_path: Path) -> None:
    done = verify(changed(bundle, tmp_path / "x.zip", written("records.json", b"[", b" ["), indexed=False))
    assert (done.returncode, "digest of records.json" in done.stderr) == (1, True)
    done = verify(changed(bundle, tmp_path / "y.zip", lambda files: files.update(extra=b""), indexed=False))
    assert (done.returncode, "digest of extra" in done.stderr) == (1, True)


def test_bundle_holds_the_records_and_the_edition(bundle: Path, command: Command, code: str, tmp_path: Path) -> None:
    with zipfile.ZipFile(bundle) as packed:
        told, records = json.loads(packed.read("explanation.json")), json.loads(packed.read("records.json"))
        assert b'id = "cn-2026-04"' in packed.read("edition.toml")
        assert packed.read("verify.py") == Path(bundle_verifier.__file__).read_bytes()
    parts = [*told["features"], *told["exposure"], *told["vetoes"]]
    behind = {str(n) for part in parts for n in part["event_ids"]}
    assert {record["event_id"] for record in records} == behind != set()
    assert all(record["content_digest"]["value"] and record["chain_digest"]["value"] for record in records)
    again = tmp_path / "again.zip"
    frame = ("--as-of", f"{told['as_of']}", "--json")
    assert command("explain", code, *frame, "--bundle", str(again)).code == 0
    assert verify(again).returncode == 0


class _Texts(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.texts: list[str] = []
        self.tags: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        assert not {name for name, _ in attrs} & {"src", "href", "onload"}

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


@pytest.fixture
def sheet(command: Command, as_regulator: ServerProcess, code: str, kept: Path) -> str:
    assert as_regulator
    path = kept / "sheet.html"
    assert command("explain", code, "--sheet", str(path)).code == 0
    return path.read_text("utf-8")


def test_sheet_tells_the_enterprise_every_point_in_its_language(sheet: str, command: Command, code: str) -> None:
    told = command("explain", code, "--json").json()
    read = _Texts()
    read.feed(sheet)
    text = "\n".join(read.texts)
    assert "script" not in read.tags
    assert all(feature["text_zh"] in text for feature in told["features"])
    cells = [part for part in read.texts if part.lstrip("-").isdigit()]
    assert told["grade"]["score"] in cells
    points = [int(f.get("points", 0)) for f in told["features"]]
    assert int(told["base_points"]) + sum(points) == int(told["grade"]["score"])
    for part in ("得分构成", "您的权利", "异议", code):
        assert part in text


def test_sheet_escapes_what_came_from_outside() -> None:
    answer = grades_pb2.ExplainGradeResponse(document=json.dumps({"as_of": "2026-11-01", "edition_id": "e"}).encode())
    answer.grade.pending_zh = "<script>alert(1)</script>"
    page = make_sheet(answer, "<img src=x>&公司", None)
    assert "<script" not in page
    assert "<img" not in page
    assert "&lt;img src=x&gt;&amp;公司" in page


def test_letters_are_those_of_the_service_over_every_walk_of_cycles() -> None:
    grading = load_edition(SHIPPED / "cn-2026-04.toml").grading
    assert grading.stability is not None
    random = np.random.default_rng(5)
    rows = (random.integers(520, 960, (400, 1)) + random.integers(-90, 90, (400, 9)).cumsum(axis=1) // 2).clip(0, 1000)
    is_hard = random.random(400) < 0.5
    rules = {"bands": grading.bands, "buffer": grading.stability.buffer,
             "upgrade_cycles": grading.stability.upgrade_cycles}  # fmt: skip
    seen = set()
    for length in (1, 2, 8):
        wanted = settle(grading, rows[:, :length], rows[:, length], is_hard)
        for row, hard, want in zip(rows.tolist(), is_hard.tolist(), wanted, strict=True):
            told = {"score": row[length], "unmet": []}
            cycles = [["2026-01-01", score] for score in row[:length]]
            found = bundle_verifier.letter_of(told, {**rules, "cycles": cycles, "has_hard_record": hard})
            assert found == ("C" if want == "D" and not hard else want)
            seen.add((length, found))
    assert len(seen) == 12
