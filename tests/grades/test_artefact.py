"""Artefacts: whatever was touched, unsigned or signed by a stranger is refused by its own reason."""

import base64
import csv
import hashlib
import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from credit_service.errors import CreditError, Reason
from credit_service.grades.artefact import (
    FILES,
    golden_text,
    key_id,
    load,
    load_keys,
)
from credit_service.grades.features import BY_NAME
from credit_service.grades.scorecard import Line, Scorecard
from credit_service.grades.table import exposure_document
from tests.grades.test_prior import PRIORS, a_document

KEY = Ed25519PrivateKey.generate()
KEYS = {key_id(KEY.public_key()): KEY.public_key()}
Damage = Callable[[Path], object]


@pytest.fixture
def copy(tmp_path: Path, model_folder: Path) -> Path:
    return Path(shutil.copytree(model_folder, tmp_path / "2026.11.0"))


def seal(folder: Path, **changes: Any) -> None:
    """Signs what the folder holds now with a key that the tests trust."""
    manifest = json.loads((folder / "manifest.json").read_text("utf-8")) | changes
    for name in manifest["files"] if isinstance(manifest["files"], dict) else ():
        if (folder / name).is_file():
            content = (folder / name).read_bytes()
            manifest["files"][name] = {"algorithm": "SHA-256", "digest": hashlib.sha256(content).hexdigest()}
    text = json.dumps(manifest).encode()
    (folder / "manifest.json").write_bytes(text)
    signature = {
        "algorithm": "Ed25519",
        "key_id": next(iter(KEYS)),
        "signature": base64.b64encode(KEY.sign(text)).decode(),
    }
    (folder / "manifest.sig").write_text(json.dumps(signature), "utf-8")


def reason_of(folder: Path) -> Reason:
    with pytest.raises(CreditError) as caught:
        load(folder, KEYS)
    return caught.value.reason


def changed(name: str, change: Callable[[Any], object]) -> Damage:
    """Changes a parsed JSON file in place."""

    def damage(folder: Path) -> None:
        document = json.loads((folder / name).read_text("utf-8"))
        change(document)
        (folder / name).write_text(json.dumps(document), "utf-8")

    return damage


def replaced(name: str, old: str, new: str) -> Damage:
    """Changes the text of a file."""

    def damage(folder: Path) -> None:
        text = (folder / name).read_text("utf-8")
        assert old in text
        (folder / name).write_text(text.replace(old, new, 1), "utf-8")

    return damage


