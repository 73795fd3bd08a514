"""The chain of acts: what was changed, added, taken away or moved in time since is found, and named."""

from collections.abc import Iterator

import pytest
from sqlalchemy import text

from credit_service.audit.acts import VerifiedActs, verify_acts
from credit_service.database import Database
from credit_service.ledger.fact import Fact
from credit_service.legal_days import parse_day
from credit_service.rulebook.edition import load_editions
from credit_service.rulebook.law import Edition
from tests.listings.life import DAY, Life, at, open_tables

EDITIONS: tuple[Edition, ...] = load_editions()
BEGUN = at("2026-09-01")


def _fact(number: int, kind: str, day: str, refers_to: str | None = None, **payload: object) -> Fact:
    return Fact(number, "city", f"R-{number}", 1, kind, "WORK", parse_day(day), parse_day(day), "", refers_to, payload)


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    """Holds a listing of four moves."""
    database = Database(database_url)
    open_tables(database)
    with database.transaction() as session:
        for table in ("remedy_move", "override_move"):
            session.execute(text(f"CREATE TABLE {table} (number INTEGER)"))
    life = Life(database, EDITIONS)
    life.facts = [
        _fact(1, "REG", "2010-01-01", sectors=["CHEMICAL"], founded_date="2010-01-01"),
        _fact(2, "ACC", "2026-05-10", level="MAJOR", deaths=11, liability="LIABLE"),
        _fact(3, "PEN", "2026-08-01", "city/R-2", organ_kind="EMERGENCY_MANAGEMENT", severity="SERIOUS"),
    ]
    life.tick(BEGUN)
    for number, name in enumerate(("NOTIFY", "SERVE_NOTICE", "WAIVE_REPLY"), 1):
        life.act(life.rows()[0], name, "officer-1", BEGUN + number * DAY)
    yield database
    database.close()


def verified(database: Database) -> VerifiedActs:
    with database.reading() as session:
        return verify_acts(session)


def test_chain_of_acts_holds(database: Database) -> None:
    assert verified(database) == VerifiedActs(4, None)


@pytest.mark.parametrize(
    ("statement", "broken"),
    [
        ("UPDATE listing_move SET document_no = '伪造' WHERE number = 2", 2),
        ("UPDATE listing_move SET legal_time = legal_time - 86400000000 WHERE number = 3", 3),
        ("UPDATE listing_move SET from_state = 'CANDIDATE' WHERE number = 1", 1),
        ("DELETE FROM listing_move WHERE number = 4", 4),
        ("UPDATE act SET content = replace(content, 'officer-1', 'officer-9') WHERE number = 2", 2),
        ("DELETE FROM act WHERE number = 1", 1),
        ("DELETE FROM act WHERE number = 4", 4),
        ("INSERT INTO remedy_move VALUES (1)", 5),
    ],
)
def test_what_was_tampered_with_is_named(database: Database, statement: str, broken: int) -> None:
    with database.transaction() as session:
        session.execute(text(statement))
    assert verified(database).broken_number == broken


def test_row_and_act_changed_together_still_break_the_chain(database: Database) -> None:
    with database.transaction() as session:
        session.execute(text("UPDATE listing_move SET actor = 'bureau/officer-9' WHERE number = 2"))
        session.execute(text("UPDATE act SET content = replace(content, 'officer-1', 'officer-9') WHERE number = 2"))
    assert verified(database).broken_number == 2
