"""Backup and restore from the command line: of a serving house, killed in the middle, without overwriting."""

import json
import os
import stat
import subprocess
import sys
import tarfile
import time
from io import BytesIO
from pathlib import Path

import pytest
from sqlalchemy import Connection, Engine, event, text

from credit_service import migrations
from credit_service.backup import archive
from credit_service.changes import Recorder
from credit_service.database import Database
from credit_service.errors import CreditError
from credit_service.ledger.tables import head
from tests.cli.conftest import Command
from tests.ledger.conftest import NOW
from tests.stories.processes import ServerProcess
from tests.test_backup import both, table_names

MANY = 20_000


@pytest.fixture
def small(tmp_path: Path) -> str:
    """Makes an empty house and returns its address."""
    url = f"sqlite:///{tmp_path / 'small.db'}"
    migrations.upgrade(url, url.replace("small.db", "small.audit.db"))
    return url


@pytest.fixture
def archived(command: Command, small: str, tmp_path: Path) -> Path:
    """Makes a backup of the empty house."""
    assert command("backup", str(tmp_path / "archived.tar.gz"), "--url", small).code == 0
    return tmp_path / "archived.tar.gz"


def left(folder: Path) -> list[str]:
    """Names the archives in a folder, whole or not."""
    return sorted(path.name for path in folder.glob("*.tar.gz*"))


def test_serving_house_is_backed_up_and_restored(command: Command, filled: ServerProcess, tmp_path: Path) -> None:
    file, served, new = tmp_path / "b.tar.gz", filled.folder / "credit.db", tmp_path / "new.db"
    taken = command("backup", str(file), "--url", f"sqlite:///{served}", "--json").json()
    done = command("restore", str(file), "--url", f"sqlite:///{new}", "--json").json()
    before, after = (command("verify-ledger", "--url", f"sqlite:///{p}", "--json").json() for p in (served, new))
    assert filled.process is not None
    assert filled.process.poll() is None
    assert taken["rows"]["ledger_event"] == taken["position"] == done["position"] > 0
    assert (after["head"], after["content_root"]) == (before["head"], before["content_root"])
    assert (done["verified"], done["content_root"]) == (True, after["content_root"])
    database = Database(f"sqlite:///{new}")
    with database.reading() as session:
        assert head(session).epoch == done["epoch"]
    database.close()
    assert (done["former_epoch"], len(bytes.fromhex(done["epoch"]))) == (taken["epoch"], 16)
    assert done["epoch"] != taken["epoch"]


def test_words_say_what_was_done(command: Command, small: str, tmp_path: Path) -> None:
    file = str(tmp_path / "b.tar.gz")
    assert "written: " in command("backup", file, "--url", small).err
    assert "0 events, head 00" in command("backup", file, "--verify").err
    ended = command("restore", file, "--url", f"sqlite:///{tmp_path / 'new.db'}")
    assert (ended.code, ended.out) == (0, "")
    assert "the chain of 0 events holds" in ended.err
    assert "partners must take a new snapshot" in ended.err


def test_verifying_needs_no_database_and_tells_damage(command: Command, small: str, tmp_path: Path) -> None:
    file = tmp_path / "b.tar.gz"
    command("backup", str(file), "--url", small)
    for path in tmp_path.glob("small*"):
        path.unlink()
    assert command("backup", str(file), "--verify", "--json").json()["format"] == archive.FORMAT
    file.write_bytes(file.read_bytes()[:-20])
    ended = command("backup", str(file), "--verify", "--json")
    assert (ended.code, ended.out, "FILE_INVALID: file: got a damaged archive" in ended.err) == (2, "", True)


def test_existing_file_is_kept_unless_forced(command: Command, small: str, tmp_path: Path) -> None:
    file = tmp_path / "b.tar.gz"
    file.write_text("precious")
    ended = command("backup", str(file), "--url", small)
    assert (ended.code, "want a new name, or --force" in ended.err, file.read_text()) == (2, True, "precious")
    assert command("backup", str(file), "--url", small, "--force").code == 0
    assert command("backup", str(file), "--verify").code == 0
    assert command("backup", str(tmp_path), "--url", small, "--force").code == 2
    assert left(tmp_path) == ["b.tar.gz"]


def test_file_is_for_its_owner_alone(command: Command, small: str, tmp_path: Path) -> None:
    stale = tmp_path / "b.tar.gz.partial"
    stale.write_text("x" * 100_000)
    stale.chmod(0o666)
    before = os.umask(0)
    try:
        assert command("backup", str(tmp_path / "b.tar.gz"), "--url", small).code == 0
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "b.tar.gz").stat().st_mode) == 0o600
    assert left(tmp_path) == ["b.tar.gz"]
    assert command("backup", str(tmp_path / "b.tar.gz"), "--verify").code == 0


def test_second_backup_to_the_same_file_is_refused(command: Command, small: str, tmp_path: Path) -> None:
    file = tmp_path / "b.tar.gz"
    with archive.whole_or_absent(file, force=False) as target:
        target.write(b"first")
        ended = command("backup", str(file), "--url", small)
        assert (ended.code, "which another backup writes" in ended.err) == (2, True)
        assert left(tmp_path) == ["b.tar.gz.partial"]
    assert file.read_bytes() == b"first"


def test_file_made_meanwhile_by_another_is_kept(tmp_path: Path) -> None:
    file = tmp_path / "b.tar.gz"
    writing = archive.whole_or_absent(file, force=False)
    writing.__enter__().write(b"ours")
    file.write_bytes(b"theirs")
    with pytest.raises(CreditError, match="exists"):
        writing.__exit__(None, None, None)
    assert (file.read_bytes(), left(tmp_path)) == (b"theirs", ["b.tar.gz"])


