"""Documents that can rot: what they list is compared with what exists."""

import re
from dataclasses import fields

from credit_service.settings import PREFIX, Settings
from tests.house.tree import ROOT, pyproject, text
from training.gauges import TEXTS

TARGETS = re.findall(r"^([a-z-]+):.*## ", text("Makefile"), re.MULTILINE)
GLOSSARY = [
    [cell.strip() for cell in line.strip("|").split("|")]
    for line in text("GLOSSARY.md").splitlines()
    if line.startswith("|") and not line.startswith(("|---", "| 中文"))
]


def section(document: str, title: str) -> str:
    """Reads one section of a document."""
    return re.split(r"^## ", text(document).split(f"\n## {title}\n")[1], flags=re.MULTILINE)[0]


def test_readme_lists_exactly_the_settings_with_their_defaults() -> None:
    rows = re.findall(rf"^\| `{PREFIX}([A-Z_]+)` \| (.*?) \|", section("README.md", "Settings"), re.M)
    listed = {name.lower(): default.strip("`") for name, default in rows}
    defaults = {field.name: str(field.default) for field in fields(Settings)}
    assert set(listed) == set(defaults)
    stated = {name: default.replace("False", "false") for name, default in defaults.items()}
    assert {n: listed[n] for n, value in stated.items() if value and listed[n] != value} == {}


def test_readme_lists_exactly_the_make_targets() -> None:
    listed = re.findall(r"`make ([a-z-]+)`", section("README.md", "Make targets"))
    assert sorted({*listed}) == sorted(TARGETS)


def test_documents_name_no_make_target_that_is_gone() -> None:
    for name in ("README.md", "ARCHITECTURE.md", "CONTRIBUTING.md"):
        named = set(re.findall(r"`make ([a-z-]+)", text(name)))
        assert named <= set(TARGETS), name


def test_architecture_prints_the_ladder_that_is_checked() -> None:
    block = text("ARCHITECTURE.md").split("## The ladder")[1].split("```")[1]
    printed = re.findall(r"[a-z_][a-z_0-9]*", block.replace("(generated)", ""))
    layers = pyproject()["tool"]["importlinter"]["contracts"][0]["layers"]
    rungs = {name: n for n, layer in enumerate(layers) for name in layer.split(" | ")}
    assert sorted(printed) == sorted(rungs)
    assert [rungs[name] for name in printed] == sorted(rungs[name] for name in printed)


def test_glossary_gives_each_chinese_term_once() -> None:
    bare = [re.sub(r"[(（].*?[)）]", "", row[0]) for row in GLOSSARY]
    terms = [term.strip() for cell in bare for term in re.split(r"[·、]", cell)]
    assert len(terms) == len(set(terms))
    assert all(re.search(r"[\u4e00-\u9fff]", row[0]) and row[1] for row in GLOSSARY)


def test_glossary_names_every_room() -> None:
    words = " ".join(row[1] for row in GLOSSARY).lower()
    service = ROOT / "credit_service"
    rooms = [p.parent.name for p in service.glob("*/tables.py")]
    kept = {
        "audit": "query record",
        "subjects": "subject",
        "listings": "listing",
        "remedies": "remedy",
        "grades": "grade",
    }
    assert [room for room in rooms if kept.get(room, room) not in words] == []


def test_changelog_names_the_version_or_what_is_unreleased() -> None:
    assert re.search(r"^## \[?(Unreleased|\d+\.\d+\.\d+)", text("CHANGELOG.md"), re.MULTILINE)


def test_readme_lists_exactly_the_metrics_and_alarms_ask_for_no_other() -> None:
    told = section("README.md", "Operating").split("### Metrics")[1].split("### ")[0]
    tables = re.findall(r"^\| (`.*?) \|", told, re.M)
    listed = re.findall(r"`([a-z_]+)`", " ".join(tables))
    sources = text("credit_service/api/metrics.py") + text("credit_service/api/meter.py")
    served = re.findall(r"family\(\s*\"([a-z_]+)\"", sources)
    assert len(served) > 10
    assert sorted(listed) == sorted([*served, *TEXTS])
    asked = set(re.findall(r"safety_credit_([a-z_]+)", told.split("```yaml")[1]))
    assert asked - set(served) - {f"evaluation_{name}" for name in TEXTS} == set()
