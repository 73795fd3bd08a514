"""The one writer: nobody suffers for another, time never runs back, and an earlier life's work is finished."""

import errno
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import structlog
from sqlalchemy.exc import OperationalError, PendingRollbackError
from sqlmodel import Session

from credit_service import migrations, server
from credit_service.api.house import House
from credit_service.cli import throwaway
from credit_service.collecting import Submission, Writer
from credit_service.database import Database, is_passing_failure
from credit_service.errors import CreditError
from credit_service.ledger.append import Receipt, Reception
from credit_service.ledger.drafts import CheckedDraft
from credit_service.ledger.streams import StreamPlace, next_offset
from credit_service.ledger.tables import LedgerHead, head, keep_judged, list_events
from credit_service.settings import Settings
from credit_service.subjects.vault import SubjectKey
from tests.api.street import a_code, a_record
from tests.conftest import fresh_database

NOW = datetime(2026, 11, 23, 4, 0, tzinfo=UTC)


@dataclass
class Judge:
    """Stands for the judge: notes whom it was asked about, and fails for some."""

    asked: list[str] = field(default_factory=list)
    failing: set[str] = field(default_factory=set)
    outages: int = 0
    meanwhile: Callable[[], None] = lambda: None

    def assess(self, session: Session, subject_ids: Sequence[str], now: datetime) -> int:
        if self.failing & set(subject_ids):
            raise ValueError("this subject cannot be judged")
        if self.outages:
            self.outages -= 1
            raise OperationalError("judging", {}, sqlite3.OperationalError("database or disk is full"))
        self.meanwhile()
        self.asked += subject_ids
        return 0


@dataclass
class Desk:
    """Holds a writer that is not started, and what it writes to."""

    house: House
    judge: Judge
    writer: Writer
    now: datetime = NOW

    def checked(self, *records: dict[str, Any]) -> list[CheckedDraft]:
        return [self.house.checking.checker.check(record, NOW) for record in records]

    def collect(self, *records: dict[str, Any], **named: Any) -> list[Receipt]:
        return self.writer.submit(Submission(self.checked(*records), **named)).result(20)

    def head(self) -> LedgerHead:
        with self.house.database.reading() as session:
            return head(session)

    def until_judged(self) -> LedgerHead:
        limit = time.monotonic() + 20
        while (row := self.head()).judged_position < row.position:
            assert time.monotonic() < limit
            time.sleep(0.02)
        return row

    def another(self) -> Writer:
        house = self.house
        judge: Any = self.judge
        return Writer(house.database, Reception(house.vault), judge, house.feed, lambda: self.now)


@pytest.fixture(params=["sqlite", "postgresql"])
def desk(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Desk]:
    with fresh_database(request, request.param, tmp_path) as url:
        audit = url if request.param == "postgresql" else ""
        settings = throwaway.prepare(Settings(database_url=url, audit_url=audit), tmp_path, NOW)
        migrations.check(settings.database_url, settings.audit_database_url())
        house = server.build_house(settings, lambda: NOW)
        made = Desk(house, Judge(), house.writer)
        made.writer = made.another()
        yield made
        made.writer.close()
        house.database.close()
        house.audit.close()


def test_what_waits_shares_a_commit_and_keeps_its_order(desk: Desk) -> None:
    waiting = [desk.writer.submit(Submission(desk.checked(a_record(a_code())))) for _ in range(5)]
    desk.writer.start()
    receipts = [one.result(20)[0] for one in waiting]
    assert [r.event_id for r in receipts] == [1, 2, 3, 4, 5]
    assert {r.collect_time for r in receipts} == {NOW}


def test_submission_that_fails_leaves_the_others_of_its_commit_unharmed(desk: Desk) -> None:
    good, bad, later = (desk.checked(a_record(a_code()))[0] for _ in range(3))
    assert bad.draft is not None
    broken = bad._replace(draft=bad.draft._replace(op="NO SUCH OPERATION"))
    waiting = [desk.writer.submit(Submission([one])) for one in (good, broken, later)]
    desk.writer.start()
    assert [waiting[i].result(20)[0].status for i in (0, 2)] == ["ACCEPTED", "ACCEPTED"]
    with pytest.raises(CreditError, match="nothing was acknowledged"):
        waiting[1].result(20)
    assert desk.head().position == 2


