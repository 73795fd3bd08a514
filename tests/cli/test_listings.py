"""Listings and the records behind them, from the command line."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from credit_service.cli.events import money
from credit_service.cli.listings import STATES
from tests.cli.conftest import Command
from tests.stories.processes import ServerProcess


@pytest.fixture
def listing(command: Command, as_regulator: ServerProcess) -> dict[str, Any]:
    """Returns a candidate."""
    found: dict[str, Any] = command("listing", "list", "--json").json()["listings"][0]
    return found


def test_candidates_are_listed_and_shown_with_their_proof(command: Command, as_regulator: ServerProcess) -> None:
    listings = command("listing", "list", "--json").json()["listings"]
    assert all(x["state"] == "LISTING_STATE_CANDIDATE" and x["event_ids"] for x in listings)
    one = listings[0]["listing_id"]
    assert one in command("listing", "list").out
    shown = command("listing", "show", one, "--json").json()["listing"]
    assert shown["moves"][0]["actor"].startswith("rule:B-")
    assert shown["bases"][0]["instrument"] in command("listing", "show", one).out


def test_shown_listing_names_each_proof_by_kind_date_and_document(command: Command, listing: dict[str, Any]) -> None:
    shown = command("listing", "show", listing["listing_id"]).out
    for event_id in listing["event_ids"]:
        draft = command("event", "show", event_id, "--json").json()["event"]["draft"]
        kind, document = draft["kind"].removeprefix("EVENT_KIND_"), draft.get("document_no", "no document number")
        assert re.search(rf"event {event_id}: {kind} of 20\d\d-\d\d-\d\d, {re.escape(document)}", shown)


def test_listings_are_chosen_by_state_and_subject(command: Command, listing: dict[str, Any]) -> None:
    code = listing["subject"]["code"]
    found = command("listing", "list", "--state", "any", "--subject", code, "--json").json()["listings"]
    assert listing["listing_id"] in {x["listing_id"] for x in found}
    assert {x["subject"]["code"] for x in found} == {code}
    assert command("listing", "list", "--state", "dropped").code == 0


def test_cut_listings_say_so(command: Command, listing: dict[str, Any]) -> None:
    ended = command("listing", "list", "--limit", "1")
    assert "1 shown, more: --limit 2, or --all" in ended.err
    assert command("listing", "list", "--all").err == ""


@pytest.mark.parametrize("state", ["listed", "BOGUS"])
def test_unknown_state_is_refused_with_those_there_are(
    command: Command, as_regulator: ServerProcess, state: str
) -> None:
    ended = command("listing", "list", "--state", state)
    assert (ended.code, len(ended.err.splitlines())) == (2, 1)
    assert all(name in ended.err for name in STATES)
    assert all(name in command("listing", "list", "--help").out for name in STATES)


def test_purpose_of_a_query_is_the_one_that_was_given(
    command: Command, as_regulator: ServerProcess, listing: dict[str, Any]
) -> None:
    code, one = listing["subject"]["code"], listing["listing_id"]
    own = as_regulator.profile("purposeful")
    profile = json.loads(Path(as_regulator.profile("regulator")).read_text("utf-8"))
    Path(own).write_text(json.dumps({**profile, "purpose": "from the profile"}), "utf-8")
    command("listing", "show", one, "--profile", own, "--purpose", "given by hand")
    command("listing", "list", "--profile", own)
    command("event", "list", code, "--profile", own)
    asked = command("queries", code, "--all", "--json").json()["queries"]
    purposes = {(q["method"].rpartition("/")[2], q.get("purpose", "")) for q in asked}
    assert {("GetListing", "given by hand"), ("GetEvent", "given by hand")} <= purposes
    assert {("SearchListings", "from the profile"), ("ListEvents", "from the profile")} <= purposes
    assert {purpose for _, purpose in purposes} & {"listing list", "listing show", "watch"} == set()


def test_records_of_a_subject_are_listed_and_shown(command: Command, as_regulator: ServerProcess, code: str) -> None:
    events = command("event", "list", code, "--all", "--json").json()["events"]
    table = command("event", "list", code, "--all").out
    assert all(f"│ {e['event_id']} " in table for e in events)
    penalty = next(e for e in events if e["draft"]["kind"] == "EVENT_KIND_PENALTY")
    shown = command("event", "show", penalty["event_id"]).out
    assert "PENALTY_TYPE_" not in shown
    for word in ("PENALTY", penalty["draft"]["source_record_id"], "collected", "the newest version"):
        assert word in shown
    assert penalty["draft"]["payload"]["penalty"]["articles"][0] in shown


def test_records_as_of_an_earlier_day_are_fewer(command: Command, as_regulator: ServerProcess, code: str) -> None:
    now = command("event", "list", code, "--all", "--json").json()["events"]
    then = command("event", "list", code, "--all", "--as-of", "1999-12-31", "--json").json()
    assert len(now) > len(then.get("events", []))
    assert "more: --limit 2" in command("event", "list", code, "--limit", "1").err


def test_rules_are_shown_with_their_basis(command: Command, as_regulator: ServerProcess) -> None:
    assert "应急管理部令第11号" in command("rulebook", "show").out
    edition = command("rulebook", "show", "tw-osh", "--json").json()["edition"]
    assert edition["edition_id"] == "tw-osh"
    assert "no list rules" in command("rulebook", "show", "tw-osh").err


def test_editions_are_listed(command: Command, as_regulator: ServerProcess) -> None:
    names = {line["edition_id"]: line["rules"] for line in command("rulebook", "list", "--json").lines()}
    assert names["tw-osh"] == 0
    table = command("rulebook", "list").out
    assert all(name in table for name in names)


def test_money_of_a_record_is_shown_in_yuan(command: Command, as_regulator: ServerProcess, code: str) -> None:
    events = command("event", "list", code, "--all", "--json").json()["events"]
    fined = next(e for e in events if e["draft"].get("payload", {}).get("penalty", {}).get("fine_fen"))
    fen = int(fined["draft"]["payload"]["penalty"]["fine_fen"])
    shown = command("event", "show", fined["event_id"]).out
    assert re.search(rf"^fine +{fen / 100:,.2f} yuan *$", shown, re.MULTILINE)
    assert "_fen" not in shown
    assert money("loss_fen", 5) == ("loss", "0.05 yuan")
    assert money("deaths", 1) == ("deaths", "1")
