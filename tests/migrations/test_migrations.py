"""Migrations are numbered, linear and forward-only; after them the tables are those of the code."""

import json
import re
from typing import Any

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import MetaData, text

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

STEPS = [*(f"ledger/{number:04d}" for number in range(1, 13)), "audit/0001"]
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


def brought_to(url: str, number: str) -> Database:
    """Returns an empty ledger as a program made it whose newest migration was this one."""
    database = Database(url)
    with database.engine.connect() as connection:
        command.upgrade(migrations._config("ledger", connection), number)
        connection.commit()
    return database


def test_what_waited_before_is_told_its_case_by_the_migration(database_url: str) -> None:
    urls, database = both(database_url), brought_to(database_url, "0009")
    ids = [f"罚{n}号:91350100M000100Y44" for n in range(1100)] + ["no code"]
    with database.transaction() as session:
        for record_id in ids:
            record = {"source_record_id": record_id, "subject": {"code": "91350100m000100y44", "name": "甲"}}
            session.execute(
                text("INSERT INTO quarantined_record VALUES ('bureau', :id, 1, 5, :record, '[]', NULL)"),
                {"id": record_id, "record": json.dumps(record, ensure_ascii=False)},
            )
    assert migrations.upgrade(*urls) == STEPS[9:]
    with database.reading() as session:
        cases = dict(session.execute(text("SELECT record_id, case_id FROM quarantined_record")).all())
    assert cases == {i: quarantine.case_of(i, "91350100M000100Y44") for i in ids}
    assert (cases["罚1099号:91350100M000100Y44"], cases["no code"]) == ("罚1099号:{code}", "")
    database.close()


def test_acts_made_before_the_chain_are_linked_by_the_migration(database_url: str) -> None:
    urls, database = both(database_url), brought_to(database_url, "0006")
    columns = [column.name for column in listing_tables.ListingMoveRow.__table__.columns]  # type: ignore[attr-defined]  # SQLModel's type hides it
    values = {"number": 1, "from_state": None, "move_time": 5, "legal_time": 5, "facts": '{"字": 1}'}
    row = {name: values.get(name, "USCC:X") for name in columns}
    names = ", ".join(f'"{name}"' for name in columns)
    with database.transaction() as session:
        for number, time in ((1, 9), (2, 4)):
            given = {**row, "number": number, "move_time": time}
            marks = ", ".join(f":{name}" for name in columns)
            session.execute(text(f"INSERT INTO listing_move ({names}) VALUES ({marks})"), given)  # as above
    assert migrations.upgrade(*urls) == STEPS[6:]
    with database.transaction() as session:
        assert verify_acts(session) == VerifiedActs(2, None)
        session.execute(text("UPDATE listing_move SET reason = 'other' WHERE number = 1"))
        assert verify_acts(session).broken_number == 2
    database.close()


GRADE = '{"as_of":"2026-11-01","grade":"%s"}'


def old_grades(database: Database) -> None:
    """Writes two recorded grades of one subject and one of another, each three times, as was done before."""
    change = "INSERT INTO change VALUES (:revision, :key, 'grade', :id, 'ENTERPRISE', 'UPSERT', '', :time, :document)"
    record = "INSERT INTO grade_record VALUES (:id, :number, :time, :document)"
    current = (
        "INSERT INTO current_grade (subject_id, grade, score, fingerprint, number, assess_time, next_review_day,"
        " document, is_review_open, basis) VALUES (:id, :grade, 700, 'f', :number, :time, 9, :document, true, 'b')"
    )
    told = [("USCC:X", 1, "B"), ("USCC:Y", 1, "B"), ("USCC:X", 2, "C")]
    with database.transaction() as session:
        for revision, (subject_id, number, grade) in enumerate(told, 1):
            row = {
                "revision": revision, "id": subject_id, "key": f"grade/{subject_id}", "number": number,
                "time": revision * 10, "grade": grade, "document": GRADE % grade,
            }  # fmt: skip
            for statement in (change, record, *((current,) if revision > 1 else ())):
                session.execute(text(statement), row)


def test_recorded_grades_are_found_in_the_feed_after_the_migration(database_url: str) -> None:
    urls, database = both(database_url), brought_to(database_url, "0011")
    old_grades(database)
    assert migrations.upgrade(*urls) == STEPS[11:]
    with database.reading() as session:
        written = grade_tables.last_written(session, ["USCC:X", "USCC:Y", "USCC:Z"])
        history = [(row.revision, row.document) for row in grade_tables.grade_history(session, "USCC:X", None, 9)]
        under_review = [(row[0], row[2]) for row in grade_tables.reviews(session, "", 9)]
    assert written == {"USCC:X": (3, "f"), "USCC:Y": (2, "f")}
    assert history == [(3, GRADE % "C"), (1, GRADE % "B")]
    assert under_review == [("USCC:X", GRADE % "C"), ("USCC:Y", GRADE % "B")]
    database.close()


def test_recorded_grade_that_the_feed_does_not_hold_stops_the_migration(database_url: str) -> None:
    urls, database = both(database_url), brought_to(database_url, "0011")
    old_grades(database)
    with database.transaction() as session:
        session.execute(text("DELETE FROM change WHERE revision = 1"))
    with pytest.raises(RuntimeError, match="got 1 recorded grades that the feed does not hold"):
        migrations.upgrade(*urls)
    assert migrations.pending(*urls)[0] == "ledger/0012"
    with database.reading() as session:
        assert session.execute(text("SELECT count(*) FROM grade_record")).scalar_one() == 3
    database.close()
