"""Batches are checked alike wherever they are checked, and a process that dies loses none."""

import asyncio
import multiprocessing
import os
import signal
from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest

from credit_service.api.checking import WORTH_A_HOP, Checking, check_all
from credit_service.api.wire import draft_of
from credit_service.ledger.drafts import CheckedDraft, Checker
from credit_service.rulebook.accidents import accident_level
from credit_service.rulebook.edition import SHIPPED, load_edition
from credit_service.subjects.vault import person_code
from credit_service.v1 import ledger_pb2
from tests.ledger.conftest import NOW, a_record

LEVELS = load_edition(SHIPPED / "cn-2026-04.toml").accidents
PERSON = {"scheme": "PERSON", "code": "ab" * 32, "kind": "PERSON", "name": "某甲"}


@pytest.fixture
def checking() -> Iterator[Checking]:
    """Runs one process beside this one."""
    made = Checking(Checker({"bureau": "USCC"}, partial(accident_level, LEVELS), partial(person_code, b"k" * 32)), 1)
    yield made
    made.close()


async def beside(work: Any, *given: Any) -> Any:
    """Runs blocking work in a thread."""
    return await asyncio.get_running_loop().run_in_executor(None, partial(work, *given))


def batch() -> list[ledger_pb2.EventDraft]:
    """Makes good records, persons, and records with faults of every treatment."""
    good = [draft_of(a_record(f"R{n}")) for n in range(WORTH_A_HOP)]
    person, future = draft_of(a_record("P", subject=PERSON)), draft_of(a_record("F"))
    future.occur_time.seconds = 4_000_000_000
    mendable, nothing = draft_of(a_record("M", subject={"code": "91350100M000100Y44"})), ledger_pb2.EventDraft()
    return [*good, person, future, mendable, nothing]


async def checked(checking: Checking, drafts: list[ledger_pb2.EventDraft], *, times: int) -> list[list[CheckedDraft]]:
    checking.start()
    return [await checking.check(drafts, NOW, beside) for _ in range(times)]


def test_another_process_says_what_this_one_would(checking: Checking) -> None:
    """Drafts, faults and what is kept of a faulty record are equal."""
    drafts = batch()
    here = check_all(checking.checker, drafts, NOW)
    assert sum(c.draft is None for c in here) == 3
    assert [c.is_mendable for c in here[-3:]] == [False, True, False]
    assert asyncio.run(checked(checking, drafts, times=2)) == [here, here]


def test_process_that_dies_loses_no_batch(checking: Checking) -> None:
    """What it was asked is checked here, and another takes its place."""
    drafts = batch()

    async def with_a_death() -> tuple[list[CheckedDraft], list[CheckedDraft], int, int]:
        (before,) = await checked(checking, drafts, times=1)
        (first,) = multiprocessing.active_children()
        assert first.pid is not None
        os.kill(first.pid, signal.SIGKILL)
        first.join()
        after = [await checking.check(drafts, NOW, beside) for _ in range(2)]
        (second,) = multiprocessing.active_children()
        assert after[0] == after[1]
        return before, after[0], first.pid, second.pid or 0

    before, after, first, second = asyncio.run(with_a_death())
    assert before == after
    assert second not in {first, 0}


def test_small_batches_stay_in_this_process(checking: Checking) -> None:
    """No process is asked, so none has to be there."""
    assert asyncio.run(checking.check(batch()[-2:], NOW, beside))[0].is_mendable