def truncated(name: str) -> Damage:
    """Cuts a file in half."""

    def damage(folder: Path) -> None:
        content = (folder / name).read_bytes()
        (folder / name).write_bytes(content[: len(content) // 2])

    return damage


def line(change: Callable[[dict[str, Any]], object]) -> Damage:
    """Changes the first line of the table."""
    return changed("table.json", lambda table: change(table["lines"][0]))


def written(name: str, content: bytes) -> Damage:
    return lambda folder: (folder / name).write_bytes(content)


DAMAGES: dict[str, Damage] = {
    "table truncated": truncated("table.json"),
    "table empty": written("table.json", b""),
    "table is a list": written("table.json", b"[]"),
    "table deep": written("table.json", b"[" * 60_000),
    "table not text": written("table.json", b"\xff\xfe\x00"),
    "points not a number": replaced("table.json", "-12", "NaN"),
    "points infinite": replaced("table.json", "-12", "-Infinity"),
    "points fractional": line(lambda one: one["points"].__setitem__(1, -12.5)),
    "points true": line(lambda one: one["points"].__setitem__(1, True)),
    "points too large": line(lambda one: one["points"].__setitem__(-1, -5000)),
    "points against the sign": line(lambda one: one["points"].reverse()),
    "one point more": line(lambda one: one["points"].append(-300)),
    "one cut less": line(lambda one: one["cuts"].pop()),
    "cuts unsorted": line(lambda one: one["cuts"].reverse()),
    "cuts equal": line(lambda one: one["cuts"].__setitem__(1, one["cuts"][0])),
    "cut too large": line(lambda one: one["cuts"].__setitem__(-1, 1e300)),
    "cut a text": line(lambda one: one["cuts"].__setitem__(0, "0.4")),
    "cuts missing": line(lambda one: one.pop("cuts")),
    "cuts no list": line(lambda one: one.__setitem__("cuts", 4)),
    "missing bin out of range": line(lambda one: one.__setitem__("missing", 500)),
    "feature unknown": line(lambda one: one.__setitem__("feature", "region")),
    "feature twice": changed("table.json", lambda t: t["lines"].__setitem__(1, t["lines"][0])),
    "lines gone": changed("table.json", lambda t: t.__setitem__("lines", [])),
    "lines no list": changed("table.json", lambda t: t.__setitem__("lines", {})),
    "line no table": changed("table.json", lambda t: t["lines"].__setitem__(0, 7)),
    "key twice": replaced("table.json", '"base_points"', '"base_points": 1, "base_points"'),
    "base too high": changed("table.json", lambda t: t.__setitem__("base_points", 1200)),
    "base a text": changed("table.json", lambda t: t.__setitem__("base_points", "952")),
    "base shifted": changed("table.json", lambda t: t.__setitem__("base_points", t["base_points"] - 1)),
    "digit changed": line(lambda one: one["points"].__setitem__(1, one["points"][1] - 1)),
    "cut moved": line(lambda one: one["cuts"].__setitem__(0, one["cuts"][0] + 0.3)),
    "sign of a feature changed": changed("features.json", lambda f: f["features"][0].__setitem__("sign", 1)),
    "text of a feature changed": changed("features.json", lambda f: f["features"][0].__setitem__("zh", "别的")),
    "feature left out": changed("features.json", lambda f: f["features"].pop()),
    "features no list": changed("features.json", lambda f: f.__setitem__("features", None)),
    "scale without pdo": changed("scale.json", lambda s: s.pop("pdo")),
    "scale zero": changed("scale.json", lambda s: s.__setitem__("pdo", 0)),
    "scale moved": changed("scale.json", lambda s: s.__setitem__("odds_against", 48)),
    "calibrator falling": changed("calibrator.json", lambda c: c.__setitem__("slope", -1.0)),
    "calibrator of another kind": changed("calibrator.json", lambda c: c.__setitem__("kind", "isotonic")),
    "golden truncated": truncated("golden.csv"),
    "golden empty": written("golden.csv", b""),
    "golden without rows": lambda f: (f / "golden.csv").write_text(
        (f / "golden.csv").read_text("utf-8").split("\n")[0]
    ),
    "golden of another score": replaced("golden.csv", ",952,", ",951,"),
    "golden not text": written("golden.csv", b"\xff\xfe"),
    "golden huge field": written("golden.csv", b"x" * (csv.field_size_limit() + 1)),
    "metrics truncated": truncated("metrics.json"),
    "file too large": written("card.md", b"x" * (8 * 1024 * 1024 + 1)),
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES.keys())
def test_damage_after_signing_is_tampering(copy: Path, damage: Damage) -> None:
    seal(copy)
    damage(copy)
    assert reason_of(copy) in {Reason.MODEL_TAMPERED, Reason.MODEL_INVALID}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES.keys())
def test_damage_under_a_good_signature_is_invalid(copy: Path, damage: Damage) -> None:
    damage(copy)
    seal(copy)
    assert reason_of(copy) is Reason.MODEL_INVALID


def test_one_changed_byte_of_any_file_is_tampering(copy: Path) -> None:
    seal(copy)
    for name in (*FILES, "manifest.json"):
        content = (copy / name).read_bytes()
        middle = len(content) // 2
        (copy / name).write_bytes(content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :])
        assert reason_of(copy) is Reason.MODEL_TAMPERED, name
        (copy / name).write_bytes(content)
    assert load(copy, KEYS).scorecard.base_points > 0


