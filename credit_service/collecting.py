"""The one writer: what waits is committed together; candidates, grades and feed follow behind, in order.

Every process that collects has one. Its thread alone appends to the ledger, so that many callers share one
synced commit, and it judges when nothing waits, so that a long import is never held up by its own consequences.
"""

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import groupby, islice
from typing import TypeVar

from sqlmodel import Session

from credit_service import logs
from credit_service.assessment import Assessor
from credit_service.changes import Feed
from credit_service.database import Database, is_passing_failure, is_storage_failure
from credit_service.errors import CreditError, Reason
from credit_service.grades.tables import due_subjects
from credit_service.ledger.append import Receipt, Reception, append
from credit_service.ledger.drafts import CheckedDraft
from credit_service.ledger.streams import StreamPlace, keep_offset
from credit_service.ledger.tables import head, judged_window, keep_judged, last_collect_time
from credit_service.legal_days import civil_day
from credit_service.listings.tables import due_listings
from credit_service.memory import give_back

T = TypeVar("T")
# Records in one commit: more would only lengthen the wait of the others, the sync is shared by then.
GROUP_LIMIT = 4000
# Records that may wait; beyond it a submission is refused before any change.
WAITING_LIMIT = 20_000
# Events whose subjects are judged together: the wider, the fewer times a busy subject is judged in a long import.
JUDGED_AT_ONCE = 20_000
# Subjects in one judging transaction, so that a submission never waits long for the lock.
SUBJECTS_AT_ONCE = 200
# Judging behind begins when nothing came for a moment, or when it is this far behind.
QUIET_SECONDS = 0.2
LAG_SECONDS = 30.0
RETRY_SECONDS = 1.0
# How soon a new civil day is noticed while nothing comes in.
DAY_CHECK_SECONDS = 60.0
MICROSECOND = timedelta(microseconds=1)


@dataclass(slots=True)
class Submission:
    """Holds checked records on their way to one commit, and their place in a named stream.

    What is judged at once has its consequences in the same commit; the rest is judged behind.
    """

    checked: Sequence[CheckedDraft]
    is_all_or_nothing: bool = False
    is_judged_at_once: bool = False
    place: StreamPlace | None = None
    done: Future[list[Receipt]] = field(default_factory=Future)


