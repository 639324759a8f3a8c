from __future__ import annotations

import time

import numpy as np
import pytest

from monai_denoiseg.transforms import star_rays
from monai_denoiseg.transforms.instances import StarShapes, render_stars, suppress
from monai_denoiseg.transforms.labels import object_probability, star_distances


def ellipses(shape: tuple[int, ...], n: int, seed: int, low: float = 4, high: float = 14) -> np.ndarray:
    rng = np.random.default_rng(seed)
    label, grid = np.zeros(shape, int), np.stack(np.indices(shape), -1)
    for number in range(1, n + 1):
        centre, radii = rng.uniform(0, shape), rng.uniform(low, high, len(shape))
        inside = (((grid - centre) / radii) ** 2).sum(-1) < 1
        if not label[inside].any():
            label[inside] = number
    return label


def noisy_candidates(label: np.ndarray, rays: np.ndarray, seed: int, level: float) -> tuple[np.ndarray, ...]:
    """What a network might say: ``(points, distances, probabilities)``, and distances and probabilities as images."""
    rng = np.random.default_rng(seed)
    chances = object_probability(label) + rng.normal(0, 0.05, label.shape)
    chances = ((chances - chances.min()) / (chances.max() - chances.min())).astype(np.float32)
    lengths = star_distances(label, rays)
    lengths = lengths * rng.normal(1, 0.05, lengths.shape) + rng.normal(0, 0.3, lengths.shape)
    lengths = np.maximum(lengths, 1e-3).astype(np.float32)
    where = np.zeros(label.shape, bool)
    where[(slice(2, -2),) * label.ndim] = True
    where &= chances > level
    return np.argwhere(where), lengths[:, where].T, chances[where], lengths, chances


def slow_suppress(
    points: np.ndarray, distances: np.ndarray, chances: np.ndarray, rays: np.ndarray, overlap: float, shape: tuple[int, ...]
) -> list[int]:
    """All pairs, each star painted into an image of its own."""
    masks = [render_stars(p[None], d[None], np.ones(1), rays, shape) > 0 for p, d in zip(points, distances, strict=True)]
    sizes = StarShapes(points, distances, rays).size
    kept: list[int] = []
    for i in np.argsort(-chances, kind="stable").tolist():
        if all((masks[i] & masks[j]).sum() <= overlap * min(sizes[i], sizes[j]) for j in kept):
            kept.append(i)
    return kept


@pytest.mark.parametrize(("shape", "n_rays"), [((50, 60), 32), ((40, 40), 7), ((24, 26, 28), 18), ((24, 26, 28), 33)])
@pytest.mark.parametrize("overlap", [0.0, 0.2, 0.5])
def test_against_all_pairs(shape: tuple[int, ...], n_rays: int, overlap: float) -> None:
    rng, ndim = np.random.default_rng(0), len(shape)
    rays = star_rays(n_rays, ndim)
    points = np.stack([rng.integers(9, size - 9, 60) for size in shape], 1)
    distances = rng.uniform(0.5, 5, (60, 1)) * rng.uniform(0.7, 1.3, (60, n_rays))
    chances = rng.integers(0, 40, 60) / 40  # with ties
    found = suppress(points, distances, chances, rays, overlap)
    assert found.tolist() == slow_suppress(points, distances, chances, rays, overlap, shape)
    assert (np.diff(chances[found]) <= 0).all()


@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize("overlap", [0.3, 0.4, 0.5])
def test_2d_keeps_what_stardist_keeps(seed: int, overlap: float) -> None:
    nms = pytest.importorskip("stardist.nms")
    label, rays = ellipses((160, 160), 60, seed), star_rays(32, 2)
    points, distances, chances, lengths, probability = noisy_candidates(label, rays, seed, 0.3)
    assert len(points) > 4000
    theirs, *_ = nms.non_maximum_suppression(np.moveaxis(lengths, 0, -1), probability, nms_thresh=overlap, prob_thresh=0.3)
    ours = points[suppress(points, distances, chances, rays, overlap)]
    assert set(map(tuple, ours.tolist())) == set(map(tuple, theirs.tolist()))


