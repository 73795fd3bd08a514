"""Remedies from the command line: asked for, decided, listed, and the plan is read."""

from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import Command
from tests.stories.processes import ServerProcess


@pytest.fixture
def order(tmp_path: Path) -> tuple[str, ...]:
    """Returns the options of a signed decision."""
    document = tmp_path / "decision.pdf"
    document.write_bytes(b"decision")
    return ("--document-no", "决〔2026〕1号", "--document", str(document), "--reason", "经核实")


@pytest.fixture
def penalty(command: Command, as_regulator: ServerProcess, code: str) -> str:
    """Returns a penalty of an enterprise of the city."""
    assert as_regulator
    events: list[dict[str, Any]] = command("event", "list", code, "--all", "--json").json()["events"]
    return str(next(e["event_id"] for e in events if e["draft"]["kind"] == "EVENT_KIND_PENALTY"))


def test_objection_is_filed_listed_and_decided(
    command: Command, penalty: str, code: str, order: tuple[str, ...]
) -> None:
    against = ("--against", f"event/{penalty}", "--statement", "与事实不符")
    filed = command("remedy", "object", code, *against, "--json").json()["remedy"]
    assert filed["state"] == "FILED"
    listed = command("remedy", "list", "--subject", code).out
    assert (filed["remedy_id"] in listed, "与事实不符" in listed) == (True, True)
    wrong = command("remedy", "decide", filed["remedy_id"], "--dismiss", *order, "--harm-removed")
    assert (wrong.code, "--harm-removed: got a value, want none" in wrong.err) == (2, True)
    unsigned = command("remedy", "decide", filed["remedy_id"], "--dismiss", "--reason", "经核实")
    assert (unsigned.code, "document_no" in unsigned.err) == (3, True)
    decided = command("remedy", "decide", filed["remedy_id"], "--dismiss", *order)
    assert (decided.code, "DISMISSED" in decided.out) == (0, True)
    again = command("remedy", "revoke", filed["remedy_id"], *order)
    assert (again.code, "REMEDY_NOT_FOUND" in again.err) == (3, True)


def test_repair_of_what_is_no_penalty_is_refused_by_its_guard(command: Command, penalty: str, code: str) -> None:
    events: list[dict[str, Any]] = command("event", "list", code, "--all", "--json").json()["events"]
    registration = next(e["event_id"] for e in events if e["event_id"] != penalty)
    refused = command("remedy", "repair", code, "--event", registration, "--commitment", "守法承诺")
    assert (refused.code, "MOVE_ILLEGAL" in refused.err) == (3, True)


def test_plan_says_the_grade_and_what_grade_a_asks_for(
    command: Command, as_regulator: ServerProcess, code: str
) -> None:
    assert as_regulator
    plan = command("remedy", "plan", code)
    assert (plan.code, "now" in plan.out) == (0, True)
    assert "grade A also asks for" in plan.err
    assert command("remedy", "plan", code, "--json").json()["horizon_date"] > "2030-01-01"


def test_unknown_listing_cannot_be_left(command: Command, as_regulator: ServerProcess) -> None:
    assert as_regulator
    for arguments in (("leave", "BLACK-none", "--statement", "已履行"), ("accept", "BLACK-none/1")):
        refused = command("remedy", *arguments)
        assert (refused.code, "LISTING_NOT_FOUND" in refused.err) == (3, True)
