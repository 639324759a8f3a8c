from __future__ import annotations

import time

import numpy as np
import pytest
import torch
from monai.data import MetaTensor
from scipy import ndimage

from monai_denoiseg.transforms import StarLabel, StarLabeld, star_rays
from monai_denoiseg.transforms.labels import object_probability, star_distances


def random_objects(shape: tuple[int, ...], seed: int, ignored: bool = False) -> np.ndarray:
    rng = np.random.default_rng(seed)
    label: np.ndarray = ndimage.label(ndimage.gaussian_filter(rng.random(shape), 2) > 0.51)[0]
    label = np.where(label > 0, rng.permutation(500)[label] + 1, 0)
    if ignored:
        label[ndimage.gaussian_filter(rng.random(shape), 2) > 0.53] = -1
    return label


def slow_distances(label: np.ndarray, rays: np.ndarray) -> np.ndarray:
    """Voxel by voxel, ray by ray, step by step."""
    out = np.zeros((len(rays), *label.shape))
    for at in np.ndindex(label.shape):
        for k, ray in enumerate(rays.astype(np.float32)):
            if label[at] <= 0:
                out[(k, *at)] = label[at]
                continue
            t = 0
            while True:
                t += 1
                offset = np.rint(t * ray.astype(np.float64) + 0.0).astype(int)
                there = np.array(at) + offset
                stop = 0 if (there < 0).any() or (there >= label.shape).any() else label[tuple(there)]
                if stop != label[at]:
                    break
            length = t - (1 - 0.5 / np.abs(ray).max()) if label.ndim == 2 else np.sqrt((offset**2).sum())
            out[(k, *at)] = -1 if stop == -1 else length
    return out


def slow_probability(label: np.ndarray) -> np.ndarray:
    out = np.where(label == -1, -1.0, 0.0)
    for number in set(label[label > 0].tolist()):
        mine, other = np.argwhere(label == number), np.argwhere(label != number)
        distance = np.sqrt(((mine[:, None] - other[None]) ** 2).sum(-1)).min(1)
        out[tuple(mine.T)] = distance / distance.max()
    return out


@pytest.mark.parametrize(("shape", "n_rays"), [((17, 24), 32), ((1, 9), 8), ((9, 1), 7), ((6, 9, 11), 18), ((1, 9, 11), 7)])
@pytest.mark.parametrize("ignored", [False, True])
def test_against_loops(shape: tuple[int, ...], n_rays: int, ignored: bool) -> None:
    label, rays = random_objects(shape, 3, ignored), star_rays(n_rays, len(shape))
    found = star_distances(label, rays)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, slow_distances(label, rays), atol=1e-4)
    if (label <= 0).any():
        np.testing.assert_allclose(object_probability(label), slow_probability(label), atol=1e-5)


@pytest.mark.parametrize("n_rays", [8, 32, 64])
@pytest.mark.parametrize("seed", [0, 1])
def test_2d_as_stardist(n_rays: int, seed: int) -> None:
    geometry, utils = pytest.importorskip("stardist.geometry"), pytest.importorskip("stardist.utils")
    label = random_objects((90, 121), seed)
    theirs = np.moveaxis(geometry.star_dist(label, n_rays), -1, 0)
    np.testing.assert_allclose(star_distances(label, star_rays(n_rays, 2)), theirs, atol=1e-4)
    np.testing.assert_allclose(object_probability(label), utils.edt_prob(label), atol=1e-6)


@pytest.mark.parametrize(("n_rays", "spacing"), [(96, None), (33, (2, 1, 1))])
def test_3d_as_stardist(n_rays: int, spacing: tuple[int, ...] | None) -> None:
    geometry, rays3d = pytest.importorskip("stardist.geometry"), pytest.importorskip("stardist.rays3d")
    utils = pytest.importorskip("stardist.utils")
    label = random_objects((14, 30, 33), 2)
    theirs = np.moveaxis(geometry.star_dist3D(label, rays3d.Rays_GoldenSpiral(n_rays, spacing)), -1, 0)
    ours = star_distances(label, star_rays(n_rays, 3, spacing))
    # Steps that end all but exactly between two voxels may go either way, in the last digit of float32.
    assert (np.abs(ours - theirs) > 1e-4).mean() < 1e-4
    np.testing.assert_allclose(object_probability(label, spacing), utils.edt_prob(label, anisotropy=spacing), atol=1e-5)


def test_square_and_disc() -> None:
    square = np.zeros((15, 15), int)
    square[3:12, 3:12] = 1
    rays = star_rays(8, 2)
    np.testing.assert_allclose(star_distances(square, rays)[:, 7, 7], [4.5, 6 + 0.5**0.5] * 4, rtol=1e-5)  # a diagonal: 7 steps
    np.testing.assert_allclose(star_distances(square, rays)[::2, 4, 5], [6.5, 7.5, 2.5, 1.5], rtol=1e-5)
    grid = np.indices((41, 41)) - 20
    disc = (np.hypot(*grid) <= 15).astype(int)
    assert np.abs(star_distances(disc, star_rays(32, 2))[:, 20, 20] - 15.5).max() < 1
    probability = object_probability(disc)
    assert probability[20, 20] == pytest.approx(1)
    assert probability[20, 35] == pytest.approx(1 / 15.03, rel=0.01)


