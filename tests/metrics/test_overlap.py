from __future__ import annotations

import numpy as np
import pytest

from monai_denoiseg.metrics import Overlap


@pytest.mark.parametrize("shape", [(60,), (12, 15), (5, 6, 7)])
@pytest.mark.parametrize("largest", [6, 10**6])  # a lookup table, and sorting where it would not fit
def test_table_against_plain_counting(shape: tuple[int, ...], largest: int) -> None:
    rng = np.random.default_rng(0)
    numbers = rng.integers(1, largest, 5)
    truth = rng.choice([-1, 0, *numbers], shape)
    prediction = rng.choice([0, *numbers[:3]], shape)
    overlap = Overlap.of(truth, prediction)
    assert overlap.truth.tolist() == [n for n in np.unique(truth) if n > 0]
    assert overlap.prediction.tolist() == [n for n in np.unique(prediction[truth >= 0]) if n > 0]
    for i, t in enumerate(overlap.truth):
        assert overlap.truth_size[i] == (truth == t).sum()
        for j, p in enumerate(overlap.prediction):
            known = (prediction == p) & (truth >= 0)
            assert overlap.prediction_size[j] == known.sum()
            assert overlap.shared[i, j] == ((truth == t) & known).sum()
            assert overlap.iou[i, j] == ((truth == t) & known).sum() / ((truth == t) | known).sum()


@pytest.mark.parametrize("shape", [(0,), (0, 4), (1, 1)])
def test_nothing(shape: tuple[int, ...]) -> None:
    overlap = Overlap.of(np.zeros(shape, int), np.zeros(shape, int))
    assert overlap.shared.shape == overlap.iou.shape == (0, 0)
    assert overlap.match(0.5)[:3] == overlap.match(0.2)[:3] == (0, 0, 0)
    assert overlap.coverage_ious.shape == (0,)
