"""Signed model artefacts: verified before anything in them is believed; never executed."""

import base64
import csv
import hashlib
import io
import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_public_key

from credit_service.errors import CreditError, Reason, shown
from credit_service.grades.drift import score_bins
from credit_service.grades.features import set_hash
from credit_service.grades.prior import FILE as PRIORS
from credit_service.grades.prior import read_priors
from credit_service.grades.scorecard import Scorecard
from credit_service.grades.table import EXPOSURE, read_scorecard
from credit_service.legal_days import parse_day

SCHEMA = 1
SIGNATURE_ALGORITHM = "Ed25519"
DIGEST_ALGORITHM = "SHA-256"
MANIFEST, SIGNATURE = "manifest.json", "manifest.sig"
# The files that every artefact has; booster.txt is provenance, of a logistic scorecard its weights, and never parsed.
FILES = (
    "booster.txt", "calibrator.json", "card.md", "features.json", "golden.csv", "metrics.json",
    "reference.json", "scale.json", "table.json",
)  # fmt: skip
# The files that an artefact may have: older ones publish neither priors nor exposure.
OPTIONAL = (EXPOSURE, PRIORS)
REGISTRY = "registry.json"
# What an answer can be computed again from.
REPLAYED = (EXPOSURE, PRIORS, "calibrator.json", "features.json", "scale.json", "table.json")
SIZE_LIMIT = 8 * 1024 * 1024
MANIFEST_LIMIT = 64 * 1024

Keys = Mapping[str, Ed25519PublicKey]

_PLAIN = re.compile(r"[a-z0-9][a-z0-9._-]*", re.ASCII)


@dataclass(frozen=True, slots=True)
class Artefact:
    """Holds a verified artefact: the table to score with, and what was said about it."""

    scorecard: Scorecard
    manifest: Mapping[str, Any]
    metrics: Mapping[str, Any]
    directory: Path
    # The signed files from which a score can be computed again, with manifest and signature.
    replayed: Mapping[str, bytes]
    key_id: str
    public_key: Ed25519PublicKey
    # Edges and counts of the scores that the level was set on: drift is measured against them.
    score_bins: tuple[tuple[int, ...], tuple[int, ...]]


def key_id(key: Ed25519PublicKey) -> str:
    """Names a public key by its digest."""
    raw = key.public_bytes(Encoding.Raw, PublicFormat.Raw)
    return f"ed25519-{hashlib.sha256(raw).hexdigest()[:16]}"


def load_keys(directory: Path, trusted: frozenset[str] | None = None) -> dict[str, Ed25519PublicKey]:
    """Reads the public keys of a directory; `trusted` narrows them to some ids. Fails with FILE_INVALID."""
    keys, faults = sound_keys(directory, trusted)
    for fault in faults.values():
        raise fault
    return keys


def sound_keys(
    directory: Path, trusted: frozenset[str] | None = None
) -> tuple[dict[str, Ed25519PublicKey], dict[str, CreditError]]:
    """Reads the public keys that are what their file is called, and returns why the others are not, by file."""
    keys: dict[str, Ed25519PublicKey] = {}
    faults: dict[str, CreditError] = {}
    for path in sorted(directory.glob("*.pub")):
        try:
            keys[path.stem] = _key(path)
        except CreditError as fault:
            faults[path.name] = fault
    return {name: key for name, key in keys.items() if trusted is None or name in trusted}, faults


def _key(path: Path) -> Ed25519PublicKey:
    try:
        key = load_pem_public_key(path.read_bytes())
    except (OSError, ValueError) as fault:
        raise CreditError(Reason.FILE_INVALID, f"{path.name}: got {fault}, want a public key in PEM") from fault
    if not isinstance(key, Ed25519PublicKey) or key_id(key) != path.stem:
        raise CreditError(Reason.FILE_INVALID, f"{path.name}: got another key, want the Ed25519 key {path.stem}")
    return key


def load(directory: Path, keys: Keys) -> Artefact:
    """Loads one artefact: signature, digests, sizes, schema, golden rows, in this order.

    Reasons: MODEL_NOT_FOUND, MODEL_UNSIGNED, MODEL_UNTRUSTED, MODEL_TAMPERED, MODEL_INVALID.
    """
    try:
        return _load(directory, keys)
    except OSError as fault:
        # A link to nowhere or a bad sector is a fault of this model alone.
        raise invalid(directory.name, fault.strerror or type(fault).__name__, "files that can be read") from fault


