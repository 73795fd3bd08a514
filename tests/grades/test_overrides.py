"""An override needs two persons with two keys, an end within the edition's bounds, and no veto above it."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from credit_service.audit.acts import Ask
from credit_service.audit.tables import LEDGER_TABLES
from credit_service.database import Database
from credit_service.errors import CreditError, Reason
from credit_service.grades import overrides
from credit_service.grades.grading import Graded
from credit_service.grades.overrides import CONFIRM, PROPOSE, TABLES, Grounds
from credit_service.legal_days import civil_day, parse_day
from credit_service.rulebook.edition import SHIPPED, load_edition

CN = load_edition(SHIPPED / "cn-2026-04.toml")
NOW = datetime(2026, 11, 23, 4, tzinfo=UTC)
SUBJECT = "USCC:91110108MA00000070"
GRADED = Graded(SUBJECT, "ENTERPRISE", civil_day(NOW), grade="B", score=800)


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    database = Database(database_url)
    database.create_tables([table.__table__ for table in (*LEDGER_TABLES, *TABLES)])
    yield database
    database.close()


def ask(name: str, actor: str, key: str) -> Ask:
    return Ask(
        name, actor, agency="bureau", officer_key=key, document_no="调1", document_digest="00", reason="现场核查",
        request_id=f"{name} by {actor}",
    )  # fmt: skip


def grounds(days: int = 0) -> Grounds:
    return Grounds(SUBJECT, CN, GRADED, NOW + timedelta(days=days))


def proposed(database: Database, last_day: str = "2027-01-31") -> str:
    with database.transaction() as session:
        first = ask(PROPOSE, "bureau/one", "key-1")
        return overrides.propose(session, "C", "EVIDENCE", parse_day(last_day), first, grounds())


def confirm(database: Database, override_id: str, actor: str, key: str, days: int = 0) -> None:
    with database.transaction() as session:
        made = overrides.of_override(session, override_id)
        overrides.move(session, made, ask(CONFIRM, actor, key), grounds(days))


def standing(database: Database, day: str) -> str | None:
    as_of = datetime.fromisoformat(f"{day}T12:00:00+08:00")
    with database.reading() as session:
        found = overrides.standings(session, [SUBJECT], as_of, as_of).get(SUBJECT, overrides.NOTHING)
    return found.override.grade if found.override else None


@pytest.mark.parametrize(
    ("actor", "key"), [("bureau/one", "key-2"), ("bureau/other", "key-1"), ("bureau/one", "key-1")]
)
def test_same_person_or_same_key_is_no_second_officer(database: Database, actor: str, key: str) -> None:
    override_id = proposed(database)
    with pytest.raises(CreditError) as caught:
        confirm(database, override_id, actor, key)
    assert caught.value.reason is Reason.SECOND_OFFICER_SAME
    assert standing(database, "2026-12-01") is None


def test_override_stands_from_its_confirmation_to_the_end_of_its_last_day(database: Database) -> None:
    override_id = proposed(database)
    assert standing(database, "2026-11-30") is None
    confirm(database, override_id, "bureau/other", "key-2", days=8)
    days = ("2026-11-30", "2026-12-02", "2027-01-31", "2027-02-01")
    assert [standing(database, day) for day in days] == [None, "C", "C", None]


@pytest.mark.parametrize(
    ("last_day", "is_allowed"),
    [("2026-11-22", False), ("2026-11-23", True), ("2027-11-23", True), ("2027-11-24", False)],
)
def test_end_lies_within_twelve_months(database: Database, last_day: str, is_allowed: bool) -> None:
    if is_allowed:
        assert proposed(database, last_day)
        return
    with pytest.raises(CreditError) as caught:
        proposed(database, last_day)
    assert caught.value.reason is Reason.FIELD_OUT_OF_RANGE
