"""Levels by Order 493, Art. 3: 以上 includes the number, any one criterion suffices."""

import pytest

from credit_service.legal_days import day_text, parse_day
from credit_service.rulebook.accidents import accident_level, last_casualty_day
from credit_service.rulebook.law import Edition

YUAN = 100


@pytest.mark.parametrize(
    ("deaths", "injuries", "loss_yuan", "level"),
    [
        (2, 10, None, "LARGER"),
        (0, 0, 50_000_000, "MAJOR"),
        (0, 0, 49_999_999, "LARGER"),
        (0, 0, 10_000_000, "LARGER"),
        (0, 0, 9_999_999, "GENERAL"),
        (0, 0, 100_000_000, "EXTRA"),
        (9, 0, 0, "LARGER"),
        (10, 0, 0, "MAJOR"),
        (29, 99, 0, "MAJOR"),
        (30, 0, 0, "EXTRA"),
        (0, 100, 0, "EXTRA"),
        (0, 50, None, "MAJOR"),
        (2, 9, 0, "GENERAL"),
        (3, None, None, "LARGER"),
        (0, None, None, "GENERAL"),
    ],
)
def test_worst_single_count_sets_the_level(
    cn: Edition, deaths: int, injuries: int | None, loss_yuan: int | None, level: str
) -> None:
    loss_fen = None if loss_yuan is None else loss_yuan * YUAN
    assert accident_level(cn.accidents, deaths, injuries, loss_fen) == level


def test_loss_one_fen_below_the_edge_stays_below(cn: Edition) -> None:
    assert accident_level(cn.accidents, direct_loss_fen=50_000_000 * YUAN - 1) == "LARGER"


def test_unknown_counts_give_no_level(cn: Edition) -> None:
    assert accident_level(cn.accidents) is None


def test_foreign_edition_knows_no_levels(tw: Edition) -> None:
    assert accident_level(tw.accidents, deaths=40) is None


@pytest.mark.parametrize(("kind", "last"), [("WORK", "2026-05-31"), ("FIRE", "2026-05-08"), ("ROAD", "2026-05-08")])
def test_casualties_count_through_day_thirty_or_seven(cn: Edition, kind: str, last: str) -> None:
    assert day_text(last_casualty_day(cn.accidents, kind, parse_day("2026-05-01"))) == last
