"""The residual (input minus denoised image): does it look like noise that is independent from voxel to voxel?"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["CORRELATED", "Residual", "residual_figures"]

CORRELATED = 0.1
"""Lag-1 autocorrelation above which (in absolute value) the report warns."""


@dataclass(frozen=True)
class Residual:
    """Figures of ``input - denoised``.

    Args:
        mean: average over all voxels, in raw intensity units; near 0 if brightness is kept.
        spread: standard deviation in raw intensity units: the strength of the noise that was removed.
        autocorrelation: by axis (``Z``, ``Y``, ``X``) the correlation of neighbouring voxels; near 0 for independent noise.

    >>> Residual(0.0, 20.0, {"Y": 0.02, "X": -0.31}).correlated
    ['X']
    """

    mean: float
    spread: float
    autocorrelation: dict[str, float]

    @property
    def correlated(self) -> list[str]:
        """Axes along which neighbouring values are clearly correlated."""
        return [axis for axis, value in self.autocorrelation.items() if abs(value) > CORRELATED]


def residual_figures(image: NDArray, denoised: NDArray) -> Residual:
    r"""Measure what was removed; voxels that are not finite are left out.

    The autocorrelation at lag 1 is :math:`\sum r_i r_{i+1} / \sum r_i^2` per voxel pair, with the mean of each channel removed
    first. Noise2Void assumes that it is 0 (Krull et al., CVPR 2019, Sec. 3.1: noise conditionally independent between pixels).

    Args:
        image: noisy input ``(C, [D,] H, W)``, raw intensities.
        denoised: network output of the same shape and unit.

    Raises:
        ValueError: when the shapes differ.

    >>> noise = np.random.default_rng(0).normal(size=(1, 64, 64))
    >>> residual_figures(5 + noise, np.full((1, 64, 64), 5.0)).correlated
    []
    """
    if image.shape != denoised.shape:
        raise ValueError(f"image of shape {image.shape} and denoised image of shape {denoised.shape} differ")
    removed = image.astype(np.float64) - denoised.astype(np.float64)
    removed[~np.isfinite(removed)] = np.nan
    if np.isnan(removed).all():
        return Residual(float("nan"), float("nan"), {})
    spatial = tuple(range(1, removed.ndim))
    centred = removed - np.nanmean(removed, axis=spatial, keepdims=True)
    variance = float(np.nanmean(centred**2))
    names = "ZYX"[-len(spatial) :]
    correlations = {name: _lag_one(centred, axis, variance) for name, axis in zip(names, spatial, strict=True)}
    return Residual(float(np.nanmean(removed)), variance**0.5, {k: v for k, v in correlations.items() if np.isfinite(v)})


def _lag_one(centred: NDArray, axis: int, variance: float) -> float:
    before, after = np.delete(centred, -1, axis), np.delete(centred, 0, axis)
    products = (before * after)[np.isfinite(before * after)]
    return float(products.mean() / variance) if products.size and variance > 0 else float("nan")
