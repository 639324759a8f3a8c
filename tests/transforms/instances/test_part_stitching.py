"""Splits at necks by tiles: equal to the whole image where promised, and consistent beyond."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from scipy import ndimage

from monai_denoiseg.transforms.instances import instances_by_tiles, instances_from_foreground
from monai_denoiseg.transforms.instances.necks import NeckSplitter
from monai_denoiseg.transforms.instances.part_stitching import PartStitcher


def smooth(shape: tuple[int, ...], seed: int, sigma: float = 2.0) -> tuple[np.ndarray, np.ndarray]:
    """Random foreground and border probabilities of odd forms."""
    rng = np.random.default_rng(seed)
    maps = [ndimage.gaussian_filter(rng.normal(size=shape), [sigma if n > 1 else 0 for n in shape]) for _ in range(2)]
    foreground, border = (m / m.std() for m in maps)
    return (0.5 + 0.25 * foreground).clip(0, 1), (0.2 + 0.1 * border).clip(0, 0.4) * (foreground < 1)


def largest(labels: np.ndarray) -> int:
    return max(span.stop - span.start for box in ndimage.find_objects(labels) for span in box)


def lattice(shape: tuple[int, ...], pitch: int, radius: float) -> np.ndarray:
    """Discs or balls that touch all their neighbours: one component from one end of the image to the other."""
    grid = np.indices(shape) % pitch - pitch // 2
    return (np.sqrt((grid**2).sum(0)) < radius).astype(np.float32)


@pytest.mark.parametrize("rule", ["paper", "grow"])
@pytest.mark.parametrize(
    ("shape", "tile", "connectivity", "aspect"),
    [
        ((90, 80), (31, 17), 1, None),
        ((90, 80), 24, 2, (1.0, 2.0)),
        ((22, 34, 36), (9, 17, 20), 1, (2.5, 1.0, 1.0)),
        ((22, 34, 36), (22, 12, 36), 3, None),
        ((1, 70, 66), (1, 20, 66), 1, None),
    ],
)
def test_tiles_equal_whole(shape: tuple[int, ...], tile: Any, connectivity: int, aspect: Any, rule: str) -> None:
    for seed in range(2):
        foreground, border = smooth(shape, seed)
        options: dict[str, Any] = {"rule": rule, "min_size": 8, "connectivity": connectivity, "fill_holes": rule == "grow"}
        options["aspect"] = aspect
        joint = instances_from_foreground(foreground, border, 0.62, **options)
        options["split_neck"] = 0.8
        whole = instances_from_foreground(foreground, border, 0.62, **options)
        assert whole.max() > joint.max()
        tiled = instances_by_tiles(foreground, border, 0.62, tile_size=tile, overlap=largest(joint) + 1, **options)
        np.testing.assert_array_equal(tiled, whole)


@pytest.mark.parametrize(
    ("shape", "pitch", "radius", "tile", "overlap"),
    [((130, 124), 13, 7, 17, 16), ((130, 124), 13, 7, (40, 9), 14), ((39, 52, 50), 13, 7, (39, 15, 20), 16)],
)
@pytest.mark.parametrize("rule", ["paper", "grow"])
def test_a_crowd_far_larger_than_the_overlap(
    shape: tuple[int, ...], pitch: int, radius: float, tile: Any, overlap: int, rule: str
) -> None:
    foreground = lattice(shape, pitch, radius)
    assert ndimage.label(foreground)[1] == 1
    whole = instances_from_foreground(foreground, None, 0.5, rule=rule, split_neck=0.8, min_size=5)
    assert whole.max() >= np.prod([n // pitch for n in shape])
    tiled = instances_by_tiles(foreground, None, 0.5, tile_size=tile, overlap=overlap, rule=rule, split_neck=0.8, min_size=5)
    np.testing.assert_array_equal(tiled, whole)


def test_objects_of_a_random_crowd_keep_one_number_across_seams() -> None:
    rng = np.random.default_rng(3)
    centres = np.stack(np.meshgrid(*[np.arange(8, 150, 15)] * 2, indexing="ij"), -1).reshape(-1, 2) + rng.uniform(-1, 1, (100, 2))
    y, x = np.indices((156, 156))
    distance = np.min([np.hypot(y - cy, x - cx) - rng.uniform(7.2, 8.4) for cy, cx in centres], 0)
    foreground = (distance < 0).astype(np.float32)
    assert largest(ndimage.label(foreground)[0]) > 100
    whole = instances_from_foreground(foreground, None, 0.5, rule="paper", split_neck=0.7, min_size=15)
    for tile, overlap in ((20, 20), ((156, 31), 20), (13, 24)):
        tiled = instances_by_tiles(
            foreground, None, 0.5, tile_size=tile, overlap=overlap, rule="paper", split_neck=0.7, min_size=15
        )
        assert sorted(set(np.unique(tiled))) == list(range(tiled.max() + 1))  # no gaps
        first = [np.flatnonzero(tiled == number)[0] for number in range(1, tiled.max() + 1)]
        assert first == sorted(first)
        middles = tiled[tuple(np.round(centres).astype(int).T)]
        assert len(np.unique(middles)) > 0.97 * len(np.unique(whole[tuple(np.round(centres).astype(int).T)]))
        shared = sum(np.bincount(whole[tiled == t]).max() for t in range(1, tiled.max() + 1))
        assert shared > 0.99 * (whole > 0).sum()


@pytest.mark.parametrize("overlap", [0, 5])
def test_an_object_far_larger_than_the_overlap_without_necks_stays_one(overlap: int) -> None:
    """Every tile sees a piece of a bar, each with a peak of its own: they are one, since nothing narrow lies between."""
    foreground = np.zeros((40, 200), np.float32)
    foreground[10:25, 3:197] = 1
    foreground[25:38, 30:43] = 1
    for tile in (16, (40, 25)):
        tiled = instances_by_tiles(foreground, None, 0.5, tile_size=tile, overlap=overlap, rule="paper", split_neck=0.7)
        np.testing.assert_array_equal(tiled, foreground)


def test_everything_is_one() -> None:
    full = np.ones((50, 50), np.float32)
    tiled = instances_by_tiles(full, None, 0.5, tile_size=10, overlap=2, split_neck=0.7)
    np.testing.assert_array_equal(tiled, full)
    assert instances_by_tiles(0 * full, None, 0.5, tile_size=10, overlap=2, split_neck=0.7).max() == 0


def test_zero_is_as_without() -> None:
    foreground, border = smooth((60, 50), 0)
    plain = instances_by_tiles(foreground, border, 0.6, tile_size=17, overlap=20)
    np.testing.assert_array_equal(plain, instances_by_tiles(foreground, border, 0.6, tile_size=17, overlap=20, split_neck=0.0))


def test_tiles_in_any_order() -> None:
    foreground = lattice((60, 60), 13, 7)
    components = ndimage.label(foreground)[0]
    cores = list(itertools.product([slice(0, 25), slice(25, 60)], [slice(0, 31), slice(31, 60)]))
    results = []
    for order in ([0, 1, 2, 3], [3, 1, 0, 2]):
        stitcher = PartStitcher(
            components.__getitem__, np.zeros((60, 60), np.int32), cores, (20, 20), NeckSplitter(0.8, (60, 60), min_size=5)
        )
        for run in (stitcher.split, stitcher.unite):
            for index in order:
                run(index)
        assert stitcher.number() > 15
        results.append(stitcher.seeds((slice(None), slice(None))))
    np.testing.assert_array_equal(*results)


def test_too_many_parts() -> None:
    row = np.ones((1, 5), int)
    cores = [(slice(0, 1), slice(0, 5))]
    stitcher = PartStitcher(row.__getitem__, np.zeros((1, 5), np.int32), cores, (0, 0), NeckSplitter(0.5, (1, 5)))
    stitcher._count = 2**31 - 1
    with pytest.raises(OverflowError, match="raise the threshold"):
        stitcher.split(0)
