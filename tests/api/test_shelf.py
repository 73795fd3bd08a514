"""Grades from the shelf: asked again without a look at the ledger, and never older than the last commit."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event, text

from credit_service.api.shelf import ROOM, Shelf, Shown
from credit_service.database import Database
from credit_service.v1 import grades_pb2 as pb
from tests.api.street import NOW, Street, a_code, frame, ref, registered, stop_work

SHOWN = Shown("ENTERPRISE", "110108", NOW, b"")


def grade(street: Street, code: str, role: str = "regulator", as_of: datetime | None = None) -> pb.GradeRecord:
    """Asks one grade."""
    request = pb.GetGradeRequest(subject=ref(code), time_frame=frame(as_of))
    record: pb.GradeRecord = street.ask(role, "GradeService/GetGrade", request).grade
    return record


@contextmanager
def statements(street: Street) -> Iterator[list[str]]:
    """Yields the statements that the ledger is asked meanwhile."""
    asked: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        asked.append(statement)

    engine = street.running.house.database.engine
    event.listen(engine, "before_cursor_execute", note)
    yield asked
    event.remove(engine, "before_cursor_execute", note)


def test_grade_asked_again_asks_the_ledger_nothing(street: Street) -> None:
    code = a_code()
    street.must_collect(registered(code))
    first = grade(street, code)
    with statements(street) as asked:
        assert grade(street, code) == first
    # Only a SQLite file says for nothing whether somebody has committed.
    assert bool(asked) != street.running.house.database.is_sqlite


def test_grade_from_the_shelf_follows_the_next_event(street: Street) -> None:
    code = a_code()
    street.must_collect(registered(code))
    before = [grade(street, code) for _ in range(2)]
    street.must_collect(stop_work(code))
    after = grade(street, code)
    assert (before[0].grade in {pb.GRADE_A, pb.GRADE_B}, before[1]) == (True, before[0])
    assert after.grade == pb.GRADE_C
    assert after == grade(street, code, as_of=NOW)


def test_grade_from_the_shelf_follows_what_another_process_commits(street: Street) -> None:
    code = a_code()
    street.must_collect(registered(code, region="110108"))
    own = [grade(street, code, "district") for _ in range(2)]
    assert [one.HasField("score") for one in own] == [True, True]
    other = Database(street.settings.database_url)
    with other.transaction() as session:
        moved = "UPDATE subject SET supervising_region = '350100' WHERE subject_id = :id"
        session.execute(text(moved), {"id": f"USCC:{code}"})
    other.close()
    # The enterprise is another district's now, and its score is not for this officer.
    assert not grade(street, code, "district").HasField("score")


def test_shelf_shows_every_role_no_more_than_before(street: Street) -> None:
    code = a_code()
    street.must_collect(registered(code), stop_work(code))
    roles = ("regulator", "insurer", "regulator", "insurer")
    told = [grade(street, code, role) for role in roles]
    assert told[:2] == told[2:]
    assert [bool(one.reasons) for one in told] == [True, False, True, False]
    request = pb.GetGradeRequest(subject=ref(code))
    assert street.refused("enterprise", "GradeService/GetGrade", request) == ("PERMISSION_DENIED", "NOT_OWN_SUBJECT")


@pytest.mark.moves_clock
def test_grade_from_the_shelf_is_of_the_day_on_which_it_is_asked(street: Street) -> None:
    code = a_code()
    street.must_collect(registered(code), stop_work(code, lifted_date="2026-11-30"))
    assert [grade(street, code).grade for _ in range(2)] == [pb.GRADE_C, pb.GRADE_C]
    street.clock.now = NOW + timedelta(days=12)
    assert grade(street, code) == grade(street, code, as_of=street.clock.now)
    assert not grade(street, code).vetoes


def test_shelf_lets_go_at_a_commit_and_keeps_nothing_that_was_read_before(tmp_path: Path) -> None:
    writer = sqlite3.connect(tmp_path / "ledger.db", isolation_level=None)
    writer.execute("CREATE TABLE told (word TEXT)")
    database = Database(f"sqlite:///{tmp_path / 'ledger.db'}")
    shelf = Shelf(database)
    early = shelf.state(1)
    shelf.put("USCC:1", SHOWN, early)
    assert (shelf.state(1), shelf.take("USCC:1", NOW)) == (early, SHOWN)
    assert shelf.take("USCC:1", NOW - timedelta(seconds=1)) is None
    writer.execute("INSERT INTO told VALUES ('one')")
    late = shelf.state(1)
    assert (late != early, shelf.take("USCC:1", NOW)) == (True, None)
    shelf.put("USCC:1", SHOWN, early)
    assert shelf.take("USCC:1", NOW) is None
    shelf.put("USCC:1", SHOWN, late)
    assert shelf.take("USCC:1", NOW) == SHOWN
    shelf.state(2)
    assert shelf.take("USCC:1", NOW) is None
    writer.close()
    database.close()


def test_shelf_has_room_for_so_many(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'ledger.db'}")
    shelf = Shelf(database)
    state = shelf.state(1)
    for number in range(ROOM + 1):
        shelf.put(f"USCC:{number}", SHOWN, state)
    found = [shelf.take(f"USCC:{number}", NOW) for number in (0, 1, ROOM)]
    assert found == [None, SHOWN, SHOWN]
    database.close()
