"""Intervals of means against scipy and what is known of them."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.stats import bootstrap

from monai_denoiseg.metrics import bootstrap_interval
from monai_denoiseg.metrics.bootstrap import bootstrap_intervals


@pytest.mark.parametrize("level", [0.9, 0.95])
def test_agrees_with_scipy(level: float) -> None:
    values = np.random.default_rng(0).gamma(2, 1, 60)
    theirs = bootstrap((values,), np.mean, confidence_level=level, method="percentile", n_resamples=20_000).confidence_interval
    assert bootstrap_interval(values.tolist(), level, n=20_000) == pytest.approx(tuple(theirs), abs=0.01)


def test_covers_as_often_as_it_says() -> None:
    rng = np.random.default_rng(1)
    ends = [bootstrap_interval(rng.normal(3, 1, 40).tolist(), 0.9, n=500, seed=i) for i in range(300)]
    assert 0.83 < np.mean([low <= 3 <= high for low, high in ends]) < 0.95


def test_seed_missing_values_and_few() -> None:
    values = [0.1, 0.5, 0.7, 0.9]
    assert bootstrap_interval(values) == bootstrap_interval([*values, math.nan])
    assert bootstrap_interval(values, n=7, seed=1) != bootstrap_interval(values, n=7)
    assert all(map(math.isnan, [*bootstrap_interval([0.4]), *bootstrap_interval([])]))
    assert bootstrap_interval([0.4, 0.4]) == (0.4, 0.4)
    with pytest.raises(ValueError, match="`level`"):
        bootstrap_interval(values, 95)


def test_columns_agree_with_scipy() -> None:
    scores = np.random.default_rng(0).beta(8, 2, (40, 2))
    each, over = bootstrap_intervals(scores)
    for column, ends in zip((*scores.T, scores.mean(1)), (*each, over), strict=True):
        wanted = bootstrap((column,), np.mean, n_resamples=5000, method="percentile", rng=1).confidence_interval
        assert ends == pytest.approx(list(wanted), abs=0.004)


def test_a_column_holds_the_mean_about_as_often_as_it_says() -> None:
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
