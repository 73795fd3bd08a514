"""Asking from the command line: tables for people, JSON for scripts, exit codes for both."""

import json
import re
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from credit_service.cli.asking import article_text, grade_rows
from credit_service.legal_days import SHANGHAI
from credit_service.v1 import grades_pb2, rulebook_pb2
from tests.cli.conftest import Command
from tests.stories.processes import ServerProcess


def test_whoami_names_the_identity_and_the_state_of_the_service(command: Command, as_regulator: ServerProcess) -> None:
    found = command("whoami", "--json").json()
    assert found["identity"] == "urn:safety-credit:regulator:bj-emergency-management/officer-1"
    assert found["service"] == "SERVING"
    assert "SERVING" in command("whoami").out


def test_whoami_of_a_server_that_is_down_ends_as_unreachable(
    command: Command, filled: ServerProcess, tmp_path: Path
) -> None:
    file = _profile(filled, tmp_path, target="127.0.0.1:1")
    ended = command("whoami", "--profile", file, "--json")
    assert ended.code == 4
    assert ended.json()["identity"].startswith("urn:safety-credit:regulator:")
    assert (ended.json()["service"], "is the server running" in ended.err) == ("UNAVAILABLE", True)


def _profile(server: ServerProcess, folder: Path, **changed: str) -> str:
    profile = json.loads(Path(server.profile("regulator")).read_text("utf-8"))
    file = folder / "changed.json"
    file.write_text(json.dumps({**profile, **changed}), "utf-8")
    return str(file)


@pytest.mark.parametrize("role", ["ca", "person"])
def test_whoami_with_a_file_that_names_nobody_says_so(
    command: Command, filled: ServerProcess, tmp_path: Path, role: str
) -> None:
    certificate = filled.folder / ("ca.pem" if role == "ca" else "person.key")
    ended = command("whoami", "--profile", _profile(filled, tmp_path, certificate=str(certificate)))
    assert (ended.code, "want a client certificate" in ended.err, len(ended.err.splitlines())) == (2, True, 1)


def test_grade_is_shown_as_table_and_as_json(command: Command, as_regulator: ServerProcess, code: str) -> None:
    table, data = command("grade", code), command("grade", code, "--json")
    assert (table.code, data.code) == (0, 0)
    assert data.json()["grade"]["subject"]["code"] == code
    assert data.json()["grade"]["grade"].removeprefix("GRADE_") in table.out


def test_grade_says_for_whom_and_for_when(command: Command, as_regulator: ServerProcess, code: str) -> None:
    name = command("subject", "get", code, "--json").json()["subject"]["name"]
    shown = command("grade", code, "--as-of", "2026-09-30").out
    assert name in shown
    assert re.search(r"as of +2026-09-30 23:59:59\+08:00", shown)
    assert re.search(r"known +20\d\d-", shown)
    assert "name" not in command("grade", code, "--json").json()["grade"]


def test_grade_that_is_not_of_its_score_says_why_and_until_when() -> None:
    record = grades_pb2.GradeRecord(
        grade=grades_pb2.GRADE_C, score=910, held_zh="保持", held_en="Kept", is_model_retired=True, mode="rules",
        next_review_date="2027-01-31",
        vetoes=[
            grades_pb2.GradeVeto(
                veto_id="V-02", cap=grades_pb2.GRADE_D, until_date="2029-05-31", text_zh="瞒报", event_ids=["7"]
            ),
            grades_pb2.GradeVeto(veto_id="V-07", cap=grades_pb2.GRADE_C, text_en="Unpaid"),
            grades_pb2.GradeVeto(
                veto_id="V-ACC", cap=grades_pb2.GRADE_C, text_en="Accident",
                basis=rulebook_pb2.LegalBasis(instrument="职业安全卫生法", article="37", source="law"),
            ),
        ],
        override=grades_pb2.AppliedOverride(
            override_id="OVR-1", grade=grades_pb2.GRADE_C, reason="EVIDENCE", last_date="2026-12-31"
        ),
    )  # fmt: skip
    told = dict(grade_rows(record))
    assert told["held"] == "保持 / Kept"
    assert told["override"] == "two officers set C through 2026-12-31 (EVIDENCE, OVR-1)"
    assert told["set by"] == "the rules alone: the model has expired"
    assert told["veto V-02"] == "D at best, lifts 2029-05-31: 瞒报 (events 7)"
    assert told["veto V-07"] == "C at best: Unpaid"
    assert told["veto V-ACC"] == "C at best: Accident; by 职业安全卫生法 37 (law)"
    assert str(told["next review"]).startswith("2027-01-31: the first day")
    plain = dict(grade_rows(grades_pb2.GradeRecord(grade=grades_pb2.GRADE_A, score=950, mode="model")))
    assert {name: plain.get(name, "") for name in ("held", "override", "set by", "next review")} == dict.fromkeys(
        ("held", "override", "set by", "next review"), ""
    )


