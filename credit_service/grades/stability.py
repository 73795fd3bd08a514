"""Keeps grades from flapping: a buffer around each edge, and upgrades that wait for the cycles. Pure.

A year is walked from its last settling day, cycle by cycle, over the scores that today's facts give for those days: no
stored grade decides, so that the same question has the same answer for ever. A record that may no longer be used counts
on none of these days: what is repaired or revoked never holds a grade down.
"""

from dataclasses import dataclass
from datetime import date

import numpy as np

from credit_service.arrays import Bools, Ints
from credit_service.legal_days import add_months, day_text
from credit_service.rulebook.law import GradingPolicy, Stability

LETTERS = ("A", "B", "C", "D")


@dataclass(frozen=True, slots=True)
class Held:
    """Says that a grade is not, or not yet, the one of its score, and from which day it may move."""

    earned: str
    next_day: int
    text_zh: str
    text_en: str


def letter_of(policy: GradingPolicy, score: int) -> str:
    """Returns the letter of the band in which a score lies."""
    bands = policy.bands
    if score >= bands["B"]:
        return "A" if score >= bands["A"] else "B"
    return "C" if score >= bands["C"] else "D"


def cycle_days(stability: Stability, as_of_day: int) -> list[int]:
    """Returns the last settling day and every cycle day from then to the day, rising."""
    on = date.fromordinal(as_of_day)
    month = on.month - (on.month - 1) % stability.settle_months
    settled = date(on.year, month, 1).toordinal()
    steps = range(0, stability.settle_months, stability.cycle_months)
    return [day for day in (add_months(settled, step) for step in steps) if day <= as_of_day]


def next_cycle_day(stability: Stability, as_of_day: int) -> int:
    """Returns the first cycle day after the day."""
    return add_months(cycle_days(stability, as_of_day)[-1], stability.cycle_months)


def settle(policy: GradingPolicy, cycles: Ints, now: Ints, is_hard: Bools) -> list[str]:
    """Returns the letters after the scores of the cycle days, a row a subject, and of the day itself.

    The first cycle's letter is that of its score. A cycle lifts it by one when its score and those of the cycles
    before it, `upgrade_cycles` in all, clear a better edge by the buffer. A score lowers it, on any day, when it is
    the buffer below an edge; with a hard record the edge itself decides.
    """
    stability = policy.stability
    if stability is None:
        return [LETTERS[place] for place in _places(policy, now).tolist()]
    places = _places(policy, cycles[:, 0])
    cleared, fallen = _places(policy, cycles - stability.buffer), _places(policy, cycles + stability.buffer)
    for n in range(1, cycles.shape[1]):
        places = np.maximum(places, fallen[:, n])
        first = n + 1 - stability.upgrade_cycles
        if first >= 0:
            places -= cleared[:, first : n + 1].max(axis=1) < places
    places = np.maximum(places, _places(policy, now + stability.buffer))
    places = np.where(is_hard, np.maximum(places, _places(policy, now)), places)
    return [LETTERS[place] for place in places.tolist()]


def _places(policy: GradingPolicy, scores: Ints) -> Ints:
    """Returns the place among the letters of the band in which each score lies."""
    worst = np.full(scores.shape, len(LETTERS) - 1, dtype=np.int64)
    return worst - sum((scores >= policy.bands[letter]).astype(np.int64) for letter in LETTERS[:-1])


def held(stability: Stability, earned: str, shown: str, as_of_day: int) -> Held | None:
    """Says why a letter is not that of its score; nothing when it is."""
    if earned == shown:
        return None
    day = next_cycle_day(stability, as_of_day)
    if earned < shown:
        return Held(
            earned, day, f"得分已达{earned}级，升级须经定期评定确认，下一评定日{day_text(day)}",
            f"The score earns {earned}; an upgrade waits for the regular gradings, the next on {day_text(day)}",
        )  # fmt: skip
    return Held(
        earned, day, f"得分处于等级缓冲区内，暂保持{shown}级，下一评定日{day_text(day)}",
        f"The score lies within the buffer, so {shown} is kept for now; the next grading is on {day_text(day)}",
    )  # fmt: skip
