"""Buffer, cycles and settling: a pure function of the scores on the days of the year."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from credit_service.grades.stability import LETTERS, cycle_days, held, letter_of, next_cycle_day
from credit_service.grades.stability import settle as settle_many
from credit_service.legal_days import day_text, parse_day
from credit_service.rulebook.edition import SHIPPED, load_edition
from credit_service.rulebook.law import GradingPolicy

POLICY = load_edition(SHIPPED / "cn-2026-04.toml").grading
STABILITY = POLICY.stability
assert STABILITY is not None


def settle(policy: GradingPolicy, cycles: list[int], now: int, *, is_hard: bool) -> str:
    """Returns the letter of one subject, which is judged beside others."""
    beside = np.array([[500] * len(cycles), cycles, [1000] * len(cycles)], dtype=np.int64)
    return settle_many(policy, beside, np.array([500, now, 1000]), np.array([False, is_hard, True]))[1]


SCORES = st.lists(st.integers(500, 1000), min_size=2, max_size=13)


def test_year_is_walked_month_by_month_from_its_first_day() -> None:
    assert STABILITY is not None
    days = [day_text(day) for day in cycle_days(STABILITY, parse_day("2026-04-01"))]
    assert days == ["2026-01-01", "2026-02-01", "2026-03-01", "2026-04-01"]
    assert [day_text(day) for day in cycle_days(STABILITY, parse_day("2026-01-31"))] == ["2026-01-01"]
    assert day_text(next_cycle_day(STABILITY, parse_day("2026-12-31"))) == "2027-01-01"
    quarterly = replace(STABILITY, cycle_months=3, settle_months=6)
    days = [day_text(day) for day in cycle_days(quarterly, parse_day("2026-11-24"))]
    assert days == ["2026-07-01", "2026-10-01"]
    assert day_text(next_cycle_day(quarterly, parse_day("2026-11-24"))) == "2027-01-01"


def test_edition_may_ask_for_more_cycles_than_have_passed() -> None:
    assert STABILITY is not None
    slow = replace(POLICY, stability=replace(STABILITY, upgrade_cycles=3))
    assert settle(slow, [740, 790], 790, is_hard=False) == "C"
    assert settle(slow, [740, 790, 790], 790, is_hard=False) == "C"
    assert settle(slow, [740, 790, 790, 790], 790, is_hard=False) == "B"


@pytest.mark.parametrize(
    ("cycles", "now", "is_hard", "letter"),
    [
        ([760], 760, False, "B"),  # nothing moved
        ([760], 735, False, "B"),  # 15 below the edge is within the buffer
        ([760], 734, False, "B"),  # 16 below is still within
        ([760], 733, False, "C"),  # beyond it: at once, between the cycles too
        ([760], 735, True, "C"),  # a hard record takes the buffer away
        ([740], 790, False, "C"),  # an upgrade waits
        ([740, 790], 790, False, "C"),  # for one cycle more
        ([740, 790, 790], 790, False, "B"),  # two in a row lift it
        ([740, 790, 740, 790], 790, False, "C"),  # not when the row was broken
        ([740, 760, 760], 760, False, "C"),  # the edge must be cleared by the buffer
        ([590, 990, 990], 990, False, "C"),  # one letter at a cycle
        ([590, 990, 990, 990], 990, False, "B"),
        ([590, 990, 990, 990, 990], 990, False, "A"),
        ([990, 500], 990, False, "D"),  # what a cycle lowered waits again
    ],
)
def test_letter_follows_the_cycles(cycles: list[int], now: int, is_hard: bool, letter: str) -> None:
    assert settle(POLICY, cycles, now, is_hard=is_hard) == letter


def test_score_that_swings_around_an_edge_keeps_one_letter_all_year() -> None:
    swings = [752, *([744, 756] * 6)]
    assert {settle(POLICY, swings[:n], swings[n], is_hard=False) for n in range(1, 12)} == {"B"}


def test_edition_without_stability_follows_the_score() -> None:
    assert settle(replace(POLICY, stability=None), [900], 600, is_hard=False) == "C"


@given(SCORES, st.integers(0, 12), st.integers(1, 400), st.booleans())
def test_lower_score_on_any_day_never_gives_a_better_letter(
    scores: list[int], place: int, less: int, is_hard: bool
) -> None:
    worse = list(scores)
    worse[min(place, len(worse) - 1)] -= less
    better_letter = settle(POLICY, scores[:-1], scores[-1], is_hard=is_hard)
    assert settle(POLICY, worse[:-1], worse[-1], is_hard=is_hard) >= better_letter
    assert settle(POLICY, scores[:-1], scores[-1], is_hard=True) >= better_letter


@given(st.lists(st.integers(500, 1000), min_size=1, max_size=12), st.integers(500, 1000))
def test_letter_is_never_further_from_the_score_than_buffer_and_cycles_explain(cycles: list[int], now: int) -> None:
    assert STABILITY is not None
    letter = settle(POLICY, cycles, now, is_hard=False)
    assert letter >= letter_of(POLICY, now + STABILITY.buffer)
    assert letter <= max(letter_of(POLICY, score) for score in [*cycles, now])


def test_held_letter_says_why_and_until_when() -> None:
    assert STABILITY is not None
    day = parse_day("2026-06-30")
    assert held(STABILITY, "B", "B", day) is None
    waiting, kept = held(STABILITY, "B", "C", day), held(STABILITY, "C", "B", day)
    assert waiting is not None
    assert kept is not None
    assert (waiting.earned, day_text(waiting.next_day)) == ("B", "2026-07-01")
    assert "upgrade" in waiting.text_en
    assert "buffer" in kept.text_en
    assert LETTERS == ("A", "B", "C", "D")
