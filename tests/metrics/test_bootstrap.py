"""Intervals of means against what is known of them."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from monai_denoiseg.metrics.bootstrap import bootstrap_intervals


def test_against_scipy() -> None:
    scores = np.random.default_rng(0).beta(8, 2, (40, 2))
    each, over = bootstrap_intervals(scores)
    for column, ends in zip((*scores.T, scores.mean(1)), (*each, over), strict=True):
        wanted = stats.bootstrap((column,), np.mean, n_resamples=5000, method="percentile", rng=1).confidence_interval
        assert ends == pytest.approx(list(wanted), abs=0.004)


def test_it_holds_the_mean_about_as_often_as_it_says() -> None:
    rng = np.random.default_rng(1)
    held = [low <= 0.5 <= high for low, high in (bootstrap_intervals(rng.random((30, 1)))[0][0] for _ in range(200))]
    assert 0.88 <= np.mean(held) <= 0.99


def test_missing_scores_are_left_out() -> None:
    scores = np.array([[0.5, np.nan], [0.7, np.nan], [np.nan, np.nan]])
    each, over = bootstrap_intervals(scores)
    assert 0.5 <= each[0][0] <= each[0][1] <= 0.7
    assert np.isnan(each[1]).all()
    assert over == each[0]
    assert np.isnan(bootstrap_intervals(scores[:1])[1]).all()
