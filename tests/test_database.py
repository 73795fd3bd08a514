"""What every connection promises, whatever the database was told."""

import sqlite3
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError, ProgrammingError
from sqlmodel import Session

from credit_service.database import (
    READER_CACHE_KIB,
    WRITER_CACHE_KIB,
    Database,
    insert_stored,
    select_by_keys,
    select_by_pairs,
)
from credit_service.ledger.tables import EventKey


def test_commits_are_synchronous_whatever_the_database_says(database_url: str) -> None:
    """A database, or the role of the service, may say otherwise; an acknowledged event still survives."""
    first = Database(database_url)
    if first.is_sqlite:
        with first.engine.connect() as connection:
            assert connection.execute(text("PRAGMA synchronous")).scalar_one() == 2
            assert connection.execute(text("PRAGMA journal_mode")).scalar_one() == "wal"
    else:
        name = first.engine.url.database
        with first.transaction() as session:
            session.execute(text(f'ALTER DATABASE "{name}" SET synchronous_commit TO off'))
        again = Database(database_url)
        with again.engine.connect() as connection:
            assert connection.execute(text("SHOW synchronous_commit")).scalar_one() == "on"
        again.close()
    first.close()


def test_looking_up_pairs_never_confuses_what_a_text_holds(database_url: str) -> None:
    """A question may hold any character, also the one that a dialect joins texts with."""
    database = Database(database_url)
    database.create_tables([EventKey.__table__])  # type: ignore[attr-defined]  # the mapper adds it
    names = ("source", "record_id", "version", "subject_id", "position", "collect_time", "content_hash")
    kept = [
        ("city", name, 1, "USCC:X", place, 0, b"") for place, name in enumerate(("R-1", "R'2", 'R"3', "雷{4}", "a,b\\"))
    ]
    with database.transaction() as session:
        insert_stored(session, EventKey, names, kept)
    with database.reading() as session:
        wanted = [(row[0], row[1]) for row in kept]
        odd = [("city", "R-1\x1fcity"), ("city\x1fR-1", "R-1"), ("city", "\x1f"), ("city", "")]
        found = select_by_pairs(session, EventKey, ("record_id",), ("source", "record_id"), [*odd, *wanted])
        assert sorted(row[0] for row in found) == sorted(row[1] for row in kept)
        assert select_by_pairs(session, EventKey, ("record_id",), ("source", "record_id"), odd) == []
        by_key = select_by_keys(
            session, EventKey, ("record_id",), "record_id", ["R'2", "雷{4}", "R-1\x1fR-1", "nothing"]
        )
        assert sorted(row[0] for row in by_key) == sorted(["R'2", "雷{4}"])
    database.close()


def test_the_writer_of_a_file_keeps_its_connection_and_alone_keeps_many_pages(tmp_path: Path) -> None:
    """Another connection would begin with no page kept, and many large caches would fill one after the other."""
    database, writers = Database(f"sqlite:///{tmp_path / 'credit'}.db"), []
    for _ in range(3):
        with database.transaction() as session:
            writers.append(driver_of(session))
            assert session.execute(text("PRAGMA cache_size")).scalar_one() == -WRITER_CACHE_KIB
        with database.reading() as one, database.reading() as other:
            readers = [driver_of(one), driver_of(other)]
            assert not {id(reader) for reader in readers} & {id(writer) for writer in writers}
            for session in (one, other):
                assert session.execute(text("PRAGMA cache_size")).scalar_one() == -READER_CACHE_KIB
    assert writers[0] is writers[1] is writers[2]
    database.close()


def test_a_writer_that_could_not_roll_back_is_replaced(tmp_path: Path) -> None:
    """What one transaction left behind is never committed by the next, and never bars it."""
    database = Database(f"sqlite:///{tmp_path / 'credit'}.db")
    with database.transaction() as session:
        session.execute(text("CREATE TABLE kept (word TEXT)"))
        left = driver_of(session)
    left.execute("BEGIN IMMEDIATE")
    left.execute("INSERT INTO kept VALUES ('left behind')")
    with database.transaction() as session:
        assert driver_of(session) is not left
        session.execute(text("INSERT INTO kept VALUES ('said')"))
    with database.reading() as session:
        assert session.execute(text("SELECT word FROM kept")).scalars().all() == ["said"]
    database.close()


def test_a_commit_that_fails_bars_no_other_process_from_writing(tmp_path: Path) -> None:
    """The file is free at once, not only when this process writes again; nothing of the failed commit is kept."""
    file = tmp_path / "credit.db"
    database = Database(f"sqlite:///{file}")
    with database.transaction() as session:
        session.execute(text("CREATE TABLE one (id INTEGER PRIMARY KEY)"))
        session.execute(text("CREATE TABLE other (id INTEGER REFERENCES one (id) DEFERRABLE INITIALLY DEFERRED)"))
    with pytest.raises(IntegrityError), database.transaction() as session:
        session.execute(text("INSERT INTO other VALUES (7)"))
    beside = sqlite3.connect(file, timeout=0.1, isolation_level=None)
    beside.execute("BEGIN IMMEDIATE")
    beside.execute("ROLLBACK")
    beside.close()
    with database.transaction() as session:
        assert session.execute(text("SELECT count(*) FROM other")).scalar_one() == 0
    database.close()


@pytest.mark.parametrize("lost_at", ["a statement", "the commit"])
def test_a_writer_that_lost_its_connection_begins_with_another(tmp_path: Path, lost_at: str) -> None:
    """Not even a commit that lost it bars the next one, which has the pages of a writer again."""
    database = Database(f"sqlite:///{tmp_path / 'credit'}.db")
    with database.transaction() as session:
        session.execute(text("CREATE TABLE kept (word TEXT)"))

    def lose() -> None:
        with database.transaction() as session:
            session.execute(text("INSERT INTO kept VALUES ('lost')"))
            driver_of(session).close()
            if lost_at == "a statement":
                session.execute(text("INSERT INTO kept VALUES ('lost')"))

    with pytest.raises(ProgrammingError):
        lose()
    with database.transaction() as session:
        assert session.execute(text("PRAGMA cache_size")).scalar_one() == -WRITER_CACHE_KIB
        assert session.execute(text("SELECT count(*) FROM kept")).scalar_one() == 0
    database.close()


def driver_of(session: Session) -> Any:
    """Returns the connection of the driver that a session works on."""
    return session.connection().connection.dbapi_connection