def test_refused_whole_batch_leaves_nothing_of_its_persons(desk: Desk) -> None:
    person = {"scheme": "PERSON", "kind": "PERSON", "code": "ab" * 32, "name": "某甲"}
    one = a_record(a_code()) | {"subject": person}
    faulty = a_record(a_code()) | {"domain": ""}
    waiting = [
        desk.writer.submit(Submission(desk.checked(*records), is_all_or_nothing=is_whole))
        for records, is_whole in (([one, faulty], True), ([a_record(a_code())], False), ([a_record(a_code())], True))
    ]
    desk.writer.start()
    with pytest.raises(CreditError, match="nothing was kept"):
        waiting[0].result(20)
    assert [future.result(20)[0].event_id for future in waiting[1:]] == [1, 2]
    with desk.house.database.reading() as session:
        assert session.get(SubjectKey, f"PERSON:{person['code']}") is None


def test_subject_that_cannot_be_judged_never_holds_up_the_others(desk: Desk) -> None:
    codes = [a_code() for _ in range(3)]
    desk.judge.failing = {f"USCC:{codes[1]}"}
    desk.writer.start()
    desk.collect(*(a_record(code) for code in codes))
    assert desk.until_judged().judged_position == 3
    assert set(desk.judge.asked) == {f"USCC:{codes[0]}", f"USCC:{codes[2]}"}


def test_nobody_counts_as_judged_while_the_database_is_away(desk: Desk) -> None:
    desk.judge.outages = 5
    codes = [a_code(), a_code()]
    desk.writer.start()
    desk.collect(*map(a_record, codes))
    desk.until_judged()
    assert set(desk.judge.asked) == {f"USCC:{code}" for code in codes}


def failures(lines: Sequence[Any]) -> list[dict[str, Any]]:
    return [dict(line) for line in lines if line["event"] == "judging failed"]


def test_failure_of_the_storage_is_one_line_without_a_traceback(desk: Desk) -> None:
    """A full disk is no fault of the program; it is said once for the window, and not of any subject."""
    desk.judge.outages = 1
    with structlog.testing.capture_logs() as lines:
        desk.writer.start()
        desk.collect(*(a_record(a_code()) for _ in range(5)))
        desk.until_judged()
    (told,) = failures(lines)
    assert (told["kind"], told["message"], told["exc_info"]) == (
        "OperationalError", "(sqlite3.OperationalError) database or disk is full", None,
    )  # fmt: skip
    assert "subject" not in told


def test_fault_of_the_program_tells_its_traceback_once(desk: Desk) -> None:
    codes = [a_code() for _ in range(4)]
    desk.judge.failing = {f"USCC:{code}" for code in codes}
    with structlog.testing.capture_logs() as lines:
        desk.writer.start()
        desk.collect(*map(a_record, codes))
        desk.until_judged()
    told = failures(lines)
    assert {line["subject"] for line in told} == desk.judge.failing
    assert [line["message"] for line in told] == ["this subject cannot be judged"] * 4
    assert [line["exc_info"] is not None for line in told] == [True, False, False, False]


@pytest.mark.parametrize(
    "error",
    [OSError(errno.ENOSPC, "No space left on device"), PendingRollbackError("while rolling back")],
)
def test_what_follows_from_a_full_disk_passes_with_it(error: Exception) -> None:
    if isinstance(error, PendingRollbackError):
        error.__context__ = OperationalError("x", {}, sqlite3.OperationalError("database or disk is full"))
    assert is_passing_failure(error)
    other = ValueError("of the subject, met after a failure that was dealt with")
    other.__context__ = OperationalError("x", {}, sqlite3.OperationalError("database is locked"))
    assert not is_passing_failure(other)


