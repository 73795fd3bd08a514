"""How far scores or values have moved from those of a model's reference, beside what chance alone moves. Pure."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from credit_service.arrays import Floats

# An empty bin is counted as half a subject, so that the index stays finite.
HALF = 0.5
# The point of a normal distribution that chance passes once in a hundred times.
RARE = 2.326347874040841
BIN_LIMIT = 1000


def stability_index(reference: Sequence[int], counts: Sequence[int]) -> float:
    """Returns the population stability index of counts by bin against those of the reference."""
    expected, actual = (_shares(np.array(one, dtype=np.float64)) for one in (reference, counts))
    return float(np.sum((actual - expected) * np.log(actual / expected)))


def noise_floor(reference: Sequence[int], counts: Sequence[int]) -> float:
    """Returns the index that chance alone passes once in a hundred times.

    Without drift the index is nearly (1/n + 1/m) times a chi-squared number of one degree less than bins, whose far
    point is taken by the cube of Wilson and Hilferty, within one per cent.
    """
    freedom, n, m = len(reference) - 1, sum(counts), sum(reference)
    if freedom < 1:
        return 0.0
    part = 2 / (9 * freedom)
    return (1 / max(n, 1) + 1 / max(m, 1)) * freedom * (1 - part + RARE * math.sqrt(part)) ** 3


def score_bins(reference: Mapping[str, Any]) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Reads edges and counts of the scores that a model's reference keeps; fails with ValueError."""
    edges, counts = (tuple(reference["score"][name]) for name in ("edges", "counts"))
    are_whole = all(type(one) is int and one >= 0 for one in (*edges, *counts))
    if not are_whole or not 0 < len(counts) == len(edges) - 1 <= BIN_LIMIT or sorted(set(edges)) != list(edges):
        raise ValueError("reference.json: want rising edges and a count between each two")
    return edges, counts


def counted(edges: Sequence[int], scores: Mapping[int, int]) -> list[int]:
    """Counts scores by bin, given how often each stands; those beyond the ends count in the last bins."""
    found = np.clip(np.array(list(scores), dtype=np.int64), edges[0], edges[-1])
    counts = np.histogram(found, edges, weights=np.array(list(scores.values()), dtype=np.float64))[0]
    return [int(one) for one in counts]


def _shares(counts: Floats) -> Floats:
    kept: Floats = np.maximum(counts, HALF)
    shares: Floats = kept / kept.sum()
    return shares
