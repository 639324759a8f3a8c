from __future__ import annotations

import sys
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from monai_denoiseg.networks import denoise_bm3d, denoise_mean, denoise_median, denoise_nlm, noise_sigma, search_h

SHAPES = [(1, 1), (1, 9), (5, 1), (2, 2), (7, 12), (1, 1, 1), (1, 8, 9), (3, 1, 9), (5, 6, 7)]


def mirrored_boxes(image: np.ndarray, radius: int) -> np.ndarray:
    """The box around each voxel, plainly: (voxels of the image, voxels of the box)."""
    padded = np.pad(image, radius, mode="symmetric")
    boxes = [padded[tuple(slice(i, i + 2 * radius + 1) for i in index)].ravel() for index in np.ndindex(*image.shape)]
    return np.array(boxes)


@pytest.mark.parametrize("shape", [(7, 12), (1, 9), (4, 5, 6), (1, 5, 4)])
def test_mean_and_median_as_plainly_computed(shape: tuple[int, ...]) -> None:
    image = np.random.default_rng(0).normal(size=shape)
    boxes = mirrored_boxes(image, 1)
    np.testing.assert_allclose(denoise_mean(image), boxes.mean(1).reshape(shape))
    np.testing.assert_allclose(denoise_median(image), np.median(boxes, 1).reshape(shape))


def plain_nlm(image: np.ndarray, h: float, sigma: float, patch: int, distance: int) -> np.ndarray:
    """Buades et al. as scikit-image's fast mode: patches lack their first row and column, but are divided by their full size."""
    radius = patch // 2
    padded = np.pad(image, radius + distance, mode="reflect")
    result = np.zeros(image.shape)

    def patch_at(y: int, x: int) -> np.ndarray:
        return padded[y - radius + 1 : y + radius + 1, x - radius + 1 : x + radius + 1]

    for y, x in np.ndindex(*image.shape):
        cy, cx = y + radius + distance, x + radius + distance
        weights, total = 0.0, 0.0
        for ny in range(max(0, y - distance), min(image.shape[0], y + distance + 1)):
            for nx in range(max(0, x - distance), min(image.shape[1], x + distance + 1)):
                other = patch_at(ny + radius + distance, nx + radius + distance)
                unlike = np.sum((patch_at(cy, cx) - other) ** 2 - 2 * sigma**2) / patch**2
                weight = np.exp(-max(unlike, 0) / (h * sigma) ** 2)
                weights, total = weights + weight, total + weight * image[ny, nx]
        result[y, x] = total / weights
    return result


def test_nlm_as_plainly_computed() -> None:
    image = 1000 + np.random.default_rng(0).normal(0, 4, (14, 14)) + 20 * (np.arange(14) > 6)
    ours = denoise_nlm(image, 0.8, 4.0, patch_size=5, patch_distance=3)
    inside = np.s_[3:-3, 3:-3]  # scikit-image looks beyond the edge; its exponential is a rough one
    np.testing.assert_allclose(ours[inside], plain_nlm(image, 0.8, 4.0, 5, 3)[inside], atol=0.1)
    assert np.abs(ours - image).max() > 5


@pytest.mark.parametrize("offset", [0.0, 60000.0])
@pytest.mark.parametrize("scale", [1e-4, 1.0, 1e4])
def test_nlm_follows_the_unit(offset: float, scale: float) -> None:
    image = np.random.default_rng(0).normal(size=(30, 31)) + np.linspace(0, 9, 31)
    np.testing.assert_allclose(denoise_nlm(scale * (image + offset)), scale * (denoise_nlm(image) + offset), rtol=1e-6)


@pytest.mark.parametrize("shape", SHAPES)
def test_any_size(shape: tuple[int, ...]) -> None:
    image = np.random.default_rng(0).integers(0, 200, shape).astype(np.uint8)
    for result in (denoise_mean(image), denoise_median(image), denoise_nlm(image), denoise_nlm(image, sigma=9.0)):
        assert result.shape == shape
        assert result.dtype == np.float64
        assert np.isfinite(result).all()


def test_a_single_slice_is_an_image() -> None:
    image = np.random.default_rng(0).normal(size=(1, 20, 21))
    np.testing.assert_array_equal(denoise_nlm(image)[0], denoise_nlm(image[0]))


def test_a_constant_image_stays() -> None:
    image = np.full((9, 8), 7.0)
    for denoise in (denoise_mean, denoise_median, denoise_nlm, denoise_bm3d):
        np.testing.assert_array_equal(denoise(image), image)


