"""Overrides, reviews and what-if from the command line."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import Command
from tests.stories.processes import ServerProcess

UNTIL = (datetime.now(UTC) + timedelta(days=30)).date().isoformat()


@pytest.fixture
def paper(tmp_path: Path) -> tuple[str, ...]:
    """Returns the options of a signed decision."""
    document = tmp_path / "decision.pdf"
    document.write_bytes(b"decision")
    return ("--document-no", "调〔2026〕1号", "--document", str(document), "--reason", "现场核查")


def test_override_is_proposed_confirmed_listed_and_ended(
    command: Command, as_regulator: ServerProcess, code: str, paper: tuple[str, ...]
) -> None:
    before = command("grade", code, "--json").json()["grade"]["grade"]
    asked = ("override", "propose", code, "--grade", "d", "--code", "EVIDENCE", "--until", UNTIL)
    proposed = command(*asked, *paper, "--json").json()
    override_id = proposed["override"]["override_id"]
    assert (proposed["override"]["state"], proposed["grade"]["grade"]) == ("PROPOSED", before)
    alone = command("override", "confirm", override_id, "--reason", "同意")
    assert (alone.code, "SECOND_OFFICER_SAME" in alone.err) == (3, True)
    other = ("--profile", as_regulator.profile("regulator-2"))
    confirmed = command("override", "confirm", override_id, "--reason", "同意", *other)
    assert (confirmed.code, "IN_FORCE" in confirmed.out) == (0, True)
    listed = command("override", "list", "--subject", code)
    assert (override_id in listed.out, "CONFIRM" in listed.out) == (True, True)
    assert override_id in command("override", "list", "--json").out
    ended = command("override", "end", override_id, "--reason", "情况变化", "--json").json()
    assert (ended["override"]["state"], ended["grade"]["grade"]) == ("ENDED", before)


def test_declined_override_changes_nothing_and_a_wrong_one_says_what_is_wanted(
    command: Command, as_regulator: ServerProcess, code: str, paper: tuple[str, ...]
) -> None:
    asked = ("override", "propose", code, "--grade", "D", "--until", UNTIL)
    wrong = command(*asked, "--code", "MOOD", *paper)
    assert (wrong.code, "want one of REVIEWED" in wrong.err) == (3, True)
    assert (
        "want A, B, C or D" in command("override", "propose", code, "--grade", "E", "--until", UNTIL, "--code", "X").err
    )
    unsigned = command(*asked, "--code", "EVIDENCE", "--reason", "现场核查")
    assert "document_no" in unsigned.err
    override_id = command(*asked, "--code", "EVIDENCE", *paper, "--json").json()["override"]["override_id"]
    other = ("--profile", as_regulator.profile("regulator-2"), "--reason", "依据不足")
    assert "DECLINED" in command("override", "decline", override_id, *other).out


def test_reviews_are_listed_and_one_that_is_not_open_is_not_kept(
    command: Command, as_regulator: ServerProcess, code: str, paper: tuple[str, ...]
) -> None:
    assert as_regulator
    assert command("review", "list").code == 0
    assert isinstance(command("review", "list", "--json").json(), dict)
    refused = command("review", "keep", code, "--until", UNTIL, *paper)
    assert "REVIEW_NOT_FOUND" in refused.err


def test_try_shows_the_grade_as_if(
    command: Command,
    as_regulator: ServerProcess,
    code: str,
    lines_file: Callable[[list[dict[str, Any]]], Path],
) -> None:
    assert as_regulator
    record = {
        "source": "sim-city-em", "source_record_id": "TRY-1", "subject": {"code": code}, "kind": "PEN",
        "domain": "WORK", "occur_time": "2026-10-01T00:00:00+08:00",
        "payload": {"articles": ["安全生产法/102"], "severity": "SERIOUS", "fine_fen": 50_000_000},
    }  # fmt: skip
    tried = command("try", code, "--events", str(lines_file([record])))
    assert (tried.code, "→" in tried.err, "events -1" in tried.out) == (0, True, False)
    told = json.loads(command("try", code, "--events", str(lines_file([record])), "--json").out)
    assert int(told["grade"]["score"]) <= int(told["grade_before"]["score"])
    assert "EVENT_NOT_FOUND" in command("try", code, "--without", "999999999").err


@pytest.mark.parametrize("content", ["not json", "[1]", None])
def test_file_of_records_to_try_that_is_none_is_told_in_words(
    command: Command, as_regulator: ServerProcess, code: str, tmp_path: Path, content: str | None
) -> None:
    assert as_regulator
    file = tmp_path / "tried.jsonl"
    if content:
        file.write_text(f"\n{content}\n", "utf-8")
    ended = command("try", code, "--events", str(file))
    assert (ended.code, len(ended.err.splitlines())) == (2, 1)
    assert (f"got {content} in line 2 of" if content else "which is not there") in ended.err
