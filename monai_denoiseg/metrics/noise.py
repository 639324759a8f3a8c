"""Correlation of the noise of neighbouring voxels, measured on the noisy image alone."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from monai_denoiseg.checks import check_int

__all__ = ["NOISE_LIMIT", "noise_correlation"]

NOISE_LIMIT = 0.2
"""Lag-1 correlation of the noise above which plain Noise2Void keeps a visible part of it. White noise reads within 0.1 of 0."""

_BLOCK, _SMOOTHEST = 16, 0.25


def noise_correlation(image: NDArray, lag: int = 1) -> dict[str, float]:
    """Correlation of the noise of neighbouring voxels along each axis, without a clean reference.

    Structures are mostly smooth along some axis, whereas noise is rough along all. So for each axis
    the image is differentiated twice along all *other* axes. This leaves mostly noise and does not change its correlation
    along the axis itself (as long as the noise has no preferred slanted direction). The correlation is taken in blocks of 16
    voxels along each axis, and the median of the smoothest quarter of the blocks is returned: edges make a block rough.

    White noise reads -0.1 to 0.1. An image without any noise shows the correlation of its structures instead.

    Args:
        image: noisy image ``(C, [D,] H, W)``, any intensity unit. Blocks with values that are not finite are left out.
        lag: distance of the voxels compared.

    Returns:
        Correlation in [-1, 1] by axis (``Z``, ``Y``, ``X``); an axis is missing if there is nothing to measure (a constant
        image, an axis not longer than ``lag``).

    Raises:
        ValueError: when the image has not 3 or 4 axes or the lag is not positive.

    >>> white = np.random.default_rng(0).normal(size=(1, 128, 128))
    >>> {axis: round(value, 1) + 0.0 for axis, value in noise_correlation(white + np.roll(white, 1, axis=2)).items()}
    {'Y': 0.0, 'X': 0.5}
    """
    check_int("lag", lag, 1)
    if np.ndim(image) not in (3, 4):
        raise ValueError(f"`image` must have the axes (C, [D,] H, W), got shape {np.shape(image)}")
    exact = np.asarray(image, np.float64)
    exact = np.where(np.isfinite(exact), exact, np.nan)
    found = {}
    for axis, name in enumerate("ZYX"[1 - exact.ndim :]):
        values = [value for channel in exact for value in _block_correlations(channel, axis, lag)]
        if values:
            found[name] = float(np.median(values))
    return found


def _block_correlations(channel: NDArray, axis: int, lag: int) -> NDArray[np.float64]:
    """Correlation along an axis in the smoothest quarter of the blocks that have noise in them."""
    if channel.shape[axis] <= lag or np.isnan(channel).all():
        return np.zeros(0)
    rough = channel
    for other in range(channel.ndim):
        if other != axis and channel.shape[other] > 2:
            rough = np.diff(rough, 2, other)
    rows = np.moveaxis(_blocks(rough), axis + 1, -1)
    within = tuple(range(1, rows.ndim))
    power = (rows**2).mean(axis=within)
    product = (rows[..., lag:] * rows[..., :-lag]).mean(axis=within)
    # Rounding errors of a smooth image are no noise.
    noisy = power > 1e-12 * max(float(np.nanvar(channel)), float(np.nanmax(np.abs(channel))) ** 2 * 1e-6)
    smoothest = noisy & (power <= np.quantile(power[noisy], _SMOOTHEST)) if noisy.any() else noisy
    return np.asarray(product[smoothest] / power[smoothest])


def _blocks(array: NDArray) -> NDArray:
    """Cut into blocks ``(n_blocks, ...)`` of 16 voxels along each axis, or all of a shorter axis; a remainder is left out."""
    edges = [min(_BLOCK, n) for n in array.shape]
    counts = [n // edge for n, edge in zip(array.shape, edges, strict=True)]
    kept = array[tuple(slice(0, n * edge) for n, edge in zip(counts, edges, strict=True))]
    split = kept.reshape([number for pair in zip(counts, edges, strict=True) for number in pair])
    order = [*range(0, split.ndim, 2), *range(1, split.ndim, 2)]
    return split.transpose(order).reshape(-1, *edges)
