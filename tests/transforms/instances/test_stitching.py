"""Instances by tiles equal those of the whole image; objects beyond the bound stay whole."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from scipy import ndimage, spatial

from monai_denoiseg.transforms.instances import InstanceStitcher, instances_by_tiles, instances_from_foreground, stitching


def blobs(shape: Sequence[int], seed: int, sigma: float = 1.3) -> tuple[np.ndarray, np.ndarray]:
    """Random smooth class probabilities: many objects of odd forms, touching at borders."""
    rng = np.random.default_rng(seed)
    logits = np.stack([ndimage.gaussian_filter(rng.normal(size=shape), sigma) for _ in range(3)])
    logits = 2.5 * logits / logits.std() - np.array([0.0, -0.3, 0.2]).reshape(-1, *[1] * len(shape))
    classes = np.exp(logits) / np.exp(logits).sum(0)
    return classes[1].astype(np.float32), classes[2].astype(np.float32)


def extent(labels: np.ndarray) -> int:
    boxes = ndimage.find_objects(labels)
    return max(span.stop - span.start for box in boxes for span in box)


@pytest.mark.parametrize("rule", ["grow", "paper"])
@pytest.mark.parametrize("fill_holes", [False, True])
@pytest.mark.parametrize(
    ("shape", "tile", "threshold", "connectivity", "min_size"),
    [
        ((61, 47), 16, 0.6, 1, 0),
        ((61, 47), (8, 31), 0.5, 2, 4),
        ((40, 40), 7, 0.75, 1, 3),
        ((1, 50), 8, 0.5, 1, 0),
        ((17, 23, 29), 8, 0.65, 1, 5),
        ((17, 23, 29), (5, 9, 12), 0.6, 3, 0),
        ((24, 20, 1), 6, 0.5, 2, 2),
    ],
)
def test_tiles_equal_whole(
    shape: tuple[int, ...], tile: Any, threshold: float, connectivity: int, min_size: int, rule: str, fill_holes: bool
) -> None:
    options: dict[str, Any] = {"rule": rule, "fill_holes": fill_holes, "connectivity": connectivity, "min_size": min_size}
    for seed in range(2):
        foreground, border = blobs(shape, seed)
        whole = instances_from_foreground(foreground, border, threshold, **options)
        assert whole.max() > 2
        tiled = instances_by_tiles(foreground, border, threshold, tile_size=tile, overlap=extent(whole) + 1, **options)
        assert tiled.dtype == np.int32
        np.testing.assert_array_equal(tiled, whole)


@pytest.mark.parametrize("max_grow", [0, 1.5, 3.0])
def test_limited_growth_in_physical_units(max_grow: float) -> None:
    foreground, border = blobs((13, 30, 28), 5)
    options: dict[str, Any] = {"max_grow": max_grow, "min_size": 7.5, "spacing": (2.0, 0.5, 0.5)}
    whole = instances_from_foreground(foreground, border, 0.6, **options)
    np.testing.assert_array_equal(instances_by_tiles(foreground, border, 0.6, tile_size=8, overlap=20, **options), whole)
    assert whole.max() > 3


def crowd(shape: tuple[int, ...], pitch: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Cells around jittered grid points: foreground inside, border where two are about equally near, all with noise."""
    rng = np.random.default_rng(seed)
    points = np.stack(np.meshgrid(*[np.arange(pitch / 2, n, pitch) for n in shape], indexing="ij"), -1).reshape(-1, len(shape))
    points += rng.uniform(-1, 1, points.shape)
    where = np.stack(np.meshgrid(*[np.arange(n) for n in shape], indexing="ij"), -1)
    first, second = np.moveaxis(spatial.cKDTree(points).query(where, k=2)[0], -1, 0)
    logits = np.stack([first - 0.6 * pitch, 0.4 * (second - first), 1.5 - (second - first)])
    logits += 0.25 * rng.normal(size=logits.shape)
    classes = np.exp(2 * logits) / np.exp(2 * logits).sum(0)
    return classes[1].astype(np.float32), classes[2].astype(np.float32)


