"""Computes a grade again from its bundle alone: python verify.py BUNDLE.zip (Python 3.11, nothing to install).

验证脚本：凭证据包独立重新计算等级，每一步与证据包不符即报错退出。
"""

import base64
import hashlib
import json
import math
import sys
import tomllib
import zipfile
from bisect import bisect_left
from typing import Any


def must(is_same: bool, what: str) -> None:
    """Ends the check at the first thing that does not hold."""
    if not is_same:
        sys.exit(f"DIFFERS 不一致: {what}")


def check_files(files: dict[str, bytes]) -> str:
    """Step 1: every file is the one listed, every file of the model the one signed; says who signed."""
    digests = {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}
    listed, model = json.loads(files["index.json"]), {name[6:] for name in files if name.startswith("model/")}
    for name in sorted((digests.keys() | listed) - {"index.json"}):
        must(listed.get(name) == digests.get(name), f"digest of {name}")
    if not model:
        return "no model spoke 未使用模型"
    manifest, seal = json.loads(files["model/manifest.json"]), json.loads(files["model/manifest.sig"])
    for name in sorted(model - {"manifest.json", "manifest.sig", "key.pub"}):
        must(manifest["files"].get(name, {}).get("digest") == digests[f"model/{name}"], f"signed digest of {name}")
    key, sealed = base64.b64decode(files["model/key.pub"].split(b"-----")[2])[-32:], files["model/manifest.json"]
    must(seal["key_id"] == f"ed25519-{hashlib.sha256(key).hexdigest()[:16]}", "id of the key")
    try:
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

        Ed25519PublicKey.from_public_bytes(key).verify(base64.b64decode(seal["signature"]), sealed)
    except ImportError:
        return "not checked: install cryptography 未验证签名"
    except Exception:  # noqa: BLE001  # whatever it is, the signature does not hold
        must(False, "signature of the manifest")
    return f"good, by {seal['key_id']} 签名有效"


def check_score(told: dict[str, Any], model: dict[str, Any]) -> None:
    """Step 2: points, score and probability; bin i of a line of the table ends at cuts[i], inclusive."""
    must(told["base_points"] + sum(f["points"] for f in told["features"]) == told["score"], "sum of the points")
    if told["mode"] != "model":
        return
    table, scale, calibrator = model["table"], model["scale"], model["calibrator"]
    must(told["base_points"] == table["base_points"], "base points")
    must([f["feature"] for f in told["features"]] == [x["feature"] for x in table["lines"]], "features of the table")
    # Exposure, such as the number of people, moves the probability alone.
    exposed, exposure = told.get("exposure", []), model.get("exposure", {"lines": []})["lines"]
    must([f["feature"] for f in exposed] == [x["feature"] for x in exposure], "features of the exposure")
    for f, line in zip([*told["features"], *exposed], [*table["lines"], *exposure], strict=True):
        is_known = f["value"] is not None
        points = line["points"][bisect_left(line["cuts"], f["value"])] if is_known else line["missing"]
        must(f["points"] == points, f"points of {f['feature']}")
    at = told["score"] + sum(f["points"] for f in exposed)
    odds = (scale["base"] - at) * math.log(2) / scale["pdo"] - math.log(scale["odds_against"])
    chance = 1 / (1 + math.exp(-calibrator["intercept"] - calibrator["slope"] * odds))
    must(math.isclose(told["probability"], chance, rel_tol=1e-12), "probability")


def letter_of(told: dict[str, Any], rules: dict[str, Any]) -> str:
    """Step 3: the letter of the score. A cycle lowers it beyond the buffer; so many clear ones lift it by one."""

    def band(score: int) -> str:
        return next((letter for letter in "ABC" if score >= rules["bands"][letter]), "D")

    scores = [score for _, score in rules["cycles"]] or [told["score"]]
    buffer, letter = rules.get("buffer", 0), band(scores[0])
    for n in range(2, len(scores) + 1):
        letter = max(letter, band(scores[n - 1] + buffer))
        lasting = scores[max(0, n - rules["upgrade_cycles"]) : n]
        if len(lasting) == rules["upgrade_cycles"] and band(min(lasting) - buffer) < letter:
            letter = chr(ord(letter) - 1)
    letter = max(letter, band(told["score"] + (0 if rules["has_hard_record"] else buffer)))
    letter = "C" if letter == "D" and not rules["has_hard_record"] else letter
    return "B" if letter == "A" and told["unmet"] else letter


def check_grade(told: dict[str, Any], model: dict[str, Any], edition: dict[str, Any]) -> None:
    """Step 4: the worst of the letter of the score, or the one that officers set, and of the vetoes."""
    letters = [veto["cap"] for veto in told["vetoes"]]
    if "score" in told:
        check_score(told, model)
        # An edition that extends another states only what differs; for the rest the explanation is taken at its word.
        grading = edition.get("grading", {})
        rules = told["letter"] | grading.get("stability", {})
        rules["bands"] = rules["bands"] | grading.get("bands", {})
        letters += [told["override"]["grade"] if "override" in told else letter_of(told, rules)]
    if prior := told.get("class_prior"):
        published = next(one for one in model["priors"]["classes"] if one["class"] == prior["class_code"])
        must(all(prior[name] == published[name] for name in ("probability", "low", "high")), "class prior")
    grade = max(letters, default="PENDING")
    must(told["grade"] == grade, f"grade: computed {grade}, told {told['grade']}")


def main(path: str) -> None:
    """Checks one bundle and says what was found."""
    with zipfile.ZipFile(path) as bundle:
        files = {name: bundle.read(name) for name in bundle.namelist()}
    signature, told = check_files(files), json.loads(files["explanation.json"])
    model = {name[6:-5]: json.loads(files[name]) for name in files if name[:6] + name[-5:] == "model/.json"}
    check_grade(told, model, tomllib.loads(files["edition.toml"].decode()))
    score = told.get("score")
    print(f"HOLDS 一致: {told['subject_id']} {told['as_of']} grade 等级 {told['grade']}, score 得分 {score}")
    print(f"signature 签名: {signature}")


if __name__ == "__main__":
    main(sys.argv[1])
