from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from scipy.optimize import linear_sum_assignment

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
    shared, iou = overlap.shared.toarray(), overlap.iou.toarray()
    for i, t in enumerate(overlap.truth):
        assert overlap.truth_size[i] == (truth == t).sum()
        for j, p in enumerate(overlap.prediction):
            known = (prediction == p) & (truth >= 0)
            assert overlap.prediction_size[j] == known.sum()
            assert shared[i, j] == ((truth == t) & known).sum()
            assert iou[i, j] == ((truth == t) & known).sum() / ((truth == t) | known).sum()


@pytest.mark.parametrize("shape", [(0,), (0, 4), (1, 1)])
def test_nothing(shape: tuple[int, ...]) -> None:
    overlap = Overlap.of(np.zeros(shape, int), np.zeros(shape, int))
    assert overlap.shared.shape == overlap.iou.shape == (0, 0)
    assert overlap.match(0.5)[:3] == overlap.match(0.2)[:3] == (0, 0, 0)
    assert overlap.coverage_ious.shape == (0,)


@pytest.mark.parametrize("dtype", [np.uint8, np.int32, np.uint16, np.int64])
@pytest.mark.parametrize("threshold", [0.0, 0.2, 0.5, 0.7])
def test_sparse_matching_equals_a_dense_one(dtype: type, threshold: float, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where the image is read in parts, and an object lies in several of them."""
    monkeypatch.setattr("monai_denoiseg.metrics.overlap._PART", 50)
    for seed in range(5):
        rng = np.random.default_rng(seed)
        truth = np.repeat(rng.integers(0, 40, (10, 30)), 3, axis=1).astype(dtype)
        prediction = np.where(rng.random(truth.shape) < 0.7, truth, rng.integers(0, 60, truth.shape)).astype(dtype)
        table = np.zeros((truth.max() + 1, prediction.max() + 1))
        np.add.at(table, (truth.ravel(), prediction.ravel()), 1)
        iou = table / (table.sum(1)[:, None] + table.sum(0) - table)
        above = np.where(iou > threshold, iou, 0)[1:, 1:]
        rows, columns = linear_sum_assignment((above > 0) + above / 1000, maximize=True)
        found = Overlap.of(truth, prediction).match(threshold)
        assert found.tp == (above[rows, columns] > 0).sum()
        assert found.ious.sum() == pytest.approx(above[rows, columns].sum())
        assert found.tp + found.fn == len(np.unique(truth[truth > 0]))
        assert found.tp + found.fp == len(np.unique(prediction[prediction > 0]))
        assert all(iou[pair] == one for pair, one in zip(found.pairs, found.ious, strict=True))
        assert len({t for t, _ in found.pairs}) == len({p for _, p in found.pairs}) == found.tp


@pytest.mark.parametrize("shape", [(1600, 1600), (64, 200, 200)])
def test_memory_does_not_grow_with_the_square_of_the_objects(shape: tuple[int, ...]) -> None:
    """40,000 objects: a table of all pairs took 38 GB."""
    numbers = np.zeros(shape, np.int32)
    edge = 8 if len(shape) == 2 else 4
    blocks = np.indices([n // edge for n in shape])
    grid = np.ravel_multi_index(tuple(blocks), [n // edge for n in shape]) + 1
    for axis in range(len(shape)):
        grid = np.repeat(grid, edge, axis)
    inside = np.all([index % edge < edge - 1 for index in np.indices(shape, sparse=False)], axis=0)
    numbers[inside] = grid[inside]
    moved = np.roll(numbers, 1, -1)
    tracemalloc.start()
    found = Overlap.of(numbers, moved)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(found.truth) == 40_000
    assert found.match(0.3).tp > 39_000
    assert peak < 200 << 20
