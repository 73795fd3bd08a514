"""Asking from the command line: tables for people, JSON for scripts, exit codes for both."""

import json
from pathlib import Path

import pytest

from tests.cli.conftest import Command
from tests.stories.processes import ServerProcess


def test_whoami_names_the_identity_and_the_state_of_the_service(command: Command, as_regulator: ServerProcess) -> None:
    found = command("whoami", "--json").json()
    assert found["identity"] == "urn:safety-credit:regulator:bj-emergency-management/officer-1"
    assert found["service"] == "SERVING"
    assert "SERVING" in command("whoami").out


def test_grade_is_shown_as_table_and_as_json(command: Command, as_regulator: ServerProcess, code: str) -> None:
    table, data = command("grade", code), command("grade", code, "--json")
    assert (table.code, data.code) == (0, 0)
    assert data.json()["grade"]["subject"]["code"] == code
    assert data.json()["grade"]["grade"].removeprefix("GRADE_") in table.out


def test_grade_as_of_a_day_before_the_first_record_differs(
    command: Command, as_regulator: ServerProcess, code: str
) -> None:
    then = command("grade", code, "--as-of", "2026-06-30", "--known", "2026-11-23T00:00:00+08:00")
    assert then.code in {0, 3}
    assert command("grade", code, "--as-of", "last year").code == 2


def test_explained_points_sum_in_the_json(command: Command, as_regulator: ServerProcess, code: str) -> None:
    data = command("explain", code, "--json").json()
    total = int(data["base_points"]) + sum(int(f.get("points", 0)) for f in data["features"])
    assert total == int(data["grade"]["score"])
    assert "base" in command("explain", code).out


def test_subjects_are_found_by_two_characters(command: Command, as_regulator: ServerProcess, code: str) -> None:
    found = command("subject", "search", "模拟", "--limit", "5", "--json").json()
    assert len(found["subjects"]) == 5
    assert "模拟" in command("subject", "search", "模拟").out
    assert command("subject", "get", code, "--json").json()["subject"]["subject"]["code"] == code
    assert code in command("subject", "get", code).out


def test_screening_answers_each_code_for_itself(
    command: Command, as_regulator: ServerProcess, code: str, tmp_path: Path
) -> None:
    file = tmp_path / "codes.txt"
    file.write_text(f"{code}\n91350100M000100Y44\n", "utf-8")
    good, bad = command("screen", "--file", str(file), "--json").lines()
    assert good["match"] == "CODE"
    assert bad["problems"][0]["reason"] == "CHECK_DIGIT"
    assert "check character" in command("screen", code, "91350100M000100Y44").out


def test_candidates_are_listed_and_shown_with_their_proof(command: Command, as_regulator: ServerProcess) -> None:
    listings = command("listing", "list", "--json").json()["listings"]
    assert all(x["state"] == "LISTING_STATE_CANDIDATE" and x["event_ids"] for x in listings)
    one = listings[0]["listing_id"]
    assert one in command("listing", "list").out
    shown = command("listing", "show", one, "--json").json()["listing"]
    assert shown["moves"][0]["actor"].startswith("rule:B-")
    assert shown["bases"][0]["instrument"] in command("listing", "show", one).out


def test_rules_are_shown_with_their_basis(command: Command, as_regulator: ServerProcess) -> None:
    assert "应急管理部令第11号" in command("rulebook", "show").out
    edition = command("rulebook", "show", "tw-osh", "--json").json()["edition"]
    assert edition["edition_id"] == "tw-osh"


def test_queries_tell_who_asked(command: Command, as_regulator: ServerProcess, code: str) -> None:
    command("grade", code, "--profile", as_regulator.profile("insurer"), "--purpose", "承保 2026-1")
    queries = command("queries", code, "--json").json()["queries"]
    assert "承保 2026-1" in {q.get("purpose") for q in queries}
    assert "insurer" in command("queries", code).out


@pytest.mark.parametrize(
    ("arguments", "exit_code", "word"),
    [
        (("grade",), 2, "Missing argument"),
        (("grade", "91350100M000100Y44"), 3, "CHECK_DIGIT"),
        (("grade", "91350100M000100Y43"), 3, "SUBJECT_NOT_FOUND"),
        (("listing", "show", "BLACK-none"), 3, "LISTING_NOT_FOUND"),
        (("subject", "search", "一"), 3, "FIELD_OUT_OF_RANGE"),
    ],
)
def test_refusals_have_their_exit_code_and_their_words_on_stderr(
    command: Command, as_regulator: ServerProcess, arguments: tuple[str, ...], exit_code: int, word: str
) -> None:
    ended = command(*arguments)
    assert ended.code == exit_code
    assert word in ended.err
    assert ended.out == ""


def test_unreachable_service_says_what_may_hide_behind_it(
    command: Command, filled: ServerProcess, tmp_path: Path
) -> None:
    profile = json.loads(Path(filled.profile("regulator")).read_text("utf-8"))
    file = tmp_path / "nowhere.json"
    file.write_text(json.dumps({**profile, "target": "127.0.0.1:1"}), "utf-8")
    ended = command("grade", "91350100M000100Y43", "--profile", str(file))
    assert ended.code == 4
    assert "UNREACHABLE" in ended.err


def test_missing_or_broken_profile_is_named(command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CREDIT_SERVICE_PROFILE", raising=False)
    assert command("grade", "X").code == 2
    broken = tmp_path / "broken.json"
    broken.write_text('{"target": "x"}', "utf-8")
    ended = command("grade", "X", "--profile", str(broken))
    assert (ended.code, "FILE_INVALID" in ended.err) == (1, True)
