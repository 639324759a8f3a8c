"""Splitting at necks against a slow, plain implementation of its definition."""

from __future__ import annotations

import heapq
import itertools
import math
from collections import deque
from typing import Any

import numpy as np
import pytest
from scipy import ndimage

from monai_denoiseg.transforms.instances import split_necks


def blobs(shape: tuple[int, ...], seed: int) -> np.ndarray:
    """Odd forms."""
    smooth = ndimage.gaussian_filter(np.random.default_rng(seed).normal(size=shape), 1.6)
    mask: np.ndarray = smooth > 0.15 * smooth.std()
    return mask


def steps_around(ndim: int, connectivity: int) -> list[tuple[int, ...]]:
    return [s for s in itertools.product((-1, 0, 1), repeat=ndim) if 0 < np.abs(s).sum() <= connectivity]


def beside(at: tuple[int, ...], steps: list[tuple[int, ...]], mask: np.ndarray) -> list[tuple[int, ...]]:
    found = [tuple(a + s for a, s in zip(at, step, strict=True)) for step in steps]
    return [n for n in found if all(0 <= i < size for i, size in zip(n, mask.shape, strict=True)) and mask[n]]


def slow_width(mask: np.ndarray, spacing: tuple[float, ...]) -> np.ndarray:
    """Distance to the nearest voxel outside, in finest voxels, then a Gaussian of one finest voxel, axis by axis."""
    sizes = np.array(spacing) / min(spacing)
    outside = np.argwhere(np.pad(~mask, 1, constant_values=True)) - 1
    width = np.zeros(mask.shape)
    for at in np.argwhere(mask):
        width[tuple(at)] = np.sqrt((((outside - at) * sizes) ** 2).sum(1)).min()
    for axis, size in enumerate(sizes):
        reach = int(4 / size + 0.5)
        weights = np.exp(-0.5 * (np.arange(-reach, reach + 1) * size) ** 2)
        weights /= weights.sum()
        lines = np.moveaxis(width, axis, -1)
        for index in np.ndindex(lines.shape[:-1]):
            full = np.convolve(lines[index], weights)
            lines[index] = full[reach : reach + lines.shape[-1]]
    return np.where(mask, np.round(width, 6), 0)


def slow_peaks(width: np.ndarray, mask: np.ndarray, neck: float) -> list[tuple[int, ...]]:
    """Voxels from which no higher one (of equals: no earlier one) is reached over voxels of at least ``neck`` times that."""
    steps, peaks = steps_around(mask.ndim, mask.ndim), []
    for start in map(tuple, np.argwhere(mask).tolist()):
        seen, todo, best = {start}, deque([start]), True
        while todo and best:
            for n in beside(todo.popleft(), steps, mask):
                if n not in seen and width[n] >= neck * width[start]:
                    best = best and (width[n] < width[start] or (width[n] == width[start] and n > start))
                    seen.add(n)
                    todo.append(n)
        if best:
            peaks.append(start)
    return peaks


def slow_flood(width: np.ndarray, mask: np.ndarray, peaks: list[tuple[int, ...]], connectivity: int) -> np.ndarray:
    labels, age = np.zeros(mask.shape, int), 0
    steps = steps_around(mask.ndim, connectivity)
    heap: list[Any] = []
    for number, peak in enumerate(peaks, 1):
        labels[peak] = number
        heap.append((-math.inf, number - len(peaks), peak))
    while heap:
        at = heapq.heappop(heap)[2]
        for n in beside(at, steps, mask):
            if not labels[n]:
                labels[n] = labels[at]
                age += 1
                heapq.heappush(heap, (-width[n], age, n))
    return labels


def slow_split(components: np.ndarray, neck: float, min_size: int, spacing: tuple[float, ...], connectivity: int) -> np.ndarray:
    result = np.zeros(components.shape, int)
    for number in range(1, components.max() + 1):
        mask = components == number
        width = slow_width(mask, spacing)
        peaks = slow_peaks(width, mask, neck)
        labels = slow_flood(width, mask, peaks, connectivity)
        large = [peak for k, peak in enumerate(peaks, 1) if (labels == k).sum() >= min_size]
        labels = slow_flood(width, mask, large or peaks[:1], connectivity)
        result[mask] = labels[mask] + result.max()
    order: dict[int, int] = {0: 0}
    for value in result.ravel().tolist():
        order.setdefault(value, len(order))
    return np.vectorize(order.get)(result)


@pytest.mark.parametrize(
    ("shape", "spacing", "connectivity"),
    [
        ((24, 22), (1.0, 1.0), 1),
        ((24, 22), (1.0, 1.0), 2),
        ((18, 26), (2.0, 0.8), 1),
        ((9, 11, 10), (1.0, 1.0, 1.0), 1),
        ((7, 11, 12), (5.0, 2.0, 2.0), 3),
    ],
)
def test_equals_the_plain_definition(shape: tuple[int, ...], spacing: tuple[float, ...], connectivity: int) -> None:
    split = 0
    for seed in range(3):
        components = ndimage.label(blobs(shape, seed), ndimage.generate_binary_structure(len(shape), connectivity))[0]
        for neck, min_size in ((0.5, 0), (0.7, 6), (0.9, 3), (0.97, 0)):
            found = split_necks(components, neck, min_size=min_size, spacing=spacing, connectivity=connectivity)
            np.testing.assert_array_equal(found, slow_split(components, neck, min_size, spacing, connectivity))
            assert found.dtype == np.int32
            split += int(found.max()) - int(components.max())
    assert split > 5
