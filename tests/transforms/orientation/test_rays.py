from __future__ import annotations

import numpy as np
import pytest

from monai_denoiseg.transforms import star_rays
from monai_denoiseg.transforms.labels import star_distances
from monai_denoiseg.transforms.orientation import n_orientations, orient, ray_faces, ray_permutation


@pytest.mark.parametrize("n_rays", [3, 7, 32, 64])
def test_angles_in_2d(n_rays: int) -> None:
    rays = star_rays(n_rays, 2)
    assert rays.dtype == np.float64
    for k, (row, column) in enumerate(rays):
        assert np.allclose([row, column], [np.sin(2 * np.pi * k / n_rays), np.cos(2 * np.pi * k / n_rays)])
    np.testing.assert_array_equal(star_rays(n_rays, 2, spacing=(3, 1)), rays)


@pytest.mark.parametrize("n_rays", [6, 18, 33, 66, 96, 258])
@pytest.mark.parametrize("spacing", [None, (1, 1, 1), (4, 2, 1)])
def test_rays_in_3d_have_length_one_and_differ(n_rays: int, spacing: tuple[int, ...] | None) -> None:
    rays = star_rays(n_rays, 3, spacing)
    assert rays.shape == (n_rays, 3)
    np.testing.assert_allclose(np.linalg.norm(rays, axis=1), 1)
    assert np.unique(rays.round(6), axis=0).shape == rays.shape
    if spacing == (4, 2, 1):  # evenly spread in space: fewer steep rays than in voxels
        even = star_rays(n_rays, 3) / np.array(spacing)
        np.testing.assert_allclose(rays, even / np.linalg.norm(even, axis=1, keepdims=True), atol=1e-12)


@pytest.mark.parametrize("spacing", [None, (2, 1, 1), (3.5, 1.2, 0.7)])
def test_golden_spiral_is_that_of_stardist(spacing: tuple[float, ...] | None) -> None:
    rays3d = pytest.importorskip("stardist.rays3d")
    for n_rays in (32, 96):
        theirs = rays3d.Rays_GoldenSpiral(n_rays, spacing)
        rays = star_rays(n_rays, 3, spacing)
        np.testing.assert_allclose(rays, theirs.vertices, atol=1e-6)
        assert {frozenset(face) for face in ray_faces(rays).tolist()} == {frozenset(face) for face in theirs.faces.tolist()}


@pytest.mark.parametrize(("level", "n_rays"), [(1, 6), (2, 18), (3, 66), (4, 258)])
def test_octahedron_is_that_of_stardist(level: int, n_rays: int) -> None:
    rays3d = pytest.importorskip("stardist.rays3d")
    theirs, rays = rays3d.Rays_Octo(level), star_rays(n_rays, 3)
    place = np.linalg.norm(theirs.vertices[:, None] - rays[None], axis=-1).argmin(1)
    np.testing.assert_allclose(theirs.vertices, rays[place], atol=1e-6)
    assert {frozenset(place[face].tolist()) for face in theirs.faces} == {frozenset(face) for face in ray_faces(rays).tolist()}


@pytest.mark.parametrize(("n_rays", "spatial_dims"), [(32, 2), (5, 2), (66, 3), (97, 3)])
def test_faces_close_the_shape(n_rays: int, spatial_dims: int) -> None:
    """Every edge belongs to two triangles (every end of a line to two lines), and Euler's formula holds."""
    faces = ray_faces(star_rays(n_rays, spatial_dims)).tolist()
    sides = [frozenset(face[:i] + face[i + 1 :]) for face in faces for i in range(spatial_dims)]
    assert all(sides.count(side) == 2 for side in set(sides))
    assert n_rays - len(set(sides)) + len(faces) == (2 if spatial_dims == 3 else n_rays)


def test_rays_on_one_side_only() -> None:
    rays = star_rays(66, 3)
    with pytest.raises(ValueError, match=r"`rays` must surround the origin, but these .* leave one side open"):
        ray_faces(rays[rays[:, 0] > 0.1])


@pytest.mark.parametrize(
    ("n_rays", "spatial_dims", "closed"), [(32, 2, 8), (4, 2, 8), (6, 2, 4), (5, 2, 2), (6, 3, 48), (66, 3, 48), (258, 3, 48)]
)
def test_closed_under(n_rays: int, spatial_dims: int, closed: int) -> None:
    rays = star_rays(n_rays, spatial_dims)
    all_of = range(n_orientations(spatial_dims, True, isotropic=True))
    found = {k: p for k in all_of if (p := ray_permutation(rays, k, spatial_dims)) is not None}
    assert len(found) == closed
    assert found[0] == list(range(n_rays))
    assert all(sorted(p) == list(range(n_rays)) for p in found.values())


def test_scaled_rays_are_closed_under_the_orientations_that_keep_z() -> None:
    rays = star_rays(66, 3, spacing=(3, 1, 1))
    assert [k for k in range(48) if ray_permutation(rays, k, 3) is not None] == list(range(16))
    assert [ray_permutation(star_rays(97, 3), k, 3) for k in range(1, 48)] == [None] * 47


def blobs(shape: tuple[int, ...]) -> np.ndarray:
    rng = np.random.default_rng(0)
    coarse = rng.integers(-1, 4, [(size + 3) // 4 for size in shape])
    for axis in range(len(shape)):
        coarse = coarse.repeat(4, axis)
    return coarse[tuple(slice(size) for size in shape)]


@pytest.mark.parametrize(("n_rays", "shape"), [(32, (15, 22)), (6, (9, 13)), (66, (7, 9, 12)), (18, (6, 6, 6))])
def test_permuted_distances_are_those_of_the_oriented_label(n_rays: int, shape: tuple[int, ...]) -> None:
    """Equal to 1e-4, as no step of these rays ends exactly between two voxels."""
    ndim = len(shape)
    label, rays = blobs(shape), star_rays(n_rays, ndim)
    distances = star_distances(label, rays)
    tried = 0
    for k in range(n_orientations(ndim, True, isotropic=True)):
        source = ray_permutation(rays, k, ndim)
        if source is not None:
            expected = star_distances(np.ascontiguousarray(orient(label, k, ndim)), rays)
            np.testing.assert_allclose(orient(distances, k, ndim)[source], expected, atol=1e-4)
            tried += 1
    assert tried == (4 if n_rays == 6 else 8 if ndim == 2 else 48)


def test_errors() -> None:
    for n_rays, ndim, least in ((2, 2, 3), (5, 3, 6)):
        with pytest.raises(ValueError, match=f"`n_rays` must be an integer >= {least}, got {n_rays}"):
            star_rays(n_rays, ndim)
    with pytest.raises(ValueError, match="`spatial_dims` must be one of '2', '3', got '4'"):
        star_rays(32, 4)
    for spacing in ((1, 1), (1, 0, 1), (float("nan"), 1, 1)):
        with pytest.raises(ValueError, match=r"`spacing` must be three positive numbers \(Z, Y, X\), got"):
            star_rays(96, 3, spacing)
    with pytest.raises(ValueError, match=r"`rays` must have the shape \(n_rays, 3\), got \(32, 2\)"):
        ray_permutation(star_rays(32, 2), 1, 3)
    with pytest.raises(ValueError, match="`k` must be an orientation"):
        ray_permutation(star_rays(32, 2), 8, 2)