@pytest.mark.parametrize(
    "options", [{"h": 0}, {"h": float("nan")}, {"h": "1"}, {"sigma": -1}, {"patch_size": 0}, {"patch_distance": 1.5}]
)
def test_wrong_options_are_named(options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=f"`{next(iter(options))}` must be"):
        denoise_nlm(np.zeros((5, 5)), **options)


@pytest.mark.parametrize("shape", [(300, 200), (20, 60, 50), (1, 100, 100), (3000, 1)])
@pytest.mark.parametrize("sigma", [0.01, 5.0])
def test_noise_sigma(shape: tuple[int, ...], sigma: float) -> None:
    rng = np.random.default_rng(0)
    structure = 40 * sigma * np.sin(np.arange(shape[-1]) / 20) + 200 * sigma * (np.arange(shape[-1]) > shape[-1] // 2)
    assert noise_sigma(structure + rng.normal(0, sigma, shape)) == pytest.approx(sigma, rel=0.08)


def test_noise_sigma_of_a_mostly_empty_image() -> None:
    rng = np.random.default_rng(0)
    image = np.zeros((100, 100))
    image[:, :30] = rng.normal(50, 4, (100, 30))
    assert 0.5 < noise_sigma(image) < 4
    assert [noise_sigma(np.zeros(shape)) for shape in ((50, 50), (2, 2), (1, 1))] == [0, 0, 0]


def test_search_h_finds_the_best_of_the_grid() -> None:
    rng = np.random.default_rng(0)
    clean = [np.outer(np.sin(np.arange(40) / k), np.ones(40)) for k in (4, 7)]
    noisy = [image + rng.normal(0, 0.3, image.shape) for image in clean]
    found = search_h(noisy, clean, grid=[0.2, 0.8, 20.0], patch_size=5)

    def gain(h: float) -> float:
        pairs = zip(noisy, clean, strict=True)
        return float(
            np.mean(
                [10 * np.log10(((n - c) ** 2).mean() / ((denoise_nlm(n, h, patch_size=5) - c) ** 2).mean()) for n, c in pairs]
            )
        )

    assert found.gains == pytest.approx({h: gain(h) for h in (0.2, 0.8, 20.0)})
    assert found.h == max(found.gains, key=lambda h: found.gains[h]) == 0.8
    assert search_h(noisy[0], clean[0], grid=[0.8]).gains[0.8] > 1


def test_search_h_on_a_volume_and_on_equal_images() -> None:
    volume = np.random.default_rng(0).normal(size=(4, 9, 8))
    assert search_h(volume, np.zeros_like(volume), grid=(0.1, 1.0)).h == 1.0
    constant = np.ones((8, 8))
    assert search_h(constant, constant, grid=(2.0, 1.0)) == (1.0, {2.0: 0.0, 1.0: 0.0})


def test_search_h_says_what_is_wrong() -> None:
    with pytest.raises(ValueError, match="`grid` holds no value"):
        search_h(np.zeros((4, 4)), np.zeros((4, 4)), grid=[])
    with pytest.raises(ValueError, match=r"same shape, got \(4, 4\) and \(4, 5\)"):
        search_h(np.zeros((4, 4)), np.zeros((4, 5)))


@pytest.mark.parametrize(("name", "shape"), [("bm3d", (12, 9)), ("bm4d", (4, 12, 9)), ("bm3d", (1, 12, 9))])
def test_bm3d_goes_through_the_users_package(name: str, shape: tuple[int, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[np.ndarray, float]] = []
    package = ModuleType(name)
    setattr(package, name, lambda image, sigma: asked.append((image, sigma)) or image / 2)  # type: ignore[func-returns-value]
    monkeypatch.setitem(sys.modules, name, package)
    image = 100 + np.random.default_rng(0).normal(0, 5, shape)
    result = denoise_bm3d(image, sigma=5.0)
    np.testing.assert_allclose(result, (image + image.mean()) / 2)
    np.testing.assert_allclose(asked[0][0], (image.squeeze() - image.mean()) / 5)
    assert asked[0][1] == 1.0


@pytest.mark.parametrize(("name", "shape"), [("bm3d", (12, 9)), ("bm4d", (4, 12, 9))])
def test_missing_bm3d_is_said(name: str, shape: tuple[int, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(
        ImportError, match=rf"needs the package '{name}', which is not installed.*non-commercial.*pip install {name}"
    ):
        denoise_bm3d(np.random.default_rng(0).normal(size=shape))
