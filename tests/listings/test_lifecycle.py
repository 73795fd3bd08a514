"""Rules open candidates, renew their proof and drop them when the basis is gone; never more."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from credit_service import changes
from credit_service.audit.tables import LEDGER_TABLES
from credit_service.changes import Recorder, read_changes
from credit_service.database import Database
from credit_service.listings.lifecycle import Surroundings, propose
from credit_service.listings.moves import EFFECTS
from credit_service.listings.tables import TABLES, ListingRow, get_listing, listings_of, moves, search_listings
from credit_service.rulebook.edition import SHIPPED, load_editions
from credit_service.rulebook.evaluate import Finding

NOW = datetime(2026, 11, 23, tzinfo=UTC)
SUBJECT = ("USCC:91350100M000100Y43", "ENTERPRISE")


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    """Opens empty listings and an empty feed."""
    database = Database(database_url)
    database.create_tables([table.__table__ for table in (*TABLES, *changes.TABLES, *LEDGER_TABLES)])
    with database.transaction() as session:
        changes.start(session)
    yield database
    database.close()


EDITION = next(e for e in load_editions(SHIPPED) if e.id == "cn-2026-04")


def a_finding(rule: str = "B-01", *events: int, effect: str = "CANDIDATE") -> Finding:
    """Builds a finding proved by the events."""
    return Finding(rule, "BLACK", effect, events or (1, 2), 739000, None, "依据", "basis")


def judge(database: Database, *findings: Finding, now: datetime = NOW) -> list[ListingRow]:
    """Proposes by the findings and returns the listings."""
    recorder = Recorder(now)
    with database.transaction() as session:
        pairs = [("cn-2026-04", finding) for finding in findings]
        around = Surroundings(lambda _: EDITION, (), is_blacklisted=False, recorder=recorder, now=now)
        propose(session, SUBJECT, pairs, listings_of(session, [SUBJECT[0]]), around)
        recorder.write(session)
    with database.reading() as session:
        return list(listings_of(session, [SUBJECT[0]]))


def test_candidate_finding_opens_a_candidate_with_its_proof(database: Database) -> None:
    """The first move says which rule of which edition."""
    (row,) = judge(database, a_finding())
    assert (row.state, row.rule_id, row.proof()) == ("CANDIDATE", "B-01", (1, 2))
    with database.reading() as session:
        (move,) = moves(session, row)
    assert (move.from_state, move.to_state, move.actor) == (None, "CANDIDATE", "rule:B-01@cn-2026-04")


@pytest.mark.parametrize("effect", ["RECORD", "WATCH", "ALERT", "ELIGIBLE"])
def test_other_effects_open_nothing(database: Database, effect: str) -> None:
    """A fire record or a watch is no listing."""
    assert judge(database, a_finding(effect=effect)) == []


def test_judging_again_changes_nothing(database: Database) -> None:
    """One listing, one change."""
    judge(database, a_finding())
    assert len(judge(database, a_finding(), now=NOW + timedelta(days=1))) == 1
    with database.reading() as session:
        assert len(read_changes(session, 0, 99, [], 10)) == 1


def test_findings_of_one_rule_share_one_candidate(database: Database) -> None:
    """The candidate carries every proof."""
    (row,) = judge(database, a_finding("B-02", 1, 2), a_finding("B-02", 2, 3))
    assert row.proof() == (1, 2, 3)


def test_changed_proof_is_renewed_and_recorded(database: Database) -> None:
    """A correction gives the event another place in the ledger."""
    judge(database, a_finding("B-01", 1, 2))
    (row,) = judge(database, a_finding("B-01", 1, 5))
    assert row.proof() == (1, 5)
    with database.reading() as session:
        assert [m.to_state for m in moves(session, row)] == ["CANDIDATE", "CANDIDATE"]


def test_candidate_without_basis_is_dropped_with_a_tombstone(database: Database) -> None:
    """Partners are told that it is gone, and why."""
    judge(database, a_finding())
    (row,) = judge(database)
    assert row.state == "DROPPED"
    with database.reading() as session:
        last = read_changes(session, 1, 99, [], 10)[0]
    assert (last.type, last.entry_key) == ("REMOVE", f"listing/{row.listing_id}")
    assert last.reason == EFFECTS["WITHDRAW"]


def test_basis_that_returns_opens_another_listing(database: Database) -> None:
    """A dropped listing stays dropped."""
    judge(database, a_finding())
    judge(database)
    rows = judge(database, a_finding(), now=NOW + timedelta(days=2))
    assert sorted(row.state for row in rows) == ["CANDIDATE", "DROPPED"]


def test_search_is_by_list_state_and_subject_newest_first(database: Database) -> None:
    """Pages go on before a place."""
    judge(database, a_finding("B-01"))
    judge(database, a_finding("B-01"), a_finding("B-04"), now=NOW + timedelta(days=1))
    with database.reading() as session:
        found = search_listings(session, {"list": "BLACK", "state": "CANDIDATE"}, None, 10)
        assert [row.rule_id for row in found] == ["B-04", "B-01"]
        rest = search_listings(session, {}, (found[0].open_time, found[0].listing_id), 10)
        assert [row.rule_id for row in rest] == ["B-01"]
        assert search_listings(session, {"subject_id": "USCC:none"}, None, 10) == []
        assert get_listing(session, found[0].listing_id) is not None
        assert get_listing(session, "BLACK-none") is None