def test_batch_that_cannot_be_judged_at_once_is_not_kept(desk: Desk) -> None:
    code = a_code()
    desk.judge.failing = {f"USCC:{code}"}
    desk.writer.start()
    with pytest.raises(ValueError, match="cannot be judged"):
        desk.collect(a_record(code), is_judged_at_once=True)
    assert desk.head().position == 0


def test_next_life_judges_what_the_last_one_left(desk: Desk) -> None:
    record = a_record(a_code())
    desk.writer.start()
    desk.collect(record, is_judged_at_once=True)
    assert desk.head().judged_position == 1
    desk.writer.close()
    desk.writer = desk.another()
    moved = {**record, "source_version": 2, "subject": {**record["subject"], "code": a_code()}}
    with desk.house.database.transaction() as session:
        from_outside = desk.checked(moved)
        desk.judge.asked.clear()
        append_outside(session, from_outside, desk)
    desk.writer.close()
    desk.writer = desk.another()
    desk.writer.start()
    assert desk.until_judged().judged_position == 2
    assert set(desk.judge.asked) == {f"USCC:{moved['subject']['code']}", f"USCC:{record['subject']['code']}"}


def test_window_that_ends_late_never_sets_another_server_back(desk: Desk) -> None:
    with desk.house.database.transaction() as session:
        append_outside(session, desk.checked(*(a_record(a_code()) for _ in range(3))), desk)
        keep_judged(session, 3)
    with desk.house.database.transaction() as session:
        keep_judged(session, 2)
    assert desk.head().is_level()


def append_outside(session: Session, checked: Sequence[CheckedDraft], desk: Desk) -> None:
    """Appends as a life that was killed before it judged."""
    from credit_service.ledger.append import Reception, append

    append(session, checked, NOW, Reception(desk.house.vault))


def test_clock_that_steps_back_never_reorders_what_was_known(desk: Desk) -> None:
    desk.writer.start()
    first = desk.collect(a_record(a_code()))[0]
    desk.now = NOW - timedelta(hours=1)
    second = desk.collect(a_record(a_code()))[0]
    desk.now = NOW + timedelta(hours=1)
    third = desk.collect(a_record(a_code()))[0]
    assert [r.collect_time for r in (first, second, third)] == [NOW, NOW, NOW + timedelta(hours=1)]


def test_answer_never_counts_on_a_commit_that_is_still_open(desk: Desk) -> None:
    inside, go_on = threading.Event(), threading.Event()

    def held() -> None:
        inside.set()
        assert go_on.wait(20)

    desk.judge.meanwhile = held
    code = a_code()
    desk.writer.start()
    waiting = desk.writer.submit(Submission(desk.checked(a_record(code)), is_judged_at_once=True))
    assert inside.wait(20)
    known = desk.writer.settled(NOW + timedelta(seconds=5))
    go_on.set()
    waiting.result(20)
    assert known < NOW
    assert desk.writer.settled(NOW + timedelta(seconds=5)) == NOW + timedelta(seconds=5)
    assert events(desk.house.database, code, known) == 0
    assert events(desk.house.database, code, NOW) == 1


def events(database: Database, code: str, known: datetime) -> int:
    with database.reading() as session:
        return len(list_events(session, f"USCC:{code}", known, 0, 10))


def test_offset_of_a_stream_is_kept_with_its_events_and_never_past_a_gap(desk: Desk) -> None:
    desk.writer.start()
    for offset, end, wanted in [(0, 2, 2), (5, 6, 2), (1, 3, 3), (0, 2, 3)]:
        records = [a_record(a_code()) for _ in range(end - offset)]
        desk.collect(*records, place=StreamPlace("bureau", "night", offset, end))
        with desk.house.database.reading() as session:
            assert next_offset(session, "bureau", "night") == wanted


def test_closed_writer_refuses_and_what_waited_is_written(desk: Desk) -> None:
    waiting = desk.writer.submit(Submission(desk.checked(a_record(a_code()))))
    desk.writer.start()
    desk.writer.close()
    assert waiting.result(1)[0].status == "ACCEPTED"
    with pytest.raises(CreditError, match="more than can be written now"):
        desk.writer.submit(Submission(desk.checked(a_record(a_code()))))
