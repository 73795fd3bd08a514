"""A backup is one consistent state in one file; a restore gives it back, proven, or leaves nothing behind."""

import gzip
import hashlib
import io
import json
import tarfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

import pytest
from sqlalchemy import Engine, event, inspect, text
from sqlalchemy.exc import InternalError

from credit_service import migrations
from credit_service.audit.queries import Query, write
from credit_service.backup import back_up, check_archive, databases, restore, shapes
from credit_service.backup.archive import MANIFEST
from credit_service.changes import FeedHead, Recorder
from credit_service.cli.watching import snapshot
from credit_service.database import AUDIT_LOCK, Database, insert_rows
from credit_service.errors import CreditError, Reason
from credit_service.ledger.drafts import Checker
from credit_service.ledger.tables import get_event, head
from credit_service.ledger.verify import Verified, verify
from credit_service.rulebook.accidents import accident_level
from credit_service.rulebook.edition import SHIPPED, load_edition
from credit_service.subjects.vault import Vault
from credit_service.v1 import sync_pb2
from tests.api.street import Clock, a_code, registered, running, serving
from tests.conftest import fresh_database
from tests.ledger.conftest import CODE, NOW, Desk, a_record, steady_bytes

DIALECTS = ("sqlite", "postgresql")
EPOCH = "ab" * 16
PERSON = {"scheme": "PERSON", "code": "ab" * 32, "kind": "PERSON", "name": "某甲"}
Urls = tuple[str, str]


def both(url: str) -> Urls:
    """Names the two databases: two files on SQLite, one database on PostgreSQL."""
    return url, url.replace("credit.db", "credit.audit.db")


@contextmanager
def two_databases(request: pytest.FixtureRequest, dialect: str, folder: Path) -> Iterator[Urls]:
    """Yields the addresses of two fresh, empty databases in a folder of their own."""
    folder.mkdir()
    with fresh_database(request, dialect, folder) as url:
        yield both(url)


@contextmanager
def desk_at(urls: Urls) -> Iterator[Desk]:
    """Opens a migrated ledger and keeps one of everything in it: event, person, quarantine, change, query."""
    migrations.upgrade(*urls)
    database, audit = Database(urls[0]), Database(urls[1], AUDIT_LOCK)
    levels, vault = load_edition(SHIPPED / "cn-2026-04.toml").accidents, Vault(bytes(32), steady_bytes())
    checker = Checker({"bureau": "USCC"}, lambda *harm: accident_level(levels, *harm), vault.person_code)
    desk = Desk(database, checker, vault)
    spoilt = {"code": CODE[:-1] + "4", "name": '引号"换行\n'}
    desk.submit(a_record("R0"), a_record("P0", subject=PERSON), a_record("Q0", subject=spoilt))
    with database.transaction() as session:
        changed = Recorder(NOW)
        changed.upsert("grade", f"USCC:{CODE}", (f"USCC:{CODE}", "ENTERPRISE"), {"grade": "B"})
        changed.write(session)
    write(audit, [Query(f"USCC:{CODE}", NOW, "a", "agency", None, "检查", "GetGrade", "OK", str(n)) for n in range(3)])
    yield desk
    database.close()
    audit.close()


def verified(url: str) -> Verified:
    """Verifies a ledger."""
    database = Database(url)
    with database.reading() as session:
        found = verify(session)
    database.close()
    return found


def table_names(urls: Urls) -> set[str]:
    """Names every table of both databases; a file that is not there has none and is not made."""
    found: set[str] = set()
    for url in urls:
        path = url.removeprefix("sqlite:///")
        if path == url or Path(path).is_file():
            database = Database(url)
            found |= set(inspect(database.engine).get_table_names())
            database.close()
    return found


def contents(file: Path) -> dict[str, bytes]:
    """Reads every member of an archive."""
    with tarfile.open(file) as archive:
        return {name: opened.read() for name in archive.getnames() if (opened := archive.extractfile(name))}


