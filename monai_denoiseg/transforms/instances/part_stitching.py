"""Watershed split at necks, tile by tile."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from scipy import ndimage

from monai_denoiseg.transforms.instances.necks import NeckSplitter
from monai_denoiseg.transforms.instances.peaks import first_voxels
from monai_denoiseg.transforms.instances.seams import Window, extend, joined, rank_by_first

__all__ = ["PartStitcher"]


class PartStitcher:
    """Split components at their necks in two passes over the tiles of an image; part of :class:`InstanceStitcher`.

    1. :meth:`split` splits what reaches into a tile, as far as a margin around the tile shows it, and gives the parts in the
       tile preliminary numbers. A part is known by the place of its peak; tiles that see all of a component agree on it.
    2. :meth:`unite` joins numbers of one part. A tile that a part reaches into from elsewhere asks the tile its peak lies in; and
       parts on both sides of a face are one if, over half of where one of them reaches the face, neither tile sees a boundary
       between them. :meth:`number` then numbers the parts in raster order of their first voxel.

    Components that extend over less than the margin are split as in the whole image. Of larger ones each tile sees a piece: an
    object smaller than the margin still has one number, and the split may differ where only what lies farther away decides it.

    Memory is that of one tile with its margin, and 32 bytes for every part in a tile.

    Args:
        seeds: gives the numbers of the components in a window.
        parts: where preliminary numbers are kept: int32, shape of the image, can be written by slices.
        cores: slices of the tiles, covering the image once.
        margin: in voxels, for each axis.
        splitter: how components are split.
        connectivity: neighbours the components were made with.

    >>> row = np.array([[1] * 7 + [0]])
    >>> cores = [(slice(0, 1), slice(0, 4)), (slice(0, 1), slice(4, 8))]
    >>> splitter = NeckSplitter(0.7, (1, 8))
    >>> stitcher = PartStitcher(lambda window: row[window], np.zeros((1, 8), "int32"), cores, (0, 2), splitter)
    >>> for run in (stitcher.split, stitcher.unite):
    ...     run(0), run(1)
    (None, None)
    (None, None)
    >>> stitcher.number(), stitcher.seeds(cores[1]).tolist()
    (1, [[1, 1, 1, 0]])
    """

    def __init__(
        self,
        seeds: Callable[[Window], np.ndarray],
        parts: Any,
        cores: Sequence[Window],
        margin: Sequence[int],
        splitter: NeckSplitter,
        connectivity: int = 1,
    ) -> None:
        self.components, self.parts, self.cores, self.margin = seeds, parts, cores, margin
        self.splitter, self.shape = splitter, tuple(parts.shape)
        self.structure = ndimage.generate_binary_structure(len(self.shape), connectivity)
        self._count = 0
        self._first: list[np.ndarray] = [np.zeros(1, np.int64)]  # number 0 is the background
        self._away: list[np.ndarray] = []  # peaks outside the tile, and the number
        self._asked: np.ndarray | None = None
        self._pairs: list[np.ndarray] = [np.zeros((0, 2), np.int64)]
        self._final: np.ndarray = np.zeros(1, np.int32)

    def split(self, index: int) -> None:
        """Split what reaches into one tile; call it once for each tile, in any order.

        Raises:
            OverflowError: when there are more parts than 32-bit labels can number.
        """
        core = self.cores[index]
        window = extend(core, self.margin, self.shape)
        inner = tuple(slice(c.start - w.start, c.stop - w.start) for c, w in zip(core, window, strict=True))
        pieces, _ = ndimage.label(self.components(window) > 0, self.structure, output=np.int32)
        boxes = ndimage.find_objects(pieces)
        result = np.zeros(tuple(span.stop - span.start for span in core), np.int32)
        peaks, found = [np.zeros(0, np.int64)], 0
        for number in np.unique(pieces[inner]):
            if number == 0:
                continue
            box = boxes[number - 1]
            peaks.append(self._write(result, pieces[box] == number, box, window, inner, found))
            found += len(peaks[-1])
        if self._count + found > np.iinfo(np.int32).max:
            raise OverflowError("more than 2**31 parts: this is noise; raise the threshold or `min_size`")
        self._register(core, np.concatenate(peaks), first_voxels(np.abs(result), found)[1:])
        self.parts[core] = result + np.sign(result) * np.int32(self._count)
        self._count += found

    def unite(self, index: int) -> None:
        """Join the numbers of one part, seen from one tile, once all tiles are split."""
        core = self.cores[index]
        self._answer(core)
        for axis, (span, length) in enumerate(zip(core, self.shape, strict=True)):
            if span.stop < length:
                face = (*core[:axis], slice(span.stop - 1, span.stop + 1), *core[axis + 1 :])
                self._join(_across(*np.moveaxis(self.parts[face], axis, 0)))

    def number(self) -> int:
        """Number the parts in raster order of their first voxel, and return how many there are."""
        count, group = joined(self._pairs[-1], self._count + 1)
        first = np.full(count, np.iinfo(np.int64).max)
        np.minimum.at(first, group, np.concatenate(self._first))
        self._final = rank_by_first(first, np.arange(count) != group[0])[group]
        return count - 1

    def seeds(self, window: Window) -> np.ndarray:
        """The numbers of the parts in a window, int32, once :meth:`number` was called."""
        numbers: np.ndarray = self._final[np.abs(self.parts[window])]
        return numbers

    def _write(self, result: np.ndarray, mask: np.ndarray, box: Window, window: Window, inner: Window, found: int) -> np.ndarray:
        """Write the parts of one piece into the tile, negative where no other part is beside; return the peaks of those in it."""
        spans = list(zip(box, window, self.shape, strict=True))
        cut = [(b.start == 0 and w.start > 0, b.stop == w.stop - w.start and w.stop < n) for b, w, n in spans]
        labels, peaks = self.splitter(mask, cut)
        common = [(max(b.start, i.start), min(b.stop, i.stop), b, i) for b, i in zip(box, inner, strict=True)]
        from_ = tuple(slice(low - b.start, high - b.start) for low, high, b, _ in common)
        to = tuple(slice(low - i.start, high - i.start) for low, high, _, i in common)
        present = np.unique(labels[from_])
        present = present[present > 0]
        numbers = np.zeros(len(peaks) + 1, np.int32)
        numbers[present] = np.arange(found + 1, found + 1 + len(present))
        sign = np.where(_inside_parts(labels)[from_], -1, 1).astype(np.int32)
        result[to] += sign * numbers[labels[from_]]  # 0 where other pieces are
        corner = np.unravel_index(peaks[present - 1], mask.shape)
        places = [c + b.start + w.start for c, (b, w, _) in zip(corner, spans, strict=True)]
        where: np.ndarray = np.ravel_multi_index(places, self.shape)
        return where

    def _register(self, core: Window, peaks: np.ndarray, first: np.ndarray) -> None:
        numbers = self._count + 1 + np.arange(len(peaks))
        away = ~_inside(peaks, core, self.shape)
        self._away.append(np.stack([peaks[away], numbers[away]], 1))
        shape = tuple(span.stop - span.start for span in core)
        corner = np.unravel_index(first, shape)
        self._first.append(np.ravel_multi_index([c + s.start for c, s in zip(corner, core, strict=True)], self.shape))

    def _answer(self, core: Window) -> None:
        """Join parts of other tiles whose peaks lie in this one with what stands there."""
        if self._asked is None:
            asked = np.concatenate([*self._away, np.zeros((0, 2), np.int64)])
            self._asked, self._away = asked[np.argsort(asked[:, 0], kind="stable")], []
        edges = [np.ravel_multi_index([at(span) for span in core], self.shape) for at in (_low, _high)]
        start, stop = np.searchsorted(self._asked[:, 0], [edges[0], edges[1] + 1])
        asked = self._asked[start:stop]
        asked = asked[_inside(asked[:, 0], core, self.shape)]
        if len(asked):
            place = np.unravel_index(asked[:, 0], self.shape)
            here = np.abs(self.parts[core])[tuple(p - span.start for p, span in zip(place, core, strict=True))]
            self._join(np.stack([asked[:, 1], here.astype(np.int64)], 1))

    def _join(self, pairs: np.ndarray) -> None:
        # Kept without repetition and as one array: the memory is that of the objects at seams.
        self._pairs = [np.unique(np.concatenate([self._pairs[-1], pairs]), axis=0)]


def _inside_parts(labels: np.ndarray) -> np.ndarray:
    """Where no voxel over a face belongs to another part."""
    inside = labels > 0
    for axis in range(labels.ndim):
        low, high = ((slice(None),) * axis + (part,) for part in (slice(None, -1), slice(1, None)))
        other = (labels[low] != labels[high]) & (labels[low] > 0) & (labels[high] > 0)
        inside[low] &= ~other
        inside[high] &= ~other
    return inside


def _across(near: np.ndarray, far: np.ndarray) -> np.ndarray:
    """Pairs of numbers on both sides of a face that are one part."""
    both = (near != 0) & (far != 0)
    a, b = np.abs(near[both]).astype(np.int64), np.abs(far[both]).astype(np.int64)
    whole = (near[both] < 0) & (far[both] < 0)
    (one, one_sizes), (two, two_sizes) = (np.unique(side, return_counts=True) for side in (a, b))
    pairs, sizes = np.unique(np.stack([a, b], 1)[whole], axis=0, return_counts=True)
    least = np.minimum(one_sizes[np.searchsorted(one, pairs[:, 0])], two_sizes[np.searchsorted(two, pairs[:, 1])])
    joint: np.ndarray = pairs[2 * sizes >= least]
    return joint


def _inside(places: np.ndarray, core: Window, shape: Sequence[int]) -> np.ndarray:
    inside = np.ones(len(places), bool)
    for at, span in zip(np.unravel_index(places, tuple(shape)), core, strict=True):
        inside &= (at >= span.start) & (at < span.stop)
    return inside


def _low(span: slice) -> int:
    return int(span.start)


def _high(span: slice) -> int:
    return int(span.stop) - 1
