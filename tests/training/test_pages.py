"""Drawings that can be read: both axes have their numbers, and small chances lie apart."""

import re

import pytest

from training.pages import MARGIN, SIDE, capture, reliability, trend

BINS = [
    {"expected": 0.002, "low": 0.0, "high": 0.008, "observed": 0.003},
    {"expected": 0.004, "low": 0.001, "high": 0.01, "observed": 0.004},
    {"expected": 0.16, "low": 0.12, "high": 0.2, "observed": 0.16},
]


def test_reliability_lies_on_the_diagonal_where_it_came_true_and_reads_on_both_axes() -> None:
    drawn = reliability(BINS)
    points = [(float(x), float(y)) for x, y in re.findall(r'<circle cx="([0-9.]+)" cy="([0-9.]+)"', drawn)]
    heights = [2 * MARGIN + SIDE - y for _, y in points]
    assert [x for x, _ in points][1:] == pytest.approx(heights[1:])
    assert heights[0] > points[0][0]
    assert points[1][0] - points[0][0] > 10, "small chances lie apart"
    labels = re.findall(r"<text[^>]*>([^<]*)</text>", drawn)[1:]
    assert labels == 2 * ["0 %", "1.25 %", "5 %", "11.2 %", "20 %"], "up, then across"


def test_capture_ends_with_everybody() -> None:
    drawn = capture([(0.0, 0.0), (0.5, 0.8), (1.0, 1.0)])
    assert f"{MARGIN + SIDE:.1f},{MARGIN:.1f}" in drawn or f"{float(MARGIN + SIDE)},{float(MARGIN)}" in drawn
    assert drawn.count(">50 %<") == 2


def test_trend_shows_every_evaluation_beside_its_floor_and_when_the_first_and_the_last_were() -> None:
    days = ["2026-08-31", "2026-09-30", "2026-10-31"]
    drawn = trend([{"day": day, "psi": psi, "floor": 0.02} for day, psi in zip(days, (0.01, 0.03, 0.05), strict=True)])
    red = [float(y) for y in re.findall(r'cy="([0-9.]+)" r="3.5" fill="#c33"', drawn)]
    grey = [float(y) for y in re.findall(r'cy="([0-9.]+)" r="3.5" fill="#999"', drawn)]
    assert red == sorted(red, reverse=True), "a larger index stands higher"
    assert [up < floor for up, floor in zip(red, grey, strict=True)] == [False, True, True]
    assert [day in drawn for day in days] == [True, False, True]
    assert trend([{"day": days[0], "psi": 0.0, "floor": 0.0}]).count("<circle") == 2
