"""Computes a grade again from its bundle alone: python verify.py BUNDLE.zip [KEY-ID] (Python 3.11, nothing to install).

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
from datetime import datetime, timedelta
from typing import Any

UNPROVEN = (
    "values of features, vetoes, conditions, hard records and texts of articles 指标取值、否决、条件、硬性记录与条文"
)


def must(is_same: bool, what: str) -> None:
    """Ends the check at the first thing that does not hold."""
    if not is_same:
        sys.exit(f"DIFFERS 不一致: {what}")


def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Refuses a JSON object that says one thing twice."""
    must(len(dict(pairs)) == len(pairs), "a key that stands twice")
    return dict(pairs)


def read(content: bytes) -> Any:
    """Reads JSON in which every number is one."""
    return json.loads(content, object_pairs_hook=once, parse_constant=lambda name: must(False, f"number {name}"))


def check_files(files: dict[str, bytes], key_id: str) -> str:
    """Step 1: every file is the one listed, every file of the model the one signed; says who signed."""
    digests = {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}
    listed, model = read(files["index.json"]), {name[6:] for name in files if name.startswith("model/")}
    for name in sorted((digests.keys() | listed) - {"index.json"}):
        must(listed.get(name) == digests.get(name), f"digest of {name}")
    if not model:
        return "no model spoke 未使用模型"
    manifest, seal = read(files["model/manifest.json"]), read(files["model/manifest.sig"])
    for name in sorted(model - {"manifest.json", "manifest.sig", "key.pub"}):
        must(manifest["files"].get(name, {}).get("digest") == digests[f"model/{name}"], f"signed digest of {name}")
    key, sealed = base64.b64decode(files["model/key.pub"].split(b"-----")[2])[-32:], files["model/manifest.json"]
    must(seal["key_id"] == f"ed25519-{hashlib.sha256(key).hexdigest()[:16]}", "id of the key")
    must(key_id in {"", seal["key_id"]}, f"key: signed by {seal['key_id']}")
    try:
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

        Ed25519PublicKey.from_public_bytes(key).verify(base64.b64decode(seal["signature"]), sealed)
    except ImportError:
        return "not checked: install cryptography 未验证签名"
    except Exception:  # noqa: BLE001  # whatever it is, the signature does not hold
        must(False, "signature of the manifest")
    return f"good, by {seal['key_id']} 签名有效"


def over(base: Any, own: Any) -> Any:
    """Lays a difference over what it extends: tables by key, lists of tables by id."""
    if isinstance(base, dict) and isinstance(own, dict):
        return base | {key: over(base.get(key), value) for key, value in own.items()}
    if isinstance(base, list) and all(isinstance(one, dict) and "id" in one for one in [*base, *own]):
        laid = {one["id"]: one for one in base}
        laid |= {one["id"]: over(laid.get(one["id"], {}), one) for one in own}
        return [one for one in laid.values() if not one.get("drop")]
    return own


def edition_of(files: dict[str, bytes], name: str) -> dict[str, Any]:
    """Returns an edition with all that it extends, each over the articles that points count by."""
    own, beneath = tomllib.loads(files[f"edition/{name}.toml"].decode()), files.get(f"articles/{name}.toml", b"")
    must(own["id"] == name, "id of the edition")
    found: dict[str, Any] = edition_of(files, own["extends"]) if "extends" in own else {}
    articles = tomllib.loads(beneath.decode())
    dated, known = articles.get("instruments", {}), found.get("instruments", {}) | own.get("instruments", {})
    # Editions are known by their digests, which are not of the articles beneath: those may move no grade.
    is_bare = articles.keys() <= {"instruments", "grading"} and articles.get("grading", {}).keys() <= {"points_bases"}
    must(
        is_bare and all(dated[one].keys() <= {"valid_from"} for one in known.keys() & dated.keys()),
        "articles that say more",
    )
    return dict(over(over(found, articles), own))


def articles_of(edition: dict[str, Any], name: str, day: str) -> list[dict[str, str]]:
    """Returns the articles by which a feature or line counts on a day: texts in force, or the policy of the edition."""
    grading, found = edition["grading"], []
    named = {line["id"]: line["bases"] for line in grading.get("points", {}).get("lines", [])}
    named |= {one["id"]: one["bases"] for one in grading.get("points_bases", [])}
    for basis in named.get(name, []):
        law = edition["instruments"][basis["instrument"]]
        if law.get("valid_from", "") <= day:
            told = {"article": basis.get("article", "-"), "source": basis["source"], "role": basis.get("role", "")}
            found.append({"instrument": law["name"], **told})
    policy = {"instrument": f"评级规则 {edition['id']}", "article": "-", "source": "default", "role": ""}
    return found or [policy]


