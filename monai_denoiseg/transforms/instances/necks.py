"""Watershed split of touching objects at their necks."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from scipy import ndimage
from skimage.segmentation import watershed

from monai_denoiseg.checks import check_int, check_range
from monai_denoiseg.transforms.instances.peaks import first_voxels, marked, parted_peaks
from monai_denoiseg.transforms.instances.seams import rank_by_first

__all__ = ["NeckSplitter", "Parts", "aspect_of", "split_necks"]

_DIGITS = 6  # of distances in voxels: values that differ only by rounding must count as equal
_SMOOTH = 1.0  # voxels; the distance to an outline of voxels is rough


def split_necks(
    components: np.ndarray,
    neck: float,
    *,
    min_size: int = 0,
    spacing: Sequence[float] | None = None,
    connectivity: int = 1,
) -> np.ndarray:
    """Split components at their necks by a watershed.

    The width of a component is the distance to its outline, smoothed by a Gaussian of one voxel. Two of its peaks belong to
    different parts if on every path between them the width falls below ``neck`` times that of the lower peak. Only the ratio
    counts, so small and large objects, or an enlarged image, are treated alike. The peaks are the watershed markers: the parts
    are flooded from them, widest voxels first, and meet in the neck.

    Each component is processed alone: the rest of the image has no effect. The edge of the image counts as outline, but not
    along an axis of length 1.

    Args:
        components: integers ``([D,] H, W)``, 0 background, each number one connected component.
        neck: in [0, 1): how narrow a neck must be relative to the smaller part; 0 never splits.
        min_size: a part of fewer voxels is not made: it stays with its neighbour.
        spacing: voxel size along each axis (ZYX), in any unit, for the distances; None for cubes.
        connectivity: neighbours the components were made with: 1 for faces, up to the number of axes.

    Returns:
        int32 array of the same shape: parts 1..n without gaps, in raster order of their first voxel.

    Raises:
        ValueError: when an argument is out of its range.

    Source: watershed of the distance transform, Beucler & Lantuejoul (1979), Vincent & Soille (1991); markers whose depth is a
    ratio, not a length, are ours.

    >>> y, x = np.indices((9, 15))
    >>> two = (np.hypot(y - 4, x - 4) < 4) | (np.hypot(y - 4, x - 10) < 4)
    >>> split_necks(two.astype(int), 0.9)[4]
    array([0, 1, 1, 1, 1, 1, 1, 1, 2, 2, 2, 2, 2, 2, 0], dtype=int32)
    >>> int(split_necks(two.astype(int), 0.5).max())
    1
    """
    splitter = NeckSplitter(neck, components.shape, min_size=min_size, spacing=spacing, connectivity=connectivity)
    labels: np.ndarray = components.astype(np.int32)
    count = int(labels.max(initial=0))
    for number, box in enumerate(ndimage.find_objects(components) if neck and count else (), 1):
        if box is None:  # a number that no voxel has
            continue
        parts = splitter(components[box] == number)
        split = parts.labels > 1
        labels[box][split] = parts.labels[split] + (count - 1)
        count += len(parts.peaks) - 1
    first = first_voxels(labels, count)
    renumbered: np.ndarray = rank_by_first(first, first < labels.size)[labels]
    return renumbered


class Parts(NamedTuple):
    """The parts of a component."""

    labels: np.ndarray
    """int32, shape of the component's mask: parts 1..k, 0 outside the mask."""
    peaks: np.ndarray
    """For each part the place of its widest voxel in the flattened mask, in rising order."""


