"""Drawings that can be read: both axes have their numbers, and small chances lie apart."""

import re

import pytest

from training.pages import MARGIN, SIDE, capture, reliability

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
    assert labels == [one for label in ("0 %", "1.25 %", "5 %", "11.2 %", "20 %") for one in (label, label)]


def test_capture_ends_with_everybody() -> None:
    drawn = capture([(0.0, 0.0), (0.5, 0.8), (1.0, 1.0)])
    assert f"{MARGIN + SIDE:.1f},{MARGIN:.1f}" in drawn or f"{float(MARGIN + SIDE)},{float(MARGIN)}" in drawn
    assert drawn.count(">50 %<") == 2
