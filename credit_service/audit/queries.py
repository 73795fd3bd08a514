"""Writes query records durably before the answer they record, many callers to one commit."""

import asyncio
import hashlib
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from functools import partial
from typing import Any, NamedTuple

import orjson

from credit_service.audit.tables import QueryRow, query_page
from credit_service.database import LEAST, Database, insert_together, to_microseconds
from credit_service.gathering import Gathering

PAGE = 2000
GENESIS = bytes(32)


class Query(NamedTuple):
    """Holds one query about one subject, in the order in which its parts are linked."""

    subject_id: str
    query_time: datetime
    agency: str
    role: str
    officer: str | None
    purpose: str
    method: str
    outcome: str
    request_id: str


class QueryLog:
    """Keeps query records durably before they count; callers that come at one time share a commit."""

    def __init__(self, database: Database) -> None:
        """Begins with nothing to write; used by one event loop."""
        self._database = database
        # A thread of its own: a record never waits for a door that works.
        self._executor = ThreadPoolExecutor(1, thread_name_prefix="query-log")
        self._gathering: Gathering[list[Query], None] = Gathering(self._write)

    async def keep(self, queries: list[Query]) -> None:
        """Returns when the queries are durable; fails when they are not."""
        if queries:
            await self._gathering.ask(queries, self._run)

    async def close(self) -> None:
        """Writes what is waiting and ends the thread."""
        await self._gathering.close()
        self._executor.shutdown(wait=True)

    async def _run(self, work: Callable[..., Any], *given: Any) -> Any:
        return await asyncio.get_running_loop().run_in_executor(self._executor, partial(work, *given))

    def _write(self, waiting: Sequence[list[Query]]) -> list[None]:
        write(self._database, [query for queries in waiting for query in queries])
        return [None] * len(waiting)


def write(database: Database, queries: list[Query]) -> None:
    """Chains and commits queries."""
    if not queries:
        return
    with database.transaction() as session:
        last = session.connection().exec_driver_sql(_LAST).first()
        number, chain = (last.number, last.chain_hash) if last else (0, GENESIS)
        rows = []
        for query in queries:
            number += 1
            time = to_microseconds(query.query_time)
            chain = _linked(chain, (number, query.subject_id, time, *query[2:]))
            rows.append((number, query.subject_id, time, *query[2:], chain))
        insert_together(session, QueryRow, _COLUMNS, rows)


_LAST = "SELECT number, chain_hash FROM query_record ORDER BY number DESC LIMIT 1"
_COLUMNS = ("number", *Query._fields, "chain_hash")


def chain_hash(previous: bytes, number: int, query: Query | QueryRow) -> bytes:
    """Links one query to all before it."""
    parts = (
        number, query.subject_id, to_microseconds(query.query_time), query.agency, query.role, query.officer,
        query.purpose, query.method, query.outcome, query.request_id,
    )  # fmt: skip
    return _linked(previous, parts)


def _linked(previous: bytes, parts: Sequence[Any]) -> bytes:
    return hashlib.sha256(previous + orjson.dumps(parts)).digest()


def verify_queries(database: Database) -> int | None:
    """Walks the chain of queries; returns the number of the first broken link, None when it holds."""
    chain, number = GENESIS, 0
    with database.reading() as session:
        while page := query_page(session, number or LEAST, PAGE):
            for row in page:
                chain = chain_hash(chain, number + 1, row)
                if row.number != number + 1 or row.chain_hash != chain:
                    return number + 1
                number = row.number
            session.expunge_all()
    return None
