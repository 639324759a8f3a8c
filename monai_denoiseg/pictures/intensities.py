"""Intensities as grey or coloured pictures."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from monai_denoiseg.pictures.colours import Picture


def contrast_window(*images: NDArray) -> tuple[NDArray, NDArray]:
    """Darkest and brightest intensity to show, per channel, common to all images so that they can be compared by eye.

    Args:
        images: arrays ``(C, [D,] H, W)`` of the same number of channels; NaN is ignored.

    Returns:
        Low and high values, each ``(C,)``: the widest of the images' 2 and 99.8 percentiles.

    >>> contrast_window(np.zeros((1, 4, 4)), np.ones((1, 4, 4)))
    (array([0.]), array([1.]))
    """
    flat = [np.where(np.isfinite(image), image, np.nan).reshape(len(image), -1) for image in images]
    flat = [np.where(np.isnan(rows).all(axis=1, keepdims=True), 0.0, rows) for rows in flat]
    low = np.min([np.nanpercentile(rows, 2.0, axis=1) for rows in flat], axis=0)
    high = np.max([np.nanpercentile(rows, 99.8, axis=1) for rows in flat], axis=0)
    return low, np.where(high > low, high, low + 1)


def to_rgb(image: NDArray, window: tuple[NDArray, NDArray] | None = None) -> Picture:
    """Show one plane: one channel as grey, two as magenta and green, three and more (the first three) as red, green, blue.

    Args:
        image: intensities ``(C, H, W)``; NaN becomes black.
        window: low and high intensity per channel, see `contrast_window`; default: that of ``image``.

    >>> to_rgb(np.array([[[0.0, 1.0]]]), (np.zeros(1), np.ones(1))).tolist()
    [[[0, 0, 0], [255, 255, 255]]]
    """
    low, high = contrast_window(image) if window is None else window
    column = (slice(None), None, None)
    scaled = np.clip((np.asarray(image, np.float64) - low[column]) / (high - low)[column], 0, 1)
    scaled = np.nan_to_num(scaled)
    order = {1: [0, 0, 0], 2: [0, 1, 0]}.get(len(scaled), [0, 1, 2])
    picture: Picture = np.round(255 * np.moveaxis(scaled[order], 0, -1)).astype(np.uint8)
    return picture