def test_missing_and_extra_files_are_tampering(copy: Path) -> None:
    seal(copy)
    (copy / "evil.py").write_text("", "utf-8")
    assert reason_of(copy) is Reason.MODEL_TAMPERED
    (copy / "evil.py").unlink()
    (copy / "booster.txt").unlink()
    assert reason_of(copy) is Reason.MODEL_TAMPERED


def with_priors(folder: Path, change: Callable[[dict[str, Any]], object] = lambda _: None) -> None:
    """Puts rates of classes into an artefact, and into its manifest."""
    document = a_document()
    change(document)
    (folder / "priors.json").write_text(json.dumps(document), "utf-8")
    changed("manifest.json", lambda m: m["files"].__setitem__("priors.json", {}))(folder)


def test_priors_are_read_when_they_are_signed_and_absent_when_there_are_none(copy: Path) -> None:
    seal(copy)
    before = load(copy, KEYS)
    assert (before.scorecard.priors, "priors.json" in before.replayed) == (None, False)
    with_priors(copy)
    seal(copy)
    after = load(copy, KEYS)
    assert after.scorecard == replace(before.scorecard, priors=PRIORS)
    assert after.replayed["priors.json"] == (copy / "priors.json").read_bytes()


def test_priors_that_were_not_signed_or_do_not_hold_are_refused(copy: Path) -> None:
    seal(copy)
    (copy / "priors.json").write_text(json.dumps(a_document()), "utf-8")
    assert reason_of(copy) is Reason.MODEL_TAMPERED
    with_priors(copy, lambda document: document["classes"][1].__setitem__("probability", 0.001))
    seal(copy)
    assert reason_of(copy) is Reason.MODEL_INVALID
    for content in (b"[]", b"{}", b'{"confidence": 0.9, "strength": 10, "classes": 7}', b'{"confidence": NaN}'):
        (copy / "priors.json").write_bytes(content)
        seal(copy)
        assert reason_of(copy) is Reason.MODEL_INVALID
    (copy / "priors.json").unlink()
    assert reason_of(copy) is Reason.MODEL_TAMPERED


def with_exposure(folder: Path, card: Scorecard) -> Scorecard:
    """Puts a line of exposure into an artefact, and a column of it into its golden rows."""
    size = Line(BY_NAME["headcount"], (100.0,), (9, -90), 0)
    exposed = replace(card, exposure=(size,))
    rows = list(csv.DictReader((folder / "golden.csv").read_text("utf-8").splitlines()))
    people = ("4.0", "5000.0", "nan")
    columns = [[float(row[name]) for name in card.feature_names] for row in rows]
    matrix = np.array([[*row, float(people[n % 3])] for n, row in enumerate(columns)])
    (folder / "golden.csv").write_text(golden_text(exposed, matrix), "utf-8")
    (folder / "exposure.json").write_text(json.dumps(exposure_document([size])), "utf-8")
    changed("manifest.json", lambda m: m["files"].__setitem__("exposure.json", {}))(folder)
    return exposed


def test_exposure_is_read_when_it_is_signed_and_made_again_by_the_golden_rows(copy: Path) -> None:
    seal(copy)
    before = load(copy, KEYS)
    assert (before.scorecard.exposure, "exposure.json" in before.replayed) == ((), False)
    exposed = with_exposure(copy, before.scorecard)
    seal(copy)
    after = load(copy, KEYS)
    assert after.scorecard == exposed
    assert after.replayed["exposure.json"] == (copy / "exposure.json").read_bytes()
    for damage in (
        replaced("exposure.json", "-90", "-89"), replaced("golden.csv", ",5000.0,", ",50.0,"),
        replaced("golden.csv", ",headcount,", ",people,"), written("exposure.json", b"{}"),
    ):  # fmt: skip
        kept = {name: (copy / name).read_bytes() for name in ("exposure.json", "golden.csv")}
        damage(copy)
        assert reason_of(copy) is Reason.MODEL_TAMPERED
        seal(copy)
        assert reason_of(copy) is Reason.MODEL_INVALID
        for name, content in kept.items():
            (copy / name).write_bytes(content)
        seal(copy)
    (copy / "exposure.json").unlink()
    assert reason_of(copy) is Reason.MODEL_TAMPERED


