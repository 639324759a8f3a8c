"""Growth of seeds on its own."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from monai_denoiseg.transforms.instances import grow_seeds, instances_from_foreground
from monai_denoiseg.transforms.labels import border_classes


def one_hot(label: np.ndarray) -> np.ndarray:
    classes = border_classes(label)
    return np.stack([classes == index for index in range(3)]).astype(np.float32)


def voronoi(shape: tuple[int, ...], n: int, radius: float, seed: int = 0) -> np.ndarray:
    """Balls cut along the middle where they meet: objects that touch."""
    rng = np.random.default_rng(seed)
    points = np.stack([rng.integers(0, size, n) for size in shape], axis=1)
    grid = np.indices(shape)
    distance = np.stack([np.sqrt(((grid - point.reshape(-1, *[1] * len(shape))) ** 2).sum(0)) for point in points])
    return np.where(distance.min(0) <= radius, distance.argmin(0) + 1, 0)


@pytest.mark.parametrize("shape", [(40, 50), (7, 24, 25)])
def test_growth_of_seeds_is_the_second_half_of_the_rule(shape: tuple[int, ...]) -> None:
    probabilities = np.stack([ndimage.gaussian_filter(channel, 0.7) for channel in one_hot(voronoi(shape, 9, 8))])
    seeds, options = (
        instances_from_foreground(probabilities[1], threshold=0.8, rule="paper"),
        {"max_grow": 2.0, "fill_holes": True},
    )
    grown = grow_seeds(seeds, probabilities[1], probabilities[2], **options)
    np.testing.assert_array_equal(grown, instances_from_foreground(probabilities[1], probabilities[2], 0.8, **options))
    assert (grown > 0).sum() > (seeds > 0).sum() > 0
    names = np.random.default_rng(0).permutation(1000)[: seeds.max() + 1] + 1
    names[0] = 0
    before = names[seeds]
    renamed = grow_seeds(before, probabilities[1], probabilities[2], **options)
    np.testing.assert_array_equal(renamed, names[grown])  # numbers need not be without gaps, nor in order
    np.testing.assert_array_equal(before, names[seeds])
    kept = grow_seeds(seeds, probabilities[1], probabilities[2], rule="paper")
    np.testing.assert_array_equal(kept, seeds)
    assert kept is not seeds
    with pytest.raises(ValueError, match="did you mean 'paper'"):
        grow_seeds(seeds, probabilities[1], rule="papr")


def test_growth_in_a_window_is_that_of_the_whole() -> None:
    """Ties are broken by the place of a voxel, not by what else the image holds; so tiles can be grown one by one."""
    truth = voronoi((12, 40, 60), 30, 7)
    probabilities = np.round(np.stack([ndimage.gaussian_filter(channel, 0.8) for channel in one_hot(truth)]) * 5) / 5
    seeds = instances_from_foreground(probabilities[1], threshold=0.7, rule="paper")
    whole = grow_seeds(seeds, probabilities[1], probabilities[2], max_grow=3)
    window, inner = (slice(None), slice(None), slice(5, 55)), (slice(None), slice(None), slice(15, 35))
    part = grow_seeds(seeds[window], probabilities[1][window], probabilities[2][window], max_grow=3)
    np.testing.assert_array_equal(part[inner], whole[window][inner])
    assert ((whole > 0) & (seeds == 0))[window][inner].sum() > 100


@pytest.mark.parametrize("shape", [(6, 7), (1, 6, 7), (3, 5, 6)])
@pytest.mark.parametrize("rule", ["paper", "grow"])
def test_no_seeds_and_nothing_but_seeds(shape: tuple[int, ...], rule: str) -> None:
    foreground = np.random.default_rng(0).random(shape)
    assert not grow_seeds(np.zeros(shape, int), foreground, 1 - foreground, rule=rule, max_grow=1, fill_holes=True).any()
    full = grow_seeds(np.full(shape, 4), foreground, 1 - foreground, rule=rule, max_grow=1, fill_holes=True)
    assert (full == 4).all()
    assert full.dtype == np.int32


def slow_flood(seeds: np.ndarray, foreground: np.ndarray, where: np.ndarray) -> np.ndarray:
    """Take, over and over, the most probable voxel that lies beside an object (a plain, slow watershed)."""
    labels = seeds.copy()
    while True:
        best, number = None, 0
        for at in zip(*np.nonzero(where & (labels == 0)), strict=True):
            for axis in range(labels.ndim):
                for step in (-1, 1):
                    n = (*at[:axis], at[axis] + step, *at[axis + 1 :])
                    inside = 0 <= n[axis] < labels.shape[axis]
                    if inside and labels[n] and (best is None or foreground[at] > foreground[best]):
                        best, number = at, labels[n]
        if best is None:
            return labels
        labels[best] = number


@pytest.mark.parametrize("shape", [(9, 11), (4, 5, 6)])
@pytest.mark.parametrize("seed", range(4))
def test_flooding_reaches_what_is_connected(shape: tuple[int, ...], seed: int) -> None:
    """With one object the order does not matter: it takes everything it can reach through probable voxels."""
    rng = np.random.default_rng(seed)
    foreground = rng.random(shape)
    seeds = np.where(foreground == foreground.max(), 3, 0)
    where = (foreground > 0.5) & (seeds == 0)
    np.testing.assert_array_equal(grow_seeds(seeds, foreground), slow_flood(seeds, foreground, where))


def test_the_limits_of_growth() -> None:
    """Background of exactly 0.5 is not improbable; foreground as probable as border is foreground."""
    seeds = np.array([[1, 0, 0]])
    assert grow_seeds(seeds, np.array([[0.9, 0.5, 0.9]])).tolist() == [[1, 0, 0]]
    assert grow_seeds(seeds, np.array([[0.9, 0.51, 0.9]])).tolist() == [[1, 1, 1]]
    border = np.array([[0.0, 0.5, 0.0]])
    assert grow_seeds(seeds, np.array([[0.9, 0.5, 0.9]]), border).tolist() == [[1, 1, 1]]
    assert grow_seeds(seeds, np.array([[0.9, 0.49, 0.9]]), border).tolist() == [[1, 0, 0]]


@pytest.mark.parametrize("ndim", [2, 3])
def test_growth_over_a_corner_needs_neighbours_at_corners(ndim: int) -> None:
    seeds = np.zeros((2,) * ndim, np.int32)
    foreground = np.zeros((2,) * ndim)
    first, last = (0,) * ndim, (1,) * ndim
    seeds[first], foreground[first], foreground[last] = 3, 0.9, 0.8
    for connectivity in range(1, ndim + 1):
        grown = grow_seeds(seeds, foreground, connectivity=connectivity)
        assert grown[last] == (3 if connectivity == ndim else 0)
