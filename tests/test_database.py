"""What every connection promises, whatever the database was told."""

from sqlalchemy import text

from credit_service.database import Database, insert_stored, select_by_keys, select_by_pairs
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
