"""The voxels of each object of a label image, for measurements of all objects at once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_PART = 1 << 22
"""Voxels looked at at once, unless one object has more: working memory does not grow with the image."""
STATISTICS = ("mean", "median", "std", "sum", "min", "max", "p5", "p95")
"""What :meth:`Regions.statistics` tells."""


@dataclass(frozen=True)
class Regions:
    """Objects of a label image and the places of their voxels. A pass over the objects is a few operations on arrays.

    Args:
        shape: ``([D,] H, W)`` of the label image.
        numbers: of the objects ``(N,)``, ascending; what is not positive is no object.
        sizes: their voxels ``(N,)``.
        places: of their voxels in the flattened image, object after object.

    >>> regions = Regions.of(np.array([[0, 7, 7], [3, 0, 7]]))
    >>> regions.numbers.tolist(), regions.sizes.tolist(), regions.places.tolist()
    ([3, 7], [1, 3], [3, 1, 2, 5])
    """

    shape: tuple[int, ...]
    numbers: NDArray[np.int64]
    sizes: NDArray[np.int64]
    places: NDArray[np.integer]

    @classmethod
    def of(cls, labels: NDArray[np.integer]) -> Regions:
        """Find the objects.

        Args:
            labels: ``([D,] H, W)`` integers.
        """
        flat = labels.reshape(-1)
        inside = np.flatnonzero(flat > 0)
        if flat.size < 1 << 31:
            inside = inside.astype(np.int32)
        found = flat[inside]
        order = np.argsort(found, kind="stable")  # in an object places stay ascending
        numbers, sizes = np.unique(found[order], return_counts=True)
        return cls(labels.shape, numbers.astype(np.int64), sizes, inside[order])

    def boxes(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """First voxel of the box of each object, and the one after its last, each ``(N, spatial_dims)``.

        >>> [end.tolist() for end in Regions.of(np.array([[0, 7, 7], [3, 0, 7]])).boxes()]
        [[[1, 0], [0, 1]], [[2, 1], [2, 3]]]
        """
        low, high = (np.empty((len(self.numbers), len(self.shape)), np.int64) for _ in range(2))
        for objects, starts, places in self._parts():
            for axis, places_along in enumerate(np.unravel_index(places, self.shape)):
                low[objects, axis] = np.minimum.reduceat(places_along, starts)
                high[objects, axis] = np.maximum.reduceat(places_along, starts) + 1
        return low, high

    def centroids(self) -> NDArray[np.float64]:
        """Mean place of each object in voxels, ``(N, spatial_dims)``.

        >>> Regions.of(np.array([[0, 7, 7], [3, 0, 7]])).centroids()[0].tolist()
        [1.0, 0.0]
        """
        sums = np.empty((len(self.numbers), len(self.shape)), np.int64)
        for objects, starts, places in self._parts():
            for axis, places_along in enumerate(np.unravel_index(places, self.shape)):
                sums[objects, axis] = np.add.reduceat(places_along, starts)
        return sums / self.sizes[:, None]

    def covariances(self, spacing: Sequence[float]) -> NDArray[np.float64]:
        """Second central moments of the places of each object, divided by its voxels: ``(N, spatial_dims, spatial_dims)``.

        Args:
            spacing: edge of a voxel along each axis.

        >>> Regions.of(np.array([[1, 1, 1]])).covariances([1.0, 2.0])[0].round(3).tolist()
        [[0.0, 0.0], [0.0, 2.667]]
        """
        centres, dims = self.centroids(), len(self.shape)
        found = np.empty((len(self.numbers), dims, dims))
        for objects, starts, places in self._parts():
            sizes = self.sizes[objects]
            along = np.unravel_index(places, self.shape)
            away = [(along[i] - np.repeat(centres[objects, i], sizes)) * spacing[i] for i in range(dims)]
            for i in range(dims):
                for j in range(i, dims):
                    found[objects, i, j] = found[objects, j, i] = np.add.reduceat(away[i] * away[j], starts) / sizes
        return found

    def numbered(self) -> NDArray[np.int32]:
        """The label image with its objects numbered 1 to N.

        >>> Regions.of(np.array([[0, 7, 7], [3, 0, 7]])).numbered().tolist()
        [[0, 2, 2], [1, 0, 2]]
        """
        flat = np.zeros(int(np.prod(self.shape)), np.int32)
        flat[self.places] = np.repeat(np.arange(1, len(self.numbers) + 1, dtype=np.int32), self.sizes)
        return flat.reshape(self.shape)

    def statistics(self, image: NDArray[np.generic]) -> NDArray[np.float64]:
        """:data:`STATISTICS` of the intensities of each object ``(N, 8)``, in float64; NaN of an object that holds NaN.

        Args:
            image: of the label image's shape.

        >>> Regions.of(np.array([[1, 1, 1, 2]])).statistics(np.array([[4.0, 1.0, 1.0, 9.0]]))[:, [0, 1, 3, 4, 5]].tolist()
        [[2.0, 1.0, 6.0, 1.0, 4.0], [9.0, 9.0, 9.0, 9.0, 9.0]]
        """
        flat, found = image.reshape(-1), np.empty((len(self.numbers), len(STATISTICS)))
        for objects, starts, places in self._parts():
            found[objects] = _statistics(flat[places].astype(np.float64), starts, self.sizes[objects])
        return found

    def means(self, image: NDArray[np.generic]) -> NDArray[np.float64]:
        """Mean of each object ``(N,)``, in float64.

        Args:
            image: of the label image's shape.

        >>> Regions.of(np.array([[1, 1, 1, 2]])).means(np.array([[4.0, 1.0, 1.0, 9.0]])).tolist()
        [2.0, 9.0]
        """
        flat, sums = image.reshape(-1), np.empty(len(self.numbers))
        for objects, starts, places in self._parts():
            sums[objects] = np.add.reduceat(flat[places].astype(np.float64), starts)
        found: NDArray[np.float64] = sums / self.sizes
        return found

    def _parts(self) -> Iterator[tuple[slice, NDArray[np.int64], NDArray[np.integer]]]:
        """Objects in turn: which they are, where each begins among their voxels, and the places of these."""
        ends = np.cumsum(self.sizes)
        first, begin = 0, 0
        while first < len(ends):
            last = max(first + 1, int(np.searchsorted(ends, begin + _PART, "right")))
            objects = slice(first, last)
            yield objects, ends[objects] - self.sizes[objects] - begin, self.places[begin : ends[last - 1]]
            first, begin = last, int(ends[last - 1])


def _statistics(values: NDArray[np.float64], starts: NDArray[np.int64], sizes: NDArray[np.int64]) -> NDArray[np.float64]:
    """:data:`STATISTICS` of runs of values, ``(N, 8)``."""
    sums = np.add.reduceat(values, starts)
    means = sums / sizes
    deviations = np.sqrt(np.add.reduceat((values - np.repeat(means, sizes)) ** 2, starts) / sizes)
    ordered = values[np.lexsort((values, np.repeat(np.arange(len(sizes)), sizes)))]
    low, high = ordered[starts], ordered[starts + sizes - 1]
    p5, median, p95 = (_quantile(ordered, starts, sizes, share) for share in (0.05, 0.5, 0.95))
    unknown = np.isnan(high)  # NaN is sorted last
    columns = [means, median, deviations, sums, low, high, p5, p95]
    return np.stack([np.where(unknown, np.nan, column) for column in columns], axis=1)


def _quantile(
    ordered: NDArray[np.float64], starts: NDArray[np.int64], sizes: NDArray[np.int64], share: float
) -> NDArray[np.float64]:
    """A quantile of each run of ascending values, with the interpolation of :func:`numpy.percentile`, to the bit."""
    place = (sizes - 1) * share
    below = np.floor(place).astype(np.int64)
    rest = place - below
    low, high = ordered[starts + below], ordered[starts + np.minimum(below + 1, sizes - 1)]
    between: NDArray[np.float64] = np.where(rest >= 0.5, high - (high - low) * (1 - rest), low + (high - low) * rest)
    return between