def discs(shape: tuple[int, int], radius: float, pitch: int) -> np.ndarray:
    """A grid of discs that touch, as foreground probability, each brightest in the middle."""
    y, x = np.indices(shape)
    distance = np.hypot(y % pitch - pitch // 2, x % pitch - pitch // 2)
    return np.clip(1.1 - 0.5 * distance / radius, 0, 1).astype(np.float32)


def test_the_bound_is_that_of_objects_not_of_tiles() -> None:
    """Tiles much smaller than the objects, which touch their neighbours all around: still the same."""
    foreground = discs((60, 60), 6, 12)
    border = np.where(foreground < 0.62, 0.35, 0).astype(np.float32)
    whole = instances_from_foreground(foreground, border, 0.8)
    assert whole.max() == 25
    assert extent(whole) < 14
    tiled = instances_by_tiles(foreground, border, 0.8, tile_size=5, overlap=14)
    np.testing.assert_array_equal(tiled, whole)


@pytest.mark.parametrize(("shape", "pitch", "tile", "overlap"), [((110, 104), 8, 9, 16), ((12, 64, 60), 8, (12, 7, 7), 16)])
@pytest.mark.parametrize("rule", ["grow", "paper"])
def test_crowds_of_small_objects(shape: tuple[int, ...], pitch: int, tile: Any, overlap: int, rule: str) -> None:
    """Windows are much smaller than the image, and all objects touch others, from one end of the image to the other."""
    for seed in range(2):
        foreground, border = crowd(shape, pitch, seed)
        whole = instances_from_foreground(foreground, border, 0.75, rule=rule, min_size=4, fill_holes=True)
        assert whole.max() > 50
        assert extent(whole) < overlap
        options: dict[str, Any] = {"rule": rule, "min_size": 4, "fill_holes": True}
        tiled = instances_by_tiles(foreground, border, 0.75, tile_size=tile, overlap=overlap, **options)
        np.testing.assert_array_equal(tiled, whole)


def test_a_margin_too_small_would_be_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    """The comparison above can fail: objects far larger than the bound are grown differently."""
    foreground, border = blobs((80, 80), 0, sigma=3)
    monkeypatch.setattr(stitching, "CONTEXT", 0)
    whole = instances_from_foreground(foreground, border, 0.85)
    tiled = instances_by_tiles(foreground, border, 0.85, tile_size=8, overlap=0)
    assert (tiled != whole).any()


@pytest.mark.parametrize("rule", ["grow", "paper"])
def test_an_object_larger_than_the_bound_stays_one(rule: str) -> None:
    """A snake through all tiles, with a hole far larger than the overlap: one number, and its seed is complete."""
    foreground = np.zeros((64, 64), np.float32)
    foreground[::4] = 0.9
    foreground[2::8, -1] = foreground[6::8, 0] = foreground[1::8, -1] = foreground[3::8, -1] = 0.9
    foreground[5::8, 0] = foreground[7::8, 0] = 0.9
    whole = instances_from_foreground(foreground, None, 0.5, rule=rule)
    assert whole.max() == 1
    for fill_holes in (False, True):
        tiled = instances_by_tiles(foreground, None, 0.5, tile_size=9, overlap=2, rule=rule, fill_holes=fill_holes)
        assert set(np.unique(tiled)) == {0, 1}
        assert (tiled[foreground > 0.5] == 1).all()


@pytest.mark.parametrize(("connectivity", "count"), [(1, 4), (2, 3), (3, 1)])
def test_edges_and_corners_join_as_the_connectivity_says(connectivity: int, count: int) -> None:
    """Voxels of four tiles: two touch over an edge, others over a corner only."""
    foreground = np.zeros((4, 4, 4), np.float32)
    foreground[1, 1, 1] = foreground[2, 2, 1] = 1  # over an edge
    foreground[0, 0, 3] = 1
    foreground[1, 1, 2] = 0
    foreground[3, 3, 2] = 1  # over the corner of (2, 2, 1)
    foreground[0, 0, 3] = 0
    foreground[0, 0, 0] = 1  # over the corner of (1, 1, 1), within a tile
    whole = instances_from_foreground(foreground, None, 0.5, connectivity=connectivity)
    assert whole.max() == count
    for tile in (1, 2, 3):
        tiled = instances_by_tiles(foreground, None, 0.5, tile_size=tile, connectivity=connectivity)
        np.testing.assert_array_equal(tiled, whole)


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_nothing_and_everything(value: float) -> None:
    foreground = np.full((9, 10), value, np.float32)
    tiled = instances_by_tiles(foreground, np.zeros_like(foreground), 0.5, tile_size=4, overlap=1)
    assert (tiled == value).all()


def test_small_pieces_of_a_large_object_are_no_small_objects() -> None:
    """Sizes count over tiles: a bar of 8 voxels cut into pieces of 2 passes `min_size` 8, and a lone piece of 7 does not."""
    foreground = np.zeros((3, 20), np.float32)
    foreground[0, 1:9] = foreground[2, 2:9] = 1
    tiled = instances_by_tiles(foreground, None, 0.5, tile_size=2, min_size=8)
    assert tiled[0, 1:9].tolist() == [1] * 8
    assert tiled.sum() == 8


def test_too_many_pieces() -> None:
    stitcher = InstanceStitcher(np.ones((2, 2)), None, np.zeros((2, 2), np.int32), [(slice(0, 2), slice(0, 2))], 0.5)
    stitcher._count = 2**31 - 1
    with pytest.raises(OverflowError, match="raise the threshold"):
        stitcher.label(0)


def test_wrong_overlap() -> None:
    with pytest.raises(ValueError, match="`overlap` must be an integer >= 0, got -1"):
        instances_by_tiles(np.ones((2, 2)), tile_size=1, overlap=-1)
