"""Splitting at necks: shapes of known answer, and independence of all else."""

from __future__ import annotations

import math
import time
from typing import Any

import numpy as np
import pytest
import torch
from scipy import ndimage

from monai_denoiseg.transforms.instances import split_necks
from monai_denoiseg.transforms.instances.necks import NeckSplitter, aspect_of


def pair(ndim: int, radii: tuple[float, float], ratio: float, spacing: tuple[float, ...] | None = None) -> np.ndarray:
    """Two discs or balls whose neck is ``ratio`` times as wide as the smaller one."""
    one, two = radii
    half = ratio * min(radii)
    apart = math.sqrt(one**2 - half**2) + math.sqrt(two**2 - half**2)
    size = [2 * max(radii) + 3] * (ndim - 1) + [one + apart + two + 3]
    sizes = spacing or (1.0,) * ndim
    grid = np.stack(np.meshgrid(*[np.arange(0, n, s) for n, s in zip(size, sizes, strict=True)], indexing="ij"), -1)
    middle = np.array([max(radii) + 1] * (ndim - 1) + [one + 1])
    first = np.linalg.norm(grid - middle, axis=-1) < one
    middle[-1] += apart
    return first | (np.linalg.norm(grid - middle, axis=-1) < two)


def blobs(shape: tuple[int, ...], seed: int, sigma: float = 1.6) -> np.ndarray:
    """Numbered components of odd forms."""
    smooth = ndimage.gaussian_filter(np.random.default_rng(seed).normal(size=shape), [sigma if n > 1 else 0 for n in shape])
    return ndimage.label(smooth > 0.15 * smooth.std(), output=np.int32)[0]


