"""Computes a grade again from its bundle alone: python verify.py BUNDLE.zip (Python 3.11, nothing to install).

验证脚本：凭证据包独立重新计算等级，每一步与证据包不符即报错退出。
The signature is checked where the package `cryptography` is installed.
"""

import base64
import hashlib
import json
import math
import sys
import zipfile
from bisect import bisect_left
from typing import Any

LETTERS = "ABCD"


def must(is_same: bool, what: str) -> None:
    """Ends the check at the first thing that does not hold."""
    if not is_same:
        sys.exit(f"DIFFERS 不一致: {what}")


def check_model(files: dict[str, bytes]) -> str:
    """Checks digests and signature of the model's files; says whether the signature was checked."""
    manifest, seal = json.loads(files["model/manifest.json"]), json.loads(files["model/manifest.sig"])
    for name in ("table.json", "scale.json", "calibrator.json", "features.json"):
        digest = hashlib.sha256(files[f"model/{name}"]).hexdigest()
        must(digest == manifest["files"][name]["digest"], f"digest of {name}")
    try:
        from cryptography.hazmat.primitives.serialization import load_pem_public_key
    except ImportError:
        return "not checked: install cryptography 未验证签名"
    key: Any = load_pem_public_key(files["model/key.pub"])
    try:
        key.verify(base64.b64decode(seal["signature"]), files["model/manifest.json"])
    except Exception:  # noqa: BLE001  # whatever it is, the signature does not hold
        must(False, "signature of the manifest")
    must(seal["key_id"] == f"ed25519-{hashlib.sha256(key.public_bytes_raw()).hexdigest()[:16]}", "id of the key")
    return f"good, by {seal['key_id']} 签名有效"


def points_of(line: dict[str, Any], value: float | None) -> int:
    """Looks up the points of a value: bin i ends at cuts[i], inclusive."""
    return int(line["missing"] if value is None else line["points"][bisect_left(line["cuts"], value)])


def band(bands: dict[str, int], score: int) -> str:
    """Returns the letter of a score."""
    return next((letter for letter in "ABC" if score >= bands[letter]), "D")


def settled(rules: dict[str, Any], score: int) -> str:
    """Walks the cycles of the year: a buffer around each edge, one letter up after enough cleared cycles."""
    bands, cycles = rules["bands"], [one for _, one in rules["cycles"]]
    if not cycles:
        return band(bands, score)
    buffer, needed, letter = rules["buffer"], rules["upgrade_cycles"], band(bands, cycles[0])
    cleared = [band(bands, one - buffer) for one in cycles]
    for n, one in enumerate(cycles[1:], 1):
        letter = max(letter, band(bands, one + buffer))
        if n + 1 >= needed and max(cleared[n + 1 - needed : n + 1]) < letter:
            letter = LETTERS[LETTERS.index(letter) - 1]
    letter = max(letter, band(bands, score + buffer))
    return max(letter, band(bands, score)) if rules["has_hard_record"] else letter


def check_score(told: dict[str, Any], files: dict[str, bytes]) -> None:
    """Computes points, score and probability again."""
    must(told["base_points"] + sum(f["points"] for f in told["features"]) == told["score"], "sum of the points")
    if told["mode"] != "model":
        return
    table, scale, calibrator = (json.loads(files[f"model/{n}.json"]) for n in ("table", "scale", "calibrator"))
    must(table["base_points"] == told["base_points"], "base points")
    must([x["feature"] for x in table["lines"]] == [f["feature"] for f in told["features"]], "features of the table")
    for line, feature in zip(table["lines"], told["features"], strict=True):
        must(points_of(line, feature["value"]) == feature["points"], f"points of {feature['feature']}")
    odds = (scale["base"] - told["score"]) * math.log(2) / scale["pdo"] - math.log(scale["odds_against"])
    chance = 1 / (1 + math.exp(-(calibrator["intercept"] + calibrator["slope"] * odds)))
    must(math.isclose(chance, told["probability"], rel_tol=1e-12), "probability")


def check_grade(told: dict[str, Any]) -> None:
    """Computes the letter again: cycles, the floor of D, conditions for A, vetoes, override."""
    letter = "PENDING"
    if "score" in told:
        letter = settled(told["letter"], told["score"])
        letter = "C" if letter == "D" and not told["letter"]["has_hard_record"] else letter
        letter = "B" if letter == "A" and told["unmet"] else letter
    caps = [veto["cap"] for veto in told["vetoes"]]
    letter = max([*caps, *([] if letter == "PENDING" else [letter])], default=letter)
    if "override" in told:
        letter = max([told["override"]["grade"], *caps])
    must(letter == told["grade"], f"grade: computed {letter}, told {told['grade']}")


def main(path: str) -> None:
    """Checks one bundle and says what was found."""
    with zipfile.ZipFile(path) as bundle:
        files = {name: bundle.read(name) for name in bundle.namelist()}
    told, index = json.loads(files["explanation.json"]), json.loads(files["index.json"])
    must(sorted(index) == sorted(set(files) - {"index.json"}), "list of files")
    for name, digest in index.items():
        must(hashlib.sha256(files[name]).hexdigest() == digest, f"digest of {name}")
    signature = check_model(files) if told.get("model_id") else "no model spoke 未使用模型"
    if "score" in told:
        check_score(told, files)
    check_grade(told)
    print(
        f"HOLDS 一致: {told['subject_id']} {told['as_of']} grade 等级 {told['grade']}, score 得分 {told.get('score')}"
    )
    print(f"signature 签名: {signature}")


if __name__ == "__main__":
    main(sys.argv[1])
