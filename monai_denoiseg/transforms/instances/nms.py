"""Non-maximum suppression of star-convex shapes: among those that overlap much, only the most probable one is kept."""

from __future__ import annotations

import numpy as np
from scipy.spatial import cKDTree

from monai_denoiseg.checks import check_range
from monai_denoiseg.transforms.instances.star_shapes import StarShapes

__all__ = ["suppress"]

_FEW = 256  # voxels of a shape that are tested first
_SIGMAS = 5.0  # and how many standard errors they must be beyond the threshold to decide
_CHUNK = 1 << 18


def suppress(
    points: np.ndarray, distances: np.ndarray, probabilities: np.ndarray, rays: np.ndarray, overlap: float
) -> np.ndarray:
    """Choose the stars to keep: each suppresses the less probable ones it overlaps with by more than ``overlap``.

    The overlap of two stars is the number of voxels in both, divided by the exact area (volume) of the smaller one. It is not
    the intersection over union. Stars of equal probability go in the order given. The choice is greedy from the most probable
    star down, so of the stars kept those above some probability are just the ones kept if only those above it are given.

    If a shape has more than 1,024 voxels, 256 random ones (always the same) show whether the overlap is beyond doubt
    (5 standard errors), and all of them otherwise. Boxes of more than 2**18 voxels are looked at on a coarser grid.

    Args:
        points: centres ``(n, spatial_dims)``, whole numbers.
        distances: ``(n, n_rays)`` in voxels, positive.
        probabilities: ``(n,)``.
        rays: ``(n_rays, spatial_dims)``, see :func:`star_rays`.
        overlap: largest overlap that is allowed, in [0, 1].

    Returns:
        int64: indices of the stars kept, in descending probability.

    Raises:
        ValueError: when ``overlap`` is outside [0, 1], or a distance is not positive.

    Source: Schmidt et al. (2018). ``stardist.nms`` computes polygons with vertices cut to whole pixels, so that it may decide
    differently for an overlap close to the threshold.

    >>> from monai_denoiseg.transforms import star_rays
    >>> points = np.array([[5, 5], [5, 6], [5, 14]])
    >>> suppress(points, np.full((3, 8), 3.0), np.array([0.7, 0.9, 0.8]), star_rays(8, 2), overlap=0.4)
    array([1, 2])
    """
    check_range("overlap", float(overlap), 0, 1)
    order = np.argsort(-np.asarray(probabilities, dtype=np.float64), kind="stable")
    if not len(order):
        return order
    shapes = StarShapes(np.asarray(points)[order], np.asarray(distances)[order], rays)
    neighbours = _Neighbours(shapes)
    alive, kept = np.ones(len(order), bool), []
    for star in range(len(order)):
        if not alive[star]:
            continue
        kept.append(star)
        near = neighbours.of(star)
        near = near[(near > star) & alive[near]]
        alive[near[_overlapping(shapes, star, near, overlap)]] = False
    return order[kept]


class _Neighbours:
    """Stars near enough to touch. The few very long ones are kept apart: they are near to everything."""

    def __init__(self, shapes: StarShapes) -> None:
        self.shapes = shapes
        long = shapes.radius > 4 * np.median(shapes.radius)
        self.short, self.long = np.flatnonzero(~long), np.flatnonzero(long)
        self.tree, self.reach = cKDTree(shapes.points[self.short]), shapes.radius[self.short].max()

    def of(self, star: int) -> np.ndarray:
        """Indices, unordered, the star itself among them."""
        radius = self.shapes.radius[star] + self.reach
        found = self.tree.query_ball_point(self.shapes.points[star], radius)
        return np.concatenate([self.short[np.array(found, dtype=np.int64)], self.long])


def _overlapping(shapes: StarShapes, star: int, near: np.ndarray, overlap: float) -> np.ndarray:
    """Places in ``near`` of the stars that overlap with ``star`` by more than ``overlap``."""
    needed = overlap * np.minimum(shapes.size[star], shapes.size[near])
    common = np.minimum(shapes.high[star], shapes.high[near]) - np.maximum(shapes.low[star], shapes.low[near])
    doubtful: np.ndarray = np.flatnonzero((common >= 0).all(1) & ((np.floor(np.maximum(common, 0)) + 1).prod(1) > needed))
    if not doubtful.size:
        return doubtful
    if shapes.step(star) > 1:
        shared = np.array([_common(shapes, star, int(other)) for other in near[doubtful]])
        return np.asarray(doubtful[shared > needed[doubtful]])
    voxels, sure = shapes.voxels(star), doubtful[:0]
    if len(voxels) > 4 * _FEW:
        few = voxels[np.random.default_rng(0).choice(len(voxels), _FEW, replace=False)]
        share = _count(shapes, near[doubtful], few) / _FEW
        error = _SIGMAS * np.sqrt((share * (1 - share) + 1 / _FEW) / _FEW)
        total, least = len(voxels), needed[doubtful]
        sure = doubtful[(share - error) * total > least]
        doubtful = doubtful[((share - error) * total <= least) & ((share + error) * total > least)]
    counted = _count(shapes, near[doubtful], voxels)
    return np.concatenate([sure, doubtful[counted > needed[doubtful]]])


def _common(shapes: StarShapes, star: int, other: int) -> float:
    """Common voxels of two stars, from those of the smaller one."""
    small, large = sorted([star, other], key=lambda index: float((shapes.high[index] - shapes.low[index]).prod()))
    step = shapes.step(small)
    voxels = shapes.voxels(small, step=step)
    return float(_count(shapes, np.array([large]), voxels)[0]) * float(step ** voxels.shape[1])


def _count(shapes: StarShapes, stars: np.ndarray, voxels: np.ndarray) -> np.ndarray:
    """How many of the voxels lie in each star."""
    at_once = max(1, _CHUNK // max(len(voxels), 1))
    parts = [stars[i : i + at_once] for i in range(0, len(stars), at_once)]
    counts = [shapes.inside(part, voxels).sum(1) for part in parts]
    return np.concatenate(counts) if counts else np.zeros(0)