def repack(file: Path, members: dict[str, bytes]) -> Path:
    """Writes an archive of the given members, whose manifest agrees with them wherever it names them."""
    manifest = json.loads(members[MANIFEST]) if MANIFEST in members else {"members": []}
    for member in manifest["members"]:
        content = members.get(member["name"], b"")
        member |= {"rows": content.count(b"\n"), "sha256": hashlib.sha256(content).hexdigest()}
    with tarfile.open(file, "w:gz") as archive:
        for name, content in members.items():
            written = json.dumps(manifest).encode() if name == MANIFEST else content
            header = tarfile.TarInfo(name)
            header.size = len(written)
            archive.addfile(header, io.BytesIO(written))
    return file


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Makes one backup; tests spoil copies of it."""
    folder = tmp_path_factory.mktemp("archive")
    urls = both(f"sqlite:///{folder / 'credit.db'}")
    with desk_at(urls):
        back_up(urls, folder / "backup.tar.gz", NOW)
    return folder / "backup.tar.gz"


def refused(file: Path, urls: Urls) -> CreditError:
    """Restores what must be refused, and sees that nothing came of it."""
    with pytest.raises(CreditError) as error:
        restore(file, urls, EPOCH)
    assert table_names(urls) == set()
    return error.value


@pytest.mark.parametrize("target", DIALECTS)
@pytest.mark.parametrize("source", DIALECTS)
def test_backup_restores_on_either_database(
    request: pytest.FixtureRequest, tmp_path: Path, source: str, target: str
) -> None:
    file, again = tmp_path / "backup.tar.gz", tmp_path / "again.tar.gz"
    with two_databases(request, source, tmp_path / "a") as ours, two_databases(request, target, tmp_path / "b") as new:
        with desk_at(ours):
            taken = back_up(ours, file, NOW)
        done = restore(file, new, EPOCH)
        assert done.ledger == verified(ours[0]) == verified(new[0])
        back_up(new, again, NOW)
    assert (taken.position, taken.revision, taken.query_number) == (2, 1, 3)
    assert {m.table for m in taken.members if m.rows} >= {"subject_key", "quarantined_record", "query_record"}
    before, after = contents(file), contents(again)
    for name in before.keys() - {MANIFEST, "ledger/ledger_head.jsonl"}:
        assert sorted(before[name].splitlines()) == sorted(after[name].splitlines()), name
    assert (
        before["ledger/ledger_head.jsonl"].replace(taken.epoch.encode(), EPOCH.encode())
        == (after["ledger/ledger_head.jsonl"])
    )


def test_backup_while_others_write_restores_to_a_prefix(
    request: pytest.FixtureRequest, tmp_path: Path, database_url: str
) -> None:
    file, ours, enough, stop = tmp_path / "backup.tar.gz", both(database_url), threading.Event(), threading.Event()
    with desk_at(ours) as desk:

        def write_on() -> None:
            batch = 0
            while not stop.is_set():
                batch += 1
                desk.submit(*(a_record(f"W{batch}-{n}") for n in range(50)))
                if batch == 5:
                    enough.set()

        writer = threading.Thread(target=write_on)
        writer.start()
        assert enough.wait(60)
        taken = back_up(ours, file, NOW)
        with desk.database.reading() as session:
            written = head(session).position
        stop.set()
        writer.join()
        with desk.database.reading() as session:
            last = get_event(session, taken.position)
            assert last is not None
            assert last.chain_hash.hex() == taken.chain_hash
    assert 250 <= taken.position < written
    with two_databases(request, "sqlite", tmp_path / "new") as new:
        assert restore(file, new, EPOCH).ledger.events == taken.position


Spoil = Callable[[dict[str, bytes]], None]


def without(name: str) -> Spoil:
    """Takes a member out."""
    return lambda members: members.__delitem__(name)


def told(**values: Any) -> Spoil:
    """Changes what the manifest tells."""

    def spoil(members: dict[str, bytes]) -> None:
        members[MANIFEST] = json.dumps(json.loads(members[MANIFEST]) | values).encode()

    return spoil


def put(name: str, change: Callable[[bytes], bytes]) -> Spoil:
    """Changes the content of a member, and the manifest's digest with it."""

    def spoil(members: dict[str, bytes]) -> None:
        members[name] = change(members.get(name, b""))

    return spoil


