"""Migrations are numbered, linear and forward-only; after them the tables are those of the code."""

import json
import re
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import MetaData, text
from sqlmodel import Session

from credit_service import changes, migrations
from credit_service.audit import tables as audit_tables
from credit_service.audit.acts import VerifiedActs, verify_acts
from credit_service.database import Database
from credit_service.errors import CreditError, Reason
from credit_service.grades import overrides
from credit_service.grades import tables as grade_tables
from credit_service.ledger import quarantine, relations, streams, timelines
from credit_service.ledger import tables as ledger_tables
from credit_service.listings import joint_action
from credit_service.listings import tables as listing_tables
from credit_service.remedies import tables as remedy_tables
from credit_service.subjects.tables import SubjectRow
from credit_service.subjects.vault import PersonalValue, SubjectKey

STEPS = [*(f"ledger/{number:04d}" for number in range(1, 12)), "audit/0001"]
CHAINS: dict[str, list[Any]] = {
    "ledger": [
        *ledger_tables.TABLES, *streams.TABLES, *relations.TABLES, *quarantine.TABLES,
        SubjectRow, SubjectKey, PersonalValue,
        *changes.TABLES, *listing_tables.TABLES, *joint_action.TABLES, *remedy_tables.TABLES,
        *grade_tables.TABLES, *overrides.TABLES, *timelines.TABLES, *audit_tables.LEDGER_TABLES,
    ],
    "audit": audit_tables.AUDIT_TABLES,
}  # fmt: skip


def both(url: str) -> tuple[str, str]:
    """Names the two databases: two files on SQLite, one database on PostgreSQL."""
    return url, url.replace("credit.db", "credit.audit.db")


def differences(url: str, chain: str) -> list[Any]:
    """Compares the migrated tables of a chain with those of the code."""
    metadata = MetaData()
    for model in CHAINS[chain]:
        model.__table__.to_metadata(metadata)
    names = set(metadata.tables)
    database = Database(url)

    def own(_object: Any, name: str | None, kind: str, *_rest: Any) -> bool:
        return kind != "table" or name in names

    with database.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"include_object": own, "compare_type": False})
        found = list(compare_metadata(context, metadata))
    database.close()
    return found


def test_empty_databases_are_brought_to_the_tables_of_the_code(database_url: str) -> None:
    urls = both(database_url)
    assert migrations.upgrade(*urls) == STEPS
    migrations.check(*urls)
    for url, chain in zip(urls, CHAINS, strict=True):
        assert differences(url, chain) == []


def test_second_run_does_nothing_and_keeps_the_epoch(database_url: str) -> None:
    urls = both(database_url)
    migrations.upgrade(*urls)
    database = Database(database_url)
    with database.reading() as session:
        epoch = ledger_tables.head(session).epoch
    assert migrations.upgrade(*urls) == []
    with database.reading() as session:
        assert ledger_tables.head(session).epoch == epoch
    database.close()


def test_unmigrated_database_is_refused_and_not_made(database_url: str) -> None:
    urls = both(database_url)
    assert migrations.pending(*urls) == STEPS
    with pytest.raises(CreditError) as refused:
        migrations.check(*urls)
    assert refused.value.reason is Reason.MIGRATION_NEEDED


def test_newer_database_is_refused(database_url: str) -> None:
    urls = both(database_url)
    migrations.upgrade(*urls)
    engine = Database(urls[1]).engine
    with engine.begin() as connection:
        connection.execute(text(f"UPDATE {migrations.version_table('audit')} SET version_num = '9999'"))
    engine.dispose()
    with pytest.raises(CreditError) as refused:
        migrations.check(*urls)
    assert refused.value.reason is Reason.DATABASE_NEWER


@pytest.mark.parametrize("chain", CHAINS)
def test_files_are_numbered_and_linear(chain: str) -> None:
    files = sorted((migrations.FOLDER / chain).glob("v*.py"))
    numbers = [re.fullmatch(r"v(\d{4})_[a-z_]+", file.stem) for file in files]
    assert [int(n[1]) for n in numbers if n] == list(range(1, len(files) + 1))
    for file, before in zip(files, [None, *files], strict=False):
        parent = f'"{before.stem[1:5]}"' if before else "None"
        assert f"down_revision = {parent}" in file.read_text("utf-8")
        assert "def downgrade" not in file.read_text("utf-8")


