"""Writes query records durably before the answer they record, many callers to one commit."""

import hashlib
import json
import queue
import threading
from concurrent.futures import Future
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import insert, select
from sqlmodel import col

from credit_service.audit.tables import QueryRow, query_page
from credit_service.database import Database, to_microseconds

WINDOW_SECONDS = 0.005
BATCH_LIMIT = 5000
PAGE = 2000
GENESIS = bytes(32)


@dataclass(frozen=True, slots=True)
class Query:
    """Holds one query about one subject."""

    subject_id: str
    query_time: datetime
    agency: str
    role: str
    officer: str | None
    purpose: str
    method: str
    outcome: str
    request_id: str

    def row(self) -> dict[str, Any]:
        """Returns the columns of the query."""
        return {name: getattr(self, name) for name in self.__slots__}


class QueryLog:
    """Gathers queries for a few milliseconds and commits them together; callers wait for the commit."""

    def __init__(self, database: Database) -> None:
        """Starts the writing thread."""
        self._database = database
        self._waiting: queue.Queue[tuple[list[Query], Future[None]] | None] = queue.Queue()
        self._thread = threading.Thread(target=self._work, name="query-log", daemon=True)
        self._thread.start()

    def submit(self, queries: list[Query]) -> Future[None]:
        """Returns a future that is done when the queries are durable."""
        done: Future[None] = Future()
        # A caller that leaves must not take back a record that shares its commit with others.
        done.set_running_or_notify_cancel()
        if queries:
            self._waiting.put((queries, done))
        else:
            done.set_result(None)
        return done

    def close(self) -> None:
        """Writes what is waiting and stops the thread."""
        self._waiting.put(None)
        self._thread.join()

    def _work(self) -> None:
        is_open = True
        while is_open:
            entry = self._waiting.get()
            batch = []
            while entry is not None:
                batch.append(entry)
                if sum(len(queries) for queries, _ in batch) >= BATCH_LIMIT:
                    break
                try:
                    entry = self._waiting.get(timeout=WINDOW_SECONDS if len(batch) == 1 else 0)
                except queue.Empty:
                    break
            else:
                is_open = False
            self._commit(batch)

    def _commit(self, batch: list[tuple[list[Query], Future[None]]]) -> None:
        try:
            write(self._database, [query for queries, _ in batch for query in queries])
        except Exception as error:  # noqa: BLE001  # every waiting caller must hear of the failure
            for _, done in batch:
                done.set_exception(error)
        else:
            for _, done in batch:
                done.set_result(None)


def write(database: Database, queries: list[Query]) -> None:
    """Chains and commits queries."""
    if not queries:
        return
    with database.transaction() as session:
        last = session.execute(
            select(col(QueryRow.number), col(QueryRow.chain_hash)).order_by(col(QueryRow.number).desc()).limit(1)
        ).first()
        number, chain = (last.number, last.chain_hash) if last else (0, GENESIS)
        rows = []
        for query in queries:
            number += 1
            chain = chain_hash(chain, number, query)
            rows.append({**query.row(), "number": number, "chain_hash": chain})
        session.execute(insert(QueryRow), rows)


def chain_hash(previous: bytes, number: int, query: Query | QueryRow) -> bytes:
    """Links one query to all before it."""
    parts = [
        number, query.subject_id, to_microseconds(query.query_time), query.agency, query.role, query.officer,
        query.purpose, query.method, query.outcome, query.request_id,
    ]  # fmt: skip
    text = json.dumps(parts, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(previous + text.encode()).digest()


def verify_queries(database: Database) -> int | None:
    """Walks the chain of queries; returns the number of the first broken link, None when it holds."""
    chain, number = GENESIS, 0
    with database.reading() as session:
        while page := query_page(session, number, PAGE):
            for row in page:
                chain = chain_hash(chain, number + 1, row)
                if row.number != number + 1 or row.chain_hash != chain:
                    return number + 1
                number = row.number
            session.expunge_all()
    return None
