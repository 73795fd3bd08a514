"""Fixtures of the rulebook: shipped editions, a builder of facts, editions written for one test.

Facts are named; `refers_to` takes a name. Anything special a test builds inline.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from credit_service.ledger.fact import Fact
from credit_service.legal_days import parse_day
from credit_service.rulebook.edition import SHIPPED, load_edition
from credit_service.rulebook.law import Edition

SOURCE = "test-city"


@pytest.fixture(scope="session")
def cn() -> Edition:
    return load_edition(SHIPPED / "cn-2026-04.toml")


@pytest.fixture(scope="session")
def tw() -> Edition:
    return load_edition(SHIPPED / "tw-osh.toml")


@pytest.fixture(scope="session")
def a_fact() -> Callable[..., Fact]:
    """Builds a fact; whatever is not named here becomes its payload."""

    def build(event_id: int, kind: str, day: str, **rest: Any) -> Fact:
        target = rest.pop("refers_to", None)
        return Fact(
            event_id=event_id,
            source=SOURCE,
            record_id=rest.pop("name", f"R-{event_id}"),
            version=1,
            kind=kind,
            domain=rest.pop("domain", "WORK"),
            day=parse_day(day),
            known_day=parse_day(day),
            document_no="",
            refers_to=None if target is None else f"{SOURCE}/{target}",
            payload=rest,
        )

    return build


@pytest.fixture
def write_edition(tmp_path: Path) -> Callable[..., Path]:
    """Writes a small valid edition with replaced text, or another file beside it."""

    def write(*changes: tuple[str, str], name: str = "test-edition", text: str = SMALL) -> Path:
        for old, new in changes:
            assert old in text, old
            text = text.replace(old, new)
        path = tmp_path / f"{name}.toml"
        path.write_text(text, "utf-8")
        return path

    return write


SMALL = """
id = "test-edition"
regime = "TEST"
valid_from = "2026-01-01"
valid_through = "2026-12-31"
schemes = ["USCC"]

[instruments.LAW_1]
name = "法一"
rank = "LAW"
title_zh = "法一"
title_en = "Law One"

[instruments.NOTICE_1]
name = "通知一"
rank = "NORMATIVE"
title_zh = "通知一"
title_en = "Notice One"

[lists.BLACK]
basis_ranks = ["LAW"]

[states.OPEN]
kind = "HAZ"
until = ["closed_date"]

[scopes.CHEMICAL]
fact = "REG"
latest = true
where.sectors.has = ["CHEMICAL"]

[usability]
void_status = ["REVOKED", "STAYED"]
follow = ["LICV"]
repair_reaches = ["ACC"]
[usability.publicity]
absent = "GENERAL"
GENERAL = { min = "P3M", max = "P12M" }
bases = [{ instrument = "LAW_1", article = "9", source = "law" }]

[accidents]
MAJOR = { deaths = 10, serious_injuries = 50, direct_loss_fen = 500 }
GENERAL = { deaths = 0, serious_injuries = 0, direct_loss_fen = 0 }
restate_days = { WORK = 30 }

[[rules]]
id = "B-01"
list = "BLACK"
effect = "CANDIDATE"
scope = "CHEMICAL"
term = "P3Y"
early_exit = "P12M"
requires = ["HUMAN_DECISION", "NOTICE", "SERVICE"]
bases = [{ instrument = "LAW_1", article = "1", source = "law" }]
text_zh = "重大事故"
text_en = "Major accident"
[rules.when]
fact = "ACC"
where = { level = ["EXTRA", "MAJOR"], liability = "LIABLE" }
penalised = { organ_kind = "EMERGENCY_MANAGEMENT" }

[[rules]]
id = "X-01"
list = "ALERT"
effect = "ALERT"
bases = [{ instrument = "NOTICE_1", source = "default" }]
text_zh = "警示"
text_en = "Alert"
[[rules.when.all]]
fact = "HAZ"
state = "OPEN"
[[rules.when.all]]
count = "PEN"
at_least = 2
span = "P180D"

[grading]
mode = "model"
model = "test"
bands = { A = 900, B = 750, C = 600 }
hard_record = { fact = "PEN", where = { severity = "SERIOUS" } }

[[grading.vetoes]]
id = "V-01"
cap = "D"
when = { listed = "BLACK" }
bases = [{ instrument = "LAW_1", article = "2", source = "law" }]
text_zh = "黑名单"
text_en = "Blacklist"
"""
