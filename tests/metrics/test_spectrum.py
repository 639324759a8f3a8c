from __future__ import annotations

import itertools

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter, zoom

from monai_denoiseg.metrics import checkerboard

SIZES = [(256, 256), (130, 96), (65, 71), (32, 64, 64), (5, 64, 80)]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("seed", [0, 1])
def test_noise_is_no_checkerboard(size: tuple[int, ...], seed: int) -> None:
    noise = np.random.default_rng(seed).normal(size=(1, *size))
    assert 0.7 < checkerboard(noise) < 1.7
    assert checkerboard(5 * noise + 1000) == pytest.approx(checkerboard(noise), rel=1e-6)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("sigma", [0.5, 1, 3])
def test_smooth_images_have_none(size: tuple[int, ...], sigma: float) -> None:
    smooth = gaussian_filter(np.random.default_rng(0).normal(size=size), sigma)
    assert checkerboard(smooth[None]) < 1.7
    assert checkerboard((smooth > 0)[None]) < 1.7


@pytest.mark.parametrize("size", SIZES)
def test_every_alternating_pattern_is_found(size: tuple[int, ...]) -> None:
    rng = np.random.default_rng(0)
    base = gaussian_filter(rng.normal(size=size), 1)
    base = base / base.std() + 0.1 * rng.normal(size=size)
    long = [axis for axis, n in enumerate(size) if n >= 16]
    without = checkerboard(base[None])
    for axes in itertools.chain.from_iterable(itertools.combinations(long, k) for k in range(1, len(long) + 1)):
        board = (-1.0) ** np.indices(size)[list(axes)].sum(axis=0)
        assert checkerboard((base + 0.1 * board)[None]) > 3 * without
        patchy = gaussian_filter(rng.normal(size=size), 12)
        assert checkerboard((base + 0.15 * board * patchy / patchy.std())[None]) > 2 * without, "here and there only"


def test_enlarging_by_repetition_leaves_a_pattern() -> None:
    coarse = gaussian_filter(np.random.default_rng(0).normal(size=(64, 64)), 1)
    assert checkerboard(zoom(coarse, 2, order=3)) < 1.7
    fine = zoom(coarse, 2, order=3)
    fine[::2, ::2] += 0.05 * fine.std()
    assert checkerboard(fine) > 10


def test_the_worst_channel_counts() -> None:
    noise = np.random.default_rng(0).normal(size=(3, 64, 64))
    noise[1] += (-1) ** np.indices((64, 64)).sum(axis=0)
    assert checkerboard(noise) == checkerboard(noise[1:2]) > 10


@pytest.mark.parametrize("image", [np.zeros((1, 64, 64)), np.full((2, 40, 40), 7), np.ones((1, 1, 1)), np.eye(15)])
def test_nothing_to_measure(image: np.ndarray) -> None:
    assert np.isnan(checkerboard(image))


def test_a_pure_pattern_in_integers() -> None:
    board = (np.indices((64, 64)).sum(axis=0) % 2).astype(np.uint8)
    assert checkerboard(board) > 1e6


def test_wrong_shape() -> None:
    with pytest.raises(ValueError, match=r"`image` must have the axes .* got shape \(5,\)"):
        checkerboard(np.zeros(5))