class Writer:
    """Commits submissions in order of arrival and judges behind them."""

    def __init__(
        self,
        database: Database,
        reception: Reception,
        assessor: Assessor,
        feed: Feed,
        clock: Callable[[], datetime],
    ) -> None:
        """Takes the rooms it writes to; `start` begins the work."""
        self.reception = reception
        self._database, self._assessor, self._feed, self._clock = database, assessor, feed, clock
        self._wakeup = threading.Condition()
        self._waiting: deque[Submission] = deque()
        self._waiting_records = 0
        self._is_closing = False
        self._ticked_day: int | None = None
        # Where judging failed: each place is told with its traceback once.
        self._met: set[object] = set()
        self._arrived = self._behind_since = 0.0
        self._open_stamp: datetime | None = None
        self._acting_stamp: datetime | None = None
        with database.reading() as session:
            row = head(session)
            self._position, self._judged = row.position, row.judged_position
        self._thread = threading.Thread(target=self._run, name="writer", daemon=True)

    def start(self) -> None:
        """Begins to commit, and to judge what an earlier life left behind."""
        self._thread.start()

    def close(self) -> None:
        """Commits what waits, then stops; what is not judged yet is judged by the next life."""
        with self._wakeup:
            self._is_closing = True
            self._wakeup.notify()
        if self._thread.is_alive():
            self._thread.join()

    def submit(self, submission: Submission) -> Future[list[Receipt]]:
        """Queues a submission; fails with OVERLOADED, before any change, when too much waits."""
        with self._wakeup:
            if self._is_closing or (self._waiting and self._waiting_records > WAITING_LIMIT):
                raise CreditError(Reason.OVERLOADED, "submission: got more than can be written now, want a retry")
            # A caller that leaves must not take back what others share a commit with.
            submission.done.set_running_or_notify_cancel()
            self._waiting.append(submission)
            self._waiting_records += len(submission.checked)
            self._arrived = time.monotonic()
            self._wakeup.notify()
        return submission.done

    def decide(self, work: Callable[[Session, datetime], T]) -> T:
        """Runs an officer's act in a commit of its own and returns its answer; `work` is given the commit's time.

        Like a submission it is known from that time on, and never before what was stored. What the work appends to the
        ledger it must judge as well.
        """
        try:
            with self._database.transaction() as session:
                now = self._acting_stamp = self._stamp(last_collect_time(session))
                row = head(session)
                is_level = row.is_level()
                answer = work(session, now)
                position, judged = row.position, row.judged_position
                if is_level and position > judged:
                    # What the act corrected was judged with it.
                    keep_judged(session, judged := position)
        except Exception as error:  # a storage failure gets its own answer
            raise _failure(error) from error
        finally:
            self._acting_stamp = None
        with self._wakeup:
            self._position, self._judged = max(self._position, position), max(self._judged, judged)
        self._feed.wake()
        return answer

    def settled(self, now: datetime) -> datetime:
        """Returns the latest time of knowledge, not after now, at which no commit is still open.

        An answer given for it can be given again: nothing will be stored with an earlier receipt.
        """
        for stamp in (self._open_stamp, self._acting_stamp):
            if stamp is not None and stamp <= now:
                now = stamp - MICROSECOND
        return now

    def _run(self) -> None:
        while True:
            group = self._take()
            if group:
                self._commit(group)
            if self._is_closing and not self._waiting:
                return
            if not group or self._pause() <= 0:
                self._judge_behind()

    def _take(self) -> list[Submission]:
        """Returns the submissions of the next commit; none when there is time to judge, or it is the end."""
        with self._wakeup:
            while not (self._waiting or self._is_closing) and (pause := self._pause()) > 0:
                self._wakeup.wait(pause)
            group: list[Submission] = []
            count = 0
            while self._waiting and (not group or count + len(self._waiting[0].checked) <= GROUP_LIMIT):
                group.append(self._waiting.popleft())
                count += len(group[-1].checked)
            self._waiting_records -= count
            return group

    def _pause(self) -> float:
        """Returns the seconds before there is something to judge: none when it is wanted now."""
        if self._judged >= self._position:
            return DAY_CHECK_SECONDS if self._ticked_day == civil_day(self._clock()) else 0.0
        now = time.monotonic()
        if now - self._behind_since >= LAG_SECONDS:
            return 0.0
        return QUIET_SECONDS - (now - self._arrived)

    def _commit(self, group: Sequence[Submission]) -> None:
        """Commits a group; when that fails, each submission alone, so that none suffers for another."""
        try:
            answers = self._write(group)
        except Exception as error:  # noqa: BLE001  # whatever it was belongs to the one that caused it
            if len(group) > 1:
                for submission in group:
                    self._commit([submission])
                return
            answers = [_failure(error)]
        finally:
            self._open_stamp = None
            # Who streams sends on only when answered: the time of the commit itself was no quiet.
            self._arrived = time.monotonic()
        for submission, answer in zip(group, answers, strict=True):
            if isinstance(answer, Exception):
                submission.done.set_exception(answer)
            else:
                submission.done.set_result(answer)

    def _write(self, group: Sequence[Submission]) -> list[list[Receipt] | Exception]:
        answers: list[list[Receipt] | Exception] = []
        with self._database.transaction() as session:
            now = self._open_stamp = self._stamp(last_collect_time(session))
            # Not what this thread remembers: a commit whose answer was lost stands all the same.
            row = head(session)
            judged, is_level = row.judged_position, row.is_level()
            for submission, answer in zip(group, self._appended(session, group, now), strict=True):
                answers.append(answer)
                if isinstance(answer, Exception):
                    continue
                if submission.place:
                    keep_offset(session, submission.place, now)
                if submission.is_judged_at_once:
                    touched = [subject for receipt in answer for subject in receipt.subject_ids]
                    self._assessor.assess(session, touched, now)
            position = row.position
            stays_level = is_level and all(submission.is_judged_at_once for submission in group)
            if stays_level:
                keep_judged(session, position)
        with self._wakeup:
            if is_level:
                self._behind_since = time.monotonic()
            self._position = max(self._position, position)
            self._judged = max(self._judged, position if stays_level else judged)
        self._feed.wake()
        return answers

    def _appended(
        self, session: Session, group: Sequence[Submission], now: datetime
    ) -> Iterator[list[Receipt] | Exception]:
        """Yields what became of each submission, in order; those that stand together are appended as one."""
        for is_whole, run in groupby(group, key=lambda submission: submission.is_all_or_nothing):
            together = list(run)
            if is_whole:
                for submission in together:
                    try:
                        # Of its own: what a refused one had begun, such as the key of a person, goes with it.
                        with session.begin_nested():
                            answer = append(session, submission.checked, now, self.reception, is_all_or_nothing=True)
                    except CreditError as error:
                        yield error
                    else:
                        yield answer
                continue
            receipts = iter(append(session, [c for one in together for c in one.checked], now, self.reception))
            for submission in together:
                yield list(islice(receipts, len(submission.checked)))

    def _stamp(self, last: datetime | None) -> datetime:
        """Returns the time of the commit; a clock that steps back or differs never reorders what was known."""
        now = self._clock()
        return now if last is None else max(now, last)

    def _judge_behind(self) -> None:
        """Judges; whatever fails is said in the log and tried again, and never ends the writer."""
        try:
            self._judge_some()
            self._judge_due()
        except Exception as error:  # noqa: BLE001  # as said
            self._complain(error, after_position=self._judged)
            with self._wakeup:
                self._wakeup.wait(RETRY_SECONDS)

    def _judge_some(self) -> None:
        """Judges the subjects of the next window of events, a few per transaction, unless somebody waits."""
        with self._database.reading() as session:
            subjects, through = judged_window(session, self._judged, JUDGED_AT_ONCE)
        for start in range(0, len(subjects), SUBJECTS_AT_ONCE):
            self._judge(subjects[start : start + SUBJECTS_AT_ONCE])
            while group := self._take() if self._waiting else []:
                self._commit(group)
            if self._is_closing:
                return
        with self._database.transaction() as session:
            keep_judged(session, through)
        with self._wakeup:
            self._judged = through
        give_back()

    def _judge_due(self) -> None:
        """Judges, once a civil day and at the start, the subjects that time alone may have changed."""
        day, seen = civil_day(self._clock()), set[str]()
        while self._ticked_day != day and not (self._waiting or self._is_closing):
            with self._database.reading() as session:
                due = list(
                    dict.fromkeys(
                        [*due_listings(session, day, SUBJECTS_AT_ONCE), *due_subjects(session, day, SUBJECTS_AT_ONCE)]
                    )
                )
            if seen.issuperset(due):
                # Nothing is left, or only what stays due after it was judged.
                self._ticked_day = day
            else:
                self._judge(due)
                seen.update(due)

    def _judge(self, subjects: Sequence[str]) -> None:
        """Judges subjects in one transaction; a subject that cannot be judged never holds up the others."""
        try:
            with self._database.transaction() as session:
                self._assess(session, subjects)
        except Exception as error:  # said in the log, with the subject it belongs to
            if is_passing_failure(error):
                # It belongs to no subject: passed over, these would count as judged. The window is tried again.
                raise
            if len(subjects) > 1:
                for subject in subjects:
                    self._judge([subject])
                return
            self._complain(error, subject=subjects[0])
        self._feed.wake()

    def _complain(self, error: Exception, **facts: object) -> None:
        """Says in one line what failed; a fault of the program with its traceback, the first time that it is met."""
        last = error.__traceback__
        while last is not None and last.tb_next is not None:
            last = last.tb_next
        place = (type(error), last and (last.tb_frame.f_code.co_filename, last.tb_lineno))
        is_new = not is_passing_failure(error) and place not in self._met
        self._met.add(place)
        # The first line alone: a driver's details repeat the row.
        told = {"kind": type(error).__name__, "message": str(error).partition("\n")[0]}
        logs.get().error("judging failed", **facts, **told, exc_info=error if is_new else None)

    def _assess(self, session: Session, subjects: Sequence[str]) -> None:
        self._assessor.assess(session, subjects, self._stamp(last_collect_time(session)))


def _failure(error: Exception) -> Exception:
    if is_storage_failure(error):
        # The first line alone: the driver's details repeat the row.
        logs.get().error("commit failed", kind=type(error).__name__, message=str(error).partition("\n")[0])
        return CreditError(Reason.STORAGE_UNAVAILABLE, "storage: got a failure, want a retry; nothing was acknowledged")
    return error
