"""Runs the real server as a process of its own: started, killed and stopped by its own process id."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

START_SECONDS = 60
STOP_SECONDS = 30


@dataclass
class ServerProcess:
    """Holds where a server keeps its files, and the process while it runs."""

    folder: Path
    environment: dict[str, str] = field(default_factory=dict)
    process: subprocess.Popen[bytes] | None = None
    module: str = "credit_service"

    def start(self) -> None:
        """Starts the server and waits until it serves."""
        ready = self.folder / "ready"
        ready.unlink(missing_ok=True)
        own = {k: v for k, v in os.environ.items() if not k.startswith("CREDIT_SERVICE_")}
        command = [
            sys.executable,
            "-m",
            self.module,
            "serve",
            "--demo",
            str(self.folder),
            "--listen",
            "127.0.0.1:0",
        ]
        with (self.folder / "server.log").open("ab") as log:
            environment = {**own, "CREDIT_SERVICE_LOG_LEVEL": "warning", **self.environment}
            self.process = subprocess.Popen(command, stdout=log, stderr=log, env=environment)
        limit = time.monotonic() + START_SECONDS
        while not ready.is_file():
            if self.process.poll() is not None or time.monotonic() > limit:
                self.kill()
                raise AssertionError((self.folder / "server.log").read_text("utf-8")[-2000:])
            time.sleep(0.05)

    def kill(self) -> None:
        """Kills the server at once, as a power failure would."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None

    def stop(self) -> int:
        """Stops the server by SIGTERM and returns its exit code."""
        assert self.process is not None
        self.process.terminate()
        code = self.process.wait(STOP_SECONDS)
        self.process = None
        return code

    def profile(self, name: str) -> str:
        """Names the profile file of a holder."""
        return str(self.folder / f"{name}.json")


@contextmanager
def server_process(folder: Path, **environment: str) -> Iterator[ServerProcess]:
    """Yields a server that is not started yet; whatever runs at the end is killed."""
    server = ServerProcess(folder, environment)
    try:
        yield server
    finally:
        server.kill()
