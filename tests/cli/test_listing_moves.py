"""Officers' moves from the command line: what is given reaches the record, what is missing is said."""

from pathlib import Path
from typing import Any

import pytest

from credit_service.cli.listing_moves import VERBS
from credit_service.cli.throwaway import clock_of
from credit_service.errors import CreditError
from tests.cli.conftest import Command
from tests.stories.processes import ServerProcess


@pytest.fixture
def candidate(command: Command, as_regulator: ServerProcess) -> str:
    """Returns the newest candidate that nobody moved yet."""
    found: list[dict[str, Any]] = command("listing", "list", "--json").json()["listings"]
    return str(found[-1]["listing_id"])


def test_candidate_is_led_into_force_by_two_officers(
    command: Command, candidate: str, filled: ServerProcess, tmp_path: Path
) -> None:
    document = tmp_path / "document.pdf"
    document.write_bytes(b"notice")
    common = ("--document-no", "告〔2026〕1号", "--document", str(document))
    assert command("listing", "notify", candidate, *common).code == 0
    missing = command("listing", "decide", candidate, *common, "--reason", "依据充分")
    assert (missing.code, "the service of the notice" in missing.err) == (3, True)
    served = command("listing", "serve-notice", candidate, *common, "--by", "当场交付", "--json").json()["listing"]
    assert served["state"] == "LISTING_STATE_NOTICED"
    assert candidate in command("listing", "due").out
    early = command("listing", "waive", candidate, *common, "--on", "2026-01-05")
    assert early.code == 3
    assert "TIME_ORDER: legal_time: got 2026-01-05 23:59:59+08:00, want 20" in early.err
    assert "+08:00, the last move, or later" in early.err
    assert command("listing", "waive", candidate, *common).code == 0
    assert command("listing", "decide", candidate, *common, "--reason", "依据充分").code == 0
    same = command("listing", "confirm", candidate)
    assert (same.code, "SECOND_OFFICER_SAME" in same.err) == (3, True)
    done = command("listing", "confirm", candidate, "--profile", filled.profile("regulator-2"), "--json").json()
    assert done["listing"]["is_in_force"] is True
    shown = command("listing", "show", candidate).out
    assert "until 24:00 of" in shown
    moves = command("listing", "show", candidate, "--json").json()["listing"]["moves"]
    assert moves[1]["document_no"] == "告〔2026〕1号"
    assert moves[1]["document_digest"]["value"]


def test_option_that_a_move_does_not_take_is_refused(command: Command, candidate: str) -> None:
    refused = command("listing", "confirm", candidate, "--to", "elsewhere")
    assert (refused.code, "--to: got elsewhere, want nothing for this move" in refused.err) == (2, True)
    unread = command("listing", "notify", candidate, "--document", "no-such-file")
    assert (unread.code, "--document" in unread.err) == (2, True)


def test_every_verb_has_help(command: Command) -> None:
    for name, verb in VERBS.items():
        assert verb.help.split(":")[0].split("(")[0].strip()[:20] in " ".join(
            command("listing", name, "--help").out.split()
        )


def test_clock_of_a_throw_away_house_tells_what_the_file_says(command: Command, tmp_path: Path) -> None:
    file = tmp_path / "clock.txt"
    file.write_text("2029-01-02T03:04:05+08:00\n", "utf-8")
    tell = clock_of(file)
    assert tell().isoformat() == "2029-01-01T19:04:05+00:00"
    file.write_text("2029-01-02T03:04:05", "utf-8")
    with pytest.raises(CreditError, match="want a time with its offset"):
        tell()
    alone = command("serve", "--clock", str(file))
    assert (alone.code, "without --demo" in alone.err) == (2, True)


def test_agency_lists_its_obligations_and_reports_each(
    command: Command, candidate: str, filled: ServerProcess, tmp_path: Path
) -> None:
    document = tmp_path / "document.pdf"
    document.write_bytes(b"notice")
    common = ("--document-no", "告〔2026〕1号", "--document", str(document))
    for verb, *more in (
        ("notify",), ("serve-notice", "--by", "当场交付"), ("waive",), ("decide", "--reason", "依据充分"),
        ("confirm", "--profile", filled.profile("regulator-2")), ("serve-decision", "--by", "邮寄"), ("publish",),
    ):  # fmt: skip
        given = common if verb not in ("confirm", "publish") else ()
        assert command("listing", verb, candidate, *given, *more).code == 0, verb
    as_agency = ("--profile", filled.profile("agency"), "--purpose", "联合惩戒")
    listed = command("obligation", "list", *as_agency)
    assert candidate in listed.out
    assert "1 open, 0 overdue" in listed.out + listed.err
    report = ("obligation", "report", candidate, "no-listing", "--measure", "M-04", "--action", "applied", *as_agency)
    ended = command(*report)
    assert (ended.code, "LISTING_NOT_FOUND" in ended.err) == (1, True)
    assert f"{candidate} ACCEPTED" in ended.out + ended.err
    assert command("obligation", "list", *as_agency, "--json").json().get("obligations", []) == []
    wrong = command("obligation", "report", candidate, "--measure", "M-04", "--action", "done", *as_agency)
    assert (wrong.code, "--action: got done" in wrong.err) == (2, True)
