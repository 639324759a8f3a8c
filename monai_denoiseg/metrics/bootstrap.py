"""How far a mean over a few images can be trusted."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from monai_denoiseg.checks import check_int, check_range

DRAWS = 2000
PERCENTILES = (2.5, 97.5)
_AT_ONCE = 1 << 22


def bootstrap_interval(values: Sequence[float], level: float = 0.95, n: int = 2000, seed: int = 0) -> tuple[float, float]:
    """Confidence interval of the mean of independent values, by the percentile bootstrap.

    With few images it is too narrow (of five, an interval of 95 % covers about 85 %).

    Args:
        values: scores of the images; those that are not finite do not count.
        level: probability that the interval covers, in (0, 1).
        n: number of samples drawn.
        seed: of the draws.

    Returns:
        Lower and upper end; NaN for fewer than two values.

    Raises:
        ValueError: for a level or number out of range.

    Source: Efron and Tibshirani, An introduction to the bootstrap (1993), section 13.3.

    >>> low, high = bootstrap_interval([0.5, 0.6, 0.7, 0.8])
    >>> round(low, 2), round(high, 2)
    (0.55, 0.75)
    """
    check_range("level", level, 0, 1, open_low=True, open_high=True)
    known = np.asarray(values, np.float64)
    known = known[np.isfinite(known)]
    if check_int("n", n, 1) and len(known) < 2:
        return float("nan"), float("nan")
    rng, rows = np.random.default_rng(seed), max(1, _AT_ONCE // len(known))
    means = [known[rng.integers(0, len(known), (min(rows, n - i), len(known)))].mean(1) for i in range(0, n, rows)]
    low, high = np.quantile(np.concatenate(means), [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


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
