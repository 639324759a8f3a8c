"""Watershed markers: peaks of a height map separated from every higher one by a deep enough saddle."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
from scipy import ndimage
from skimage.morphology import local_maxima
from skimage.segmentation import watershed

__all__ = ["first_voxels", "marked", "parted_peaks"]


def parted_peaks(width: np.ndarray, body: np.ndarray, neck: float) -> np.ndarray:
    """Find the peaks from which every path to a higher one falls below ``neck`` times their own height.

    These are the h-maxima of the logarithm of ``width`` for h = -log(neck). If equal peaks have no such saddle between them, the
    first in raster order is taken. Neighbours are all voxels around a voxel.

    Args:
        width: heights, 0 outside ``body``.
        body: bool of the same shape: where there are heights, all above 0.
        neck: in (0, 1).

    Returns:
        Places of the peaks in the flattened array, in rising order; at least one.

    >>> row = np.array([0, 1.0, 3.0, 2.0, 2.5, 1.0, 2.0, 0])
    >>> parted_peaks(row, row > 0, 0.7), parted_peaks(row, row > 0, 0.9), parted_peaks(row, row > 0, 0.4)
    (array([2, 6]), array([2, 4, 6]), array([2]))
    """
    around = np.ones((3,) * width.ndim, bool)
    maxima, count = ndimage.label(local_maxima(width, connectivity=width.ndim), around, output=np.int32)
    if count <= 1:  # none is found if all heights are equal
        return np.array([int(width.argmax())])
    first = first_voxels(maxima, count)[1:]
    places = first[np.lexsort((first, -width.flat[first]))]  # highest first
    basins = watershed(-width, marked(width.shape, places), around, mask=body)
    kept = _parted(width.flat[places], *_saddles(width, basins), neck)
    return np.sort(places[kept])


def first_voxels(labels: np.ndarray, count: int) -> np.ndarray:
    """For each number 0..count the place of its first voxel in the flattened array; the size of the array if it has none.

    Args:
        labels: integers 0..count.
        count: largest number.

    >>> first_voxels(np.array([[0, 2], [2, 1]]), 3)
    array([4, 3, 1, 4])
    """
    place = np.flatnonzero(labels)
    first = np.full(count + 1, labels.size, np.int64)
    first[labels.reshape(-1)[place[::-1]]] = place[::-1]  # the last of repeated indices counts: the first voxel
    return first


def marked(shape: Sequence[int], places: np.ndarray) -> np.ndarray:
    """Markers 1..k at places of the flattened array, in their order.

    Args:
        shape: of the array.
        places: at most one marker a place.

    >>> marked((2, 2), np.array([3, 1]))
    array([[0, 2],
           [0, 1]], dtype=int32)
    """
    markers = np.zeros(shape, np.int32)
    markers.flat[places] = np.arange(1, len(places) + 1)
    return markers


def _saddles(width: np.ndarray, basins: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Pairs of basins (lower number first) that touch and the largest width at which they do, widest first."""
    pairs, widths = [np.zeros((0, 2), np.int64)], [np.zeros(0)]
    for step in itertools.product((-1, 0, 1), repeat=width.ndim):
        if step <= (0,) * width.ndim:  # each pair of neighbours once
            continue
        near = tuple(slice(max(0, -s), min(n, n - s)) for s, n in zip(step, width.shape, strict=True))
        far = tuple(slice(max(0, s), min(n, n + s)) for s, n in zip(step, width.shape, strict=True))
        a, b = basins[near], basins[far]
        where = np.nonzero((a != b) & (a > 0) & (b > 0))
        pairs.append(np.sort(np.stack([a[where], b[where]], 1), axis=1).astype(np.int64))
        widths.append(np.minimum(width[near][where], width[far][where]))
    pair, wide = np.concatenate(pairs), np.concatenate(widths)
    order = np.lexsort((pair[:, 1], pair[:, 0], -wide))
    _, first = np.unique(pair[order] @ np.array([basins.max(initial=0) + 1, 1]), return_index=True)
    chosen = order[np.sort(first)]
    return pair[chosen], wide[chosen]


def _parted(heights: np.ndarray, pairs: np.ndarray, widths: np.ndarray, neck: float) -> np.ndarray:
    """Which peaks (highest first) are separated from every higher one by a neck, as bool.

    Basins are joined at their widest contacts first. Where two groups meet for the first time, the lower of their highest peaks
    meets a higher one on the widest path there is.
    """
    leader = list(range(len(heights)))
    kept = np.ones(len(heights), bool)
    for (a, b), width in zip((pairs - 1).tolist(), widths.tolist(), strict=True):
        roots = []
        for node in (a, b):
            while leader[node] != node:
                leader[node] = leader[leader[node]]
                node = leader[node]
            roots.append(node)
        high, low = min(roots), max(roots)
        if high != low:
            leader[low] = high
            kept[low] = width < neck * heights[low]
    return kept
