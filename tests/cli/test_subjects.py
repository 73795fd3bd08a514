"""Finding and screening subjects: nothing is cut or left blank without a word."""

import io
from pathlib import Path

import pytest

from credit_service.api.identity import parse_identity
from credit_service.cli.subjects import _screened
from credit_service.v1 import subjects_pb2
from tests.cli.conftest import SUBJECTS, Command
from tests.stories.processes import ServerProcess


def test_subjects_are_found_by_two_characters(command: Command, as_regulator: ServerProcess, code: str) -> None:
    found = command("subject", "search", "模拟", "--limit", "5", "--json").json()
    assert len(found["subjects"]) == 5
    assert "模拟" in command("subject", "search", "模拟").out
    assert command("subject", "get", code, "--json").json()["subject"]["subject"]["code"] == code
    assert code in command("subject", "get", code).out


def test_listing_that_is_cut_says_how_to_see_more(command: Command, as_regulator: ServerProcess) -> None:
    cut = command("subject", "search", "模拟", "--limit", "7")
    assert "7 shown, more: --limit 14, or --all" in cut.err
    whole = command("subject", "search", "模拟", "--all", "--json")
    assert whole.err == ""
    assert len(whole.json()["subjects"]) >= SUBJECTS
    assert "next_page_token" not in whole.json()
    assert command("subject", "search", "模拟", "--limit", "0").code == 2


def test_every_page_is_followed_up_to_the_limit(
    command: Command, as_regulator: ServerProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("credit_service.cli.pages.LARGEST_PAGE", 4)
    whole = command("subject", "search", "模拟", "--all", "--json").json()["subjects"]
    part = command("subject", "search", "模拟", "--limit", "10", "--json").json()["subjects"]
    assert len({s["subject"]["code"] for s in whole}) == len(whole) >= SUBJECTS
    assert part == whole[:10]


def test_screening_answers_each_code_for_itself(
    command: Command, as_regulator: ServerProcess, code: str, tmp_path: Path
) -> None:
    file = tmp_path / "codes.txt"
    file.write_text(f"{code}\n91350100M000100Y44\n", "utf-8")
    good, bad = command("screen", "--file", str(file), "--json").lines()
    assert good["match"] == "CODE"
    assert bad["problems"][0]["reason"] == "CHECK_DIGIT"
    assert "check character" in command("screen", code, "91350100M000100Y44").out


def test_codes_come_from_standard_input_too(
    command: Command, as_regulator: ServerProcess, code: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(f"{code}\n"))
    assert [line["code"] for line in command("screen", "--file", "-", "--json").lines()] == [code]


@pytest.mark.parametrize(("name", "word"), [("nosuch", "is not there"), (".", "the folder")])
def test_file_of_codes_that_cannot_be_read_is_named(
    command: Command, as_regulator: ServerProcess, tmp_path: Path, name: str, word: str
) -> None:
    ended = command("screen", "--file", str(tmp_path / name))
    assert (ended.code, word in ended.err, len(ended.err.splitlines())) == (2, True, 1)


def test_screening_says_why_there_is_no_grade() -> None:
    """With a damaged model nobody is graded, and that is not the subject's doing."""
    problem = subjects_pb2.Problem(field="model", got="none", want="cn_sim_pd", reason="MODEL_NOT_FOUND")
    found = subjects_pb2.Subject(name="公司", supervising_region="110108")
    insurer = parse_identity("urn:safety-credit:insurer:example-insurance", "")
    result = subjects_pb2.ScreenResult(subject=found, grade_problem=problem)
    *_, told = _screened(result, insurer)
    assert told.startswith("no grade: model: got none, want cn_sim_pd; `credit-service doctor`")
    assert _screened(subjects_pb2.ScreenResult(subject=found, grade="A"), insurer)[3] == ""


def test_screening_tells_none_from_not_for_you(command: Command, filled: ServerProcess, code: str) -> None:
    listed = command("listing", "list", "--json", "--profile", filled.profile("regulator")).json()["listings"]
    candidates = {x["subject"]["code"] for x in listed}
    one = next(x for x in listed if x["subject"]["scheme"] == "USCC")

    def screened(role: str, *codes: str) -> str:
        return command("screen", *codes, "--profile", filled.profile(role)).out

    assert one["listing_id"] in screened("regulator", one["subject"]["code"])
    assert "not for your role" in screened("insurer", one["subject"]["code"])
    assert "no such subject is known" in screened("insurer", "91350100M000100Y43")
    found = command("subject", "search", "模拟", "--all", "--json", "--profile", filled.profile("regulator"))
    others = [
        s for s in found.json()["subjects"]
        if s["subject"]["scheme"] == "USCC" and s["subject"]["code"] not in candidates
        and not s.get("supervising_region", "").startswith("110108")
    ]  # fmt: skip
    other = others[0]["subject"]["code"]
    assert "│ none " in screened("regulator", other)
    assert "not for another district" in screened("district", other)