def _load(directory: Path, keys: Keys) -> Artefact:
    sealed, signer = _sealed(directory, keys)
    manifest = _manifest(sealed[MANIFEST])
    files = _files(directory, manifest)
    try:
        documents = {name: parse(name, files[name]) for name in files if name.endswith(".json")}
        model_id = f"{manifest['model']}/{manifest['version']}"
        priors = read_priors(documents[PRIORS]) if PRIORS in documents else None
        scorecard = replace(read_scorecard(model_id, documents), expires_day=_expiry(manifest), priors=priors)
        if set_hash(scorecard.feature_names) != manifest["feature_set"]:
            raise invalid("features.json", "another meaning of a feature", "the features of this service")
        _check_golden(scorecard, files["golden.csv"].decode())
        bins = score_bins(documents["reference.json"])
    except (KeyError, TypeError, ValueError, RecursionError, OverflowError, csv.Error) as fault:
        raise invalid(directory.name, f"{type(fault).__name__} {fault}", "a well-formed artefact") from fault
    # Nothing is read twice: what is handed out is what was checked.
    replayed = {name: files[name] for name in REPLAYED if name in files} | sealed
    return Artefact(scorecard, manifest, documents["metrics.json"], directory, replayed, signer, keys[signer], bins)


def load_champions(directory: Path, keys: Keys) -> dict[str, Artefact]:
    """Loads the champion of every model of the registry; fails with the first that does not hold."""
    found, faults = sound_champions(directory, keys)
    for fault in faults.values():
        raise fault
    return found


def sound_champions(directory: Path, keys: Keys) -> tuple[dict[str, Artefact], dict[str, CreditError]]:
    """Loads the champions that hold, and returns why the others do not, by name.

    A registry that cannot be read is such a fault; where none is, it fails with MODEL_NOT_FOUND.
    """
    found: dict[str, Artefact] = {}
    faults: dict[str, CreditError] = {}
    try:
        aliases = _aliases(directory)
    except CreditError as fault:
        if fault.reason is Reason.MODEL_NOT_FOUND:
            raise
        return {}, {REGISTRY: fault}
    for name, versions in aliases.items():
        try:
            version = _champion(name, versions)
            artefact = load(directory / name / version, keys)
            if artefact.scorecard.model_id != f"{name}/{version}":
                raise invalid(REGISTRY, artefact.scorecard.model_id, f"the model {name}")
            found[name] = artefact
        except CreditError as fault:
            faults[name] = fault
    return found, faults


def _aliases(directory: Path) -> dict[str, Any]:
    """Returns what the registry says of every model."""
    path = directory / REGISTRY
    try:
        if not path.is_file() or path.stat().st_size > MANIFEST_LIMIT:
            raise CreditError(Reason.MODEL_NOT_FOUND, f"{REGISTRY}: got none in {directory.name}, want a registry")
        registry = parse(path.name, path.read_bytes())
    except OSError as fault:
        raise invalid(REGISTRY, fault.strerror or type(fault).__name__, "a file that can be read") from fault
    aliases = registry.get("aliases")
    if not isinstance(aliases, dict):
        raise invalid(REGISTRY, registry, "a champion for every model")
    return aliases


def _champion(name: str, versions: object) -> str:
    """Returns the champion of a model; names that could lead out of the folder are refused."""
    champion = versions.get("champion") if isinstance(versions, dict) else None
    if not isinstance(champion, str) or not all(map(_PLAIN.fullmatch, (name, champion))):
        raise invalid(REGISTRY, {name: versions}, "plain names of models and versions")
    return champion


def parse(name: str, content: bytes) -> dict[str, Any]:
    """Reads a JSON object strictly: finite numbers, no key twice."""
    try:
        found = json.loads(content, parse_constant=_refuse_constant, object_pairs_hook=_once)
    except (ValueError, RecursionError) as fault:
        raise invalid(name, str(fault), "a JSON object") from fault
    if not isinstance(found, dict):
        raise invalid(name, type(found).__name__, "a JSON object")
    return found


def invalid(name: str, got: object, want: str) -> CreditError:
    """Says what is wrong inside an artefact whose signature holds."""
    return CreditError(Reason.MODEL_INVALID, f"{name}: got {shown(got)}, want {want}", file=name)


def _sealed(directory: Path, keys: Keys) -> tuple[dict[str, bytes], str]:
    """Returns manifest and signature as they were read and hold, and the id of the key that signed."""
    if not (directory / MANIFEST).is_file():
        raise CreditError(Reason.MODEL_NOT_FOUND, f"model: got none at {directory.name}, want {MANIFEST}")
    if not (directory / SIGNATURE).is_file():
        raise CreditError(Reason.MODEL_UNSIGNED, f"{SIGNATURE}: got none, want a signature", model=directory.name)
    content, sealed = (_bounded(directory / name, MANIFEST_LIMIT) for name in (MANIFEST, SIGNATURE))
    try:
        seal = parse(SIGNATURE, sealed)
        signature = base64.b64decode(seal["signature"], validate=True)
        named, algorithm = str(seal["key_id"]), seal["algorithm"]
    except (CreditError, KeyError, TypeError, ValueError) as fault:
        raise _tampered(SIGNATURE, "no readable signature", "algorithm, key id and signature") from fault
    if algorithm != SIGNATURE_ALGORITHM:
        raise CreditError(Reason.MODEL_UNTRUSTED, f"algorithm: got {shown(algorithm)}, want {SIGNATURE_ALGORITHM}")
    if named not in keys:
        raise CreditError(
            Reason.MODEL_UNTRUSTED,
            f"key_id: got {shown(named)}, want a trusted key",
            key_id=shown(named),
        )
    try:
        keys[named].verify(signature, content)
    except InvalidSignature as fault:
        raise _tampered(MANIFEST, "content that was not signed", f"the content signed by {named}") from fault
    return {MANIFEST: content, SIGNATURE: sealed}, named


