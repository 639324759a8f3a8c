from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from monai_denoiseg.networks import segment_chan_vese, segment_otsu

BOTH = pytest.mark.parametrize("segment", [segment_otsu, segment_chan_vese])


def blobs(shape: tuple[int, ...], noise: float, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Two boxes of brightness 10 on 0, and where they are."""
    truth = np.zeros(shape, bool)
    truth[(..., slice(3, 12), slice(4, 16))] = truth[(..., slice(18, 27), slice(12, 30))] = True
    return 10 * truth + np.random.default_rng(seed).normal(0, noise, shape), truth


def plain_otsu(image: np.ndarray) -> np.ndarray:
    """Try all thresholds between values: smallest variance within the two groups."""
    values = np.unique(image)
    cuts = (values[1:] + values[:-1]) / 2
    within = [(image <= cut).sum() * image[image <= cut].var() + (image > cut).sum() * image[image > cut].var() for cut in cuts]
    return image > cuts[int(np.argmin(within))]


@pytest.mark.parametrize("shape", [(30, 33), (5, 30, 33)])
def test_otsu_as_plainly_searched(shape: tuple[int, ...]) -> None:
    image = blobs(shape, 1.5)[0].round().clip(-3, 15).astype(np.int16)  # few values: scikit-image searches among them
    np.testing.assert_array_equal(segment_otsu(image), plain_otsu(image))


@BOTH
@pytest.mark.parametrize("shape", [(40, 41), (1, 40, 41), (8, 40, 41)])
@pytest.mark.parametrize("dark", [False, True])
def test_objects_are_found(segment: Callable[..., Any], shape: tuple[int, ...], dark: bool) -> None:
    image, truth = blobs(shape, 2.0)
    found = segment(-3 * image + 500 if dark else image, dark_objects=dark)
    assert found.dtype == bool
    assert found.shape == shape
    assert (found != truth).mean() < 0.03


def test_chan_vese_is_smoother_than_a_threshold() -> None:
    for shape in ((40, 41), (8, 40, 41)):
        image, truth = blobs(shape, 4.0)
        wrong_voxels = (segment_chan_vese(image) != truth).mean()
        assert wrong_voxels < 0.04 < 0.1 < (segment_otsu(image) != truth).mean()


def test_smoothness_and_iterations() -> None:
    image, _ = blobs((40, 41), 4.0)

    def contour(found: np.ndarray) -> int:
        return int((found[1:] != found[:-1]).sum() + (found[:, 1:] != found[:, :-1]).sum())

    rough, smooth = (contour(segment_chan_vese(image, smoothness=mu)) for mu in (0.0, 0.05))
    assert smooth < 0.7 * rough
    volume, _ = blobs((8, 40, 41), 4.0)
    rough, smooth = (contour(segment_chan_vese(volume, smoothness=passes, iterations=5)[4]) for passes in (0, 2))
    assert smooth < 0.7 * rough


@BOTH
def test_a_constant_image_holds_nothing(segment: Callable[..., Any]) -> None:
    for shape in ((1, 1), (6, 7), (1, 1, 1), (3, 4, 5)):
        for dark in (False, True):
            assert not segment(np.full(shape, 3), dark_objects=dark).any()


@BOTH
@pytest.mark.parametrize("shape", [(1, 2), (1, 9), (5, 1), (2, 2), (1, 8, 9), (3, 1, 9), (2, 2, 2), (1, 1, 4)])
def test_any_size(segment: Callable[..., Any], shape: tuple[int, ...]) -> None:
    assert segment(np.random.default_rng(0).integers(0, 99, shape).astype(np.uint16)).shape == shape


@pytest.mark.parametrize(
    ("shape", "options", "key"),
    [
        ((9, 9), {"smoothness": -1.0}, "smoothness"),
        ((3, 9, 9), {"smoothness": 0.5}, "smoothness"),
        ((9, 9), {"iterations": 0}, "iterations"),
    ],
)
def test_wrong_options_are_named(shape: tuple[int, ...], options: dict[str, Any], key: str) -> None:
    with pytest.raises(ValueError, match=f"`{key}` must be"):
        segment_chan_vese(np.random.default_rng(0).normal(size=shape), **options)
