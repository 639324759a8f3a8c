from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from monai_denoiseg.transforms import star_rays
from monai_denoiseg.transforms.instances import StarShapes, render_stars, star_vertices
from monai_denoiseg.transforms.labels import star_distances
from monai_denoiseg.transforms.orientation import ray_faces


def stars(n: int, n_rays: int, shape: tuple[int, ...], seed: int = 0) -> tuple[np.ndarray, ...]:
    rng = np.random.default_rng(seed)
    points = np.stack([rng.integers(0, size, n) for size in shape], 1)
    distances = (rng.uniform(2, 7, (n, 1)) * rng.uniform(0.7, 1.2, (n, n_rays))).astype(np.float32)
    return points, distances, rng.permutation(n) / n


def slow_inside(point: np.ndarray, distances: np.ndarray, rays: np.ndarray, voxel: tuple[int, ...]) -> bool:
    """Whether a voxel is in one of the triangles (tetrahedra) of the centre and the ends of neighbouring rays."""
    corners = (rays * distances[:, None])[ray_faces(rays)]
    along = np.linalg.solve(corners.swapaxes(1, 2), np.broadcast_to((np.array(voxel) - point)[:, None], (*corners.shape[:2], 1)))
    return bool(((along.min((1, 2)) >= -1e-9) & (along.sum((1, 2)) <= 1 + 1e-9)).any())


@pytest.mark.parametrize(("shape", "n_rays"), [((19, 26), 32), ((19, 26), 5), ((6, 9, 8), 18), ((6, 9, 8), 33)])
def test_against_loops(shape: tuple[int, ...], n_rays: int) -> None:
    rays = star_rays(n_rays, len(shape))
    points, distances, chances = stars(3, n_rays, shape)
    expected = np.zeros(shape, int)
    for number in np.argsort(chances):
        for voxel in np.ndindex(shape):
            if slow_inside(points[number], distances[number], rays, voxel):
                expected[voxel] = number + 1
    found = render_stars(points, distances, chances, rays, shape)
    assert found.dtype == np.int32
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("n_rays", [5, 8, 32, 64])
def test_2d_as_stardist(n_rays: int) -> None:
    geometry = pytest.importorskip("stardist.geometry")
    points, distances, chances = stars(60, n_rays, (90, 120))
    rays = star_rays(n_rays, 2)
    vertices = star_vertices(points, distances, rays)
    np.testing.assert_allclose(vertices, np.moveaxis(geometry.dist_to_coord(distances, points), 1, 2), atol=1e-5)
    theirs = geometry.polygons_to_label(distances, points, (90, 120), prob=chances)
    np.testing.assert_array_equal(render_stars(points, distances, chances, rays, (90, 120)), theirs)
    ties = np.zeros(len(points))
    theirs = geometry.polygons_to_label(distances, points, (90, 120), prob=ties)
    np.testing.assert_array_equal(render_stars(points, distances, ties, rays, (90, 120)), theirs)


@pytest.mark.parametrize("spacing", [None, (2, 1, 1)])
def test_3d_as_stardist(spacing: tuple[int, ...] | None) -> None:
    geometry, rays3d = pytest.importorskip("stardist.geometry"), pytest.importorskip("stardist.rays3d")
    points, distances, chances = stars(12, 64, (20, 40, 40))
    theirs = geometry.polyhedron_to_label(
        distances, points, rays3d.Rays_GoldenSpiral(64, spacing), (20, 40, 40), prob=chances, verbose=False
    )
    ours = render_stars(points, distances, chances, star_rays(64, 3, spacing), (20, 40, 40))
    assert (ours != theirs).mean() < 1e-4  # voxels on a face: theirs counts in float32


@pytest.mark.parametrize("shape", [(60, 60), (31, 31, 31)])
def test_size_is_the_number_of_voxels_and_2d_polygons_agree(shape: tuple[int, ...]) -> None:
    ndim = len(shape)
    rays = star_rays(32 if ndim == 2 else 66, ndim)
    centre = np.array([[size // 2 for size in shape]])
    rng = np.random.default_rng(2)
    distances = rng.uniform(11, 14, (1, len(rays)))
    shapes = StarShapes(centre, distances, rays)
    voxels = shapes.voxels(0)
    assert len(voxels) == pytest.approx(shapes.size[0], rel=0.02)
    mask = np.zeros(shape, bool)
    mask[tuple(voxels.T)] = True
    np.testing.assert_array_equal(mask, render_stars(centre, distances, np.ones(1), rays, shape) == 1)
    assert shapes.step(0) == 1
    coarse = shapes.voxels(0, step=2)
    assert {tuple(v) for v in coarse} <= {tuple(v) for v in voxels}
    assert len(coarse) * 2**ndim == pytest.approx(len(voxels), rel=0.1)


@pytest.mark.parametrize(("n_rays", "ndim", "radius"), [(32, 2, 900.0), (66, 3, 90.0)])
def test_stars_larger_than_the_table_of_directions(n_rays: int, ndim: int, radius: float) -> None:
    rays = star_rays(n_rays, ndim)
    distances = np.random.default_rng(0).uniform(0.9, 1.1, (1, n_rays)) * radius
    shapes = StarShapes(np.zeros((1, ndim)), distances, rays)
    step = max(shapes.step(0), 8)
    assert len(shapes.voxels(0, step=step)) * step**ndim == pytest.approx(shapes.size[0], rel=0.02)


def test_a_convex_object_is_recovered_from_its_centre() -> None:
    grid = np.indices((40, 50)) - np.array([18, 27])[:, None, None]
    disc = (np.hypot(*grid) <= 12).astype(int)
    rays = star_rays(32, 2)
    points = np.array([[18, 27]])
    found = render_stars(points, star_distances(disc, rays)[:, 18, 27][None], np.ones(1), rays, disc.shape)
    assert (found != disc).sum() < 0.06 * disc.sum()


def test_no_stars_one_voxel_and_stars_beyond_the_image() -> None:
    for shape, rays in (((5, 6), star_rays(8, 2)), ((1, 5, 6), star_rays(18, 3))):
        ndim = len(shape)
        none = render_stars(np.zeros((0, ndim), int), np.zeros((0, len(rays))), np.zeros(0), rays, shape)
        assert none.shape == shape
        assert not none.any()
        tiny = render_stars(np.full((1, ndim), 0), np.full((1, len(rays)), 1e-3), np.ones(1), rays, shape)
        assert tiny.sum() == tiny.flat[0] == 1
        assert (render_stars(np.full((1, ndim), 0), np.full((1, len(rays)), 50.0), np.ones(1), rays, shape) == 1).all()


def test_best_on_top_and_numbers_in_the_order_given() -> None:
    rays, points = star_rays(8, 2), np.array([[5, 5], [5, 8], [5, 11]])
    found = render_stars(points, np.full((3, 8), 3.0), np.array([0.5, 0.9, 0.7]), rays, (11, 17))
    assert found[5].tolist() == [0, 0, 1, 1, 1, 2, 2, 2, 2, 2, 2, 2, 3, 3, 3, 0, 0]
    assert ndimage.label(found == 2)[1] == 1


@pytest.mark.parametrize("value", [0.0, -1.0, np.nan, np.inf])
def test_distances_must_be_positive(value: float) -> None:
    with pytest.raises(ValueError, match="`distances` must be positive and finite; clip them from below"):
        StarShapes(np.zeros((1, 2)), np.array([[1, 1, value, 1]]), star_rays(4, 2))
