"""Grades whole populations anew, page by page: processes judge, and one connection writes what they say.

A process reads one state of the database and judges; it writes nothing. What it says of a subject is kept only when
nobody wrote that subject's grade since; else, and where a listing may move, the subject is judged again within the
writing transaction. Repeating a regrade changes nothing, and one that was broken off goes on with what is left.
"""

import multiprocessing
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import contextmanager
from datetime import datetime
from typing import Any, NamedTuple

from credit_service import logs
from credit_service.assessment import Assessor
from credit_service.changes import Recorder
from credit_service.database import Database
from credit_service.grades.keeping import Verdict, keep
from credit_service.grades.tables import last_written, stale_subjects
from credit_service.ledger.tables import last_collect_time
from credit_service.legal_days import civil_day
from credit_service.memory import spare_collections
from credit_service.subjects.tables import all_subject_ids

SUBJECTS_AT_ONCE = 2_000
# Pages that each process may be ahead of the writer.
AHEAD = 2
# What judges, and what opens it anew in another process.
House = tuple[Database, Assessor]
Open = Callable[[], House]


class Judged(NamedTuple):
    """Holds what was said of a page: plain verdicts with the numbers of the grades before them, and who needs more."""

    verdicts: list[tuple[Any, ...]]
    numbers: dict[str, tuple[int, str]]
    others: list[str]


class Regraded(NamedTuple):
    """Counts what came of a page: subjects looked at, those judged again by the writer, and those that failed."""

    subjects: int
    again: int
    failed: int


def regrade(
    house: tuple[Database, Assessor],
    opening: Open,
    clock: Callable[[], datetime],
    processes: int,
    *,
    is_everybody: bool,
) -> Iterator[Regraded]:
    """Grades subjects in order of their ids and yields what came of each page, as it is committed.

    Those whose grade edition, model or program of today did not judge, or whose day has come; else everybody.
    """
    database, assessor = house
    bases = None if is_everybody else assessor.bases(civil_day(clock()))
    with _judges(opening, processes) as ask:
        waiting: deque[tuple[list[str], Future[Judged]]] = deque()
        for ids in _pages(database, bases, civil_day(clock())):
            waiting.append((ids, ask(ids, clock())))
            if len(waiting) > AHEAD * processes:
                yield _write(house, *waiting.popleft(), clock)
        while waiting:
            yield _write(house, *waiting.popleft(), clock)


def judge(database: Database, assessor: Assessor, subject_ids: Sequence[str], now: datetime) -> Judged:
    """Judges a page and writes nothing."""
    with database.reading() as session:
        last = last_collect_time(session)
        verdicts, others = assessor.said(session, subject_ids, now if last is None else max(now, last))
        numbers = last_written(session, [verdict.subject_id for verdict in verdicts])
    # Plain tuples cross in half the time of named ones.
    return Judged([tuple(verdict) for verdict in verdicts], numbers, others)


def _write(house: House, ids: list[str], asked: "Future[Judged]", clock: Callable[[], datetime]) -> Regraded:
    database, assessor = house
    try:
        said = asked.result()
    except Exception as error:  # noqa: BLE001  # a subject that cannot be judged never holds up the others
        logs.get().error("judging failed", first_subject=ids[0], subjects=len(ids), exc_info=error)
        return Regraded(len(ids), len(ids), _one_by_one(database, assessor, ids, clock))
    with database.transaction() as session:
        last, now = last_collect_time(session), clock()
        now = now if last is None else max(now, last)
        verdicts = [Verdict._make(one) for one in said.verdicts]
        present = last_written(session, [verdict.subject_id for verdict in verdicts])
        moved = {i for i in present.keys() | said.numbers.keys() if present.get(i) != said.numbers.get(i)}
        keep(session, [verdict for verdict in verdicts if verdict.subject_id not in moved], Recorder(now), now)
        again = [*said.others, *sorted(moved)]
        if again:
            assessor.assess(session, again, now)
    return Regraded(len(ids), len(again), 0)


def _one_by_one(database: Database, assessor: Assessor, ids: Sequence[str], clock: Callable[[], datetime]) -> int:
    failed = 0
    for subject_id in ids:
        try:
            with database.transaction() as session:
                assessor.assess(session, [subject_id], clock())
        except Exception as error:  # noqa: BLE001  # said in the log, with the subject it belongs to
            logs.get().error("judging failed", subject=subject_id, exc_info=error)
            failed += 1
    return failed


def _pages(database: Database, bases: frozenset[str] | None, day: int) -> Iterator[list[str]]:
    after = ""
    while True:
        with database.reading() as session:
            if bases is None:
                ids = list(all_subject_ids(session, after, SUBJECTS_AT_ONCE))
            else:
                ids = list(stale_subjects(session, bases, day, after, SUBJECTS_AT_ONCE))
        if ids:
            yield ids
        if len(ids) < SUBJECTS_AT_ONCE:
            return
        after = ids[-1]


_OPENED: list[House] = []


def _open(opening: Open) -> None:
    _OPENED.append(opening())
    spare_collections()


def _judge(subject_ids: Sequence[str], now: datetime) -> Judged:
    return judge(*_OPENED[0], subject_ids, now)


@contextmanager
def _judges(opening: Open, processes: int) -> Iterator[Callable[[list[str], datetime], "Future[Judged]"]]:
    """Gives what judges a page elsewhere; the processes are started anew, since a fork would copy locks as they are."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(processes, context, _open, (opening,)) as pool:
        try:
            yield lambda ids, now: pool.submit(_judge, ids, now)
        finally:
            pool.shutdown(wait=True, cancel_futures=True)
