"""Callers that ask at one time are answered together, each with its own answer."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from credit_service.gathering import AT_ONCE, QUIET_PASSES, Gathering

Answers = Sequence[int | Exception]


class Desk:
    """Doubles numbers, and remembers which it was given together."""

    def __init__(self, pause: float = 0.0) -> None:
        self.turns: list[list[int]] = []
        self.gathering: Gathering[int, int] = Gathering(self.work, pause)

    def work(self, numbers: Sequence[int]) -> Answers:
        self.turns.append(list(numbers))
        if 13 in numbers:
            raise LookupError("nothing works on a thirteen")
        return [ValueError(f"{n} is below zero") if n < 0 else 2 * n for n in numbers]

    async def ask(self, *numbers: int) -> list[Any]:
        """Asks at one time; an exception is the answer of its caller."""
        asked = (self.gathering.ask(n, self.run) for n in numbers)
        return await asyncio.gather(*asked, return_exceptions=True)

    async def run(self, work: Callable[..., Answers], *given: Any) -> Answers:
        """Works a moment later, as another thread would."""
        await asyncio.sleep(0.001)
        return work(*given)

    async def slowly(self, work: Callable[..., Answers], *given: Any) -> Answers:
        """Takes its time."""
        await asyncio.sleep(0.3)
        return work(*given)


def test_those_who_come_at_one_time_share_a_turn() -> None:
    desk = Desk()
    assert asyncio.run(desk.ask(*range(20, 40))) == [2 * n for n in range(20, 40)]
    assert sum(map(len, desk.turns)) == 20
    assert len(desk.turns) <= 2


def test_those_who_are_on_their_way_come_into_the_turn() -> None:
    desk = Desk()

    async def later(passes: int) -> int:
        for _ in range(passes):
            await asyncio.sleep(0)
        return await desk.gathering.ask(passes, desk.run)

    async def all_of_them() -> list[int]:
        return await asyncio.gather(*(later(n) for n in (*range(13), 12 + 2 * QUIET_PASSES)))

    asyncio.run(all_of_them())
    # Who comes when nobody was seen for a while is answered later, and nobody waits for him.
    assert [len(turn) for turn in desk.turns] == [13, 1]


def test_those_who_ask_again_and_again_share_every_turn() -> None:
    desk = Desk(pause=1.0)

    async def again(number: int) -> None:
        for _ in range(4):
            await desk.gathering.ask(number, desk.run)
            await asyncio.sleep(0.002 * (number - 20))

    async def all_of_them() -> None:
        await asyncio.gather(*map(again, range(20, 40)))

    asyncio.run(all_of_them())
    assert [len(turn) for turn in desk.turns] == [20] * 4


def test_one_alone_waits_for_nobody() -> None:
    desk = Desk(pause=60.0)

    async def alone() -> None:
        for _ in range(5):
            await asyncio.wait_for(desk.gathering.ask(1, desk.run), 20)

    asyncio.run(alone())
    assert [len(turn) for turn in desk.turns] == [1] * 5


@pytest.mark.parametrize(("pause", "turns"), [(0.0, [1, 1, 1]), (0.5, [1, 2])])
def test_costly_turn_waits_for_those_who_come_back(pause: float, turns: list[int]) -> None:
    desk = Desk(pause)

    async def later(seconds: float) -> int:
        await asyncio.sleep(seconds)
        return await desk.gathering.ask(1, desk.run)

    async def all_of_them() -> None:
        first = asyncio.create_task(desk.gathering.ask(1, desk.slowly))
        # One comes during the first turn, and one during the pause behind it, or during the second turn.
        await asyncio.gather(first, later(0.1), later(0.45))

    asyncio.run(all_of_them())
    assert [len(turn) for turn in desk.turns] == turns


def test_turn_has_a_limit() -> None:
    desk = Desk()
    assert asyncio.run(desk.ask(*range(20, 2 * AT_ONCE))) == [2 * n for n in range(20, 2 * AT_ONCE)]
    assert max(map(len, desk.turns)) <= AT_ONCE


def test_fault_of_one_question_is_heard_by_its_caller_alone() -> None:
    first, second, third = asyncio.run(Desk().ask(1, -2, 3))
    assert (first, third) == (2, 6)
    assert isinstance(second, ValueError)


def test_failed_turn_is_heard_by_all_of_it_and_the_next_goes_on() -> None:
    desk = Desk()

    async def both() -> tuple[list[Any], list[Any]]:
        return await desk.ask(12, 13), await desk.ask(14)

    failed, after = asyncio.run(both())
    assert all(isinstance(heard, LookupError) for heard in failed)
    assert after == [28]


def test_caller_that_leaves_stops_nobody() -> None:
    desk = Desk()

    async def left() -> int:
        leaving = asyncio.create_task(desk.gathering.ask(1, desk.run))
        staying = asyncio.create_task(desk.gathering.ask(2, desk.run))
        await asyncio.sleep(0)
        leaving.cancel()
        with pytest.raises(asyncio.CancelledError):
            await leaving
        return await staying

    assert asyncio.run(left()) == 4
    assert desk.turns == [[1, 2]]