def test_engine_is_the_one_that_knows_the_dialect() -> None:
    with pytest.raises(CreditError, match="database_url"):
        Database("mysql://x")
    with pytest.raises(CreditError, match="folder"):
        Database("sqlite:////nowhere/at/all/credit.db")


def undo_mending(session: Session) -> None:
    """Takes quarantine back to what it was before ledger/0010."""
    for index in ("waiting", "superseded", "case"):
        session.execute(text(f"DROP INDEX ix_quarantined_record_{index}"))
    for name in ("superseded_by", "case_id"):
        session.execute(text(f"ALTER TABLE quarantined_record DROP COLUMN {name}"))
    session.execute(
        text(
            "CREATE INDEX ix_quarantined_record_waiting"
            " ON quarantined_record (source, receive_time, record_id, version)"
        )
    )


def test_what_waited_before_is_told_its_case_by_the_migration(database_url: str) -> None:
    urls = both(database_url)
    migrations.upgrade(*urls)
    database = Database(database_url)
    ids = [f"罚{n}号:91350100M000100Y44" for n in range(1100)] + ["no code"]
    with database.transaction() as session:
        undo_mending(session)
        for record_id in ids:
            record = {"source_record_id": record_id, "subject": {"code": "91350100m000100y44", "name": "甲"}}
            session.execute(
                text("INSERT INTO quarantined_record VALUES ('bureau', :id, 1, 5, :record, '[]', NULL)"),
                {"id": record_id, "record": json.dumps(record, ensure_ascii=False)},
            )
        session.execute(text(f"UPDATE {migrations.version_table('ledger')} SET version_num = '0009'"))
    assert migrations.upgrade(*urls) == ["ledger/0010", "ledger/0011"]
    with database.reading() as session:
        cases = dict(session.execute(text("SELECT record_id, case_id FROM quarantined_record")).all())
    assert cases == {i: quarantine.case_of(i, "91350100M000100Y44") for i in ids}
    assert (cases["罚1099号:91350100M000100Y44"], cases["no code"]) == ("罚1099号:{code}", "")
    database.close()


def test_acts_made_before_the_chain_are_linked_by_the_migration(database_url: str) -> None:
    urls = both(database_url)
    migrations.upgrade(*urls)
    database = Database(database_url)
    columns = [column.name for column in listing_tables.ListingMoveRow.__table__.columns]  # type: ignore[attr-defined]  # SQLModel's type hides it
    values = {"number": 1, "from_state": None, "move_time": 5, "legal_time": 5, "facts": '{"字": 1}'}
    row = {name: values.get(name, "USCC:X") for name in columns}
    names = ", ".join(f'"{name}"' for name in columns)
    with database.transaction() as session:
        for number, time in ((1, 9), (2, 4)):
            given = {**row, "number": number, "move_time": time}
            marks = ", ".join(f":{name}" for name in columns)
            session.execute(text(f"INSERT INTO listing_move ({names}) VALUES ({marks})"), given)  # as above
        undo_mending(session)
        session.execute(text("DROP TABLE act"))
        for table in ("override_move", "timeline"):
            session.execute(text(f"DROP TABLE {table}"))
        session.execute(text("DROP INDEX ix_current_grade_review"))
        for name in ("is_review_open", "basis"):
            session.execute(text(f"ALTER TABLE current_grade DROP COLUMN {name}"))
        session.execute(text(f"UPDATE {migrations.version_table('ledger')} SET version_num = '0006'"))
    assert migrations.upgrade(*urls) == [f"ledger/{number:04d}" for number in range(7, 12)]
    with database.transaction() as session:
        assert verify_acts(session) == VerifiedActs(2, None)
        session.execute(text("UPDATE listing_move SET reason = 'other' WHERE number = 1"))
        assert verify_acts(session).broken_number == 2
    database.close()