EVENTS, QUERIES, HEAD = "ledger/ledger_event.jsonl", "audit/query_record.jsonl", "ledger/ledger_head.jsonl"
NAMED = {"ledger": "0001", "audit": "0001"}
SPOILT: dict[str, tuple[Spoil, Reason, str]] = {
    "no manifest": (without(MANIFEST), Reason.FILE_INVALID, "manifest.json: got nothing"),
    "manifest of another form": (put(MANIFEST, lambda _: b'{"members":[],"format":1}'), Reason.FILE_INVALID, "form"),
    "newer format": (told(format=2), Reason.FILE_INVALID, "format: got 2, want 1; a newer program reads newer"),
    "newer migration": (told(migrations=NAMED | {"audit": "9999"}), Reason.DATABASE_NEWER, "audit backup: got 9999"),
    "no migration": (told(migrations={}), Reason.MIGRATION_NEEDED, "ledger backup"),
    "missing member": (without(EVENTS), Reason.FILE_INVALID, f"{EVENTS}: got nothing, want a member of"),
    "more members": (put("x.jsonl", lambda _: b"[]\n"), Reason.FILE_INVALID, "x.jsonl: got a member that the manifest"),
    "fewer tables": (told(members=[]), Reason.FILE_INVALID, "a member that the manifest does not name"),
    "other event": (put(EVENTS, lambda c: c.replace(b"102", b"109")), Reason.CHAIN_BROKEN, "ledger: got a broken"),
    "other query": (put(QUERIES, lambda c: c.replace(b'"OK"', b'"NO"')), Reason.CHAIN_BROKEN, "audit: got a broken"),
    "fewer queries": (put(QUERIES, lambda c: c[: c.index(b"\n") + 1]), Reason.FILE_INVALID, "manifest.json: got heads"),
    "event twice": (put(EVENTS, lambda c: c + c), Reason.FILE_INVALID, f"{EVENTS}: got rows that cannot be stored"),
    "query twice": (put(QUERIES, lambda c: c + c), Reason.FILE_INVALID, f"{QUERIES}: got rows that cannot be stored"),
    "row too short": (put(HEAD, lambda _: b"[1]\n"), Reason.FILE_INVALID, f"{HEAD}: got rows that cannot be stored"),
    "no JSON": (put(HEAD, lambda _: b"nonsense\n"), Reason.FILE_INVALID, f"{HEAD}: got rows that cannot be stored"),
    "no base64": (put(HEAD, lambda _: b'[1,"e",0,"*"]\n'), Reason.FILE_INVALID, f"{HEAD}: got rows that cannot"),
}


@pytest.mark.parametrize("name", SPOILT)
def test_spoilt_archive_is_refused_and_leaves_nothing(
    archive: Path, tmp_path: Path, database_url: str, name: str
) -> None:
    spoil, reason, words = SPOILT[name]
    members = contents(archive)
    spoil(members)
    error = refused(repack(tmp_path / "spoilt.tar.gz", members), both(database_url))
    assert (error.reason, words in error.message) == (reason, True), error.message


