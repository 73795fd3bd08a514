"""What is taken away of a grade: a bundle that computes it again alone, and whatever is forged in it is found."""

import base64
import hashlib
import json
import subprocess
import sys
import zipfile
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from credit_service.api.bases import basis_document
from credit_service.api.explanations import explanation_message
from credit_service.cli import bundle_verifier
from credit_service.grades.artefact import key_id, load_champions, load_keys
from credit_service.grades.features import BY_NAME
from credit_service.grades.grading import Case, Override, explain
from credit_service.grades.stability import settle
from credit_service.legal_days import parse_day
from credit_service.rulebook.articles import articles_behind
from credit_service.rulebook.edition import POINTS_BASES, SHIPPED, load_edition, load_editions
from tests.bench.lives import lives
from tests.cli.conftest import Command
from tests.grades.conftest import MODELS
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


def verify(path: Path, *more: str) -> "subprocess.CompletedProcess[str]":
    """Runs the verifier as a stranger would: its own file alone, isolated from every package of ours."""
    with zipfile.ZipFile(path) as packed:
        script = path.with_name("verify.py")
        script.write_bytes(packed.read("verify.py"))
    return subprocess.run(
        [sys.executable, "-I", str(script), str(path), *more], capture_output=True, text=True, check=False
    )


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


def _says(name: str, value: object) -> Callable[[dict[str, bytes]], None]:
    return telling(lambda told: told.__setitem__(name, value))


def _feature(**changes: object) -> Callable[[dict[str, bytes]], None]:
    return telling(lambda told: told["features"][0].update(changes))


def _rules(files: dict[str, bytes]) -> None:
    """Lets rules speak that never did, with whatever points are liked."""
    told = json.loads(files["explanation.json"])
    told |= {
        "mode": "rules",
        "base_points": 850,
        "features": [],
        "reasons": [],
        "score": 850,
        "vetoes": [],
        "cited": {},
    }
    del told["exposure"]
    files |= {"explanation.json": json.dumps(told).encode(), "records.json": b"[]"}


def _pending(told: Told) -> None:
    del told["score"]
    told |= {"grade": "PENDING", "vetoes": [], "features": []}


def _overridden(told: Told, last_date: str) -> None:
    told["override"] = {"override_id": "OVR-1", "grade": "D", "reason": "EVIDENCE", "last_date": last_date}
    told["grade"] = "D"


def _signed_by_a_stranger(files: dict[str, bytes]) -> None:
    key = Ed25519PrivateKey.generate()
    files["model/key.pub"] = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    seal = json.loads(files["model/manifest.sig"])
    seal["key_id"] = key_id(key.public_key())
    seal["signature"] = base64.b64encode(key.sign(files["model/manifest.json"])).decode()
    files["model/manifest.sig"] = json.dumps(seal).encode()


def _without_a_record(files: dict[str, bytes]) -> None:
    files["records.json"] = json.dumps(json.loads(files["records.json"])[1:]).encode()


def _record_of_tomorrow(files: dict[str, bytes]) -> None:
    records = json.loads(files["records.json"])
    records[0]["draft"]["occur_time"] = "2031-01-01T00:00:00Z"
    files["records.json"] = json.dumps(records).encode()


def _cites(told: Told, articles: list[str]) -> None:
    told["cited"][next(iter(told["cited"]))] = articles


def _everywhere(told: Told, basis: dict[str, str]) -> None:
    """Gives a feature and its reason the same article, as a forger would."""
    name = told["reasons"][0]["feature"]
    for part in (told["reasons"][0], *(f for f in told["features"] if f["feature"] == name)):
        part["bases"] = [basis]


def _without_content(files: dict[str, bytes]) -> None:
    records, told = json.loads(files["records.json"]), json.loads(files["explanation.json"])
    del next(one for one in records if one["event_id"] == next(iter(told["cited"])))["draft"]
    _cites(told, ["安全生产法/999"])
    files |= {"explanation.json": json.dumps(told).encode(), "records.json": json.dumps(records).encode()}


def _without_articles(files: dict[str, bytes]) -> None:
    del files["articles/cn-2026-04.toml"]


OTHER_ARTICLE = {"instrument": "安全生产法", "article": "999", "source": "law", "role": "duty"}


