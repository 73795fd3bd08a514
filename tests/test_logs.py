"""Log lines: structured, one a call, and no ID number in any of them."""

import json
import logging

import pytest
import structlog

from credit_service import logs


@pytest.fixture(autouse=True)
def _restored() -> object:
    """Puts the chain back as it was found."""
    yield
    logs.configure("debug")
    structlog.reset_defaults()


def line(capsys: pytest.CaptureFixture[str]) -> dict[str, object]:
    """Reads the one line that was written."""
    written = capsys.readouterr()
    assert written.out == ""
    found: dict[str, object] = json.loads(written.err)
    return found


def test_line_is_json_on_standard_error_with_a_utc_time(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure()
    logs.get().info("call", method="GradeService/GetGrade", agency="应急管理局", subjects=2)
    found = line(capsys)
    assert str(found.pop("timestamp")).endswith("Z")
    assert found == {
        "event": "call", "level": "info", "method": "GradeService/GetGrade", "agency": "应急管理局", "subjects": 2,
    }  # fmt: skip


@pytest.mark.parametrize("level", ["warning", "error"])
def test_lines_below_the_level_are_left_out(capsys: pytest.CaptureFixture[str], level: str) -> None:
    logs.configure(level)
    logs.get().info("call")
    assert capsys.readouterr().err == ""
    assert [logs.are_told(one) for one in (logging.INFO, logging.ERROR)] == [False, True]
    logs.get().error("call failed")
    assert line(capsys)["event"] == "call failed"


@pytest.mark.parametrize("number", ["11010519491231002X", "440308199901020011", "11010519491231002x"])
def test_id_number_never_reaches_a_line(capsys: pytest.CaptureFixture[str], number: str) -> None:
    logs.configure()
    logs.get().info(f"about {number}", request_id=f"r-{number}/2", purpose=number, subjects=3)
    assert number not in capsys.readouterr().err


@pytest.mark.parametrize("text", ["91350100M000100Y43", "123456", "2026112304000000001", "990101199913312345"])
def test_other_numbers_pass(capsys: pytest.CaptureFixture[str], text: str) -> None:
    logs.configure()
    logs.get().info("call", code=text)
    assert line(capsys)["code"] == text


@pytest.mark.parametrize(
    "value",
    [{"parameters": ["11010519491231002X"]}, ["11010519491231002X"], "a 11010519491231002X b"],
    ids=["nested", "list", "text"],
)
def test_id_number_is_masked_however_deep_it_stands(capsys: pytest.CaptureFixture[str], value: object) -> None:
    logs.configure()
    logs.get().error("call failed", given=value)
    written = capsys.readouterr().err
    assert "[ID]" in written
    assert "11010519491231002X" not in written


def test_exception_is_written_with_its_place_and_without_id_numbers(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure()
    try:
        raise ValueError("parameters: 11010519491231002X")
    except ValueError as error:
        logs.get().error("call failed", exc_info=error)
    written = capsys.readouterr().err
    assert "11010519491231002X" not in written
    assert "test_logs.py" in written