def test_ball_and_cube() -> None:
    grid = np.indices((21, 21, 21)) - 10
    ball = ((grid**2).sum(0) <= 64).astype(int)
    assert np.abs(star_distances(ball, star_rays(66, 3))[:, 10, 10, 10] - 9).max() < 1
    cube = (np.abs(grid).max(0) <= 4).astype(int)
    np.testing.assert_allclose(star_distances(cube, star_rays(6, 3))[:, 10, 10, 10], 5)


def test_one_pixel_touching_objects_and_image_border() -> None:
    rays = star_rays(4, 2)
    label = np.array([[1, 1, 2], [0, 3, 2]])
    found = star_distances(label, rays)
    np.testing.assert_allclose(found[:, 1, 1], 0.5)
    np.testing.assert_allclose(found[:, 0, 0], [1.5, 0.5, 0.5, 0.5])
    np.testing.assert_allclose(found[:, 0, 2], [0.5, 1.5, 0.5, 0.5])
    np.testing.assert_allclose(object_probability(label), [[1, 1, 1], [0, 1, 1]])


def test_no_objects_nothing_annotated_and_an_image_that_is_one_object() -> None:
    rays = star_rays(8, 2)
    assert not StarLabel(rays)(np.zeros((1, 5, 6), int)).any()
    np.testing.assert_array_equal(StarLabel(rays)(np.full((1, 5, 6), -1)), -1)
    whole = StarLabel(rays)(np.full((1, 5, 7), 9))
    assert whole[0].max() == pytest.approx(1)
    np.testing.assert_allclose(whole[1], np.broadcast_to(6.5 - np.arange(7), (5, 7)))
    assert StarLabel(rays)(np.zeros((1, 0, 6), int)).shape == (9, 0, 6)


def test_partly_annotated() -> None:
    label = np.full((5, 9), 1)
    label[:, 6:] = -1
    found = StarLabel(star_rays(4, 2))(label[None])
    np.testing.assert_array_equal(found[:, :, 6:], -1)
    np.testing.assert_array_equal(found[1, :, :6], -1)  # to the right: ends where nobody knows
    np.testing.assert_allclose(found[3, 2, :6], np.arange(6) + 0.5)  # to the left: the edge of the image
    assert found[0, :, :6].min() > 0


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.int32, np.int64, np.uint16, np.float32])
def test_dtypes(dtype: type) -> None:
    label = random_objects((12, 17), 1) % 250
    expected = StarLabel(star_rays(8, 2))(label[None])
    found = StarLabel(star_rays(8, 2))(label[None].astype(dtype))
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, expected)


def test_large_numbers_and_types() -> None:
    label = torch.tensor(random_objects((12, 17), 1))[None]
    rays = star_rays(8, 2)
    expected = StarLabel(rays)(label)
    assert expected.dtype == torch.float32
    assert torch.equal(StarLabel(torch.tensor(rays))(torch.where(label > 0, label + 2**30, label)), expected)
    meta = MetaTensor(label, affine=torch.eye(3) * 2)
    item = StarLabeld(["label", "other"], rays.tolist(), allow_missing_keys=True)({"label": meta})
    assert isinstance(item["label"], MetaTensor)
    assert torch.equal(item["label"].as_tensor(), expected)
    assert torch.equal(item["label"].affine, meta.affine)
    with pytest.raises(KeyError):
        StarLabeld("label", rays)({})


def test_fast() -> None:
    label = random_objects((256, 256), 0)
    start = time.perf_counter()
    StarLabel(star_rays(32, 2))(label[None])
    assert time.perf_counter() - start < 3  # about 0.3 s; the rest is for busy machines


def test_errors() -> None:
    rays = star_rays(8, 2)
    for shape in ((4, 4), (2, 4, 4), (1, 4, 4, 4)):
        with pytest.raises(ValueError, match=r"`label` must have the shape \(1, H, W\) for rays of 2 axes, got"):
            StarLabel(rays)(np.zeros(shape, int))
    with pytest.raises(TypeError, match="`label` is boolean, but objects must be numbered"):
        StarLabel(rays)(np.zeros((1, 4, 4), bool))
    for value in (0.5, float("nan")):
        with pytest.raises(TypeError, match=f"`label` must hold whole numbers .* got {value}"), np.errstate(invalid="ignore"):
            StarLabel(rays)(np.full((1, 4, 4), value))
    with pytest.raises(ValueError, match=r"`rays` must have the shape \(n_rays, 2 or 3\), got"):
        StarLabel(rays[0])
    with pytest.raises(ValueError, match=r"`rays` must have the shape \(n_rays, 3\) for this label, got \(8, 2\)"):
        star_distances(np.zeros((3, 3, 3), int), rays)
    with pytest.raises(ValueError, match="`rays` must be steps of length 1"):
        star_distances(np.zeros((3, 3), int), rays * 2)