@pytest.mark.parametrize("ndim", [2, 3])
@pytest.mark.parametrize("radii", [(9, 9), (12, 8), (9, 14), (15, 15)])
@pytest.mark.parametrize("neck", [0.6, 0.7, 0.8])
def test_two_discs_part_where_the_ratio_says(ndim: int, radii: tuple[float, float], neck: float) -> None:
    for ratio, count in ((neck - 0.28, 2), (neck + 0.12, 1)):  # voxels and smoothing widen a neck a little
        shape = pair(ndim, radii, ratio)
        found = split_necks(shape.astype(int), neck)
        assert found.max() == count
        np.testing.assert_array_equal(found > 0, shape)
        if count == 2:
            line = found[(found.shape[0] // 2,) * (ndim - 1)]
            cut = np.flatnonzero(line == line[line > 0][0])[-1] + 0.5
            half = ratio * min(radii)
            assert abs(cut - (radii[0] + 1 + math.sqrt(radii[0] ** 2 - half**2))) < 2


@pytest.mark.parametrize("times", [2, 3, 4])
@pytest.mark.parametrize(("ndim", "radii"), [(2, (6, 6)), (2, (9, 6)), (3, (6, 5))])
def test_an_enlarged_image_is_split_alike(times: int, ndim: int, radii: tuple[float, float]) -> None:
    for ratio, count in ((0.4, 2), (0.95, 1)):
        small = pair(ndim, radii, ratio).astype(int)
        large = np.kron(small, np.ones((times,) * ndim, int))
        one, two = split_necks(small, 0.7), split_necks(large, 0.7)
        assert one.max() == two.max() == count
        assert (np.kron(one, np.ones((times,) * ndim, int)) == two).mean() > 0.98


@pytest.mark.parametrize("axis", [0, 2])
def test_flat_voxels_equal_cubes(axis: int) -> None:
    spacing = tuple(3.0 if i == axis else 1.0 for i in range(3))
    for ratio, count in ((0.5, 2), (0.9, 1)):
        cubes, flat = pair(3, (12, 9), ratio), pair(3, (12, 9), ratio, spacing)
        every = tuple(slice(None, None, int(s)) for s in spacing)
        np.testing.assert_array_equal(cubes[every], flat)
        wanted = split_necks(cubes.astype(int), 0.7)
        for unit in (1.0, 0.137, 1e-4):
            found = split_necks(flat.astype(int), 0.7, spacing=[unit * s for s in spacing])
            assert found.max() == wanted.max() == count
            assert (found == wanted[every]).mean() > 0.99
    if axis == 2:  # told nothing, the objects seem to be squeezed together, and the neck too long
        assert split_necks(pair(3, (12, 9), 0.5, spacing).astype(int), 0.7).max() == 1


def whole_shapes() -> dict[str, np.ndarray]:
    y, x = np.indices((41, 61))
    far = np.hypot(y - 20, x - 30)
    line = np.zeros((9, 30), bool)
    line[4] = True
    bar = np.zeros((40, 40), bool)
    for i in range(4, 34):
        bar[i : i + 3, i : i + 3] = True
    z = np.indices((13, 15, 17)) - np.array([6, 7, 8]).reshape(3, 1, 1, 1)
    return {
        "ellipse": ((y - 20) / 8) ** 2 + ((x - 30) / 20) ** 2 < 1,
        "square": (abs(y - 20) < 9) & (abs(x - 30) < 9),
        "ring": (far < 18) & (far > 11),
        "line": line,
        "slanting bar": bar,
        "one voxel": np.pad(np.ones((1, 1), bool), 2),
        "empty": np.zeros((5, 6), bool),
        "full": np.ones((7, 9), bool),
        "full plane of a stack": np.ones((1, 7, 9), bool),
        "one voxel image": np.ones((1, 1), bool),
        "no voxel": np.ones((0, 4), bool),
        "ellipsoid": ((z / np.array([5, 6, 8]).reshape(3, 1, 1, 1)) ** 2).sum(0) < 1,
        "cube": (abs(z) < 5).all(0),
    }


@pytest.mark.parametrize("name", whole_shapes())
def test_without_a_neck_nothing_is_split(name: str) -> None:
    shape = whole_shapes()[name]
    found = split_necks(shape.astype(np.int64), 0.7)
    assert found.dtype == np.int32
    np.testing.assert_array_equal(found, shape)


def test_a_single_plane_is_split_as_an_image() -> None:
    flat = pair(2, (9, 8), 0.4).astype(int)
    wanted = split_necks(flat, 0.7)
    assert wanted.max() == 2
    for axis in range(3):
        np.testing.assert_array_equal(split_necks(np.expand_dims(flat, axis), 0.7), np.expand_dims(wanted, axis))


def test_zero_never_splits_and_numbers_have_no_gaps() -> None:
    components = pair(2, (9, 9), 0.1).astype(int) * 7
    components[0, -1] = 3
    assert split_necks(components, 0.0).max() == 2
    assert split_necks(components, 0.0)[0, -1] == 1  # raster order
    found = split_necks(components, 0.7)
    first = [np.flatnonzero(found.ravel() == number)[0] for number in range(1, 4)]
    assert found.max() == 3
    assert first == sorted(first)


def test_small_parts_stay_with_their_neighbour() -> None:
    shape = pair(2, (10, 5), 0.4).astype(int)
    sizes = np.bincount(split_necks(shape, 0.7).ravel())[1:]
    assert len(sizes) == 2
    assert split_necks(shape, 0.7, min_size=int(sizes.min())).max() == 2
    np.testing.assert_array_equal(split_necks(shape, 0.7, min_size=int(sizes.min()) + 1), shape)
    np.testing.assert_array_equal(split_necks(shape, 0.7, min_size=10**6), shape)


@pytest.mark.parametrize("connectivity", [1, 2])
def test_every_voxel_keeps_a_part_of_its_component(connectivity: int) -> None:
    structure = ndimage.generate_binary_structure(2, connectivity)
    components = ndimage.label(np.random.default_rng(0).random((60, 50)) < 0.55, structure)[0]
    found = split_necks(components, 0.7, connectivity=connectivity)
    np.testing.assert_array_equal(found > 0, components > 0)
    for number in range(1, found.max() + 1):
        assert len(np.unique(components[found == number])) == 1
        assert ndimage.label(found == number, structure)[1] == 1


def test_pieces_under_one_number_lose_nothing() -> None:
    """Not what it is made for, but no voxel may get lost."""
    components = np.zeros((9, 20), int)
    components[2:7, 2:7] = components[2:7, 10:15] = components[4, 18] = 1
    found = split_necks(components, 0.7, min_size=4)
    np.testing.assert_array_equal(found > 0, components > 0)


@pytest.mark.parametrize("shape", [(60, 64), (20, 24, 26)])
def test_what_else_the_image_holds_has_no_effect(shape: tuple[int, ...]) -> None:
    components = blobs(shape, 4, 2.0)
    whole = split_necks(components, 0.8, min_size=5)
    np.testing.assert_array_equal(whole, split_necks(components, 0.8, min_size=5))
    assert whole.max() > components.max()
    for number, box in enumerate(ndimage.find_objects(components), 1):
        alone = split_necks((components[box] == number).astype(int), 0.8, min_size=5)
        np.testing.assert_array_equal(whole[box][components[box] == number] > 0, alone[components[box] == number] > 0)
        pairs = np.unique(np.stack([whole[box][alone > 0], alone[alone > 0]]), axis=1)
        assert pairs.shape[1] == len(np.unique(pairs[0])) == alone.max()


def test_a_cut_end_is_no_outline() -> None:
    """Half a disc whose other half is not seen: no wider than it is, and never too small to be a part."""
    half = pair(2, (12, 12), 0.3)[:, 6:]
    sizes = np.bincount(split_necks(half.astype(int), 0.7).ravel())[1:]
    assert len(sizes) == 2
    splitter = NeckSplitter(0.7, (100, 100), min_size=int(sizes.min()) + 1)
    closed, cut = splitter(half), splitter(half, [(False, False), (True, False)])
    assert len(closed.peaks) == 1
    assert len(cut.peaks) == 2
    assert cut.labels.flat[cut.peaks].tolist() == [1, 2]
    assert len(NeckSplitter(0.7, (9, 9))(np.ones((9, 9), bool), [(True, True)] * 2).peaks) == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"neck": 1.0}, r"`neck` must be in \[0, 1\), got 1.0"),
        ({"neck": -0.1}, "`neck` must be in"),
        ({"neck": 0.5, "min_size": 1.5}, "`min_size` must be an integer >= 0"),
        ({"neck": 0.5, "spacing": [1, 1, 1]}, "`spacing` needs 2 values"),
    ],
)
def test_wrong_arguments(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        split_necks(np.ones((4, 4), int), **arguments)


def test_aspect_is_that_of_known_voxels() -> None:
    assert aspect_of(None, 3) is None
    assert aspect_of([1.0, float("nan")], 2) is None
    assert aspect_of([1.0, 0.0], 2) is None
    assert aspect_of([1.0, float("inf")], 2) is None
    assert aspect_of(torch.tensor([4.0, 0.5]), 2) == (4.0, 0.5)


def test_fast_enough_to_be_searched_over() -> None:
    y, x = np.indices((520, 696))
    components = ndimage.label(np.hypot(y % 44 - 22, x % 52 - 26) < 18)[0]
    assert components.max() > 150
    best = math.inf
    for _ in range(5):
        start = time.perf_counter()
        split_necks(components, 0.7, min_size=15)
        best = min(best, time.perf_counter() - start)
    assert best < 1.5  # 0.15 s where this was written, 1 s while other programs kept it busy; a mask of the whole image takes 5 s
