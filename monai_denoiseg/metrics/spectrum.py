"""Checkerboard artefacts of a denoised image, found in its power spectrum."""

from __future__ import annotations

import itertools

import numpy as np
from numpy.typing import NDArray

__all__ = ["checkerboard"]

_LONGEST, _SHORTEST, _PEAK = {2: 64, 3: 32}, 16, 1
_RINGS = ((2, 3), (4, 6))


def checkerboard(image: NDArray) -> float:
    """Strength of patterns that repeat every second voxel: power at their frequency relative to that of the spectrum around it.

    Networks that hide voxels and sample up and down leave such patterns (N2V2, Höck et al. 2022): checkerboards at the corner
    (pi, pi) of the spectrum, stripes at (pi, 0) and (0, pi). The spectrum is the mean over half-overlapping tiles under a Hann
    window. At each of these frequencies the power of the nearest 3 lines of each axis is compared with that expected from the
    lines 2 to 6 below it, only along the axes that alternate, since natural images are strong along the others. The largest ratio
    counts.

    Args:
        image: ``(C, [D,] H, W)``, or ``(H, W)``, any intensity unit, all values finite; axes shorter than 16 voxels are
            ignored.

    Returns:
        About 1 without artefact, clearly above 1 with one; NaN for a constant image, or if all axes are too short.

    Raises:
        ValueError: when the image has not 2 to 4 axes.

    >>> image = np.random.default_rng(0).normal(size=(1, 256, 256))
    >>> board = np.indices((256, 256)).sum(axis=0) % 2
    >>> 0.8 < checkerboard(image) < 1.2, checkerboard(image + 0.3 * board) > 5
    (True, True)
    """
    if np.ndim(image) not in (2, 3, 4):
        raise ValueError(f"`image` must have the axes (C, [D,] H, W) or (H, W), got shape {np.shape(image)}")
    exact = np.asarray(image, np.float64)
    exact = exact[None] if exact.ndim == 2 else exact
    ratios = [ratio for channel in exact for ratio in _ratios(channel)]
    return float(np.max(ratios)) if ratios else float("nan")


def _ratios(channel: NDArray) -> list[float]:
    """Power relative to neighbouring power, for each corner of the spectrum except the origin."""
    longest = _LONGEST[channel.ndim]
    edges = [1 if n < _SHORTEST else min(n, max(32, min(longest, n // 4))) // 2 * 2 for n in channel.shape]
    if max(edges) == 1 or not np.ptp(channel) > 0:
        return []
    power = _power(channel, edges)
    axes = [range(2) if edge > 1 else range(1) for edge in power.shape]
    found = []
    for corner in itertools.product(*axes):
        if any(corner):
            peak = float(power[np.ix_(*(_lines(n, pi, _PEAK) for n, pi in zip(power.shape, corner, strict=True)))].mean())
            expected = _expected(power, corner)
            found.append(peak / expected if expected > 0 else float("inf") if peak > 0 else 1.0)
    return found


def _expected(power: NDArray, corner: tuple[int, ...]) -> float:
    """Power expected at a corner from the lines around it; the spectrum may fall or rise towards the corner."""
    near, far = (_ring(power, corner, *ring) for ring in _RINGS)
    if not near > 0 or not far > 0:
        return near
    # An even function of the distance from the corner, as every spectrum of a lattice is: log power = a + b distance^2.
    squares = [np.mean([d * d for d in range(low, high + 1)]) for low, high in _RINGS]
    return float(near * (near / far) ** (squares[0] / (squares[1] - squares[0])))


def _ring(power: NDArray, corner: tuple[int, ...], low: int, high: int) -> float:
    """Mean power of the lines ``low`` to ``high`` away from a corner along the axes that alternate, near it along the others."""
    shape = [(n, alternating, high if alternating else _PEAK) for n, alternating in zip(power.shape, corner, strict=True)]
    lines = [_lines(n, alternating, reach) for n, alternating, reach in shape]
    distance = np.zeros([len(line) for line in lines])
    for axis, (line, (n, alternating, _)) in enumerate(zip(lines, shape, strict=True)):
        if alternating:
            away = np.abs(line - n // 2).reshape([-1 if i == axis else 1 for i in range(len(lines))])
            distance = np.maximum(distance, away)
    return float(power[np.ix_(*lines)][distance >= low].mean())


def _lines(n: int, alternating: int, reach: int) -> NDArray[np.int64]:
    """Indices of the spectral lines at most ``reach`` away from the highest frequency, or from 0; each of them once."""
    centre = n // 2 if alternating else 0
    return np.unique((centre + np.arange(-reach, reach + 1)) % n)


def _power(channel: NDArray, edges: list[int]) -> NDArray:
    """Mean power spectrum of half-overlapping tiles."""
    window = np.ones(edges)
    for axis, edge in enumerate(edges):
        taper = np.hanning(edge + 1)[:-1] if edge > 1 else np.ones(1)
        window *= taper.reshape([-1 if i == axis else 1 for i in range(len(edges))])
    starts = [range(0, n - edge + 1, max(1, edge // 2)) for n, edge in zip(channel.shape, edges, strict=True)]
    total = np.zeros(edges)
    for corner in itertools.product(*starts):
        tile = channel[tuple(slice(s, s + edge) for s, edge in zip(corner, edges, strict=True))]
        total += np.abs(np.fft.fftn(window * (tile - tile.mean()))) ** 2
    return total
