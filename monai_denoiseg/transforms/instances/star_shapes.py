"""Polygons and polyhedra spanned by star distances: their vertices, their size, what lies inside, and the label image of many."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from skimage.draw import polygon

from monai_denoiseg.transforms.orientation.rays import ray_faces, rays_in_convex_position

__all__ = ["StarShapes", "render_stars", "star_vertices"]

_EDGE = 1 + 1e-6  # a voxel on the surface is inside
_FINEST = {2: 512, 3: 48}  # radius in voxels up to which the table of directions has an entry for every voxel
_CHUNK = 1 << 15
_SAMPLES = 1 << 18  # voxels of a box at most; a larger one is looked at on a coarser grid


def star_vertices(points: np.ndarray, distances: np.ndarray, rays: np.ndarray) -> np.ndarray:
    """Return the ends of the rays.

    Args:
        points: centres ``(n, spatial_dims)``.
        distances: ``(n, n_rays)`` in voxels.
        rays: ``(n_rays, spatial_dims)``.

    Returns:
        float32 ``(n, n_rays, spatial_dims)``.

    >>> from monai_denoiseg.transforms import star_rays
    >>> star_vertices(np.array([[5, 5]]), np.array([[1, 2, 1, 2]]), star_rays(4, 2)).round(3)
    array([[[5., 6.],
            [7., 5.],
            [5., 4.],
            [3., 5.]]], dtype=float32)
    """
    vertices: np.ndarray = (np.asarray(distances)[..., None] * rays).astype(np.float32)
    vertices += np.asarray(points)[:, None]
    return vertices


def render_stars(
    points: np.ndarray, distances: np.ndarray, probabilities: np.ndarray, rays: np.ndarray, shape: Sequence[int]
) -> np.ndarray:
    """Paint stars into a label image, in ascending probability, so that the most probable one ends on top.

    In a tie the last one ends on top. A number is the place in the order given (1 for the first), as
    :func:`suppress` gives it: by descending probability. A star below others, or outside the image, leaves a gap.

    Args:
        points: centres ``(n, spatial_dims)``, whole numbers.
        distances: ``(n, n_rays)`` in voxels, positive.
        probabilities: ``(n,)``.
        rays: ``(n_rays, spatial_dims)``.
        shape: ``([D,] H, W)`` of the image.

    Returns:
        int32 ``([D,] H, W)``: 0 background.

    Source: the same labels as ``stardist.geometry.polygons_to_label``, and ``polyhedron_to_label`` in 3D.

    >>> from monai_denoiseg.transforms import star_rays
    >>> points, distances = np.array([[1, 1], [1, 3]]), np.ones((2, 4))
    >>> render_stars(points, distances, np.array([0.9, 0.8]), star_rays(4, 2), (3, 6))
    array([[0, 1, 0, 2, 0, 0],
           [1, 1, 1, 2, 2, 0],
           [0, 1, 0, 2, 0, 0]], dtype=int32)
    """
    labels = np.zeros(tuple(shape), np.int32)
    if not len(points):
        return labels
    order = np.argsort(probabilities, kind="stable")
    if len(labels.shape) == 2:
        for number, outline in zip(order, star_vertices(points[order], distances[order], rays), strict=True):
            labels[polygon(outline[:, 0], outline[:, 1], labels.shape)] = number + 1
        return labels
    shapes = StarShapes(points, distances, rays)
    for number in order:
        voxels = shapes.voxels(int(number), labels.shape)
        labels[tuple(voxels.T)] = number + 1
    return labels


class StarShapes:
    """Many stars with the same rays, made ready to ask which voxels lie inside.

    Whether a voxel lies inside depends on one face alone, that of the cone its direction from the centre falls in. Centres are
    whole numbers, so a table for all offsets from a centre tells the face, and one scalar product the rest. The table covers
    offsets of up to 512 voxels (48 in 3D); a larger one takes the face of the nearest direction in it.

    Args:
        points: centres ``(n, spatial_dims)``, whole numbers.
        distances: ``(n, n_rays)`` in voxels, positive and finite.
        rays: ``(n_rays, spatial_dims)``.

    Attributes:
        points: the centres, int64.
        size: area or volume of each star.
        radius: longest distance of each star.
        low: smallest coordinates of each star, ``(n, spatial_dims)``.
        high: largest coordinates.

    >>> from monai_denoiseg.transforms import star_rays
    >>> shapes = StarShapes(np.array([[1, 1]]), np.ones((1, 4)), star_rays(4, 2))
    >>> shapes.size, shapes.voxels(0, (3, 3)).tolist()
    (array([2.]), [[0, 1], [1, 0], [1, 1], [1, 2], [2, 1]])
    """

    def __init__(self, points: np.ndarray, distances: np.ndarray, rays: np.ndarray) -> None:
        self.points = np.asarray(points, dtype=np.int64)
        self._distances = np.asarray(distances, dtype=np.float64)
        if not (np.isfinite(self._distances).all() and (self._distances > 0).all()):
            raise ValueError("`distances` must be positive and finite; clip them from below, e.g. to 1e-3")
        self.radius = self._distances.max(1, initial=0)
        vertices = star_vertices(np.zeros_like(self.points), self._distances, rays)
        self.low, self.high = self.points + vertices.min(1, initial=0), self.points + vertices.max(1, initial=0)
        finest = _FINEST[rays.shape[1]]
        reach = min(finest, 8 * math.ceil(max(self.radius.max(initial=0), 1) / 8))
        self._cones = _cones(np.ascontiguousarray(rays, dtype=np.float64).tobytes(), rays.shape[1], reach)
        self._scale = min(1.0, reach / max(self.radius.max(initial=0), 1))
        ends = self._distances[:, self._cones.faces]
        self.size = (ends.prod(-1) * self._cones.volumes).sum(1)

    def inside(self, stars: np.ndarray, voxels: np.ndarray) -> np.ndarray:
        """Say which voxels lie inside each of some stars.

        Args:
            stars: indices ``(k,)``.
            voxels: whole coordinates ``(m, spatial_dims)``.

        Returns:
            bool ``(k, m)``.
        """
        cones = self._cones
        offsets = (voxels[None] - self.points[stars][:, None]).reshape(-1, voxels.shape[1])
        nearest = offsets if self._scale == 1 else np.rint(offsets * self._scale).astype(np.int64)
        near = (np.abs(nearest) <= cones.reach).all(1)
        star = np.repeat(np.arange(len(stars)), len(voxels))[near]
        face = cones.table[(nearest[near] + cones.reach) @ cones.strides]
        planes = np.einsum("fde,nfe->nfd", cones.inverse, 1 / self._distances[stars][:, cones.faces])
        out = np.zeros(len(offsets), bool)
        out[near] = (planes[star, face] * offsets[near]).sum(1) <= _EDGE
        return out.reshape(len(stars), len(voxels))

    def voxels(self, star: int, shape: Sequence[int] | None = None, step: int = 1) -> np.ndarray:
        """Return the voxels inside one star, ``(m, spatial_dims)``.

        Args:
            star: its index.
            shape: leave out what is outside an image of this shape.
            step: look at every so many voxels along each axis only.
        """
        low, high = np.floor(self.low[star]).astype(int), np.ceil(self.high[star]).astype(int)
        if shape is not None:
            low, high = np.maximum(low, 0), np.minimum(high, np.array(shape) - 1)
        # Counted from the centre, so that it is among them.
        low = self.points[star] + np.sign(low - self.points[star]) * (np.abs(low - self.points[star]) // step) * step
        box = np.stack(np.meshgrid(*(np.arange(a, b + 1, step) for a, b in zip(low, high, strict=True)), indexing="ij"), -1)
        box = box.reshape(-1, len(low))
        parts = [box[i : i + _CHUNK] for i in range(0, len(box), _CHUNK)]
        hits = [part[self.inside(np.array([star]), part)[0]] for part in parts]
        return np.concatenate(hits) if hits else box

    def step(self, star: int) -> int:
        """Step at which the box of a star has about 2**18 voxels at most."""
        voxels = float(np.prod(np.ceil(self.high[star] - self.low[star]) + 1))
        return max(1, math.ceil(math.pow(voxels / _SAMPLES, 1 / self.points.shape[1])))


class _Cones:
    """The faces of some rays, and for each offset from a centre the one whose cone it falls in."""

    def __init__(self, rays: np.ndarray, reach: int) -> None:
        ndim = rays.shape[1]
        self.faces, self.reach = ray_faces(rays), reach
        corners = rays[self.faces]
        self.inverse: np.ndarray = np.linalg.inv(corners)
        self.volumes: np.ndarray = np.abs(np.linalg.det(corners)) / math.factorial(ndim)
        edge = 2 * reach + 1
        self.strides = edge ** np.arange(ndim)[::-1]
        # Of a convex shape around the origin, a direction leaves through the face whose plane is nearest along it.
        planes = np.linalg.inv(rays_in_convex_position(rays)[self.faces]).sum(-1)
        self.table = np.empty(edge**ndim, np.int32)
        for start in range(0, len(self.table), _CHUNK):
            flat = np.arange(start, min(start + _CHUNK, len(self.table)))
            offsets = np.stack(np.unravel_index(flat, (edge,) * ndim), -1) - reach
            self.table[flat] = (offsets @ planes.T).argmax(1)


@lru_cache(maxsize=8)
def _cones(rays: bytes, ndim: int, reach: int) -> _Cones:
    return _Cones(np.frombuffer(rays).reshape(-1, ndim), reach)