def check_about(told: dict[str, Any], records: list[dict[str, Any]], edition: dict[str, Any]) -> None:
    """Step 2: the edition was in force, the clauses are its own, and what is named is there and had happened."""
    day, grading = told["as_of"], edition["grading"]
    must(edition["valid_from"] <= day <= edition.get("valid_through", day), "days of the edition")
    clauses = {(veto["id"], veto["cap"], veto["text_zh"]) for veto in grading["vetoes"]}
    for veto in told["vetoes"]:
        must((veto.get("veto_id"), veto["cap"], veto.get("text_zh")) in clauses, f"veto {veto.get('veto_id')}")
        must((veto["until_date"] or "9999") > day, f"days of {veto['veto_id']}")
    must(set(told["unmet"]) <= {one["id"] for one in grading.get("a_conditions", [])}, "conditions for A")
    texts = {one["text_zh"] for one in grading.get("pending", [])}
    must(("score" in told) != ("pending_zh" in told) and told.get("pending_zh") in {None, *texts}, "pending")
    must(day <= told.get("override", {}).get("last_date", day), "days of the override")
    parts = [*told["features"], *told.get("exposure", []), *told["vetoes"]]
    named = {str(event_id) for part in parts for event_id in part["event_ids"]}
    must(sorted(named) == sorted(record["event_id"] for record in records), "records behind the grade")
    for part in [*told["features"], *told.get("exposure", [])]:
        must(part.get("bases") == articles_of(edition, part["feature"], day), f"articles of {part['feature']}")
    cited = told.get("cited", {})
    must(cited.keys() <= named, "records that cite articles")
    for record in records:
        content: dict[str, Any] = dict(*record.get("draft", {}).get("payload", {}).values())
        same = content.get("articles", []) == cited.get(record["event_id"], [])
        must(same, f"articles that record {record['event_id']} cites")
        at = datetime.fromisoformat(record.get("draft", {}).get("occur_time", "1970-01-01T00:00:00Z"))
        must((at + timedelta(hours=8)).date().isoformat() <= day, f"day of record {record['event_id']}")


def check_points(told: dict[str, Any], lines: dict[str, dict[str, Any]]) -> None:
    """Step 3: sum, texts and reasons; what costs most points comes first, and of that what can be acted on."""
    must(told["base_points"] + sum(f["points"] for f in told["features"]) == told["score"], "sum of the points")
    lost = [f for f in told["features"] if f["points"] < f["best_points"] and f["feature"] != "MODEL"]
    worst = sorted(lost, key=lambda f: f["points"] - f["best_points"])[:4]
    acted_on = {name for name, line in lines.items() if line["is_actionable"]}
    for f in told["features"]:
        line = lines.get(f["feature"], {"zh": "", "en": ""})
        told_so = f["text_zh"].startswith(line["zh"]) and f["text_en"].startswith(line["en"])
        must(told_so, f"text of {f['feature']}")
    same = ("bases", "event_ids", "feature", "text_en", "text_zh", "unit", "value")
    reasons = [
        {**{name: f[name] for name in same}, "points": f["points"] - f["best_points"],
         "is_actionable": f["feature"] in acted_on}
        for f in sorted(worst, key=lambda f: f["feature"] not in acted_on)
    ]  # fmt: skip
    must(told["reasons"] == reasons, "reasons")


def check_model(told: dict[str, Any], model: dict[str, Any], lines: dict[str, dict[str, Any]]) -> None:
    """Step 4: points, score and probability; bin i of a line of the table ends at cuts[i], inclusive."""
    table, scale, calibrator = model["table"], model["scale"], model["calibrator"]
    must(told["base_points"] == table["base_points"], "base points")
    must([f["feature"] for f in told["features"]] == [x["feature"] for x in table["lines"]], "features of the table")
    # Exposure, such as the number of people, moves the probability alone.
    exposed, exposure = told.get("exposure", []), model.get("exposure", {"lines": []})["lines"]
    must([f["feature"] for f in exposed] == [x["feature"] for x in exposure], "features of the exposure")
    for f, line in zip([*told["features"], *exposed], [*table["lines"], *exposure], strict=True):
        value, about, shown = f["value"], lines[f["feature"]], "未知"
        points = line["missing"] if value is None else line["points"][bisect_left(line["cuts"], value)]
        must((f["points"], f["best_points"]) == (points, max(line["points"])), f"points of {f['feature']}")
        if value is not None:
            must(type(value) is float, f"value of {f['feature']}")
            shown = f"{value:,.2f}".rstrip("0").rstrip(".") + about["unit_zh"]
        must((f["text_zh"], f["unit"]) == (f"{about['zh']}：{shown}", about["unit"]), f"text of {f['feature']}")
    at = told["score"] + sum(f["points"] for f in exposed)
    odds = (scale["base"] - at) * math.log(2) / scale["pdo"] - math.log(scale["odds_against"])
    chance = 1 / (1 + math.exp(-calibrator["intercept"] - calibrator["slope"] * odds))
    must(math.isclose(told["probability"], chance, rel_tol=1e-12), "probability")


