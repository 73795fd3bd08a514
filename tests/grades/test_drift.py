"""Drift is measured beside what chance alone moves, by what a model keeps of its own scores."""

from typing import Any

import pytest
from scipy.stats import chi2

from credit_service.grades.artefact import Artefact
from credit_service.grades.drift import counted, noise_floor, score_bins


@pytest.mark.parametrize("bins", [2, 3, 5, 10, 40, 400])
def test_floor_is_the_far_point_of_chance(bins: int) -> None:
    wanted = (1 / (20 * bins) + 1 / (3 * bins)) * chi2.ppf(0.99, bins - 1)
    assert noise_floor([20] * bins, [3] * bins) == pytest.approx(wanted, rel=0.01)


def test_scores_are_counted_by_bin_and_none_is_lost() -> None:
    assert counted([0, 25, 50, 75], {0: 2, 24: 1, 25: 4, 74: 8, 75: 16, 900: 32}) == [3, 4, 56]
    assert counted([0, 25], {}) == [0]


def test_models_keep_the_scores_that_their_level_was_set_on(champions: dict[str, Artefact]) -> None:
    for artefact in champions.values():
        edges, counts = artefact.score_bins
        assert (edges[0], edges[-1], len(counts)) == (0, 1000, len(edges) - 1)
        assert sum(counts) > 5000


@pytest.mark.parametrize(
    "score",
    [
        {"edges": [0, 25], "counts": []},
        {"edges": [0], "counts": []},
        {"edges": [0, 0], "counts": [1]},
        {"edges": [25, 0], "counts": [1]},
        {"edges": [0, 25], "counts": [-1]},
        {"edges": [0, 25], "counts": [1.5]},
        {"edges": [0, 25], "counts": [True]},
        {"edges": [0, "25"], "counts": [1]},
    ],
)
def test_reference_of_another_form_is_refused(score: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="rising edges"):
        score_bins({"score": score})
