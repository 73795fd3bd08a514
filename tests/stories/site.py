"""One running server with its database, and beside it a ledger that receives the same records undisturbed."""

import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime
from itertools import islice
from pathlib import Path
from typing import Any

from sqlmodel import select

from credit_service import server
from credit_service.api.checking import check_all
from credit_service.api.house import House
from credit_service.api.wire import draft_of
from credit_service.cli.connection import Connection, Profile, read_profile
from credit_service.cli.settling import wait_until_judged
from credit_service.cli.throwaway import prepare
from credit_service.database import Database
from credit_service.grades.tables import grade_counts
from credit_service.ledger.append import Reception, append
from credit_service.ledger.tables import EventKey
from credit_service.ledger.verify import content_root, verify
from credit_service.settings import Settings
from tests.stories.postgres import PostgresProcess, postgres_process, small_disk
from tests.stories.processes import ServerProcess, server_process
from tests.stories.sender import Sender
from training.simulated_city.city import city

UNTIL = date(2026, 10, 31)
DISK_MEGABYTES = 512


@dataclass
class Undisturbed:
    """Receives the records in this process, in one piece, without any fault."""

    house: House
    count: int = 0

    def add(self, records: Sequence[dict[str, Any]]) -> None:
        """Appends and judges records, all of which must be new."""
        now = datetime.now(UTC)
        checked = check_all(self.house.checking.checker, [draft_of(record) for record in records], now)
        with self.house.database.transaction() as session:
            receipts = append(session, checked, now, Reception(self.house.vault))
            assert {r.status for r in receipts} <= {"ACCEPTED", "SUPERSEDED_LATE"}
            self.house.assessor.assess(session, [s for r in receipts for s in r.subject_ids], now)
        self.count += len(records)


@dataclass
class Site:
    """Runs the server that faults are done to."""

    dialect: str
    url: str
    server: ServerProcess
    database: PostgresProcess | None
    # The small disk that holds the tables, or why there is none.
    disk: Path | None
    no_disk: str
    undisturbed: Undisturbed
    city: Iterator[dict[str, Any]]

    def up(self) -> Profile:
        """Starts what does not run and returns the profile of the source."""
        if self.database:
            self.database.start()
        if self.server.process is None:
            self.server.start()
        return read_profile(self.server.profile("source"))

    def records(self, count: int) -> list[dict[str, Any]]:
        """Returns the next records of the city, which nobody has sent yet."""
        return list(islice(self.city, count))

    def connection(self, role: str) -> Connection:
        """Connects as a holder; the caller closes the channel."""
        return Connection(read_profile(self.server.profile(role)))

    def check(self, senders: Sequence[Sender], records: Sequence[dict[str, Any]]) -> None:
        """Demands of the ledger: the chain holds, what was acknowledged is there once, nothing else is."""
        self.undisturbed.add(records)
        database = Database(self.url)
        try:
            with database.reading() as session:
                found = verify(session)
                rows = session.execute(select(EventKey)).scalars()
                stored = {(row.source, row.record_id, row.version): row.position for row in rows}
        finally:
            database.close()
        assert found.broken_position is None
        for sender in senders:
            assert sender.is_done
            assert {key: stored.get(key) for key in sender.event_ids} == sender.event_ids
        with self.undisturbed.house.database.reading() as session:
            assert (found.events, found.content_root) == (self.undisturbed.count, content_root(session))

    def check_grades(self) -> None:
        """Demands that what follows from the records is judged as if nothing had happened."""
        connection = self.connection("operator")
        try:
            wait_until_judged(connection)
        finally:
            connection.channel.close()
        database = Database(self.url)
        try:
            with database.reading() as own, self.undisturbed.house.database.reading() as other:
                assert grade_counts(own) == grade_counts(other)
        finally:
            database.close()


@contextmanager
def site(dialect: str, folder: Path) -> Iterator[Site]:
    """Yields a site that is not up yet; stops whatever runs at the end."""
    environment, database, disk, no_disk = {}, None, None, ""
    with ExitStack() as opened:
        url = f"sqlite:///{folder / 'credit.db'}"
        if dialect == "postgresql":
            database = opened.enter_context(postgres_process())
            disk = database.data.parent / "disk"
            no_disk = opened.enter_context(small_disk(disk, database.owner, DISK_MEGABYTES))
            disk = None if no_disk else disk
            database.start()
            url = database.create("credit", disk)
            # Queries are kept elsewhere: this disk is the ledger's.
            environment = {"CREDIT_SERVICE_DATABASE_URL": url, "CREDIT_SERVICE_AUDIT_URL": database.create("audit")}
        beside = folder / "undisturbed"
        house = server.build_house(prepare(Settings(), beside, datetime.now(UTC)), server.system_clock)
        opened.callback(house.audit.close)
        opened.callback(house.database.close)
        running = opened.enter_context(server_process(folder, **environment))
        records = city(10**6, 7, UNTIL)
        yield Site(dialect, url, running, database, disk, no_disk, Undisturbed(house), records)


def free_bytes(folder: Path) -> int:
    """Returns how much more fits on the disk of a folder."""
    return shutil.disk_usage(folder).free


def until(is_so: Callable[[], bool], seconds: float) -> bool:
    """Waits for something, at most so long, and says whether it came."""
    limit = time.monotonic() + seconds
    while not (found := is_so()) and time.monotonic() < limit:
        time.sleep(0.005)
    return found