class NeckSplitter:
    """Split one component at its necks; see :func:`split_necks` for the rule.

    Args:
        neck: see :func:`split_necks`, as all that follow but ``shape``.
        shape: of the whole image.
        min_size: see there.
        spacing: see there.
        connectivity: see there.

    Raises:
        ValueError: when an argument is out of its range.

    >>> row = np.ones((1, 7), bool)
    >>> len(NeckSplitter(0.7, (1, 7))(row).peaks)
    1
    """

    def __init__(
        self,
        neck: float,
        shape: Sequence[int],
        *,
        min_size: int = 0,
        spacing: Sequence[float] | None = None,
        connectivity: int = 1,
    ) -> None:
        self.neck = check_range("neck", float(neck), 0, 1, open_high=True)
        self.min_size = check_int("min_size", min_size, 0)
        self.axes = [axis for axis, size in enumerate(shape) if size > 1]
        sizes = aspect_of(spacing, len(shape)) or [1.0] * len(shape)
        finest = min([sizes[axis] for axis in self.axes], default=1.0)
        self.sizes = [sizes[axis] / finest for axis in self.axes]
        ndim = len(self.axes)
        self.near = ndimage.generate_binary_structure(ndim, min(connectivity, max(ndim, 1)))

    def __call__(self, mask: np.ndarray, cut: Sequence[tuple[bool, bool]] | None = None) -> Parts:
        """Split one component.

        Args:
            mask: bool, its bounding box.
            cut: for each axis, whether the component goes on beyond the lower and the upper end of the box: such an end is no
                outline, and a part that reaches it is larger than what is seen of it. None: it is whole.
        """
        ends = [(False, False)] * mask.ndim if cut is None else cut
        ends = [ends[axis] for axis in self.axes]
        body = mask.reshape([mask.shape[axis] for axis in self.axes])
        whole = not any(low or high for low, high in ends)
        if not self.axes or (whole and np.count_nonzero(body) < 2 * max(self.min_size, 1)):
            return _one(mask)
        width = self._width(body, ends)
        if width is None:
            return _one(mask)
        peaks = parted_peaks(width, body, self.neck)
        labels = self._flood(width, peaks, body)
        large = np.bincount(labels.ravel(), minlength=len(peaks) + 1) >= self.min_size
        large |= np.isin(np.arange(len(peaks) + 1), _at_ends(labels, ends))
        if not large[1:].all():
            # The highest one stays where none is large enough: a component is never lost.
            peaks = peaks[large[1:]] if large[1:].any() else peaks[[int(width.flat[peaks].argmax())]]
            labels = self._flood(width, peaks, body)
        return Parts(labels.reshape(mask.shape), peaks)

    def _width(self, body: np.ndarray, ends: Sequence[tuple[bool, bool]]) -> np.ndarray | None:
        """Smoothed distance to the outline; None if there is no outline."""
        padded = np.pad(body, [(int(not low), int(not high)) for low, high in ends])
        if padded.all():
            return None
        distance = ndimage.distance_transform_edt(padded, sampling=self.sizes)
        distance = ndimage.gaussian_filter(distance, [_SMOOTH / size for size in self.sizes], mode="nearest")
        inner = tuple(slice(int(not low), int(not low) + n) for (low, _), n in zip(ends, body.shape, strict=True))
        width: np.ndarray = np.where(body, np.round(distance[inner], _DIGITS), 0)
        return width

    def _flood(self, width: np.ndarray, peaks: np.ndarray, body: np.ndarray) -> np.ndarray:
        """Flood ``body`` from the peaks, numbered in their order."""
        if len(peaks) == 1:
            return body.astype(np.int32)
        depth = -width
        # In a tie the watershed prefers the older marker, but all are of the same age: so each gets its own depth.
        depth.flat[peaks] = depth.min() - len(peaks) + np.arange(len(peaks))
        labels: np.ndarray = watershed(depth, marked(body.shape, peaks), self.near, mask=body).astype(np.int32)
        left = body & (labels == 0)
        if left.any():  # no component then, but several pieces under one number
            nearest = ndimage.distance_transform_edt(labels == 0, self.sizes, return_distances=False, return_indices=True)
            labels[left] = labels[tuple(index[left] for index in nearest)]
        return labels


def aspect_of(spacing: Sequence[float] | np.ndarray | torch.Tensor | None, ndim: int) -> tuple[float, ...] | None:
    """Voxel size for the proportions of voxels; None if unknown, which means cubes.

    Args:
        spacing: voxel size along each axis, or None; NaN for an unknown size.
        ndim: spatial axes of the image.

    Raises:
        ValueError: when there is not one value for each axis.

    >>> aspect_of(torch.tensor([2.0, 0.5]), 2), aspect_of([float("nan")] * 2, 2)
    ((2.0, 0.5), None)
    """
    if spacing is None:
        return None
    sizes = tuple(float(size) for size in spacing)
    if len(sizes) != ndim:
        raise ValueError(f"`spacing` needs {ndim} values (one an axis), got {list(sizes)}")
    return sizes if all(size > 0 and math.isfinite(size) for size in sizes) else None


def _one(mask: np.ndarray) -> Parts:
    """A component that stays whole, without further checks."""
    return Parts(mask.astype(np.int32), np.array([int(mask.argmax())]))


def _at_ends(labels: np.ndarray, ends: Sequence[tuple[bool, bool]]) -> np.ndarray:
    """Numbers at the ends where the component is cut."""
    found = [
        np.unique(np.take(labels, index, axis))
        for axis, pair in enumerate(ends)
        for index, is_cut in zip((0, -1), pair, strict=True)
        if is_cut
    ]
    return np.unique(np.concatenate([*found, np.zeros(0, np.int32)]))