def _manifest(content: bytes) -> dict[str, Any]:
    manifest = parse(MANIFEST, content)
    if manifest.get("schema") != SCHEMA:
        raise invalid(MANIFEST, manifest.get("schema"), f"schema {SCHEMA}")
    return manifest


def _expiry(manifest: Mapping[str, Any]) -> int:
    try:
        return parse_day(str(manifest["expires_on"]))
    except CreditError as fault:
        raise invalid(MANIFEST, manifest["expires_on"], "the last day of service, such as 2028-01-23") from fault


def _files(directory: Path, manifest: Mapping[str, Any]) -> dict[str, bytes]:
    listed = manifest.get("files")
    if not isinstance(listed, dict) or sorted(set(listed) - set(OPTIONAL)) != list(FILES):
        raise invalid(MANIFEST, listed, "exactly the files of an artefact")
    present = sorted(path.name for path in directory.iterdir())
    if present != sorted([*listed, MANIFEST, SIGNATURE]):
        raise _tampered(directory.name, ", ".join(present), "exactly the signed files")
    return {name: _listed(directory / name, entry) for name, entry in listed.items()}


def _listed(path: Path, entry: Mapping[str, Any]) -> bytes:
    if not isinstance(entry, dict) or entry.get("algorithm") != DIGEST_ALGORITHM:
        raise invalid(MANIFEST, entry, f"a digest by {DIGEST_ALGORITHM} of {path.name}")
    content = _bounded(path, SIZE_LIMIT)
    if hashlib.sha256(content).hexdigest() != entry.get("digest"):
        raise _tampered(path.name, "another content", "the signed content")
    return content


def _bounded(path: Path, limit: int) -> bytes:
    """Reads a file of bounded size; the size is asked before the file is."""
    size = path.stat().st_size
    if not path.is_file() or size > limit:
        raise invalid(path.name, f"{size} bytes", f"a file of at most {limit} bytes")
    return path.read_bytes()


def _tampered(name: str, got: str, want: str) -> CreditError:
    return CreditError(Reason.MODEL_TAMPERED, f"{name}: got {got}, want {want}", file=name)


def _refuse_constant(name: str) -> float:
    raise ValueError(f"{name} is no number")


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key stands twice")
    return found


def golden_text(scorecard: Scorecard, matrix: np.ndarray[Any, np.dtype[np.float64]]) -> str:
    """Writes rows with what the table makes of them, to be made again at every load; exposures come last."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(_golden_columns(scorecard))
    width = len(scorecard.lines)
    scores = scorecard.score(matrix[:, :width])
    chances = scorecard.probability(scores, scorecard.exposure_points(matrix[:, width:]))
    for row, score, chance in zip(matrix, scores, chances, strict=True):
        told = ";".join(f"{r.feature}:{r.points}" for r in scorecard.reasons(row[:width], lambda _: ()))
        writer.writerow([*(repr(float(v)) for v in row), int(score), repr(float(chance)), told])
    return text.getvalue()


def _golden_columns(scorecard: Scorecard) -> list[str]:
    return [*scorecard.feature_names, *scorecard.exposure_names, "score", "probability", "reasons"]


def _check_golden(scorecard: Scorecard, text: str) -> None:
    """Compares scores of every path and reasons exactly, probabilities to the last bits."""
    header, *rows = list(csv.reader(io.StringIO(text)))
    names = _golden_columns(scorecard)
    if header != names or not rows:
        raise invalid("golden.csv", header, "the columns of the table and at least one row")
    scored = len(scorecard.lines)
    width = scored + len(scorecard.exposure)
    matrix = np.array([[float(v) for v in row[:width]] for row in rows], dtype=np.float64)
    again = list(csv.reader(io.StringIO(golden_text(scorecard, matrix))))[1:]
    for want, got, values in zip(rows, again, matrix, strict=True):
        is_same = want[: width + 1] == got[: width + 1] and want[-1] == got[-1]
        near = math.isclose(float(want[-2]), float(got[-2]), rel_tol=1e-12)
        if not is_same or not near or scorecard.score_row(values[:scored].tolist()) != int(want[width]):
            raise invalid("golden.csv", ",".join(got), ",".join(want))
