"""Gathers what many callers ask at one time, so that one piece of blocking work answers all of them.

One thread that answers fifty questions at once is faster than fifty that hand the interpreter to each other.
"""

import asyncio
import math
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Generic, TypeVar

Q = TypeVar("Q")
A = TypeVar("A")
Run = Callable[..., Awaitable[Any]]
AT_ONCE = 500
# A turn begins when nobody has come for so many passes of the event loop, which take some microseconds each: every
# turn has a price of its own, and those that are about to ask share it.
QUIET_PASSES = 16
# Callers come back within so many pauses after their answers; a pause is as many looks at who came.
JUST_NOW, LOOKS = 10, 8


class Gathering(Generic[Q, A]):
    """Answers questions in turns: those that come while a turn is under way are the next one. Used by one event loop.

    `work` returns an answer a question, in order; an exception among them is raised to its own caller, one that it
    raises itself to all.
    """

    def __init__(self, work: Callable[[Sequence[Q]], Sequence[A | Exception]], pause: float = 0.0) -> None:
        """Begins with nothing to do.

        Those who were answered, or waited, lately are likely to ask again: a turn waits for as many of them, until
        nobody has come for so many seconds of pause. Worth it where a turn has a high price.
        """
        self._work, self._pause = work, pause
        # How many asked lately, and when they were answered.
        self._lately, self._answered = 0, -math.inf
        self._waiting: list[tuple[Q, asyncio.Future[A]]] = []
        self._turns: asyncio.Task[None] | None = None

    async def ask(self, question: Q, run: Run) -> A:
        """Returns the answer of a later turn; `run` does blocking work beside the event loop.

        A caller that leaves takes nothing back: what it asked shares its turn with others.
        """
        answer: asyncio.Future[A] = asyncio.get_running_loop().create_future()
        self._waiting.append((question, answer))
        if self._turns is None:
            self._turns = asyncio.create_task(self._take_turns(run))
        return await answer

    async def close(self) -> None:
        """Waits until everything that was asked is answered."""
        if self._turns is not None:
            await self._turns

    async def _take_turns(self, run: Run) -> None:
        try:
            while self._waiting:
                await self._all_here()
                await self._all_back()
                turn, self._waiting = self._waiting[:AT_ONCE], self._waiting[AT_ONCE:]
                await self._take(turn, run)
                self._lately = min(AT_ONCE, len(turn) + len(self._waiting))
                self._answered = asyncio.get_running_loop().time()
        finally:
            self._turns = None

    async def _all_here(self) -> None:
        """Lets those come who are on their way, until nobody has come for some passes of the event loop."""
        here, quiet, most = len(self._waiting), 0, AT_ONCE
        while quiet < QUIET_PASSES and here < AT_ONCE and most > 0:
            await asyncio.sleep(0)
            most -= 1
            quiet = quiet + 1 if len(self._waiting) == here else 0
            here = len(self._waiting)

    async def _all_back(self) -> None:
        """Waits for those who were answered just now, until nobody has come for the pause."""
        now = asyncio.get_running_loop().time
        here, came = len(self._waiting), now()
        if came - self._answered > JUST_NOW * self._pause:
            return
        while here < self._lately and now() - came < self._pause:
            await asyncio.sleep(self._pause / LOOKS)
            if len(self._waiting) > here:
                here, came = len(self._waiting), now()

    async def _take(self, turn: Sequence[tuple[Q, "asyncio.Future[A]"]], run: Run) -> None:
        answers: Sequence[A | Exception]
        try:
            answers = await run(self._work, [question for question, _ in turn])
        except Exception as error:  # noqa: BLE001  # every caller of the turn must hear of the failure
            answers = [error] * len(turn)
        for (_, waiting), answer in zip(turn, answers, strict=True):
            if waiting.done():
                continue
            if isinstance(answer, Exception):
                waiting.set_exception(answer)
            else:
                waiting.set_result(answer)
