"""Overlap-tile seams: windows with margins, what touches across the faces of tiles, and numbers joined by that."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from scipy import sparse
from scipy.sparse import csgraph

__all__ = ["Window", "extend", "joined", "rank_by_first", "touching"]

Window = tuple[slice, ...]


def extend(core: Window, margin: Sequence[int], shape: Sequence[int]) -> Window:
    """Return the window with a margin on all sides, cut off at the edges of the image.

    Args:
        core: the window.
        margin: in voxels, for each axis.
        shape: of the image.

    >>> extend((slice(4, 8),), [3], [10])
    (slice(1, 10, None),)
    """
    spans = zip(core, margin, shape, strict=True)
    return tuple(slice(max(0, span.start - m), min(n, span.stop + m)) for span, m, n in spans)


def touching(
    read: Callable[[Window], np.ndarray], core: Window, axis: int, shape: Sequence[int], connectivity: int
) -> Iterator[np.ndarray]:
    """Pairs of numbers on both sides of the upper face of a tile, 0 left out.

    Args:
        read: gives the numbers of a window.
        core: the tile; there is something beyond its upper face along ``axis``.
        axis: see above.
        shape: of the image.
        connectivity: which neighbours touch: 1 for faces, up to the number of axes for diagonals too.

    Yields:
        ``(n, 2)`` for each direction of neighbours.

    >>> row = np.array([1, 1, 2, 0])
    >>> [pairs.tolist() for pairs in touching(lambda window: row[window], (slice(0, 2),), 0, (4,), 1)]
    [[[1, 2]]]
    """
    stop, reach = core[axis].stop, int(connectivity > 1)
    wide = extend(core, [reach] * len(core), shape)
    slab: Any = np.moveaxis(read((*wide[:axis], slice(stop - 1, stop + 1), *wide[axis + 1 :])), axis, 0)
    others = [i for i in range(len(core)) if i != axis]
    spans = [range(core[i].start - wide[i].start, core[i].stop - wide[i].start) for i in others]
    for step in itertools.product(*[(-1, 0, 1)] * len(others)):
        if np.abs(step).sum() >= connectivity:
            continue
        near, far = [], []
        for span, shift, length in zip(spans, step, slab.shape[1:], strict=True):
            low, high = max(span.start, -shift), min(span.stop, length - shift)
            near.append(slice(low, high))
            far.append(slice(low + shift, high + shift))
        a, b = slab[(0, *near)], slab[(1, *far)]
        both = (a > 0) & (b > 0)
        yield np.unique(np.stack([a[both], b[both]], 1), axis=0)


def joined(pairs: np.ndarray, total: int) -> tuple[int, np.ndarray]:
    """Join numbers by pairs.

    Args:
        pairs: ``(n, 2)``.
        total: the numbers are 0..total - 1.

    Returns:
        How many groups there are, and the group of each number.

    >>> joined(np.array([[1, 3]]), 4)
    (3, array([0, 1, 2, 1], dtype=int32))
    """
    links = sparse.coo_matrix((np.ones(len(pairs), bool), (pairs[:, 0], pairs[:, 1])), (total, total))
    count, group = csgraph.connected_components(links, directed=False)
    return count, group


def rank_by_first(first: np.ndarray, keep: np.ndarray) -> np.ndarray:
    """Number what is kept 1..n in the order of its first voxel, the rest 0.

    Args:
        first: place of the first voxel of each.
        keep: bool, which to number.

    >>> rank_by_first(np.array([7, 2, 5]), np.array([True, False, True]))
    array([2, 0, 1], dtype=int32)
    """
    kept = np.flatnonzero(keep)
    rank = np.zeros(len(first), np.int32)
    rank[kept[np.argsort(first[kept], kind="stable")]] = np.arange(1, len(kept) + 1)
    return rank
