"""Seeded draws that depend on a text key alone: the same key rolls the same numbers everywhere."""

from bisect import bisect_right
from collections.abc import Sequence
from hashlib import shake_128
from itertools import accumulate
from math import cos, exp, log, pi, sqrt
from struct import unpack
from typing import Generic, TypeVar

T = TypeVar("T")

_DRAWS_PER_BLOCK = 48
_FORMAT = f"<{_DRAWS_PER_BLOCK}Q"
_UNIT = 2.0**-53


class Weighted(Generic[T]):
    """Holds things with the cumulative weights by which they are drawn."""

    __slots__ = ("things", "totals")

    def __init__(self, weights: Sequence[tuple[T, float]]) -> None:
        """Keeps the order given, so that a draw is reproducible."""
        self.things = [thing for thing, _ in weights]
        self.totals = list(accumulate(weight for _, weight in weights))


class Dice:
    """Rolls numbers from a hash in counter mode: a generator may change, a hash may not."""

    __slots__ = ("_block", "_key", "_numbers")

    def __init__(self, key: str) -> None:
        """Starts the stream of this key at its first number."""
        self._key = key
        self._block = 0
        self._numbers: list[int] = []

    def unit(self) -> float:
        """Draws a number in [0, 1) with 53 random bits."""
        if not self._numbers:
            digest = shake_128(f"{self._key}/{self._block}".encode()).digest(8 * _DRAWS_PER_BLOCK)
            self._numbers.extend(unpack(_FORMAT, digest))
            self._block += 1
        return (self._numbers.pop() >> 11) * _UNIT

    def chance(self, share: float) -> bool:
        """Is true with this probability."""
        return self.unit() < share

    def whole(self, low: int, high: int) -> int:
        """Draws a whole number from low to high, both included."""
        return low + int(self.unit() * (high - low + 1))

    def count(self, mean: float) -> int:
        """Draws a Poisson count of this mean, at most 60."""
        floor, product, drawn = exp(-mean), self.unit(), 0
        while product > floor and drawn < 60:
            product *= self.unit()
            drawn += 1
        return drawn

    def normal(self) -> float:
        """Draws a standard normal number."""
        return sqrt(-2.0 * log(1.0 - self.unit())) * cos(2.0 * pi * self.unit())

    def one_of(self, things: Sequence[T]) -> T:
        """Draws one thing, each as likely."""
        return things[int(self.unit() * len(things))]

    def weighted(self, table: Weighted[T]) -> T:
        """Draws one thing by its weight."""
        return table.things[bisect_right(table.totals, self.unit() * table.totals[-1])]


def sigmoid(logit: float) -> float:
    """Maps a logit to a probability."""
    return 1.0 / (1.0 + exp(-logit))
