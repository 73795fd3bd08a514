"""Whatever is cut, killed or full: acknowledged is stored exactly once, and the ledger ends as undisturbed."""

import json
import resource
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from random import Random

import pytest

from credit_service.cli.connection import Profile, subject_of
from credit_service.cli.importing import FRAME
from credit_service.v1 import grades_pb2, grades_pb2_grpc
from tests.stories.faults import ROUNDS, Faults
from tests.stories.proxy import CuttingProxy
from tests.stories.sender import Sender, key_of
from tests.stories.site import Site, free_bytes, until

pytestmark = pytest.mark.timeout(120 + 120 * ROUNDS)
SERVER_KILLS, DATABASE_KILLS, CLIENT_KILLS, CUTS, RACES = (count * ROUNDS for count in (2, 3, 1, 100, 4))
# A handshake takes three to four thousand bytes, a frame of two records about one.
LATEST_CUT = 12_000
NEW = {"ACCEPTED", "SUPERSEDED_LATE"}
FULL = "STORAGE_UNAVAILABLE"


def send_all(sender: Sender, profile: Profile) -> None:
    assert sender.send(profile), sender.failures


def stream_under(site: Site, kill: Callable[[], None], wanted: int, name: str) -> tuple[int, list[Sender]]:
    """Streams on while something is killed that many times in the middle; returns the kills and the senders."""
    chance, kills, senders = Random(f"{name} {site.dialect}"), 0, list[Sender]()
    while kills < wanted:
        profile = site.up()
        if not senders or senders[-1].is_done:
            senders.append(Sender(site.records(400), f"{name}-{len(senders)}" if len(senders) % 2 else "", frame=4))
        killer = threading.Timer(chance.uniform(0.01, 0.4), kill)
        killer.start()
        is_whole = senders[-1].send(profile)
        # A kill after the last answer would meet no stream and prove nothing.
        killer.cancel()
        killer.join()
        kills += not is_whole
    send_all(senders[-1], site.up())
    site.check(senders, [record for sender in senders for record in sender.records])
    site.check_grades()
    return kills, senders


def test_killed_server_forgets_nothing_it_acknowledged(module_site: Site, faults: Faults) -> None:
    kills, _ = stream_under(module_site, module_site.server.kill, SERVER_KILLS, "server")
    faults.add("kill_server", module_site.dialect, kills)


def test_killed_database_costs_a_retry_and_no_restart_of_the_server(module_site: Site, faults: Faults) -> None:
    site = module_site
    if site.database is None:
        faults.skip("kill_database", site.dialect, "SQLite runs within the server: killing that kills both")
        pytest.skip("no process of its own")
    server = site.up() and site.server.process
    kills, senders = stream_under(site, site.database.kill, DATABASE_KILLS, "database")
    assert {failure for sender in senders for failure in sender.failures} == {FULL}
    assert site.server.process is server
    faults.add("kill_database", site.dialect, kills)


def test_killed_client_resumes_where_its_report_says(module_site: Site, faults: Faults, tmp_path: Path) -> None:
    site = module_site
    records, lines = site.records(FRAME * (CLIENT_KILLS + 2)), tmp_path / "city.jsonl"
    lines.write_text("".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records), "utf-8")
    site.up()
    command = [sys.executable, "-m", "credit_service", "import", str(lines), "--json"]
    command += ["--profile", site.server.profile("source")]
    state, kills = Path(f"{lines}.report.jsonl.state"), 0
    for _ in range(CLIENT_KILLS):
        before = read(state)
        client = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        until(partial(is_answered_or_ended, client, state, before), 60)
        kills += client.poll() is None
        client.kill()
        client.wait()
    resumed = subprocess.run(command, capture_output=True, text=True, check=True)
    ended = json.loads(resumed.stdout)
    assert (ended["submitted"], sum(ended["statuses"].values())) == (len(records), len(records))
    assert set(ended["statuses"]) <= NEW | {"DUPLICATE"}
    assert kills > 0
    assert "resuming after record" in resumed.stderr
    site.check([], records)
    faults.add("kill_client", site.dialect, kills)


def is_answered_or_ended(client: "subprocess.Popen[bytes]", state: Path, before: str) -> bool:
    """Says whether the client wrote down one more answer, or ended."""
    return read(state) != before or client.poll() is not None


