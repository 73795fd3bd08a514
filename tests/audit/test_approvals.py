"""An act of two officers needs two persons and two keys, on exactly the same thing."""

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from credit_service.audit.approvals import Officer, approve, is_approved
from credit_service.audit.tables import LEDGER_TABLES
from credit_service.database import Database
from credit_service.errors import CreditError, Reason

NOW = datetime(2026, 11, 23, tzinfo=UTC)
ONE, OTHER = Officer("bureau/one", "key-1"), Officer("bureau/other", "key-2")


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    """Opens empty approvals."""
    database = Database(database_url)
    database.create_tables([table.__table__ for table in LEDGER_TABLES])
    yield database
    database.close()


def act(database: Database, officer: Officer, digest: str = "d1") -> bool:
    """Lets an officer approve and says whether the act is done."""
    with database.transaction() as session:
        approve(session, "adopt", digest, officer, NOW)
    with database.reading() as session:
        return is_approved(session, "adopt", digest)


def test_second_officer_completes_the_act(database: Database) -> None:
    assert act(database, ONE) is False
    assert act(database, OTHER) is True


@pytest.mark.parametrize("second", [ONE, Officer("bureau/one", "key-2"), Officer("bureau/other", "key-1")])
def test_same_person_or_same_key_is_no_second_officer(database: Database, second: Officer) -> None:
    act(database, ONE)
    with pytest.raises(CreditError) as refused:
        act(database, second)
    assert refused.value.reason is Reason.SECOND_OFFICER_SAME


def test_completed_act_is_not_repeated(database: Database) -> None:
    act(database, ONE)
    act(database, OTHER)
    with pytest.raises(CreditError) as refused:
        act(database, Officer("bureau/third", "key-3"))
    assert refused.value.reason is Reason.ALREADY_ADOPTED


def test_approval_counts_for_exactly_what_was_read(database: Database) -> None:
    act(database, ONE, "d1")
    assert act(database, OTHER, "d2") is False
