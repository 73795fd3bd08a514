"""Query records are durable before the answer, and chained."""

from collections.abc import Iterator
from datetime import UTC, datetime
from threading import Thread

import pytest
from sqlalchemy import text

from credit_service.audit.queries import Query, QueryLog, verify_queries
from credit_service.audit.tables import AUDIT_TABLES, queries_of
from credit_service.database import AUDIT_LOCK, Database

NOW = datetime(2026, 11, 23, tzinfo=UTC)


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    """Opens empty query records."""
    database = Database(database_url, AUDIT_LOCK)
    database.create_tables([table.__table__ for table in AUDIT_TABLES])
    yield database
    database.close()


def a_query(subject: str = "USCC:1") -> Query:
    """Builds a query."""
    return Query(subject, NOW, "insurer", "insurer", None, "承保", "GradeService/GetGrade", "OK", "r1")


def count(database: Database, subject: str = "USCC:1") -> int:
    """Counts the records about a subject."""
    with database.reading() as session:
        return len(queries_of(session, subject, None, 1000))


def test_query_is_stored_when_the_future_is_done(database: Database) -> None:
    log = QueryLog(database)
    log.submit([a_query()]).result(10)
    assert count(database) == 1
    log.close()


def test_many_callers_share_commits_and_the_chain_holds(database: Database) -> None:
    log = QueryLog(database)
    threads = [Thread(target=lambda: [log.submit([a_query()]).result(10) for _ in range(5)]) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    log.close()
    assert count(database) == 40
    assert verify_queries(database) is None


def test_closing_writes_what_is_waiting(database: Database) -> None:
    log = QueryLog(database)
    waiting = [log.submit([a_query()]) for _ in range(20)]
    log.close()
    assert all(future.done() for future in waiting)
    assert count(database) == 20


def test_nothing_to_record_is_done_at_once(database: Database) -> None:
    log = QueryLog(database)
    assert log.submit([]).done()
    log.close()


def test_failed_commit_is_told_to_every_caller(database: Database) -> None:
    with database.transaction() as session:
        session.execute(text("DROP TABLE query_record"))
    log = QueryLog(database)
    assert log.submit([a_query()]).exception(10) is not None
    log.close()


def test_broken_link_is_named(database: Database) -> None:
    log = QueryLog(database)
    for _ in range(3):
        log.submit([a_query()]).result(10)
    log.close()
    with database.transaction() as session:
        session.execute(text("UPDATE query_record SET purpose = 'x' WHERE number = 2"))
    assert verify_queries(database) == 2


def test_caller_that_leaves_takes_nothing_back_and_stops_nobody(database: Database) -> None:
    log = QueryLog(database)
    left = log.submit([a_query()])
    assert not left.cancel()
    log.submit([a_query()]).result(10)
    log.close()
    assert count(database) == 2
