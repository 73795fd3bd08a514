"""Intervals by bootstrap over entities, for many rankings of the same rows at once."""

from collections.abc import Iterator, Mapping

import numpy as np

from credit_service.arrays import Floats, Ints
from training.metrics import ECE_BINS, Labels

CHUNK = 64


def drawn(entities: Ints, times: int, seed: int) -> Iterator[Floats]:
    """Draws as many entities as there are, with return; yields how often each row counts, a few draws at a time."""
    _, place = np.unique(entities, return_inverse=True)
    number = int(place.max()) + 1
    random = np.random.default_rng(seed)
    for start in range(0, times, CHUNK):
        draws = random.integers(0, number, (min(CHUNK, times - start), number))
        counts = np.stack([np.bincount(draw, minlength=number) for draw in draws])
        yield counts[:, place].astype(np.float64)


def aucs(labels: Labels, scores: Floats, weights: Floats) -> Floats:
    """Returns the AUC of one ranking under each row of weights; ties count half."""
    order = np.argsort(scores, kind="stable")
    ranked, sorted_weights = scores[order], weights[:, order]
    starts = np.flatnonzero(np.concatenate([[True], ranked[1:] != ranked[:-1]]))
    bad = np.add.reduceat(sorted_weights * labels[order], starts, axis=1)
    good = np.add.reduceat(sorted_weights * ~labels[order], starts, axis=1)
    below = np.cumsum(good, axis=1) - good / 2
    pairs = bad.sum(axis=1) * good.sum(axis=1)
    found: Floats = np.full(len(weights), np.nan)
    np.divide((bad * below).sum(axis=1), pairs, out=found, where=pairs > 0)
    return found


def bootstrapped(
    labels: Labels, rankings: Mapping[str, Floats], entities: Ints, times: int, seed: int
) -> dict[str, Floats]:
    """Returns the AUC of each ranking in each draw; the draws are the same, so that differences are paired."""
    found: dict[str, list[Floats]] = {name: [] for name in rankings}
    for weights in drawn(entities, times, seed):
        for name, scores in rankings.items():
            found[name].append(aucs(labels, scores, weights))
    return {name: np.concatenate(parts) for name, parts in found.items()}


def interval(values: Floats) -> list[float]:
    """Returns the middle 95 % of draws; draws without a positive are left out."""
    low, high = np.nanpercentile(values, [2.5, 97.5])
    return [float(low), float(high)]


def ece_noise(chances: Floats, times: int, seed: int, bins: int = ECE_BINS) -> Floats:
    """Returns the calibration errors that chances would show if they were exactly right: sampling alone."""
    ranked = np.sort(chances, kind="stable")
    parts = np.array_split(np.arange(len(ranked)), bins)
    starts = [int(part[0]) for part in parts if len(part)]
    random = np.random.default_rng(seed)
    found = []
    for start in range(0, times, CHUNK):
        came = random.random((min(CHUNK, times - start), len(ranked))) < ranked
        gaps = np.add.reduceat(came - ranked, starts, axis=1)
        found.append(np.abs(gaps).sum(axis=1) / len(ranked))
    return np.concatenate(found)
