"""How far a mean over a few images can be trusted."""

from __future__ import annotations

import math

import numpy as np

DRAWS = 2000
PERCENTILES = (2.5, 97.5)


def bootstrap_intervals(scores: np.ndarray, seed: int = 0) -> tuple[list[list[float]], list[float]]:
    """95 % intervals of means, by drawing the images again and again with replacement.

    Args:
        scores: ``(images, classes)``, NaN where there is none.
        seed: of the draws.

    Returns:
        For each class, and for the mean over the classes, lower and upper end; NaN with fewer than two images.

    Source: Efron & Tibshirani, An Introduction to the Bootstrap (1993), the percentile interval.

    >>> each, mean = bootstrap_intervals(np.array([[0.5, 0.7], [0.5, 0.9]]))
    >>> each[0], [round(end, 2) for end in mean]
    ([0.5, 0.5], [0.6, 0.7])
    """
    images, classes = scores.shape
    if images < 2:
        return [[math.nan] * 2] * classes, [math.nan] * 2
    draws = np.random.default_rng(seed).integers(0, images, (DRAWS, images))
    known = np.isfinite(scores)
    total = np.where(known, scores, 0)[draws].sum(1)
    count = known[draws].sum(1)
    means = np.divide(total, count, out=np.full(total.shape, np.nan), where=count > 0)
    present = np.isfinite(means)
    over = np.divide(np.where(present, means, 0).sum(1), present.sum(1), out=np.full(DRAWS, np.nan), where=present.any(1))
    return [_ends(column) for column in means.T], _ends(over)


def _ends(values: np.ndarray) -> list[float]:
    values = values[np.isfinite(values)]
    return [float(end) for end in np.percentile(values, PERCENTILES)] if len(values) else [math.nan] * 2