def letter_of(told: dict[str, Any], rules: dict[str, Any]) -> str:
    """Step 5: the letter of the score. A cycle lowers it beyond the buffer; so many clear ones lift it by one."""

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


def check_score(told: dict[str, Any], model: dict[str, Any], grading: dict[str, Any]) -> str:
    """Checks the score by what set it, and says what of it is not computed again."""
    mode, points, features = told["mode"], grading.get("points", {}), told["features"]
    must(mode == grading["mode"] or (mode == "rules" and told.get("is_retired") is True), "mode")
    must(mode != "rules" or not told.get("exposure"), "exposure")
    if mode != "rules":
        manifest = model["manifest"]
        must(told["model_id"] == f"{manifest['model']}/{manifest['version']}", "id of the model")
        must(manifest["model"] == grading["model"] and told["as_of"] <= manifest["expires_on"], "days of the model")
    if mode == "model":
        about = [*model["features"]["features"], *model.get("exposure", {"features": []})["features"]]
        lines = {one["name"]: one for one in about}
        check_model(told, model, lines)
        check_points(told, lines)
        return UNPROVEN
    lines = {
        line["id"]: {"zh": line["text_zh"], "en": line["text_en"], "is_actionable": line.get("actionable", True)}
        for line in points["lines"]
    }
    must(told["base_points"] == points["base"] and 0 <= told["score"] <= 1000, "base points")
    must({f["feature"] for f in features} <= {*lines, "LIMIT", "MODEL"}, "lines of the edition")
    reach = max((abs(f["points"]) for f in features if f["feature"] == "MODEL"), default=0)
    must(reach <= (points["model_reach"] if mode == "bounded" else 0), "reach of the model")
    check_points(told, lines)
    return f"points of the lines 规则分, {UNPROVEN}"


def check_grade(told: dict[str, Any], model: dict[str, Any], grading: dict[str, Any]) -> str:
    """Step 6: the worst of the letter of the score, or the one that officers set, and of the vetoes."""
    letters, unproven = [veto["cap"] for veto in told["vetoes"]], UNPROVEN
    if "score" in told:
        unproven = check_score(told, model, grading)
        stability, (year, month) = grading.get("stability", {}), map(int, told["as_of"].split("-")[:2])
        first = month - (month - 1) % stability.get("settle_months", 1)
        days = [f"{year}-{n:02}-01" for n in range(first, month + 1, stability["cycle_months"])] if stability else []
        must([day for day, _ in told["letter"]["cycles"]] == days, "days of the cycles")
        rules = told["letter"] | stability | {"bands": grading["bands"]}
        letters += [told["override"]["grade"] if "override" in told else letter_of(told, rules)]
    elif "override" in told:
        letters += [told["override"]["grade"]]
    if prior := told.get("class_prior"):
        published = next(one for one in model["priors"]["classes"] if one["class"] == prior["class_code"])
        must(all(prior[name] == published[name] for name in ("probability", "low", "high")), "class prior")
    grade = max(letters, default="PENDING")
    must(told["grade"] == grade, f"grade: computed {grade}, told {told['grade']}")
    return unproven


def main(path: str, key_id: str = "") -> None:
    """Checks one bundle and says what was found."""
    try:
        with zipfile.ZipFile(path) as bundle:
            files = {name: bundle.read(name) for name in bundle.namelist()}
            must(len(files) == len(bundle.namelist()), "a file that stands twice")
    except (OSError, zipfile.BadZipFile) as fault:
        sys.exit(f"{path}: {fault}")
    signature, told = check_files(files, key_id), read(files["explanation.json"])
    model = {name[6:-5]: read(files[name]) for name in files if name[:6] + name[-5:] == "model/.json"}
    edition, records = edition_of(files, told["edition_id"]), read(files["records.json"])
    check_about(told, records, edition)
    unproven = check_grade(told, model, edition["grading"])
    score, digest = told.get("score", "none 无"), hashlib.sha256(files["explanation.json"]).hexdigest()
    subjects = [record["draft"]["subject"] for record in records if "draft" in record]
    print(f"HOLDS 一致: {told['subject_id']} {told['as_of']} grade 等级 {told['grade']}, score 得分 {score}")
    print(f"signature 签名: {signature}")
    print("records of 记录主体:", *sorted({f"{one['scheme']}:{one['code']}" for one in subjects}))
    print(f"taken at its word 未复算: {unproven}")
    print(f"explanation 说明文本 (compare with the sheet or a new answer 可与说明书核对): sha-256:{digest}")


if __name__ == "__main__":
    main(*sys.argv[1:3]) if set(sys.argv[1:]) - {"-h", "--help"} else sys.exit(__doc__)
