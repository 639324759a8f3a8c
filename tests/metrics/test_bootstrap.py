from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.stats import bootstrap

from monai_denoiseg.metrics import bootstrap_interval


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