FORGED: dict[str, tuple[Callable[[dict[str, bytes]], None], str]] = {
    "score": (telling(lambda t: t.__setitem__("score", t["score"] + 1)), "probability"),
    "points": (_feature(points=-7), "points of "),
    "points and score": (telling(lambda t: _lower(t, 7)), "points of "),
    "value": (telling(lambda t: [f.__setitem__("value", 1e9) for f in t["features"]]), "of penalty_days_weighted"),
    "value that is no number": (_feature(value=float("nan")), "number NaN"),
    "value that is a word": (_feature(value=True), ""),
    "best points": (_feature(best_points=99), "points of "),
    "text of a feature": (_feature(text_zh="近60个月被处罚的天数（逐年递减计权）：9（加权天数）"), "text of "),
    "English text": (_feature(text_en="Nothing at all: 0"), "text of "),
    "feature left out": (telling(lambda t: t["features"].remove(next(f for f in t["features"] if not f["points"]))),
                         "features of the table"),
    "reasons in another order": (telling(lambda t: t["reasons"].reverse()), "reasons"),
    "reason left out": (telling(lambda t: t["reasons"].pop()), "reasons"),
    "reason": (telling(lambda t: t["reasons"][0].__setitem__("points", -1)), "reasons"),
    "reason that can be acted on": (
        telling(lambda t: t["reasons"][-1].__setitem__("is_actionable", not t["reasons"][-1]["is_actionable"])),
        "reasons"),
    "grade": (telling(lambda t: t.__setitem__("grade", "A" if t["grade"] != "A" else "B")), "grade: computed"),
    "probability": (telling(lambda t: t.__setitem__("probability", t["probability"] * 1.01)), "probability"),
    "vetoes": (_says("vetoes", [{"veto_id": "V-99", "cap": "D", "text_zh": "", "event_ids": []}]), "veto V-99"),
    "bands": (telling(lambda t: _best(t, bands={"A": 0, "B": -1, "C": -2})), ""),
    "buffer": (telling(lambda t: _best(t, buffer=999, has_hard_record=False)), ""),
    "cycles": (telling(lambda t: t["letter"].__setitem__("cycles", [["2026-01-01", 1000]])), "days of the cycles"),
    "mode": (_rules, "mode"),
    "model that spoke too late": (_says("as_of", "2031-01-01"), "days of "),
    "day before the edition": (_says("as_of", "2026-03-01"), "days of the edition"),
    "other model": (_says("model_id", "cn_sim_pd/2025.1.0"), "id of the model"),
    "other edition": (_says("edition_id", "cn-2023-10"), ""),
    "edition under another name": (
        lambda files: files.update({"edition/cn-2026-04.toml": files["edition/cn-2026-04.toml"].replace(
            b'id = "cn-2026-04"', b'id = "cn-2029-04"', 1)}), "id of the edition"),
    "pending": (telling(_pending), "pending"),
    "override that is over": (telling(lambda t: _overridden(t, "2020-01-01")), "days of the override"),
    "condition of nobody": (telling(lambda t: t["unmet"].append("A-99")), "conditions for A"),
    "record left out": (_without_a_record, "records behind the grade"),
    "record that was not yet": (_record_of_tomorrow, "day of record"),
    "table": (written("model/table.json", b'"base_points": ', b'"base_points": 1'), "digest of table.json"),
    "model file": (lambda files: files.update({"model/priors.json": b"{}"}), "digest of priors.json"),
    "manifest": (written("model/manifest.json", b'"2028-', b'"2038-'), "signature of the manifest"),
    "said twice": (written("explanation.json", b'{', b'{"grade":"A",'), "a key that stands twice"),
    "people": (telling(lambda t: t["exposure"][0].__setitem__("value", 1e9)), "points of headcount"),
    "exposure": (telling(lambda t: t["exposure"][0].__setitem__("points", -500)), "points of headcount"),
    "exposure left out": (telling(lambda t: t.pop("exposure")), "records behind the grade"),
    "another exposure": (telling(lambda t: t["exposure"][0].__setitem__("feature", "visits_36m")),
                         "features of the exposure"),
    "article of a feature": (_feature(bases=[OTHER_ARTICLE]), "articles of "),
    "article of a reason alone": (telling(lambda t: t["reasons"][0].__setitem__("bases", [OTHER_ARTICLE])), "reasons"),
    "article of reason and feature": (telling(lambda t: _everywhere(t, OTHER_ARTICLE)), "articles of "),
    "article left out": (telling(lambda t: t["features"][0]["bases"].pop()), "articles of "),
    "articles left out": (telling(lambda t: [f.pop("bases") for f in t["features"]]), "articles of "),
    "article that is surer than it is": (telling(lambda t: [
        b.__setitem__("source", "law") for f in t["features"] for b in f["bases"]]), "articles of "),
    "article of exposure": (telling(lambda t: t["exposure"][0].__setitem__("bases", [OTHER_ARTICLE])), "of headcount"),
    "articles of the edition left out": (_without_articles, "articles of "),
    "articles of the edition alone": (
        lambda files: files.update({"articles/cn-2026-04.toml": files["articles/cn-2026-04.toml"].replace(
            b'article = "52"', b'article = "53"')}), "articles of "),
    "article that a record cites": (telling(lambda t: _cites(t, ["安全生产法/999"])), "articles that record "),
    "article that a record cites left out": (telling(lambda t: t["cited"].clear()), "articles that record "),
    "article that a record without content cites": (_without_content, "articles that record "),
    "record that cites and is not there": (
        telling(lambda t: t["cited"].__setitem__("999999", ["安全生产法/1"])), "records that cite articles"),
    "shape of exposure": (written("model/exposure.json", b'"missing": ', b'"missing": 1'), "digest of exposure.json"),
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


def test_signer_is_named_and_can_be_asked_for(bundle: Path, tmp_path: Path) -> None:
    """Anybody can sign a table with a key of their own: who asks for the service's key is not taken in."""
    forged = changed(bundle, tmp_path / "forged.zip", _signed_by_a_stranger)
    named = verify(bundle).stdout.split("good, by ")[1].split()[0]
    assert verify(bundle, named).returncode == 0
    assert verify(forged).returncode == 0
    assert named not in verify(forged).stdout
    done = verify(forged, named)
    assert (done.returncode, "key: signed by" in done.stderr) == (1, True), done.stderr


def test_verifier_says_whose_records_they_are_and_what_it_takes_at_its_word(bundle: Path, code: str) -> None:
    with zipfile.ZipFile(bundle) as packed:
        digest = hashlib.sha256(packed.read("explanation.json")).hexdigest()
    told = verify(bundle).stdout
    assert f"records of 记录主体: USCC:{code}\n" in told
    assert "taken at its word 未复算: values of features" in told
    assert f"sha-256:{digest}" in told


def test_file_that_stands_twice_is_found(bundle: Path, tmp_path: Path) -> None:
    twice = changed(bundle, tmp_path / "twice.zip", lambda _: None)
    with zipfile.ZipFile(twice, "a") as packed, pytest.warns(UserWarning, match="Duplicate name"):
        packed.writestr("explanation.json", packed.read("explanation.json"))
    done = verify(twice)
    assert (done.returncode, "a file that stands twice" in done.stderr) == (1, True), done.stderr


def test_any_changed_file_is_found_by_the_list(bundle: Path, tmp_path: Path) -> None:
    done = verify(changed(bundle, tmp_path / "x.zip", written("records.json", b"[", b" ["), indexed=False))
    assert (done.returncode, "digest of records.json" in done.stderr) == (1, True)
    done = verify(changed(bundle, tmp_path / "y.zip", lambda files: files.update(extra=b""), indexed=False))
    assert (done.returncode, "digest of extra" in done.stderr) == (1, True)


def test_bundle_holds_the_records_and_the_edition(bundle: Path, command: Command, code: str, tmp_path: Path) -> None:
    with zipfile.ZipFile(bundle) as packed:
        told, records = json.loads(packed.read("explanation.json")), json.loads(packed.read("records.json"))
        assert b'id = "cn-2026-04"' in packed.read("edition/cn-2026-04.toml")
        assert packed.read("verify.py") == Path(bundle_verifier.__file__).read_bytes()
    parts = [*told["features"], *told["exposure"], *told["vetoes"]]
    behind = {str(n) for part in parts for n in part["event_ids"]}
    assert {record["event_id"] for record in records} == behind != set()
    assert all(record["content_digest"]["value"] and record["chain_digest"]["value"] for record in records)
    again = tmp_path / "again.zip"
    frame = ("--as-of", f"{told['as_of']}", "--json")
    assert command("explain", code, *frame, "--bundle", str(again)).code == 0
    assert verify(again).returncode == 0


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


@pytest.mark.parametrize(("edition_id", "day"), [("cn-2026-04", "2026-11-28"), ("cn-2023-10", "2025-07-03")])
@pytest.mark.parametrize("last_day", ["2028-01-01", "2025-01-01"])
@pytest.mark.parametrize("mode", ["model", "bounded", "rules"])
def test_no_true_explanation_is_refused_in_any_mode(edition_id: str, day: str, last_day: str, mode: str) -> None:
    """Whoever speaks, and also once the model has retired; editions that extend another are laid over it."""
    artefact = load_champions(MODELS, load_keys(MODELS / "keys"))["cn_sim_pd"]
    card = replace(artefact.scorecard, expires_day=parse_day(last_day))
    model = {name[:-5]: json.loads(text) for name, text in artefact.replayed.items() if name.endswith(".json")}
    model["manifest"]["expires_on"] = last_day
    files = {f"edition/{path.stem}.toml": path.read_bytes() for path in SHIPPED.glob("*.toml")}
    files |= {f"articles/{path.stem}.toml": path.read_bytes() for path in POINTS_BASES.glob("*.toml")}
    law, told_law = load_edition(SHIPPED / f"{edition_id}.toml"), bundle_verifier.edition_of(files, edition_id)
    law, told_law["grading"]["mode"] = replace(law, grading=replace(law.grading, mode=mode)), mode
    seen = set()
    for number, facts in enumerate(lives(60)):
        override = Override("OVR-1", "C", "EVIDENCE", parse_day(day)) if number % 10 == 0 else None
        one = Case(f"USCC:{number}", "ENTERPRISE", [f for f in facts if f.day <= parse_day(day)], override=override)
        answer = explanation_message(law, explain(law, card, one, parse_day(day)), [], (datetime.now(UTC),) * 2)
        told = bundle_verifier.read(bytes(answer.document))
        parts = [*told["features"], *told.get("exposure", []), *told["vetoes"]]
        named = {str(event_id) for part in parts for event_id in part["event_ids"]}
        drafts = {n: {"payload": {"any": {"articles": articles}}} for n, articles in told["cited"].items()}
        records = [{"event_id": n, "draft": drafts.get(n, {})} for n in named]
        bundle_verifier.check_about(told, records, told_law)
        bundle_verifier.check_grade(told, model, told_law["grading"])
        seen.add((told.get("mode"), told["grade"]))
    assert {grade for _, grade in seen} >= {"B", "C", "D"}
    assert {told for told, _ in seen} - {None} == {mode if day <= last_day else "rules"}


@pytest.mark.parametrize("day", ["2018-01-01", "2021-08-31", "2021-09-01", "2022-08-01", "2023-10-01", "2026-11-28"])
def test_articles_are_those_of_the_service_on_every_day(day: str) -> None:
    files = {f"edition/{path.stem}.toml": path.read_bytes() for path in SHIPPED.glob("*.toml")}
    files |= {f"articles/{path.stem}.toml": path.read_bytes() for path in POINTS_BASES.glob("*.toml")}
    seen = set()
    for edition in load_editions():
        told = bundle_verifier.edition_of(files, edition.id)
        lines = edition.grading.points.lines if edition.grading.points else ()
        for name in (*BY_NAME, *(line.id for line in lines), "LIMIT", "MODEL", "of nobody"):
            bases = [basis_document(basis) for basis in articles_behind(edition, name, parse_day(day))]
            assert bundle_verifier.articles_of(told, name, day) == bases
            seen.add(len(bases))
    assert (max(seen) > 1) == (day >= "2021-09-01")


@pytest.mark.parametrize("text", [
    "[grading.bands]\nA = 1\n", '[[grading.vetoes]]\nid = "V-01"\ndrop = true\n', 'valid_from = "2020-01-01"\n',
    "[instruments.SAFETY_LAW]\nname = '1'\n",
])  # fmt: skip
def test_articles_that_would_move_a_grade_are_refused(text: str) -> None:
    """Editions are known by their digests, and the articles beneath them are no part of those."""
    files = {f"edition/{path.stem}.toml": path.read_bytes() for path in SHIPPED.glob("*.toml")}
    bundle_verifier.edition_of(files, "cn-2023-10")
    with pytest.raises(SystemExit, match="articles that say more"):
        bundle_verifier.edition_of(files | {"articles/cn-2023-10.toml": text.encode()}, "cn-2023-10")


def test_verifier_says_what_it_cannot_open(tmp_path: Path) -> None:
    script, nothing = Path(bundle_verifier.__file__), tmp_path / "none.zip"
    (tmp_path / "text.zip").write_text("no zip", "utf-8")
    for given, said in (
        ([], "python verify.py BUNDLE.zip"),
        ([nothing], str(nothing)),
        ([tmp_path / "text.zip"], "zip"),
    ):
        done = subprocess.run([sys.executable, "-I", script, *given], capture_output=True, text=True, check=False)
        assert (done.returncode, said in done.stderr, "Traceback" in done.stderr) == (1, True, False)
