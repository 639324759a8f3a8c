"""The directions along which StarDist measures an object, and how they change places when the image is turned."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from scipy.spatial import ConvexHull

from monai_denoiseg.checks import check_int, check_option
from monai_denoiseg.transforms.orientation.orient import orient

__all__ = ["ray_faces", "ray_permutation", "star_rays"]

_OCTAHEDRA = {6: 0, 18: 1, 66: 2, 258: 3}  # number of rays: how often the octahedron is subdivided
_TOLERANCE = 1e-6


def star_rays(n_rays: int, spatial_dims: int, spacing: Sequence[float] | None = None) -> np.ndarray:
    """Return unit steps in evenly spread directions.

    2D: the angles ``2 pi k / n``. 3D: for 6, 18, 66 or 258 rays the vertices of a subdivided octahedron, which the 48 flips and
    quarter turns of the voxel grid map onto themselves, so that labels can be turned together with the images
    (:func:`ray_permutation`); for every other number StarDist's golden spiral, which no turn maps onto itself.

    Args:
        n_rays: number of rays, at least 3 in 2D and 6 in 3D.
        spatial_dims: 2 or 3.
        spacing: 3D only: voxel size ``(Z, Y, X)``. Rays are then evenly spread in physical space (StarDist's ``anisotropy``).
            Only its ratios matter. StarDist has no such thing in 2D, and there it is not looked at.

    Returns:
        float64 ``(n_rays, spatial_dims)``: steps of length 1 in voxels along (Z) Y X.

    Raises:
        ValueError: when there are too few rays, ``spatial_dims`` is neither 2 nor 3, or ``spacing`` not three positive numbers.

    Source: Schmidt et al. (2018), Weigert et al. (2020); ``stardist.rays3d.Rays_GoldenSpiral`` and ``Rays_Octo``.

    >>> star_rays(4, 2).round(3) + 0.0
    array([[ 0.,  1.],
           [ 1.,  0.],
           [ 0., -1.],
           [-1.,  0.]])
    >>> star_rays(96, 3, spacing=(2, 1, 1)).shape
    (96, 3)
    """
    check_option("spatial_dims", str(spatial_dims), ("2", "3"))
    check_int("n_rays", n_rays, 3 if spatial_dims == 2 else 6)
    if spatial_dims == 2:
        angles = np.linspace(0, 2 * np.pi, n_rays, endpoint=False)
        return np.stack([np.sin(angles), np.cos(angles)], 1)
    steps = _evenly(n_rays)
    if spacing is not None:
        sizes = [float(size) for size in spacing]
        if len(sizes) != 3 or not all(0 < size < float("inf") for size in sizes):
            raise ValueError(f"`spacing` must be three positive numbers (Z, Y, X), got {sizes}; leave it out if it is not known")
        steps = steps / np.array(sizes)
    return np.asarray(steps / np.linalg.norm(steps, axis=1, keepdims=True))


def ray_permutation(rays: np.ndarray, k: int, spatial_dims: int) -> list[int] | None:
    """Find where the distance channels go when an image is turned.

    With this permutation ``p``, ``orient(distances, k, spatial_dims)[p]`` are the star distances of the oriented image.

    Args:
        rays: ``(n_rays, spatial_dims)``, see :func:`star_rays`.
        k: an orientation, see :func:`~monai_denoiseg.transforms.orientation.orient`.
        spatial_dims: 2 or 3.

    Returns:
        For each channel the one it is taken from, or None when the orientation does not map the rays onto themselves (to 1e-6).

    Raises:
        ValueError: when ``k`` is no orientation, or the rays do not have ``spatial_dims`` axes.

    >>> ray_permutation(star_rays(4, 2), 1, 2), ray_permutation(star_rays(3, 2), 4, 2)
    ([0, 3, 2, 1], None)
    """
    if rays.ndim != 2 or rays.shape[1] != spatial_dims:
        raise ValueError(f"`rays` must have the shape (n_rays, {spatial_dims}), got {rays.shape}")
    # Where a unit step along each axis of the oriented grid leads in the original one; `orient` itself is the authority.
    grid = np.moveaxis(np.indices((3,) * spatial_dims), 0, -1) - 1
    turned = np.stack([np.asarray(orient(grid[..., axis], k, spatial_dims)) for axis in range(spatial_dims)], -1)
    centre = np.ones((spatial_dims, spatial_dims), dtype=int)
    original = turned[tuple((centre + np.eye(spatial_dims, dtype=int)).T)]
    wanted = rays @ original
    apart = np.abs(wanted[:, None] - rays[None]).max(-1)
    source = apart.argmin(1)
    closed = bool((apart.min(1) < _TOLERANCE).all()) and len(set(source.tolist())) == len(rays)
    return [int(index) for index in source] if closed else None


def ray_faces(rays: np.ndarray) -> np.ndarray:
    """Find which rays are neighbours: the edges (2D) or triangles (3D) that close the shape between their ends.

    Args:
        rays: ``(n_rays, spatial_dims)``, also those of :func:`star_rays` with ``spacing``; they must surround the origin.

    Returns:
        int ``(n_faces, spatial_dims)``: indices of rays.

    Raises:
        ValueError: when the rays do not surround the origin.

    >>> sorted(sorted(face) for face in ray_faces(star_rays(4, 2)).tolist())
    [[0, 1], [0, 3], [1, 2], [2, 3]]
    >>> len(ray_faces(star_rays(66, 3)))
    128
    """
    hull = ConvexHull(rays_in_convex_position(rays))
    if hull.equations[:, -1].max() > -_TOLERANCE:
        raise ValueError(f"`rays` must surround the origin, but these {len(rays)} leave one side open; see `star_rays`")
    return np.asarray(hull.simplices, dtype=np.int64)


def rays_in_convex_position(rays: np.ndarray) -> np.ndarray:
    """Stretch rays so that their ends are the corners of a convex shape, whose faces show which rays are neighbours.

    Rays of length 1 are such corners already. But rays scaled by a voxel size keep their former neighbours, as in StarDist: they
    get the lengths they had before normalisation.

    Args:
        rays: ``(n_rays, spatial_dims)``, see :func:`star_rays`.

    Returns:
        float64 of the same shape and the same directions.

    >>> stretched = rays_in_convex_position(star_rays(18, 3, spacing=(2, 1, 1)))
    >>> np.unique(np.linalg.norm(stretched / stretched.max(0), axis=1).round(6))
    array([1.])
    """
    if rays.shape[1] != 3 or len(rays) < 6:
        return rays
    steps = _evenly(len(rays))
    sizes = _ratios(steps, rays)
    again = steps / sizes
    same = np.abs(again / np.linalg.norm(again, axis=1, keepdims=True) - rays).max() < 1e-4
    return again if same else rays


def _ratios(steps: np.ndarray, rays: np.ndarray) -> np.ndarray:
    """The voxel size (but for a factor) that would turn the directions of ``steps`` into those of ``rays``."""
    sizes = np.ones(3)
    for axis in (1, 2):
        usable = (np.abs(steps[:, [0, axis]]) > 1e-3).all(1) & (np.abs(rays[:, [0, axis]]) > _TOLERANCE).all(1)
        if usable.any():
            ratio = steps[usable, axis] * rays[usable, 0] / (steps[usable, 0] * rays[usable, axis])
            sizes[axis] = max(float(np.median(ratio)), _TOLERANCE)
    return sizes


@lru_cache(maxsize=16)
def _evenly(n_rays: int) -> np.ndarray:
    """Evenly spread points of the unit sphere: ``(n_rays, 3)``, not to be written to."""
    return _octahedron(_OCTAHEDRA[n_rays]) if n_rays in _OCTAHEDRA else _golden_spiral(n_rays)


def _golden_spiral(n_rays: int) -> np.ndarray:
    angle = (3 - np.sqrt(5)) * np.pi * np.arange(n_rays)
    z = np.linspace(-1, 1, n_rays)
    rho = np.sqrt(1 - z**2)
    return np.stack([z, rho * np.sin(angle), rho * np.cos(angle)], 1)


def _octahedron(level: int) -> np.ndarray:
    points = np.concatenate([np.eye(3), -np.eye(3)])
    for _ in range(level):
        faces = ConvexHull(points).simplices
        edges = np.unique(np.sort(np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [0, 2]]]), axis=1), axis=0)
        middle = points[edges].sum(1)
        points = np.concatenate([points, middle / np.linalg.norm(middle, axis=1, keepdims=True)])
    return points