def test_folder_that_is_not_there_is_said(command: Command, small: str, tmp_path: Path) -> None:
    ended = command("backup", str(tmp_path / "none" / "b.tar.gz"), "--url", small)
    assert (ended.code, "FILE_INVALID: file: got No such file or directory" in ended.err) == (2, True)


def test_file_that_is_no_archive_is_said(command: Command, tmp_path: Path) -> None:
    (tmp_path / "text").write_text("no archive")
    with tarfile.open(tmp_path / "twice", "w:gz") as made:
        made.addfile(tarfile.TarInfo("again"))
        made.addfile(tarfile.TarInfo("again"))
    for name, words in (("text", "damaged"), ("none", "No such file"), ("twice", "again: got a folder or a second")):
        ended = command("backup", str(tmp_path / name), "--verify")
        assert (ended.code, words in ended.err) == (2, True), ended.err


def test_database_without_tables_is_refused_and_not_made(command: Command, tmp_path: Path) -> None:
    ended = command("backup", str(tmp_path / "b.tar.gz"), "--url", f"sqlite:///{tmp_path / 'none.db'}")
    assert (ended.code, "MIGRATION_NEEDED: ledger database: got no tables" in ended.err) == (1, True)
    assert list(tmp_path.iterdir()) == []


def test_database_of_a_newer_program_is_refused(command: Command, small: str, tmp_path: Path) -> None:
    database = Database(small)
    with database.transaction() as session:
        session.execute(text(f"UPDATE {migrations.version_table('ledger')} SET version_num = '9999'"))
    database.close()
    ended = command("backup", str(tmp_path / "b.tar.gz"), "--url", small)
    assert (ended.code, "DATABASE_NEWER: ledger database: got 9999" in ended.err) == (1, True)
    assert left(tmp_path) == []


def test_member_that_disagrees_with_the_manifest_is_refused(
    command: Command, tmp_path: Path, archived: Path, database_url: str
) -> None:
    name, file = "ledger/ledger_head.jsonl", tmp_path / "changed.tar.gz"
    with tarfile.open(archived) as whole, tarfile.open(file, "w:gz") as changed:
        for header in whole:
            opened = whole.extractfile(header)
            assert opened is not None
            content = opened.read()
            changed.addfile(header, BytesIO(content.replace(b"[1,", b"[2,") if header.name == name else content))
    for arguments in (("backup", str(file), "--verify"), ("restore", str(file), "--url", database_url)):
        ended = command(*arguments)
        assert (ended.code, f"{name}: got other content, want 1 rows of SHA-256" in ended.err) == (2, True), ended.err
    assert table_names(both(database_url)) == set()


def test_file_that_changes_while_it_is_restored_is_refused(command: Command, small: str, tmp_path: Path) -> None:
    file, other, new = tmp_path / "b.tar.gz", tmp_path / "other.tar.gz", f"sqlite:///{tmp_path / 'new.db'}"
    command("backup", str(file), "--url", small)
    database = Database(small)
    with database.transaction() as session:
        session.execute(text("UPDATE ledger_head SET epoch = 'another'"))
    database.close()
    command("backup", str(other), "--url", small)

    def swap(connection: Connection) -> None:
        if str(connection.engine.url) == new:
            file.write_bytes(other.read_bytes())

    event.listen(Engine, "begin", swap)
    ended = command("restore", str(file), "--url", new)
    event.remove(Engine, "begin", swap)
    assert (ended.code, "other content than a moment ago" in ended.err) == (2, True), ended.err
    assert command("restore", str(other), "--url", new).code == 0


def test_restore_refuses_a_database_in_use(command: Command, small: str, tmp_path: Path) -> None:
    file = tmp_path / "b.tar.gz"
    command("backup", str(file), "--url", small)
    ended = command("restore", str(file), "--url", small)
    assert (ended.code, "want an empty one" in ended.err) == (2, True)


def test_password_is_never_shown(command: Command, tmp_path: Path) -> None:
    url = "postgresql://clerk:secret@127.0.0.1:1/credit"
    ended = command("restore", str(tmp_path / "none.tar.gz"), "--url", url)
    assert (ended.code, "INTERNAL: database: got " in ended.err, "secret" in ended.err) == (1, True, False)


def test_help_says_that_no_key_is_in_a_backup(command: Command) -> None:
    assert "No key is in it" in command("backup", "--help").out
    assert "No key is in a backup" in " ".join(command("restore", "--help").out.split())


def test_backup_killed_in_the_middle_leaves_no_file(tmp_path: Path, database_url: str) -> None:
    file, partial = tmp_path / "b.tar.gz", tmp_path / "b.tar.gz.partial"
    migrations.upgrade(database_url, database_url.replace("credit.db", "credit.audit.db"))
    database = Database(database_url)
    with database.transaction() as session:
        recorder = Recorder(NOW)
        for _ in range(MANY):
            recorder.upsert("grade", "USCC:X", ("USCC:X", "ENTERPRISE"), json.dumps(["记录"] * 50))
        recorder.write(session)
    database.close()
    command = [sys.executable, "-m", "credit_service", "backup", str(file), "--url", database_url]
    running = subprocess.Popen(command, stderr=subprocess.PIPE)
    limit = time.monotonic() + 60
    while not (partial.exists() and partial.stat().st_size) and time.monotonic() < limit:
        time.sleep(0.001)
    running.kill()
    running.communicate()
    assert (running.returncode, left(tmp_path)) == (-9, ["b.tar.gz.partial"])
    ended = subprocess.run(command, check=False, capture_output=True)
    assert (ended.returncode, left(tmp_path)) == (0, ["b.tar.gz"]), ended.stderr
    assert archive.check_archive(file).position == 0
