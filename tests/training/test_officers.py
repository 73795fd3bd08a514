"""Overridden grades against what came true: by reason and direction, and beside what chance would have agreed to."""

from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from credit_service.cli import main as service
from credit_service.grades.artefact import load_champions, load_keys
from credit_service.grades.scorecard import Scorecard
from credit_service.ledger.sources import load_sources
from credit_service.legal_days import civil_day, day_start, parse_day
from credit_service.rulebook.edition import SHIPPED, load_edition
from tests.api.street import NOW, Clock, Street, ref, serving
from tests.api.test_overrides import a_firm, ask, in_force
from tests.grades.conftest import MODELS
from training.data import gather
from training.dataset import history
from training.extract import Extract, Overridden, graded, read_extract
from training.officers import overrides

EDITION, TASK = load_edition(SHIPPED / "cn-2026-04.toml"), "cn-main"
SET, LAST = parse_day("2024-06-30"), parse_day("2026-06-30")
_RECORDS = count(1)


def an_event(code: str, kind: str, day: int, **payload: Any) -> dict[str, Any]:
    return {
        "source": "sim-city-em", "source_record_id": f"R-{next(_RECORDS)}", "source_version": 1, "kind": kind,
        "domain": "WORK", "subject": {"scheme": "USCC", "code": code}, "occur_time": day_start(day).isoformat(),
        "payload": payload,
    }  # fmt: skip


def a_life(code: str, harmed_on: int | None = None, founded: str = "2010-01-01") -> Iterator[dict[str, Any]]:
    yield an_event(code, "REG", parse_day(founded), headcount=80, founded_date=founded, industry_code="C2611")
    if harmed_on is not None:
        yield an_event(code, "ACC", harmed_on, accident_kind="WORK", liability="LIABLE")


@pytest.fixture(scope="module")
def card() -> Scorecard:
    return load_champions(MODELS, load_keys(MODELS / "keys"))["cn_sim_pd"].scorecard


def an_extract(*set_by_hand: Overridden, last: int = LAST) -> Extract:
    lives = [
        *a_life("CLEAN"), *a_life("HARMED", SET + 100), *a_life("LATE", SET + 400),
        *a_life("NEW", founded="2024-03-01"), an_event("CLEAN", "HON", last, level="CITY"),
    ]  # fmt: skip
    sources = load_sources()
    return Extract(history(gather(lives, sources)), sources, set_by_hand, ())


def by_hand(code: str, grade: str, reason: str = "EVIDENCE", day: int = SET, last_day: int = SET + 200) -> Overridden:
    return Overridden(f"USCC:{code}", grade, reason, day, last_day)


def test_harm_after_a_worse_grade_and_none_after_a_better_one_agree(card: Scorecard) -> None:
    extract = an_extract(by_hand("HARMED", "D"), by_hand("CLEAN", "C"), by_hand("LATE", "A", "REVIEWED"))
    machine = graded(extract, EDITION, card, SET)
    chances = {one.subject_id.removeprefix("USCC:"): one.probability or 0 for one in machine.values()}
    assert {one.grade for one in machine.values() if one.score is not None} == {"B"}
    found = overrides(extract, EDITION, card, TASK, SET)
    worse, better = found["by_direction"]["worse"], found["by_direction"]["better"]
    assert (worse["n"], worse["known"], worse["harmed"], worse["agreed"]) == (2, 2, 1, 1)
    assert worse["agreed_expected"] == pytest.approx(chances["HARMED"] + chances["CLEAN"])
    assert (better["n"], better["harmed"], better["agreed"]) == (1, 0, 1)
    assert better["agreed_expected"] == pytest.approx(1 - chances["LATE"])
    assert {reason: one["n"] for reason, one in found["by_reason"].items()} == {"EVIDENCE": 2, "REVIEWED": 1}
    assert found["in_force"] == 3
    assert (found["share"], found["is_alarm"]) == (1.0, True)


def test_outcome_is_not_told_before_its_year_has_matured(card: Scorecard) -> None:
    extract = an_extract(by_hand("HARMED", "D"), last=parse_day("2026-03-29"))
    told = overrides(extract, EDITION, card, TASK, SET)["by_reason"]["EVIDENCE"]
    assert told == {"n": 1, "known": 0, "harmed": 0}
    extract = an_extract(by_hand("HARMED", "D"), last=parse_day("2026-03-30"))
    assert overrides(extract, EDITION, card, TASK, SET)["by_reason"]["EVIDENCE"]["known"] == 1


def test_pending_counts_as_ordinary_and_states_no_chance(card: Scorecard) -> None:
    found = overrides(an_extract(by_hand("NEW", "B"), by_hand("NEW", "C")), EDITION, card, TASK, SET + 300)
    assert {way: one["n"] for way, one in found["by_direction"].items()} == {"better": 0, "worse": 1, "same": 1}
    assert "agreed" not in found["by_direction"]["worse"]
    assert (found["in_force"], found["share"]) == (0, 0.0)


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Street]:
    folder = tmp_path_factory.mktemp("house")
    with serving(folder, Clock(), database_url=f"sqlite:///{folder / 'credit.db'}") as street:
        yield street


def test_overrides_of_the_ledger_arrive_with_their_end(
    house: Street, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    code, other, third = (a_firm(house) for _ in range(3))
    in_force(house, code)
    ended = in_force(house, other, reason_code="REVIEWED")
    ask(house, "EndOverride", override_id=ended)
    ask(house, "OverrideGrade", subject=ref(third))
    folder = tmp_path / "extract"
    monkeypatch.setattr("sys.argv", ["credit-service", "extract", str(folder), "--url", house.settings.database_url])
    with pytest.raises(SystemExit):
        service()
    extract = read_extract(folder, EDITION)
    today = civil_day(NOW)
    assert sorted(extract.overrides, key=lambda one: one.reason) == [
        Overridden(f"USCC:{code}", "C", "EVIDENCE", today, parse_day("2026-12-31")),
        Overridden(f"USCC:{other}", "C", "REVIEWED", today, today),
    ]
    text = (folder / "overrides.jsonl").read_text("utf-8")
    assert text.count('"PROPOSE"') == 3
    assert "officer" not in text
    assert {sign["source"] for sign in extract.signs} >= {"sim-city-em"}
