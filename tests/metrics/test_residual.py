from __future__ import annotations

import numpy as np
import pytest

from monai_denoiseg.metrics import residual_figures


def plain_lag_one(values: np.ndarray, axis: int) -> float:
    """Mean product of neighbours over the mean square, pair by pair; NaN left out."""
    values = values - np.stack([np.full(channel.shape, np.nanmean(channel)) for channel in values])
    moved = np.moveaxis(values, axis, -1).reshape(-1, values.shape[axis])
    products = [row[i] * row[i + 1] for row in moved for i in range(len(row) - 1)]
    return float(np.nanmean(products) / np.nanmean(values**2))


@pytest.mark.parametrize(("shape", "names"), [((1, 9, 12), "YX"), ((3, 9, 12), "YX"), ((2, 4, 7, 5), "ZYX")])
def test_against_a_plain_loop(shape: tuple[int, ...], names: str) -> None:
    rng = np.random.default_rng(0)
    denoised = rng.normal(50, 10, shape)
    removed = np.cumsum(rng.normal(0, 3, shape), axis=-1) + 1
    removed[(0,) * len(shape)] = np.nan
    figures = residual_figures(denoised + removed, denoised)
    assert figures.mean == pytest.approx(np.nanmean(removed))
    assert list(figures.autocorrelation) == list(names)
    for axis, name in enumerate(names, 1):
        assert figures.autocorrelation[name] == pytest.approx(plain_lag_one(removed, axis))


def test_smoothed_noise_is_found_along_its_axis_only() -> None:
    noise = np.random.default_rng(0).normal(size=(1, 100, 100))
    smooth = noise + np.roll(noise, 1, axis=1)  # lag-1 correlation 0.5 along Y by construction
    figures = residual_figures(smooth, np.zeros_like(smooth))
    assert figures.correlated == ["Y"]
    assert figures.autocorrelation["Y"] == pytest.approx(0.5, abs=0.05)
    assert figures.spread == pytest.approx(2**0.5, rel=0.05)


def test_unsigned_integers_do_not_wrap() -> None:
    assert residual_figures(np.zeros((1, 4, 4), np.uint8), np.ones((1, 4, 4), np.uint8)).mean == -1


@pytest.mark.parametrize("removed", [np.zeros((1, 5, 5)), np.full((1, 5, 5), np.nan), np.ones((1, 1, 1))])
def test_nothing_to_correlate(removed: np.ndarray) -> None:
    assert residual_figures(removed, np.zeros_like(removed)).autocorrelation == {}


def test_shapes_must_agree() -> None:
    with pytest.raises(ValueError, match="differ"):
        residual_figures(np.zeros((1, 4, 4)), np.zeros((1, 4, 5)))
