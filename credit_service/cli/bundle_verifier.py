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

UNSIGNED = {"manifest.json", "manifest.sig", "key.pub"}


def must(is_same: bool, what: str) -> None:
    """Ends the check at the first thing that does not hold."""
    if not is_same:
        sys.exit(f"DIFFERS 不一致: {what}")


def check_model(files: dict[str, bytes]) -> str:
    """Checks digest and signature of every file of the model; says whether the signature was checked."""
    manifest, seal = json.loads(files["manifest.json"]), json.loads(files["manifest.sig"])
    for name in sorted(files.keys() - UNSIGNED):
        signed = manifest["files"].get(name, {}).get("digest")
        must(hashlib.sha256(files[name]).hexdigest() == signed, f"digest of {name}")
    try:
        from cryptography.hazmat.primitives.serialization import load_pem_public_key
    except ImportError:
        return "not checked: install cryptography 未验证签名"
    key: Any = load_pem_public_key(files["key.pub"])
    must(seal["key_id"] == f"ed25519-{hashlib.sha256(key.public_bytes_raw()).hexdigest()[:16]}", "id of the key")
    try:
        key.verify(base64.b64decode(seal["signature"]), files["manifest.json"])
    except Exception:  # noqa: BLE001  # whatever it is, the signature does not hold
        must(False, "signature of the manifest")
    return f"good, by {seal['key_id']} 签名有效"


def check_score(told: dict[str, Any], model: dict[str, bytes]) -> None:
    """Computes points, score and probability again; bin i of a line ends at cuts[i], inclusive."""
    must(told["base_points"] + sum(f["points"] for f in told["features"]) == told["score"], "sum of the points")
    if told["mode"] != "model":
        return
    table, scale, calibrator = (json.loads(model[f"{name}.json"]) for name in ("table", "scale", "calibrator"))
    must(table["base_points"] == told["base_points"], "base points")
    must([x["feature"] for x in table["lines"]] == [f["feature"] for f in told["features"]], "features of the table")
    for line, f in zip(table["lines"], told["features"], strict=True):
        is_known = f["value"] is not None
        points = line["points"][bisect_left(line["cuts"], f["value"])] if is_known else line["missing"]
        must(points == f["points"], f"points of {f['feature']}")
    odds = (scale["base"] - told["score"]) * math.log(2) / scale["pdo"] - math.log(scale["odds_against"])
    chance = 1 / (1 + math.exp(-(calibrator["intercept"] + calibrator["slope"] * odds)))
    must(math.isclose(chance, told["probability"], rel_tol=1e-12), "probability")


def settled(rules: dict[str, Any], score: int) -> str:
    """Walks the cycles of the year: a buffer around each edge, one letter up after enough cleared cycles."""

    def band(points: int) -> str:
        return next((letter for letter in "ABC" if points >= rules["bands"][letter]), "D")

    if not rules["cycles"]:
        return band(score)
    (_, first), *later = rules["cycles"]
    letter, cleared = band(first), [band(first - rules["buffer"])]
    for _, one in later:
        letter = max(letter, band(one + rules["buffer"]))
        cleared = [*cleared, band(one - rules["buffer"])][-rules["upgrade_cycles"] :]
        if len(cleared) == rules["upgrade_cycles"] and max(cleared) < letter:
            letter = chr(ord(letter) - 1)
    return max(letter, band(score if rules["has_hard_record"] else score + rules["buffer"]))


def check_grade(told: dict[str, Any]) -> None:
    """Computes the letter again: cycles, the floor of D, conditions for A, vetoes, override."""
    letters = [veto["cap"] for veto in told["vetoes"]]
    if "override" in told:
        letters.append(told["override"]["grade"])
    elif "score" in told:
        letter = settled(told["letter"], told["score"])
        letter = "C" if letter == "D" and not told["letter"]["has_hard_record"] else letter
        letters.append("B" if letter == "A" and told["unmet"] else letter)
    letter = max(letters, default="PENDING")
    must(letter == told["grade"], f"grade: computed {letter}, told {told['grade']}")


def check_class(told: dict[str, Any], model: dict[str, bytes]) -> None:
    """Compares what is expected of the class of a pending subject with what the model published."""
    classes = {one["class"]: one for one in json.loads(model["priors.json"])["classes"]}
    published = classes[told["class_code"]]
    must(all(told[name] == published[name] for name in ("probability", "low", "high")), "class prior")


def main(path: str) -> None:
    """Checks one bundle and says what was found."""
    with zipfile.ZipFile(path) as bundle:
        files = {name: bundle.read(name) for name in bundle.namelist()}
    told, index = json.loads(files["explanation.json"]), json.loads(files["index.json"])
    must(sorted(index) == sorted(set(files) - {"index.json"}), "list of files")
    for name, digest in index.items():
        must(hashlib.sha256(files[name]).hexdigest() == digest, f"digest of {name}")
    model = {name.removeprefix("model/"): files[name] for name in files if name.startswith("model/")}
    signature = check_model(model) if model else "no model spoke 未使用模型"
    if "score" in told:
        check_score(told, model)
    if "class_prior" in told:
        check_class(told["class_prior"], model)
    check_grade(told)
    print(
        f"HOLDS 一致: {told['subject_id']} {told['as_of']} grade 等级 {told['grade']}, score 得分 {told.get('score')}"
    )
    print(f"signature 签名: {signature}")


if __name__ == "__main__":
    main(sys.argv[1])