def test_grade_as_of_an_earlier_day_is_another_question(
    command: Command, as_regulator: ServerProcess, code: str
) -> None:
    then = command("grade", code, "--as-of", "2026-06-30", "--json").json()["grade"]
    assert then["as_of_time"] == "2026-06-30T15:59:59Z"
    assert command("grade", code, "--as-of", "2026-06-30T12:00:00+08:00", "--json").code == 0


@pytest.mark.parametrize("option", ["--as-of", "--known"])
@pytest.mark.parametrize(("time", "reason"), [("last year", "FIELD_INVALID"), ("tomorrow", "TIME_IN_FUTURE")])
def test_time_that_is_none_or_not_yet_is_refused(
    command: Command, as_regulator: ServerProcess, option: str, time: str, reason: str
) -> None:
    text = (datetime.now(SHANGHAI) + timedelta(days=1)).date().isoformat() if time == "tomorrow" else time
    ended = command("grade", "91350100M000100Y43", option, text)
    assert (ended.code, reason in ended.err, len(ended.err.splitlines())) == (2, True, 1)


def test_today_is_no_future(command: Command, as_regulator: ServerProcess, code: str) -> None:
    assert command("grade", code, "--as-of", datetime.now(SHANGHAI).date().isoformat()).code == 0


def test_history_of_a_grade_is_listed(command: Command, as_regulator: ServerProcess, code: str) -> None:
    grades = command("grade", code, "--history", "--json").json()["grades"]
    assert grades
    table = command("grade", code, "--history").out
    assert all(g["grade"].removeprefix("GRADE_") in table for g in grades)
    assert command("grade", code, "--history", "--as-of", "2026-06-30").code == 2


def test_grade_with_nothing_behind_a_reason_names_no_events(
    command: Command, as_regulator: ServerProcess, events: list[dict[str, Any]]
) -> None:
    codes = list(dict.fromkeys(e["subject"]["code"] for e in events if e["subject"]["scheme"] == "USCC"))[:12]
    answers = [command("grade", code).out for code in codes]
    assert any("(events " in answer for answer in answers)
    assert not any("(events )" in answer for answer in answers)
    assert not any(re.search(r"\d 10,000 yuan", answer) for answer in answers)


def test_explained_points_sum_in_the_json(command: Command, as_regulator: ServerProcess, code: str) -> None:
    data = command("explain", code, "--json").json()
    total = int(data["base_points"]) + sum(int(f.get("points", 0)) for f in data["features"])
    assert total == int(data["grade"]["score"])
    table = command("explain", code).out
    assert "base" in table
    # A text may be broken into lines where many events stand beside it.
    assert all(f["text_zh"][:5] in table for f in data["features"])
    assert all(f["text_en"].split()[0] in table for f in data["features"])
    assert not re.search(r"\d 10,000 yuan", table)


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
    ended = command("grade", "91350100M000100Y43", "--profile", _profile(filled, tmp_path, target="127.0.0.1:1"))
    assert ended.code == 4
    assert "UNREACHABLE" in ended.err


def test_grade_says_what_its_probability_is_of(command: Command, as_regulator: ServerProcess, code: str) -> None:
    for name in ("grade", "explain"):
        told = command(name, code).out
        assert "% within 12 months, of: " in told
        assert "a liable accident, or a serious penalty that follows none" in told


def test_explanation_names_articles_beside_points_and_those_that_records_cite(
    command: Command, as_regulator: ServerProcess, code: str
) -> None:
    answer, data = command("explain", code), command("explain", code, "--json").json()
    told = answer.out
    assert answer.err.startswith("counts by: duty: ")  # the tags are explained, beside the data
    assert "安全生产法 41 (duty, law); 安全生产法 102 (duty, law)" in told
    assert "no article of law: 本系统默认规则" in told
    assert "应急〔2021〕83号 (authority, verify)" in told
    assert re.search(r"^-\d+ .*; counts by ", told, re.MULTILINE)
    assert "; counts by " not in command("grade", code).out
    cited = data["cited"][0]
    instrument, article = cited["articles"][0].split("/")[:2]
    assert re.search(rf"^│ {cited['event_id']} .*{instrument} {re.escape(article)}", told, re.MULTILINE)


@pytest.mark.parametrize(
    ("cited", "told"),
    [("安全生产法/99/2", "安全生产法 99(2)"), ("安全生产法/114", "安全生产法 114"), ("某办法", "某办法"), ("", ""),
     ("消防法/60/1/7", "消防法 60(1)(7)")],
)  # fmt: skip
def test_provision_is_written_as_people_cite_it(cited: str, told: str) -> None:
    assert article_text(cited) == told
