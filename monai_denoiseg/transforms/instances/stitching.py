"""Instances found tile by tile: numbered, merged and grown as on the whole image."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
from scipy import ndimage

from monai_denoiseg.checks import check_int, per_axis
from monai_denoiseg.spacing import SLACK
from monai_denoiseg.transforms.instances.growth import grow_seeds
from monai_denoiseg.transforms.instances.necks import NeckSplitter
from monai_denoiseg.transforms.instances.part_stitching import PartStitcher
from monai_denoiseg.transforms.instances.peaks import first_voxels
from monai_denoiseg.transforms.instances.seams import Window, extend, joined, rank_by_first, touching

__all__ = ["InstanceStitcher", "instances_by_tiles"]

CONTEXT = 8
"""Voxels beyond an object that its growth depends on: two passes over contacts of 3 voxels each, and their neighbours."""


class InstanceStitcher:
    """Find the instances of an image in a few passes over its tiles, holding one tile at a time.

    1. :meth:`label` numbers the connected components of ``foreground > threshold`` in each tile alone,
    2. :meth:`join` finds the components that touch across the faces (edges and corners) of a tile; :meth:`number` then merges
       them, drops what is smaller than ``min_size`` and numbers the rest in raster order of their first voxel,
    3. with ``split_neck`` the components are split at their necks in two further passes, see :class:`PartStitcher`,
    4. :meth:`grow` grows the numbered seeds of a tile and of a margin around it, and returns the tile.

    :meth:`find` runs all of these but the last.

    What is guaranteed, compared with :func:`~monai_denoiseg.transforms.instances.instances_from_foreground` on the whole image:

    * The seeds (steps 1 and 2) are the same for objects of any size: each object keeps one number, whatever tiles it crosses.
    * The split at necks (step 3) is the same where the components extend over less than ``overlap`` voxels along every axis.
      Larger ones are split too, and an object smaller than ``overlap`` has one number in all tiles, see :class:`PartStitcher`.
    * The outlines (growth and hole filling) are the same where objects, as grown, extend over less than ``overlap`` voxels along
      every axis. A larger object stays one object with the same seed, but may be grown or filled differently beyond ``overlap``
      voxels from its seed or next to others like it. With ``rule="paper"`` and without ``fill_holes`` this bound does not matter.

    StarDist's ``predict_instances_big`` gives the guarantee for objects smaller than its ``min_overlap``; a larger one may be
    lost or cut there.

    Memory is that of one tile with its margin, 16 bytes for every component, and with ``split_neck`` 32 for every part.

    Args:
        foreground: probabilities ``([D,] H, W)``; anything that gives numpy arrays for slices (numpy, zarr).
        border: likewise; None for none.
        numbers: where the preliminary numbers are kept: int32, same shape, can be written by slices.
        cores: slices of the tiles, covering the image once.
        threshold: seeds are where the foreground probability is larger.
        overlap: see above, in voxels, or one number for each axis.
        rule: ``"grow"`` or ``"paper"``.
        min_size: see :func:`~monai_denoiseg.transforms.instances.instances_from_foreground`, as all that follow.
        max_grow: see there.
        fill_holes: see there.
        connectivity: see there.
        spacing: see there.
        split_neck: see there.
        aspect: see there.
        parts: where the preliminary numbers of parts are kept, as ``numbers``; None: in memory. Only used with ``split_neck``.

    >>> foreground = np.array([[0, 1, 1, 1, 0, 1]], dtype="float32")
    >>> cores = [(slice(0, 1), slice(0, 3)), (slice(0, 1), slice(3, 6))]
    >>> stitcher = InstanceStitcher(foreground, None, np.zeros((1, 6), "int32"), cores, 0.5, overlap=4)
    >>> stitcher.find(lambda step: range(2)), stitcher.grow(0).tolist(), stitcher.grow(1).tolist()
    (2, [[0, 1, 1]], [[1, 0, 2]])
    """

    def __init__(
        self,
        foreground: Any,
        border: Any,
        numbers: Any,
        cores: Sequence[Window],
        threshold: float,
        *,
        overlap: int | Sequence[int] = 64,
        rule: str = "grow",
        min_size: float = 0,
        max_grow: float | None = None,
        fill_holes: bool = False,
        connectivity: int = 1,
        spacing: Sequence[float] | None = None,
        split_neck: float = 0.0,
        aspect: Sequence[float] | None = None,
        parts: Any = None,
    ) -> None:
        self.foreground, self.border, self.numbers = foreground, border, numbers
        self.shape: tuple[int, ...] = tuple(foreground.shape)
        self.cores, self.threshold, self.connectivity = list(cores), threshold, connectivity
        self.margin = [check_int("overlap", edge, 0) + CONTEXT for edge in per_axis("overlap", overlap, len(self.shape))]
        self.grows = rule != "paper" or fill_holes
        self.options: dict[str, Any] = {"rule": rule, "max_grow": max_grow, "fill_holes": fill_holes}
        self.options |= {"connectivity": connectivity, "spacing": spacing}
        self.smallest = math.ceil(min_size if spacing is None else min_size / math.prod(spacing) * (1 - SLACK))
        self._sizes: list[np.ndarray] = [np.zeros(1, np.int64)]  # number 0 is the background
        self._first: list[np.ndarray] = [np.zeros(1, np.int64)]
        self._pairs: list[np.ndarray] = [np.zeros((0, 2), np.int32)]
        self._count = 0
        self._final: np.ndarray = np.zeros(1, np.int32)
        self.parts: PartStitcher | None = None
        if split_neck:
            shape = aspect if aspect is not None else spacing
            splitter = NeckSplitter(split_neck, self.shape, min_size=self.smallest, spacing=shape, connectivity=connectivity)
            parts = np.zeros(self.shape, np.int32) if parts is None else parts
            self.parts = PartStitcher(self._components, parts, self.cores, self.margin, splitter, connectivity)

    @property
    def steps(self) -> dict[str, Callable[[int], None]]:
        """The passes before :meth:`grow` by their names, in order, each a function of the number of a tile."""
        steps: dict[str, Callable[[int], None]] = {"label": self.label, "join": self.join}
        if self.parts is not None:
            steps |= {"split": self.parts.split, "unite": self.parts.unite}
        return steps

    def find(self, tiles: Callable[[str], Iterable[int]]) -> int:
        """Run all passes before :meth:`grow`.

        Args:
            tiles: gives the numbers of all tiles for the name of a pass (see :attr:`steps`), in any order.

        Returns:
            How many objects there are.
        """
        objects = 0
        for step, do in self.steps.items():
            for index in tiles(step):
                do(index)
            if step == "join":
                objects = self.number()
        return objects if self.parts is None else self.parts.number()

    def label(self, index: int) -> None:
        """Number the components of one tile; call it once for each tile, in any order.

        Raises:
            OverflowError: when there are more components than 32-bit labels can number.
        """
        core = self.cores[index]
        structure = ndimage.generate_binary_structure(len(self.shape), self.connectivity)
        labels, found = ndimage.label(self.foreground[core] > self.threshold, structure, output=np.int32)
        if self._count + found > np.iinfo(np.int32).max:
            raise OverflowError("more than 2**31 pieces above the threshold: this is noise; raise the threshold")
        corner = np.unravel_index(first_voxels(labels, found)[1:], labels.shape)
        self._first.append(np.ravel_multi_index([c + s.start for c, s in zip(corner, core, strict=True)], self.shape))
        self._sizes.append(np.bincount(labels.reshape(-1), minlength=found + 1)[1:])
        labels[labels > 0] += np.int32(self._count)
        self.numbers[core] = labels
        self._count += found

    def join(self, index: int) -> None:
        """Find what touches across the upper faces of one tile, once all tiles are labelled."""
        core = self.cores[index]
        for axis, (span, length) in enumerate(zip(core, self.shape, strict=True)):
            if span.stop < length:
                found = touching(self.numbers.__getitem__, core, axis, self.shape, self.connectivity)
                pairs = np.concatenate([self._pairs[-1], *found])
                # Kept without repetition and as one array: the memory is that of the objects at seams.
                self._pairs = [np.unique(pairs, axis=0)]

    def number(self) -> int:
        """Merge what was joined, drop small objects, number the others, and return how many there are."""
        count, root = joined(self._pairs[-1], self._count + 1)
        sizes = np.zeros(count, np.int64)
        np.add.at(sizes, root, np.concatenate(self._sizes))
        first = np.full(count, np.iinfo(np.int64).max)
        np.minimum.at(first, root, np.concatenate(self._first))
        keep = sizes >= max(self.smallest, 1)
        self._final = rank_by_first(first, keep)[root]
        return int(keep.sum())

    def grow(self, index: int) -> np.ndarray:
        """Return the finished labels of one tile, int32, once :meth:`find` has run."""
        core = self.cores[index]
        if not self.grows:
            return self._seeds(core)
        window = extend(core, self.margin, self.shape)
        seeds = self._seeds(window)
        # Small numbers in the same order: the growth need not know how many objects there are elsewhere.
        known, local = np.unique(np.append(seeds, 0), return_inverse=True)
        if len(known) == 1:
            return np.zeros(tuple(span.stop - span.start for span in core), np.int32)
        local = local.reshape(-1)[:-1].reshape(seeds.shape).astype(np.int32)
        border = None if self.border is None else self.border[window]
        labels = known[grow_seeds(local, self.foreground[window], border, **self.options)]
        inner = tuple(slice(c.start - w.start, c.stop - w.start) for c, w in zip(core, window, strict=True))
        return np.ascontiguousarray(labels[inner])

    def _components(self, window: Window) -> np.ndarray:
        components: np.ndarray = self._final[self.numbers[window]]
        return components

    def _seeds(self, window: Window) -> np.ndarray:
        return self._components(window) if self.parts is None else self.parts.seeds(window)


def instances_by_tiles(
    foreground: Any, border: Any = None, threshold: float = 0.5, *, tile_size: int | Sequence[int], **options: Any
) -> np.ndarray:
    """Find the instances of an image tile by tile, in memory: what :class:`InstanceStitcher` does, in one call.

    Args:
        foreground: probabilities ``([D,] H, W)``.
        border: likewise; None for none.
        threshold: see :class:`InstanceStitcher`.
        tile_size: edge of the tiles in voxels, or one number for each axis.
        options: further arguments of :class:`InstanceStitcher`.

    Returns:
        int32 ``([D,] H, W)``: 0 background, objects 1..n.

    >>> instances_by_tiles(np.array([[0.9, 0.9, 0.1, 0.8]]), tile_size=1)
    array([[1, 1, 0, 2]], dtype=int32)
    """
    edges = per_axis("tile_size", tile_size, foreground.ndim)
    spans = [[slice(i, min(i + t, n)) for i in range(0, n, t)] for n, t in zip(foreground.shape, edges, strict=True)]
    cores = list(itertools.product(*spans))
    stitcher = InstanceStitcher(foreground, border, np.zeros(foreground.shape, np.int32), cores, threshold, **options)
    stitcher.find(lambda _: range(len(cores)))
    result = np.zeros(foreground.shape, np.int32)
    for index, core in enumerate(cores):
        result[core] = stitcher.grow(index)
    return result
