"""Surfaces and volumes against distance transforms."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy import ndimage

from monai_denoiseg.metrics import class_dice
from monai_denoiseg.metrics.surfaces import class_scores
from monai_denoiseg.open_classes import open_value


def blobs(shape: tuple[int, ...], seed: int) -> np.ndarray:
    noise = ndimage.gaussian_filter(np.random.default_rng(seed).normal(size=shape), 2)
    return (noise > 0.05).astype(int) + (noise > 0.15)


def surfaces(found: np.ndarray, true: np.ndarray, spacing: list[float]) -> tuple[np.ndarray, np.ndarray]:
    """Distances of the voxels of each surface (those with a neighbour outside, by face) to the other."""
    edges = [mask & ~ndimage.binary_erosion(mask) for mask in (found, true)]
    to = [ndimage.distance_transform_edt(~edge, sampling=spacing) for edge in edges]
    return to[1][edges[0]], to[0][edges[1]]


@pytest.mark.parametrize(("shape", "spacing"), [((40, 30), [1.0, 1.0]), ((40, 30), [3.0, 0.7]), ((16, 24, 20), [2.5, 0.8, 0.9])])
@pytest.mark.parametrize("ignored", [False, True])
def test_against_distance_transforms(shape: tuple[int, ...], spacing: list[float], ignored: bool) -> None:
    truth, found = blobs(shape, 0), blobs(shape, 1)
    if ignored:
        truth[:, :6] = -1
    scores = class_scores(torch.from_numpy(found)[None], truth[None], 3, torch.tensor(spacing), 1.3, "mm")
    for value, score in enumerate(scores, 1):
        pair = (found == value) & (truth >= 0), truth == value
        there, back = surfaces(*pair, [float(np.float32(size)) for size in spacing])
        assert score.hd95 == pytest.approx(max(np.percentile(there, 95), np.percentile(back, 95)), rel=1e-4)
        share = ((there <= 1.3).sum() + (back <= 1.3).sum()) / (len(there) + len(back))
        assert score.surface_dice == pytest.approx(share, rel=1e-5)
        assert (score.voxels_predicted, score.voxels_truth) == tuple(int(mask.sum()) for mask in pair)
        if len(shape) == 3:
            assert score.volume_truth_ml == pytest.approx(pair[1].sum() * math.prod(spacing) / 1000, rel=1e-5)
            error = (int(pair[0].sum()) - int(pair[1].sum())) * math.prod(spacing) / 1000
            assert score.volume_error_ml == pytest.approx(error, rel=1e-5)
        else:
            assert math.isnan(score.volume_truth_ml)


@pytest.mark.parametrize("shape", [(9, 9), (6, 7, 8)])
def test_missing_surfaces(shape: tuple[int, ...]) -> None:
    empty = torch.zeros(1, *shape)
    one = empty.clone()
    one[(0, *[slice(2, 5)] * len(shape))] = 1
    both, wrongly, missed = (class_scores(*pair, 2, [1.0] * len(shape))[0] for pair in ((empty,) * 2, (one, empty), (empty, one)))
    assert math.isnan(both.hd95)
    assert math.isnan(both.surface_dice)
    assert math.isnan(wrongly.hd95)
    assert (wrongly.surface_dice, missed.surface_dice) == (0.0, 0.0)
    assert (wrongly.voxels_truth, wrongly.voxels_predicted) == (0, 3 ** len(shape))


@pytest.mark.parametrize(
    ("unit", "factor"), [("mm", 1e-3), ("um", 1e-12), (None, math.nan), ("inch", 2.54**3), ("furlong", math.nan)]
)
def test_units_of_volumes(unit: str | None, factor: float) -> None:
    truth = torch.ones(1, 4, 4, 4)
    found = class_scores(truth, truth, 2, [2.0, 1.0, 1.0], 1.0, unit)[0].volume_truth_ml
    assert found == pytest.approx(128 * factor, nan_ok=True)


def test_what_is_refused() -> None:
    with pytest.raises(ValueError, match="same shape"):
        class_scores(torch.zeros(1, 4, 4), torch.zeros(1, 4, 5), 2)
    with pytest.raises(ValueError, match="surface_tolerance"):
        class_scores(torch.zeros(1, 4, 4), torch.zeros(1, 4, 4), 2, tolerance=-1)


@pytest.mark.parametrize("shape", [(9, 9), (6, 7, 8)])
def test_a_class_is_not_scored_where_nobody_annotated_it(shape: tuple[int, ...]) -> None:
    """Class 1 annotated in the whole image, class 2 in none of it: found or not, it says nothing."""
    truth = torch.full((1, *shape), open_value([2]))
    truth[(0, *[slice(2, 5)] * len(shape))] = 1
    found = (truth == 1).int()
    found[0, 0] = 2
    first, second = class_scores(found, truth, 3)
    assert (first.hd95, first.surface_dice) == (0.0, 1.0)
    assert all(map(math.isnan, second))
    assert all(map(math.isnan, class_scores(found, torch.full_like(found, -1), 3)[0]))
    assert class_dice(found, truth, 3).isnan().tolist() == [False, True]
