"""Query records are durable before the answer, and chained."""

import asyncio
import hashlib
import json
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from credit_service.audit import queries as audit_queries
from credit_service.audit.queries import Query, QueryLog, chain_hash, verify_queries, write
from credit_service.audit.tables import AUDIT_TABLES, queries_of, query_page
from credit_service.database import AUDIT_LOCK, Database, to_microseconds

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


def keep(database: Database, *batches: list[Query]) -> list[BaseException | None]:
    """Keeps batches that come at one time, and returns what each caller hears."""

    async def together() -> list[BaseException | None]:
        log = QueryLog(database)
        try:
            return await asyncio.gather(*map(log.keep, batches), return_exceptions=True)
        finally:
            await log.close()

    return asyncio.run(together())


TEXTS = st.text(st.characters(exclude_categories=["Cs"]))
QUERIES = st.builds(
    Query, TEXTS, st.datetimes(timezones=st.just(UTC)), TEXTS, TEXTS, st.none() | TEXTS, TEXTS, TEXTS, TEXTS, TEXTS
)


@given(QUERIES, st.binary(min_size=32, max_size=32), st.integers(1, 2**62))
def test_chain_is_of_the_text_that_the_standard_library_writes(query: Query, previous: bytes, number: int) -> None:
    parts = [number, query.subject_id, to_microseconds(query.query_time), *query[2:]]
    written = json.dumps(parts, ensure_ascii=False, separators=(",", ":"))
    assert chain_hash(previous, number, query) == hashlib.sha256(previous + written.encode()).digest()


def test_query_is_stored_when_its_caller_hears(database: Database) -> None:
    async def one() -> int:
        log = QueryLog(database)
        await log.keep([a_query()])
        found = count(database)
        await log.close()
        return found

    assert asyncio.run(one()) == 1


def test_many_callers_share_commits_and_the_chain_holds(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    commits = []

    def counted(database: Database, queries: list[Query]) -> None:
        commits.append(len(queries))
        write(database, queries)

    monkeypatch.setattr(audit_queries, "write", counted)
    assert keep(database, *([a_query()] for _ in range(40))) == [None] * 40
    assert count(database) == 40
    # The first begins alone; the others wait for it and share the next.
    assert commits == [40] or commits == [1, 39]
    assert verify_queries(database) is None


def test_closing_writes_what_is_waiting(database: Database) -> None:
    async def closed() -> list[bool]:
        log = QueryLog(database)
        waiting = [asyncio.create_task(log.keep([a_query()])) for _ in range(20)]
        await asyncio.sleep(0)
        await log.close()
        await asyncio.sleep(0)
        return [task.done() for task in waiting]

    assert all(asyncio.run(closed()))
    assert count(database) == 20


def test_nothing_to_record_writes_nothing(database: Database) -> None:
    assert keep(database, []) == [None]
    assert count(database) == 0


def test_failed_commit_is_told_to_every_caller(database: Database) -> None:
    with database.transaction() as session:
        session.execute(text("DROP TABLE query_record"))
    assert all(isinstance(heard, SQLAlchemyError) for heard in keep(database, [a_query()], [a_query()]))


def test_broken_link_is_named(database: Database) -> None:
    keep(database, *([a_query()] for _ in range(3)))
    with database.transaction() as session:
        session.execute(text("UPDATE query_record SET purpose = 'x' WHERE number = 2"))
    assert verify_queries(database) == 2


def test_any_number_of_records_is_written_whole_and_in_order(database: Database) -> None:
    total = 0
    for number in (1, 3, 4, 5, 63, 64, 65, 150):
        write(database, [a_query(f"USCC:{n}") for n in range(number)])
        total += number
        with database.reading() as session:
            page = query_page(session, total - number, number + 1)
            assert [row.subject_id for row in page] == [f"USCC:{n}" for n in range(number)]
    assert verify_queries(database) is None


def test_record_put_before_the_chain_is_found(database: Database) -> None:
    keep(database, [a_query()])
    with database.transaction() as session:
        session.execute(text("UPDATE query_record SET number = -1"))
    keep(database, [a_query()])
    assert verify_queries(database) == 1


def test_caller_that_leaves_takes_nothing_back_and_stops_nobody(database: Database) -> None:
    async def left() -> None:
        log = QueryLog(database)
        leaving = asyncio.create_task(log.keep([a_query()]))
        staying = asyncio.create_task(log.keep([a_query()]))
        await asyncio.sleep(0)
        leaving.cancel()
        await staying
        await log.close()

    asyncio.run(left())
    assert count(database) == 2
