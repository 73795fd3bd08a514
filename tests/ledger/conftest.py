"""A database with the ledger's tables and a checker with one source; both databases run every test."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from itertools import count
from typing import Any

import pytest

from credit_service import changes
from credit_service.database import Database
from credit_service.ledger import append as appending
from credit_service.ledger import quarantine, relations, streams, tables, timelines
from credit_service.ledger.append import Receipt
from credit_service.ledger.drafts import Checker
from credit_service.rulebook.accidents import accident_level, last_casualty_day
from credit_service.rulebook.edition import SHIPPED, load_edition
from credit_service.subjects.tables import SubjectRow
from credit_service.subjects.vault import PersonalValue, SubjectKey, Vault

NOW = datetime(2026, 11, 23, 4, 0, tzinfo=UTC)
CODE = "91350100M000100Y43"
OTHER = "91110108551385082Q"


def steady_bytes() -> Any:
    """Yields bytes that differ from call to call and repeat from run to run."""
    numbers = count(1)
    return lambda size: next(numbers).to_bytes(size)


def a_record(record_id: str = "R1", version: int = 1, **named: Any) -> dict[str, Any]:
    """Builds a valid penalty record; name only what the test is about."""
    return {
        "source": "bureau",
        "source_record_id": record_id,
        "source_version": version,
        "subject": {"code": CODE, "name": "模拟化工有限公司"},
        "kind": "PEN",
        "domain": "WORK",
        "occur_time": "2026-03-01T00:00:00+08:00",
        "payload": {"articles": ["安全生产法/102"]},
        **named,
    }


@dataclass
class Desk:
    """Submits records the way a door does."""

    database: Database
    checker: Checker
    vault: Vault

    def submit(self, *records: dict[str, Any], now: datetime = NOW) -> list[Receipt]:
        """Checks and appends the records in one transaction."""
        checked = [self.checker.check(record, now) for record in records]
        with self.database.transaction() as session:
            return appending.append(session, checked, now, appending.Reception(self.vault))


def all_tables() -> list[Any]:
    """Names the tables that the ledger's tests need."""
    models = [
        *tables.TABLES,
        *streams.TABLES,
        *timelines.TABLES,
        *relations.TABLES,
        *quarantine.TABLES,
        SubjectRow,
        SubjectKey,
        PersonalValue,
        *changes.TABLES,
    ]
    return [model.__table__ for model in models]


@pytest.fixture
def desk(database_url: str) -> Iterator[Desk]:
    """Opens an empty ledger."""
    database = Database(database_url)
    database.create_tables(all_tables())
    with database.transaction() as session:
        tables.start(session, "epoch-1")
        changes.start(session)
    vault = Vault(bytes(32), steady_bytes())
    accidents = load_edition(SHIPPED / "cn-2026-04.toml").accidents
    checker = Checker(
        {"bureau": "USCC", "taiwan": "TW-OSH"},
        lambda deaths, injuries, loss: accident_level(accidents, deaths, injuries, loss),
        vault.person_code,
        partial(last_casualty_day, accidents),
    )
    yield Desk(database, checker, vault)
    database.close()
