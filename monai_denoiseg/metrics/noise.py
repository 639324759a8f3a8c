"""Correlation of the noise of neighbouring voxels, measured on the noisy image alone."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from monai_denoiseg.checks import check_int

__all__ = ["CHANNEL_LIMIT", "NOISE_LIMIT", "channel_correlation", "noise_correlation"]

NOISE_LIMIT = 0.2
"""Lag-1 correlation of the noise above which plain Noise2Void keeps a visible part of it. White noise reads within 0.1 of 0."""

CHANNEL_LIMIT = 0.3
"""Correlation of the noise of two channels above which one gives a visible part of the other's noise away."""

_BLOCK, _SMOOTHEST = 16, 0.25
_EDGE = 4.0
"""Standard deviations of the noise beyond which a difference is an edge."""


def noise_correlation(image: NDArray, lag: int = 1) -> dict[str, float]:
    """Correlation of the noise of neighbouring voxels along each axis, without a clean reference.

    Structures are mostly smooth along some axis, whereas noise is rough along all. So for each axis
    the image is differentiated twice along all *other* axes. This leaves mostly noise and does not change its correlation
    along the axis itself (as long as the noise has no preferred slanted direction). The correlation is taken in blocks of 16
    voxels along each axis, without differences beyond 4 standard deviations of a block (edges of strong contrast), and the median
    of the smoothest quarter of the blocks is returned: texture makes a block rough.

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


def channel_correlation(image: NDArray) -> float | None:
    """Largest correlation of the noise of two channels at the same voxel, without a clean reference.

    As in :func:`noise_correlation`, with second differences along all axes. Independent channels read -0.1 to 0.1, a grey image
    saved as RGB 1.

    Args:
        image: noisy image ``(C, [D,] H, W)``, any intensity unit.

    Returns:
        The correlation, -1 to 1; None for one channel, and where there is nothing to measure.

    Raises:
        ValueError: when the image has not 3 or 4 axes.

    >>> white = np.random.default_rng(0).normal(size=(2, 128, 128))
    >>> round(channel_correlation(white), 1) + 0.0, round(channel_correlation(white[[0, 0]]), 1)
    (0.0, 1.0)
    """
    if np.ndim(image) not in (3, 4):
        raise ValueError(f"`image` must have the axes (C, [D,] H, W), got shape {np.shape(image)}")
    blocks = []
    for channel in np.asarray(image, np.float64):
        rough = np.where(np.isfinite(channel), channel, np.nan)
        for axis in range(channel.ndim):
            rough = np.diff(rough, 2, axis) if channel.shape[axis] > 2 else rough
        blocks.append(_blocks(rough).reshape(-1, math.prod(min(_BLOCK, n) for n in rough.shape)))
    found = [_pair_correlation(one, other) for i, one in enumerate(blocks) for other in blocks[:i]]
    return max((value for value in found if value is not None), default=None)


def _pair_correlation(one: NDArray, other: NDArray) -> float | None:
    """Median over the smoothest quarter of the blocks ``(n_blocks, voxels)``."""
    kept = _without_edges(one) & _without_edges(other)
    one, other = np.where(kept, one, 0.0), np.where(kept, other, 0.0)
    power = np.sqrt((one**2).sum(1) * (other**2).sum(1))
    noisy = np.isfinite(power) & (power > 0)
    if not noisy.any():
        return None
    smoothest = noisy & (power <= np.quantile(power[noisy], _SMOOTHEST))
    return float(np.median((one * other).sum(1)[smoothest] / power[smoothest]))


def _block_correlations(channel: NDArray, axis: int, lag: int) -> NDArray[np.float64]:
    """Correlation along an axis in the smoothest quarter of the blocks that have noise in them."""
    if channel.shape[axis] <= lag or np.isnan(channel).all():
        return np.zeros(0)
    rough = channel
    for other in range(channel.ndim):
        if other != axis and channel.shape[other] > 2:
            rough = np.diff(rough, 2, other)
    rows = np.moveaxis(_blocks(rough), axis + 1, -1)
    kept = _without_edges(rows)
    pairs = kept[..., lag:] & kept[..., :-lag]
    within = tuple(range(1, rows.ndim))
    rows = np.where(kept, rows, 0.0)
    after, before = rows[..., lag:], rows[..., :-lag]
    power = np.sqrt((after**2 * pairs).sum(within) * (before**2 * pairs).sum(within)) / np.maximum(pairs.sum(within), 1)
    product = (after * before * pairs).sum(within) / np.maximum(pairs.sum(within), 1)
    # Rounding errors of a smooth image are no noise.
    noisy = power > 1e-12 * max(float(np.nanvar(channel)), float(np.nanmax(np.abs(channel))) ** 2 * 1e-6)
    noisy &= np.isfinite(power)
    smoothest = noisy & (power <= np.quantile(power[noisy], _SMOOTHEST)) if noisy.any() else noisy
    return np.asarray(product[smoothest] / power[smoothest])


def _without_edges(blocks: NDArray) -> NDArray[np.bool_]:
    """Where the values of a block may be noise: edges of strong contrast are many times as large, and continue along an axis."""
    flat = np.abs(blocks.reshape(len(blocks), -1))
    spread = 1.4826 * np.median(flat, axis=1).reshape(-1, *(1,) * (blocks.ndim - 1))
    # A block with values that are not finite is kept as it is, and so left out; so is one that is mostly constant.
    return np.asarray((np.abs(blocks) <= _EDGE * spread) | ~(spread > 0))


def _blocks(array: NDArray) -> NDArray:
    """Cut into blocks ``(n_blocks, ...)`` of 16 voxels along each axis, or all of a shorter axis; a remainder is left out."""
    edges = [min(_BLOCK, n) for n in array.shape]
    counts = [n // edge for n, edge in zip(array.shape, edges, strict=True)]
    kept = array[tuple(slice(0, n * edge) for n, edge in zip(counts, edges, strict=True))]
    split = kept.reshape([number for pair in zip(counts, edges, strict=True) for number in pair])
    order = [*range(0, split.ndim, 2), *range(1, split.ndim, 2)]
    return split.transpose(order).reshape(-1, *edges)
