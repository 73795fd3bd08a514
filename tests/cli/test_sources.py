"""Sources from the command line: what waits, what is complete, who is silent."""

from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import Command
from tests.stories.processes import ServerProcess

SOURCE = "sim-city-fire"


@pytest.fixture
def as_source(filled: ServerProcess, monkeypatch: pytest.MonkeyPatch) -> ServerProcess:
    """Calls as the agency that may submit."""
    monkeypatch.setenv("CREDIT_SERVICE_PROFILE", filled.profile("source"))
    return filled


def until(command: Command) -> str:
    """Returns up to when the source says to be complete."""
    found = command("source", "list", "--json").json()
    return next(str(w.get("complete_until_time", "")) for w in found if w["source"] == SOURCE)


def test_source_says_that_it_is_complete_and_never_takes_it_back(command: Command, as_source: ServerProcess) -> None:
    assert command("source", "complete", SOURCE, "--until", "2026-09-30").code == 0
    assert until(command) == "2026-09-30T15:59:59Z"
    assert "2026-09-30 23:59:59+08:00" in command("source", "list").out
    earlier = command("source", "complete", SOURCE, "--until", "2026-08-31")
    assert (earlier.code, "WATERMARK_BACK" in earlier.err) == (3, True)
    later = command("source", "complete", SOURCE, "--until", "2099-01-01")
    assert (later.code, "TIME_IN_FUTURE: until: got 2099-01-01" in later.err) == (2, True)
    assert until(command) == "2026-09-30T15:59:59Z"


def test_only_who_may_submit_for_a_source_speaks_for_it(command: Command, as_source: ServerProcess) -> None:
    for verb in (("complete", SOURCE, "--until", "2026-09-30"), ("waiting", SOURCE)):
        refused = command("source", *verb, "--profile", as_source.profile("agency"))
        assert (refused.code, "SOURCE_FORBIDDEN" in refused.err) == (3, True)


def test_records_that_wait_for_mending_are_listed_until_they_are_sent_well(
    command: Command, as_source: ServerProcess, events: list[dict[str, Any]], lines_file: Any
) -> None:
    sound = next(e for e in events if e["kind"] == "PEN" and e["source"] == SOURCE)
    sound = {**sound, "source_record_id": "WAITS-1", "source_version": 1}
    doubtful = {**sound, "payload": {**sound["payload"], "articles": []}}
    file: Path = lines_file([doubtful])
    assert command("import", str(file)).code == 1
    shown = command("source", "waiting", SOURCE)
    assert ("WAITS-1" in shown.out, "CLAUSE_MISSING" in shown.out, "1 waiting" in shown.err) == (True, True, True)
    lines_file([sound])
    assert command("import", str(file)).code == 0
    mended = command("source", "waiting", SOURCE)
    assert (mended.out, mended.err) == ("", "none\n0 waiting\n")
