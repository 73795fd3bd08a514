"""What every connection promises, whatever the database was told."""

from sqlalchemy import text

from credit_service.database import Database


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