@pytest.mark.parametrize("spacing", [None, (2, 1, 1)])
def test_3d_keeps_what_stardist_keeps(spacing: tuple[int, ...] | None) -> None:
    nms, rays3d = pytest.importorskip("stardist.nms"), pytest.importorskip("stardist.rays3d")
    label, rays = ellipses((20, 30, 30), 8, 0, 4, 8), star_rays(33, 3, spacing)
    points, distances, chances, lengths, probability = noisy_candidates(label, rays, 0, 0.7)
    assert len(points) > 100
    theirs, *_ = nms.non_maximum_suppression_3d(
        np.moveaxis(lengths, 0, -1), probability, rays3d.Rays_GoldenSpiral(33, spacing), nms_thresh=0.4, prob_thresh=0.7
    )
    ours = points[suppress(points, distances, chances, rays, 0.4)]
    assert set(map(tuple, ours.tolist())) == set(map(tuple, theirs.tolist()))


@pytest.mark.parametrize(("shape", "n_rays"), [((80, 80), 32), ((16, 24, 24), 18)])
def test_kept_above_a_level_are_those_kept_of_all_that_are_above(shape: tuple[int, ...], n_rays: int) -> None:
    rays = star_rays(n_rays, len(shape))
    label = ellipses(shape, 15, 4, 3, 9)
    points, distances, chances, *_ = noisy_candidates(label, rays, 4, 0.2)
    kept = suppress(points, distances, chances, rays, 0.3)
    for level in (0.3, 0.5, 0.8):
        above = np.flatnonzero(chances > level)
        alone = above[suppress(points[above], distances[above], chances[above], rays, 0.3)]
        assert alone.tolist() == kept[chances[kept] > level].tolist()


def test_two_discs_at_a_known_overlap() -> None:
    rays = star_rays(64, 2)
    radius, apart = 20.0, 20
    lens = 2 * radius**2 * np.arccos(apart / 2 / radius) - apart / 2 * np.sqrt(4 * radius**2 - apart**2)
    share = lens / (np.pi * radius**2)
    points, distances = np.array([[30, 30], [30, 30 + apart]]), np.full((2, 64), radius)
    for overlap, kept in ((share - 0.03, [1]), (share + 0.03, [1, 0])):
        assert suppress(points, distances, np.array([0.5, 0.6]), rays, overlap).tolist() == kept


def test_a_small_star_within_a_large_one_and_one_voxel() -> None:
    rays = star_rays(8, 2)
    points = np.array([[10, 10], [12, 10], [10, 30]])
    distances = np.array([[8.0] * 8, [1e-3] * 8, [0.5] * 8])
    assert suppress(points, distances, np.array([0.9, 0.8, 0.7]), rays, 0.5).tolist() == [0, 2]
    assert suppress(points, distances, np.array([0.7, 0.8, 0.9]), rays, 0.5).tolist() == [2, 1]  # whichever is more probable


def test_none_one_and_all_equal() -> None:
    rays = star_rays(8, 2)
    assert suppress(np.zeros((0, 2), int), np.zeros((0, 8)), np.zeros(0), rays, 0.4).tolist() == []
    assert suppress(np.zeros((1, 2), int), np.ones((1, 8)), np.zeros(1), rays, 0.4).tolist() == [0]
    twins = suppress(np.zeros((3, 2), int), np.full((3, 8), 4.0), np.full(3, 0.5), rays, 0.4)
    assert twins.tolist() == [0]
    assert suppress(np.zeros((3, 2), int), np.full((3, 8), 4.0), np.full(3, 0.5), rays, 1.0).tolist() != []


def test_one_huge_star_among_many() -> None:
    rays = star_rays(32, 2)
    rng = np.random.default_rng(0)
    points = np.argwhere(np.ones((20, 20))) * 12
    distances = rng.uniform(3, 4, (len(points), 32))
    distances[7] = 5000.0
    chances = rng.uniform(0.1, 0.9, len(points))
    chances[7] = 0.05
    assert set(suppress(points, distances, chances, rays, 0.4).tolist()) == set(range(400)) - {7}
    chances[7] = 0.95
    assert suppress(points, distances, chances, rays, 0.4).tolist() == [7]


def test_fast() -> None:
    label, rays = ellipses((256, 256), 120, 0, 4, 12), star_rays(32, 2)
    points, distances, chances, *_ = noisy_candidates(label, rays, 0, 0.5)
    assert len(points) > 4000
    start = time.perf_counter()
    suppress(points, distances, chances, rays, 0.4)
    assert time.perf_counter() - start < 4


def test_errors() -> None:
    rays = star_rays(8, 2)
    with pytest.raises(ValueError, match=r"`overlap` must be in \[0, 1\], got 1.5"):
        suppress(np.zeros((1, 2), int), np.ones((1, 8)), np.ones(1), rays, 1.5)
    with pytest.raises(ValueError, match="`distances` must be positive and finite"):
        suppress(np.zeros((1, 2), int), np.zeros((1, 8)), np.ones(1), rays, 0.5)