DAMAGES: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda _: b"",
    "header cut": lambda whole: whole[:5],
    "middle cut": lambda whole: whole[:300],
    "last byte cut": lambda whole: whole[:-1],
    "byte changed": lambda whole: whole[: len(whole) // 2] + b"\x00\xff" + whole[len(whole) // 2 + 2 :],
    "checksum changed": lambda whole: whole[:-8] + b"\x00\xff" + whole[-6:],
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_damaged_archive_is_refused_and_leaves_nothing(
    archive: Path, tmp_path: Path, database_url: str, damage: str
) -> None:
    file = tmp_path / "damaged.tar.gz"
    file.write_bytes(DAMAGES[damage](archive.read_bytes()))
    error = refused(file, both(database_url))
    assert (error.reason, "file: got a damaged archive" in error.message) == (Reason.FILE_INVALID, True), error.message


def test_no_changed_bit_changes_content_unnoticed(archive: Path, tmp_path: Path) -> None:
    whole, file, chance, noticed = archive.read_bytes(), tmp_path / "changed.tar.gz", Random("changed bit"), 0
    for place in [0, len(whole) - 1, *(chance.randrange(len(whole)) for _ in range(200))]:
        file.write_bytes(whole[:place] + bytes([whole[place] ^ 1 << chance.randrange(8)]) + whole[place + 1 :])
        try:
            check_archive(file)
        except CreditError:
            noticed += 1
        else:
            # Packing is not unique: some bits may differ and unpack to the same.
            assert contents(file) == contents(archive)
    assert noticed > 150


def test_database_with_tables_is_refused_and_kept(archive: Path, database_url: str) -> None:
    urls = both(database_url)
    for filled in (urls, (urls[0], urls[1] + "x" if "sqlite" in urls[1] else urls[1])):
        migrations.upgrade(*filled)
        before = verified(urls[0])
        with pytest.raises(CreditError, match="database_url: got a database with ") as error:
            restore(archive, urls, EPOCH)
        assert (error.value.reason, verified(urls[0])) == (Reason.SETTING_INVALID, before)


def test_either_both_databases_are_filled_or_none(archive: Path, tmp_path: Path) -> None:
    urls, commits = both(f"sqlite:///{tmp_path / 'credit.db'}"), []

    def fail_second(connection: Any) -> None:
        if str(connection.engine.url) in urls:
            commits.append(str(connection.engine.url))
            if len(commits) == 2:
                raise OSError("disk full")

    event.listen(Engine, "commit", fail_second)
    try:
        with pytest.raises(OSError, match="disk full"):
            restore(archive, urls, EPOCH)
    finally:
        event.remove(Engine, "commit", fail_second)
    assert commits[:2] == [urls[1], urls[0]]
    assert table_names(urls) == set()
    assert restore(archive, urls, EPOCH).ledger.events == 2


@pytest.mark.parametrize("revision", shapes.revisions("ledger"))
def test_backup_of_an_older_program_is_brought_to_the_newest_migration(
    tmp_path: Path, database_url: str, revision: str
) -> None:
    urls, old, file = both(database_url), both(f"sqlite:///{tmp_path / 'old-credit.db'}"), tmp_path / "old.tar.gz"
    databases_of = dict(zip(migrations.CHAINS, map(Database, old), strict=True))
    for chain, database in databases_of.items():
        with database.transaction() as session:
            shapes.migrate(session, chain, revision if chain == "ledger" else shapes.revisions(chain)[-1])
            if chain == "ledger":
                insert = (
                    "INSERT INTO ledger_head (head_id, epoch, position, chain_hash) VALUES (1, 'e', 0, zeroblob(32))"
                )
                session.execute(text(insert))
                session.execute(text("INSERT INTO feed_head VALUES (1, 0)"))
        database.close()
    assert back_up(old, file, NOW).migrations["ledger"] == revision
    assert restore(file, urls, EPOCH).ledger.events == 0
    migrations.check(*urls)


def test_numbers_go_on_after_the_highest(archive: Path, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    with two_databases(request, "postgresql", tmp_path / "new") as urls:
        restore(archive, urls, EPOCH)
        database = Database(urls[0])
        with database.reading() as session:
            sequence = text("SELECT pg_get_serial_sequence('feed_head', 'head_id')")
            name = session.execute(sequence).scalar_one()
            assert session.execute(text(f"SELECT nextval('{name}')")).scalar_one() == 2
        database.close()


def test_rows_are_read_in_pieces_by_a_session_that_cannot_write(database_url: str) -> None:
    urls = both(database_url)
    with desk_at(urls) as desk, desk.database.transaction() as session:
        rows = [{"head_id": n, "revision": n} for n in range(2, 2502)]
        insert_rows(session, FeedHead, rows)
    (shape,) = (s for s in shapes.tables("ledger", shapes.revisions("ledger")[-1]) if s.clause.name == "feed_head")
    with databases.reading(urls) as sessions:
        pieces = databases.encoded(sessions["ledger"], shape)
        assert next(pieces)[0] == databases.ROWS_AT_ONCE
        if "postgresql" in database_url:
            assert sessions["ledger"].execute(text("SELECT count(*) FROM pg_cursors")).scalar_one() == 1
        assert [rows for rows, _ in pieces] == [1000, 501]
        if "postgresql" in database_url:
            with pytest.raises(InternalError, match="read-only"):
                sessions["ledger"].execute(text("DELETE FROM feed_head"))


def test_nothing_but_tables_is_in_an_archive(archive: Path) -> None:
    unpacked = gzip.decompress(archive.read_bytes())
    assert set(contents(archive)) == {MANIFEST, *(m.name for m in check_archive(archive).members)}
    for secret in (str(archive.parent).encode(), b"sqlite", b"postgresql", bytes(32).hex().encode(), "某甲".encode()):
        assert secret not in unpacked
    assert PERSON["code"].encode() in unpacked


@pytest.mark.parametrize("dialect", DIALECTS)
def test_resume_token_of_the_former_life_is_refused_after_a_restore(
    request: pytest.FixtureRequest, tmp_path: Path, dialect: str
) -> None:
    house, file = tmp_path / "house", tmp_path / "backup.tar.gz"
    with (
        two_databases(request, dialect, tmp_path / "a") as ours,
        two_databases(request, dialect, tmp_path / "b") as new,
    ):
        with serving(house, Clock(), database_url=ours[0], audit_url=ours[1]) as street:
            street.must_collect(registered(a_code()))
            end = list(snapshot(street.connect("agency"), []))[-1].end
            back_up(ours, file, NOW)
            street.must_collect(registered(a_code()))
        restore(file, new, EPOCH)
        settings = replace(street.settings, database_url=new[0], audit_url=new[1])
        with running(settings, house, Clock()) as again:
            start = sync_pb2.SubscribeStart(token=end.token)
            opening = iter([sync_pb2.SubscribeRequest(start=start)])
            refusal = again.refused("agency", "SyncService/Subscribe", opening)
            fresh = list(snapshot(again.connect("agency"), []))[-1].end
    assert refusal == ("FAILED_PRECONDITION", "EPOCH_CHANGED")
    assert (fresh.revision, fresh.entry_count) == (end.revision, end.entry_count) == (1, 1)
    assert fresh.token != end.token
