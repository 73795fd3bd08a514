"""Writes a made model as a signed artefact; the key lies outside the repository."""

import base64
import hashlib
import json
import os
import platform
import shutil
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

from credit_service.arrays import Floats
from credit_service.errors import CreditError, Reason
from credit_service.grades.artefact import (
    DIGEST_ALGORITHM,
    MANIFEST,
    SCHEMA,
    SIGNATURE,
    SIGNATURE_ALGORITHM,
    golden_text,
    key_id,
    load,
)
from credit_service.grades.features import describe, set_hash
from credit_service.grades.prior import FILE as PRIORS
from credit_service.grades.prior import priors_document
from credit_service.grades.table import EXPOSURE, exposure_document, table_document
from credit_service.legal_days import day_text
from training.card import card_text
from training.evaluate import rounded
from training.making import Made, Sets, exposed, scored
from training.monitoring import reference
from training.recipe import Recipe
from training.registry import register

GOLDEN_ROWS = 200
LIBRARIES = ("numpy", "lightgbm", "scikit-learn", "cryptography")


def publish(
    recipe: Recipe,
    made: Made,
    given: Sets,
    report: Mapping[str, Any],
    models: Path,
    key: Ed25519PrivateKey,
) -> Path:
    """Writes models/<name>/<version>, verifies it as the service would, makes it the champion."""
    directory = models / recipe.name / recipe.version
    directory.parent.mkdir(parents=True, exist_ok=True)
    # A version that does not verify never takes the place of one that did.
    with TemporaryDirectory(dir=directory.parent) as name:
        draft = Path(name) / recipe.version
        draft.mkdir()
        for file, text in _files(recipe, made, given, report).items():
            (draft / file).write_text(text, "utf-8", newline="\n")
        _sign(recipe, made, report, draft, key)
        load(draft, {key_id(key.public_key()): key.public_key()})
        if directory.is_dir():
            shutil.rmtree(directory)
        draft.rename(directory)
    register(models, recipe.name, recipe.version, recipe.published_on)
    return directory


def new_key(path: Path, keys: Path) -> str:
    """Makes a private key file for its owner alone, and its public twin; returns the key id."""
    key = Ed25519PrivateKey.generate()
    path.parent.mkdir(parents=True, exist_ok=True)
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as out:
        out.write(private)
    keys.mkdir(parents=True, exist_ok=True)
    name = key_id(key.public_key())
    public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    (keys / f"{name}.pub").write_bytes(public)
    return name


def read_key(path: Path) -> Ed25519PrivateKey:
    """Reads a private key file; fails with FILE_INVALID."""
    try:
        key: object = load_pem_private_key(path.read_bytes(), None)
    except (ValueError, TypeError):
        key = None
    if not isinstance(key, Ed25519PrivateKey):
        want = "an Ed25519 key in PEM without a password; `python -m training key FILE` makes one"
        raise CreditError(Reason.FILE_INVALID, f"key: got {path.name}, want {want}")
    return key


def json_text(document: Any) -> str:
    """Writes a document the same way in every run."""
    return json.dumps(document, ensure_ascii=False, indent=1, allow_nan=False) + "\n"


def _files(recipe: Recipe, made: Made, given: Sets, report: Mapping[str, Any]) -> dict[str, str]:
    card = made.scorecard
    metrics = rounded(dict(report))
    test = np.hstack([scored(recipe, given.test.features), exposed(recipe, given.test.features)])
    priors = {PRIORS: json_text(priors_document(card.priors))} if card.priors else {}
    exposure = {EXPOSURE: json_text(exposure_document(card.exposure))} if card.exposure else {}
    files = {
        "table.json": json_text(table_document(card.base_points, card.lines)),
        "features.json": json_text({"features": [describe(line.feature) for line in card.lines]}),
        "scale.json": json_text(
            {
                "pdo": card.scale.pdo,
                "base": card.scale.base,
                "odds_against": card.scale.odds_against,
                "bands": dict(recipe.bands),
            }
        ),
        "calibrator.json": json_text(_calibrator(recipe, made)),
        "reference.json": json_text(reference(made.scorecard, scored(recipe, given.calibration.features))),
        "metrics.json": json_text(metrics),
        "golden.csv": golden_text(card, _golden_rows(made, test)),
        "booster.txt": made.fitted.provenance,
        "card.md": card_text(recipe, made, metrics),
    }
    return files | exposure | priors


def _calibrator(recipe: Recipe, made: Made) -> dict[str, Any]:
    """The points are calibrated when they are cut, so the score's odds are published unmoved."""
    return {
        "kind": "logit-linear",
        "intercept": made.scorecard.calibrator.intercept,
        "slope": made.scorecard.calibrator.slope,
        "of_points": {
            "intercept": made.calibration.intercept,
            "slope": made.calibration.slope,
            "cutoff": day_text(recipe.calibration_cutoff),
            "label_months": 12,
            "n": made.calibration.n,
            "positives": made.calibration.positives,
        },
    }


def _golden_rows(made: Made, features: Floats) -> Floats:
    """Picks distinct rows over the whole range of scores, best and worst among them."""
    rows = np.unique(features, axis=0)
    order = np.argsort(made.scorecard.score(rows[:, : len(made.scorecard.lines)]), kind="stable")
    places = np.unique(np.linspace(0, len(rows) - 1, GOLDEN_ROWS).round().astype(np.int64))
    chosen: Floats = rows[order[places]]
    return chosen


def _sign(recipe: Recipe, made: Made, report: Mapping[str, Any], directory: Path, key: Ed25519PrivateKey) -> None:
    files = sorted(path for path in directory.iterdir())
    manifest = {
        "schema": SCHEMA,
        "model": recipe.name,
        "version": recipe.version,
        "edition": recipe.edition,
        "task": made.task,
        "kind": recipe.kind,
        "is_simulated": recipe.is_simulated,
        "published_on": recipe.published_on,
        "expires_on": recipe.expires_on,
        "feature_set": set_hash(made.scorecard.feature_names),
        "recipe": recipe.digest,
        "data": report["data"],
        "libraries": {
            "python": platform.python_version(),
            **{name: version(name) for name in LIBRARIES},
        },
        "files": {path.name: _digest(path) for path in files},
    }
    content = json_text(manifest).encode()
    (directory / MANIFEST).write_bytes(content)
    seal = {
        "algorithm": SIGNATURE_ALGORITHM,
        "key_id": key_id(key.public_key()),
        "signature": base64.b64encode(key.sign(content)).decode(),
    }
    (directory / SIGNATURE).write_text(json_text(seal), "utf-8")


def _digest(path: Path) -> dict[str, Any]:
    content = path.read_bytes()
    return {
        "algorithm": DIGEST_ALGORITHM,
        "digest": hashlib.sha256(content).hexdigest(),
        "bytes": len(content),
    }
