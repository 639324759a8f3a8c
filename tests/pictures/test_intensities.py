"""Intensities as pictures."""

from __future__ import annotations

import numpy as np
import pytest

from monai_denoiseg import pictures


def test_window_spans_all_images_and_survives_nan_and_constants() -> None:
    low, high = pictures.contrast_window(np.linspace(0, 1, 1000).reshape(1, 10, 100), np.full((1, 3, 3), 5.0))
    np.testing.assert_allclose([low[0], high[0]], [0.02, 5.0], atol=1e-3)
    low, high = pictures.contrast_window(np.full((2, 3, 3), np.nan))
    assert (high > low).all()
    assert np.isfinite([low, high]).all()


@pytest.mark.parametrize(("channels", "expected"), [(1, [255, 255, 255]), (2, [255, 0, 255]), (3, [255, 0, 0]), (5, [255, 0, 0])])
def test_channels_to_colours(channels: int, expected: list[int]) -> None:
    image = np.zeros((channels, 2, 3))
    image[0, 0, 0], image[0, 1, 2] = 1, np.nan
    rgb = pictures.to_rgb(image, (np.zeros(channels), np.ones(channels)))
    assert rgb.shape == (2, 3, 3)
    assert rgb[0, 0].tolist() == expected
    assert rgb[1, 2].tolist() == [0, 0, 0]
