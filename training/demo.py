"""The demo: the real server, all real records and a simulated city through the public calls, then every role asks."""

import argparse
import json
import os
import platform
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date
from importlib import metadata
from itertools import islice
from pathlib import Path
from typing import Any

from credit_service.cli.connection import Connection, read_profile
from credit_service.cli.files import Read, open_records, placed
from credit_service.cli.importing import Importer, Tally
from training.demo_account import Account
from training.demo_life import FIRST_DAY, lead_a_listing
from training.demo_roles import Asked, ask_everything
from training.simulate import DEFAULT_SEED, DEFAULT_SUBJECTS, DEFAULT_UNTIL, city, in_publish_order
from training.tw_osh import SHIPPED, SOURCES

TW_AS_OF = date(2023, 12, 31)
START_SECONDS = 60
STOP_SECONDS = 30
KEPT_PACKAGES = ("grpcio", "protobuf", "sqlmodel", "SQLAlchemy", "numpy", "lightgbm", "scikit-learn")


@dataclass(slots=True)
class Run:
    """Holds where the demo works and what it gathered."""

    folder: Path
    begun: float = field(default_factory=time.monotonic)
    report: dict[str, Any] = field(default_factory=dict)

    def profile(self, name: str) -> str:
        """Returns the profile file of a holder."""
        return str(self.folder / f"{name}.json")

    def connect(self, name: str) -> Connection:
        """Connects as a holder."""
        return Connection(read_profile(self.profile(name)), "demonstration")


def add_parser(subparsers: Any) -> None:
    """Adds the subcommand."""
    parser = subparsers.add_parser("demo", help="run the whole main job on real records and write build/demo.json")
    parser.add_argument("--out", type=Path, default=Path("build/demo.json"))
    parser.add_argument("--first", type=int, default=0, help="only the first N real records, for a quick look")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Runs the demo; whatever it starts it stops, also when it fails."""
    account = Account()
    with tempfile.TemporaryDirectory(prefix="safety-credit-demo-") as folder:
        work = Run(Path(folder))
        # The enterprise of the demo is the first of the simulated city; its certificate is bound to its code.
        first = next(iter(city(1, DEFAULT_SEED, DEFAULT_UNTIL)))["subject"]
        (work.folder / "enterprise.txt").write_text(f"{first['scheme']}:{first['code']}\n", "utf-8")
        with _server(work):
            account.title("1  Collect")
            _collect(work, account, options.first)
            account.title("2  Ask, in every role")
            work.report |= ask_everything(_asked(work), account)
            account.title("3  Prove")
            work.report |= _prove(work, account)
        account.title("4  A listing's whole life, on a service whose calendar the demo turns")
        years = Run(work.folder / "years")
        years.folder.mkdir()
        clock = years.folder / "clock.txt"
        clock.write_text(FIRST_DAY, "utf-8")
        with _server(years, "--clock", str(clock)):
            work.report |= lead_a_listing(years.connect, clock, account)
        work.report |= _circumstances(work)
    _write(options.out, work.report)
    account.end(work.report, options.out)
    return 0


@contextmanager
def _server(work: Run, *options: str) -> Iterator[None]:
    """Runs the server as its own process with mutual TLS, on a free port, in a temporary folder."""
    command = [sys.executable, "-m", "credit_service", "serve", "--demo", str(work.folder), "--listen", "127.0.0.1:0"]
    command += options
    environment = {k: v for k, v in os.environ.items() if not k.startswith("CREDIT_SERVICE_")}
    log = (work.folder / "server.log").open("w", encoding="utf-8")
    process = subprocess.Popen(
        command, stdout=log, stderr=log, env=environment | {"CREDIT_SERVICE_LOG_LEVEL": "warning"}
    )
    try:
        limit = time.monotonic() + START_SECONDS
        while not (work.folder / "ready").is_file():
            if process.poll() is not None or time.monotonic() > limit:
                raise RuntimeError((work.folder / "server.log").read_text("utf-8")[-2000:])
            time.sleep(0.1)
        yield
        process.send_signal(signal.SIGTERM)
        work.report["server_exit_code"] = process.wait(STOP_SECONDS)
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
        log.close()


def _real_records(first: int) -> Iterator[Read]:
    """Yields the real public records, source by source, as their mappings read them."""
    for source in SOURCES:
        yield from islice(open_records(SHIPPED, source).records, first or None)


def _collect(work: Run, account: Account, first: int) -> None:
    """Imports everything through the public stream, then once more: the second time all are duplicates."""
    passes: list[Tally] = []
    for title in ("first pass", "replay"):
        begun = time.monotonic()
        tally = Tally()
        streets = placed(in_publish_order(DEFAULT_SUBJECTS, DEFAULT_SEED, DEFAULT_UNTIL))
        for what, records in (("real public records (Taiwan)", _real_records(first)), ("simulated city", streets)):
            tally = _import(work, account, f"{title}: {what}", records, tally)
        seconds = time.monotonic() - begun
        passes.append(tally)
        name = "ingest_events_per_s" if title == "first pass" else "replay_events_per_s"
        work.report[name] = round(tally.submitted / seconds, 1)
    counted, again = passes[0].statuses, passes[1].statuses
    work.report |= {
        "events_submitted": passes[0].submitted,
        "events_accepted": counted["ACCEPTED"] + counted["SUPERSEDED_LATE"],
        "events_superseded_late": counted["SUPERSEDED_LATE"],
        "events_duplicate_first_pass": counted["DUPLICATE"],
        "events_quarantined": counted["QUARANTINED"],
        "events_rejected": counted["REJECTED"],
        "events_conflict": counted["CONFLICT"],
        "reasons": dict(passes[0].reasons),
        "events_duplicate_on_replay": again["DUPLICATE"],
    }
    account.collected(work.report)


def _import(work: Run, account: Account, title: str, records: Iterable[Read], tally: Tally) -> Tally:
    importer = Importer(work.connect("source"), lambda _line: None, lambda t: account.progress(title, t.submitted))
    importer.tally = tally
    return importer.run(records)


def _asked(work: Run) -> Asked:
    return Asked(connect=work.connect, folder=work.folder, tw_as_of=TW_AS_OF, city_as_of=DEFAULT_UNTIL)


def _prove(work: Run, account: Account) -> dict[str, Any]:
    """Verifies the ledger from outside the server, on its database."""
    url = f"sqlite:///{work.folder / 'credit.db'}"
    command = [sys.executable, "-m", "credit_service", "verify-ledger", "--json", "--url", url]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    verified = json.loads(ended.stdout)
    account.verified(verified)
    return {
        "ledger_verified": verified["verified"], "ledger_events": verified["events"], "ledger_head": verified["head"],
        "content_root": verified["content_root"],
    }  # fmt: skip


def _circumstances(work: Run) -> dict[str, Any]:
    """Tells of which commit, with what, how long."""
    git = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True, check=False)
    return {
        "git_commit": git.stdout.strip() or None,
        "python": platform.python_version(),
        "versions": {name: metadata.version(name) for name in KEPT_PACKAGES},
        "cores": os.cpu_count(),
        "seconds_total": round(time.monotonic() - work.begun, 1),
        "simulated": {"subjects": DEFAULT_SUBJECTS, "seed": DEFAULT_SEED, "until": DEFAULT_UNTIL.isoformat()},
    }


def _write(out: Path, report: dict[str, Any]) -> None:
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(report, ensure_ascii=False, indent=2, sort_keys=True) + "\n", "utf-8")