def read(path: Path) -> str:
    """Returns what a small file holds; nothing while it is not there."""
    return path.read_text("utf-8") if path.is_file() else ""


def test_cut_connections_lose_and_double_nothing(module_site: Site, faults: Faults) -> None:
    site, chance = module_site, Random(f"cut {module_site.dialect}")
    profile, senders = site.up(), list[Sender]()
    with CuttingProxy(int(profile.target.rpartition(":")[2])) as proxy:
        through = replace(profile, target=f"127.0.0.1:{proxy.port}")
        while proxy.cuts < CUTS:
            if not senders or senders[-1].is_done:
                name = f"cut-{len(senders)}" if len(senders) % 2 else ""
                senders.append(Sender(site.records(60), name, frame=2))
            proxy.cut_after(chance.randrange(1, LATEST_CUT))
            senders[-1].send(through)
        proxy.cut_after(None)
        send_all(senders[-1], through)
        cuts = proxy.cuts
    site.check(senders, [record for sender in senders for record in sender.records])
    assert {failure for sender in senders for failure in sender.failures} == {"UNAVAILABLE"}
    faults.add("cut_connection", site.dialect, cuts)


@pytest.mark.parametrize("loser", ["DUPLICATE", "CONFLICT"])
def test_racing_sources_store_each_key_once(module_site: Site, faults: Faults, loser: str) -> None:
    site, profile = module_site, module_site.up()
    for _ in range(RACES):
        records = site.records(60)
        others = records if loser == "DUPLICATE" else [{**r, "legal_basis": "另一依据"} for r in records]
        pair = [Sender(records, frame=7), Sender(others, frame=11)]
        threads = [threading.Thread(target=sender.send, args=(profile,)) for sender in pair]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        kept = []
        for record, other in zip(records, others, strict=True):
            told = [sender.statuses[key_of(record)] for sender in pair]
            assert sorted(status in NEW for status in told) == [False, True], told
            assert loser in told
            kept.append(record if told[0] in NEW else other)
        assert pair[0].event_ids == pair[1].event_ids
        site.check(pair, kept)
        faults.add("race", site.dialect)


@contextmanager
def full_disk(site: Site) -> Iterator[None]:
    """Leaves no room for the ledger to grow: a limit on the server's files, or a disk filled to the brim."""
    if site.database is None:
        assert site.server.process is not None
        pid, folder = site.server.process.pid, site.server.folder
        # Logs of writes keep the length they once had: emptied, so that the next writes meet the limit.
        for name in ("credit.db", "credit.audit.db"):
            with closing(sqlite3.connect(folder / name, timeout=30)) as connection:
                connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        largest = max(path.stat().st_size for path in folder.iterdir() if path.is_file() and path.name != "credit.db")
        before = resource.prlimit(pid, resource.RLIMIT_FSIZE)
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (largest + 64 * 1024, before[1]))
        try:
            yield
        finally:
            resource.prlimit(pid, resource.RLIMIT_FSIZE, before)
        return
    assert site.disk is not None
    ballast = site.disk / "ballast"
    with ballast.open("wb", buffering=0) as file:
        while free := free_bytes(site.disk):
            file.write(bytes(min(free, 1 << 20)))
    try:
        yield
    finally:
        ballast.unlink()


def test_full_disk_refuses_goes_on_reading_and_recovers(module_site: Site, faults: Faults) -> None:
    site, profile = module_site, module_site.up()
    if site.no_disk:
        faults.skip("disk_full", site.dialect, f"no small disk can be mounted here: {site.no_disk}")
        pytest.skip(site.no_disk)
    first = Sender(site.records(40))
    send_all(first, profile)
    site.check([first], first.records)
    asked = grades_pb2.GetGradeRequest(subject=subject_of(first.records[0]["subject"]["code"]))
    for _ in range(ROUNDS):
        sender, connection = Sender(site.records(2500), frame=10), site.connection("regulator")
        try:
            with full_disk(site):
                assert not sender.send(profile)
                assert sender.failures == {FULL: 1}
                assert not sender.send(profile), "a full disk took more"
                answer = connection.call(grades_pb2_grpc.GradeServiceStub, "GetGrade", asked)
                assert answer.grade.edition_id
        finally:
            connection.channel.close()
        send_all(sender, profile)
        site.check([sender], sender.records)
        faults.add("disk_full", site.dialect)
