"""Revisions are dense and in commit order; a snapshot stands still at its revision."""

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from credit_service.changes import TABLES, Feed, Recorder, head_revision, read_changes, snapshot_page, start
from credit_service.database import Database

NOW = datetime(2026, 11, 23, tzinfo=UTC)
SUBJECT = ("USCC:1", "ENTERPRISE")


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    """Opens an empty feed."""
    database = Database(database_url)
    database.create_tables([table.__table__ for table in TABLES])
    with database.transaction() as session:
        start(session)
    yield database
    database.close()


def write(database: Database, *keys: str, remove: tuple[str, ...] = ()) -> int:
    """Commits upserts and removals in one transaction."""
    recorder = Recorder(NOW)
    for key in keys:
        recorder.upsert("grade", key, SUBJECT, {"grade": "B"})
    for key in remove:
        recorder.remove("grade", key, SUBJECT, "basis withdrawn", {})
    with database.transaction() as session:
        return recorder.write(session)


def test_revisions_are_dense_across_transactions(database: Database) -> None:
    """No gap, no repetition."""
    assert [write(database, "a", "b"), write(database), write(database, "c")] == [2, 2, 3]
    with database.reading() as session:
        assert [row.revision for row in read_changes(session, 0, 3, [], 10)] == [1, 2, 3]
        assert head_revision(session) == 3


def test_rolled_back_change_leaves_no_gap(database: Database) -> None:
    """A failed transaction takes its revision back."""
    recorder = Recorder(NOW)
    recorder.upsert("grade", "a", SUBJECT, {})

    def fail() -> None:
        with database.transaction() as session:
            recorder.write(session)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert write(database, "b") == 1


def test_snapshot_stands_still_while_changes_go_on(database: Database) -> None:
    """Entries written after the pinned revision do not show, nor do their later images."""
    write(database, "a", "b", "c")
    write(database, "b", remove=("a",))
    with database.reading() as session:
        old, _ = snapshot_page(session, 3, [], "", 10)
        new, _ = snapshot_page(session, 5, [], "", 10)
    assert [(row.entry_key, row.revision) for row in old] == [("grade/a", 1), ("grade/b", 2), ("grade/c", 3)]
    assert [(row.entry_key, row.revision) for row in new] == [("grade/b", 4), ("grade/c", 3)]


def test_snapshot_pages_by_key(database: Database) -> None:
    """A page goes on after the last key."""
    write(database, "a", "b", "c")
    with database.reading() as session:
        page, last = snapshot_page(session, 3, ["grade"], "grade/a", 1)
        assert ([row.entry_key for row in page], last) == (["grade/b"], "grade/b")
        assert snapshot_page(session, 3, ["listing"], "", 10) == ([], "")


def test_page_of_removed_entries_is_short_but_not_the_end(database: Database) -> None:
    write(database, "a", "b", "c")
    write(database, remove=("a", "b"))
    with database.reading() as session:
        page, last = snapshot_page(session, 5, [], "", 2)
        assert (list(page), last) == ([], "grade/b")
        page, last = snapshot_page(session, 5, [], last, 2)
    assert ([row.entry_key for row in page], last) == (["grade/c"], "grade/c")


def test_kinds_filter_changes_and_removals_keep_their_reason(database: Database) -> None:
    """A tombstone says why."""
    write(database, "a")
    write(database, remove=("a",))
    with database.reading() as session:
        assert read_changes(session, 0, 2, ["listing"], 10) == []
        last = read_changes(session, 1, 2, ["grade"], 10)[0]
    assert (last.type, last.reason, last.document) == ("REMOVE", "basis withdrawn", "{}")


def test_feed_wakes_followers_until_they_leave() -> None:
    """A follower that left is not called."""
    feed, woken = Feed(), []
    leave = feed.follow(lambda: woken.append(1))
    feed.wake()
    leave()
    feed.wake()
    assert woken == [1]
