"""Peaks parted by saddles: against the definition by thresholds, and their small helpers."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from monai_denoiseg.transforms.instances.peaks import first_voxels, marked, parted_peaks


def slow_peaks(width: np.ndarray, neck: float) -> list[int]:
    """A voxel is kept if none is higher (or as high and earlier) in its piece of what is at least ``neck`` times its height."""
    kept = []
    around = np.ones((3,) * width.ndim)
    for place in np.flatnonzero(width):
        height = width.flat[place]
        pieces, _ = ndimage.label((width >= neck * height) & (width > 0), around)
        piece = np.flatnonzero(pieces == pieces.flat[place])
        highest = width.flat[piece].max()
        if highest == height and piece[width.flat[piece] == highest][0] == place:
            kept.append(int(place))
    return kept


@pytest.mark.parametrize("shape", [(40,), (13, 17), (6, 7, 8)])
@pytest.mark.parametrize("neck", [0.2, 0.6, 0.9])
@pytest.mark.parametrize("levels", [4, 100000])
def test_equals_the_definition(shape: tuple[int, ...], neck: float, levels: int) -> None:
    """With few levels there are plateaus and equal peaks."""
    several = 0
    for seed in range(4):
        rng = np.random.default_rng(seed)
        noise = np.clip(ndimage.gaussian_filter(rng.random(shape), 0.6), 0, 1)
        noise = (noise - noise.min()) / (noise.max() - noise.min())
        width = np.ceil(noise * levels) * (rng.random(shape) < 0.8) if seed else np.ceil(noise * levels)
        if not width.any():
            continue
        found = parted_peaks(width, width > 0, neck)
        assert found.tolist() == slow_peaks(width, neck)
        several += len(found) > 1
    assert several or neck < 0.9


@pytest.mark.parametrize("shape", [(5,), (3, 4), (1, 1), (2, 3, 4)])
def test_one_height_is_one_peak(shape: tuple[int, ...]) -> None:
    assert parted_peaks(np.full(shape, 2.5), np.ones(shape, bool), 0.9).tolist() == [0]


def test_helpers() -> None:
    labels = np.array([[0, 3, 3], [1, 3, 1]])
    assert first_voxels(labels, 3).tolist() == [6, 3, 6, 1]
    assert first_voxels(np.zeros((0, 3), int), 2).tolist() == [0, 0, 0]
    np.testing.assert_array_equal(marked((2, 3), np.array([4, 0])), [[2, 0, 0], [0, 1, 0]])


def test_a_saddle_of_just_the_ratio_parts_nothing() -> None:
    row = np.array([0.0, 4.0, 2.0, 4.0, 0.0])
    assert parted_peaks(row, row > 0, 0.5).tolist() == [1]
    assert parted_peaks(row, row > 0, 0.5001).tolist() == [1, 3]