def test_no_signature_is_unsigned_and_no_manifest_is_not_found(copy: Path) -> None:
    (copy / "manifest.sig").unlink()
    assert reason_of(copy) is Reason.MODEL_UNSIGNED
    (copy / "manifest.json").unlink()
    assert reason_of(copy) is Reason.MODEL_NOT_FOUND
    assert reason_of(copy / "nowhere") is Reason.MODEL_NOT_FOUND


def test_signature_of_a_stranger_is_untrusted(copy: Path) -> None:
    assert reason_of(copy) is Reason.MODEL_UNTRUSTED


def test_stranger_who_takes_a_trusted_name_is_tampering(copy: Path) -> None:
    changed("manifest.sig", lambda s: s.__setitem__("key_id", next(iter(KEYS))))(copy)
    assert reason_of(copy) is Reason.MODEL_TAMPERED


@pytest.mark.parametrize(
    ("change", "want"),
    [
        (lambda s: s.__setitem__("algorithm", "SM2"), Reason.MODEL_UNTRUSTED),
        (lambda s: s.__setitem__("signature", "%%%"), Reason.MODEL_TAMPERED),
        (lambda s: s.__setitem__("signature", ""), Reason.MODEL_TAMPERED),
        (lambda s: s.pop("signature"), Reason.MODEL_TAMPERED),
        (lambda s: s.__setitem__("signature", 7), Reason.MODEL_TAMPERED),
    ],
)
def test_signature_says_its_algorithm_and_is_well_formed(
    copy: Path, change: Callable[[Any], object], want: Reason
) -> None:
    seal(copy)
    changed("manifest.sig", change)(copy)
    assert reason_of(copy) is want


@pytest.mark.parametrize(
    "changes",
    [
        {"schema": 2}, {"files": {}}, {"files": []}, {"feature_set": "sha-256:0"},
        {"files": dict.fromkeys(FILES, 7)},
        {"files": {name: {"algorithm": "MD5", "digest": ""} for name in FILES}},
    ],
)  # fmt: skip
def test_signed_manifest_of_another_form_is_invalid(copy: Path, changes: dict[str, Any]) -> None:
    manifest = json.loads((copy / "manifest.json").read_text("utf-8")) | changes
    text = json.dumps(manifest).encode()
    seal(copy)
    (copy / "manifest.json").write_bytes(text)
    changed("manifest.sig", lambda s: s.__setitem__("signature", base64.b64encode(KEY.sign(text)).decode()))(copy)
    assert reason_of(copy) is Reason.MODEL_INVALID


def test_keys_are_read_by_their_digest_and_narrowed_by_trust(tmp_path: Path) -> None:
    public = KEY.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    name = next(iter(KEYS))
    (tmp_path / f"{name}.pub").write_bytes(public)
    assert list(load_keys(tmp_path)) == [name]
    assert load_keys(tmp_path, frozenset({"another"})) == {}
    (tmp_path / "friend.pub").write_bytes(public)
    with pytest.raises(CreditError, match="got another key"):
        load_keys(tmp_path)


@pytest.mark.parametrize(
    "content", [b"", b"ssh-ed25519 AAAA", b"-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n"]
)
def test_unreadable_key_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "k.pub").write_bytes(content)
    with pytest.raises(CreditError) as caught:
        load_keys(tmp_path)
    assert caught.value.reason is Reason.FILE_INVALID


def test_key_of_another_kind_is_refused(tmp_path: Path) -> None:
    other = generate_private_key(SECP256R1()).public_key()
    (tmp_path / "k.pub").write_bytes(other.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    with pytest.raises(CreditError, match="got another key"):
        load_keys(tmp_path)
