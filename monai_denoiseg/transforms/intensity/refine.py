"""Refinement of a blind-spot prediction: brightness of the region, and what was measured at the pixel itself."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.ndimage import gaussian_filter

__all__ = ["refine_denoised", "refine_reach"]

WIDTH = {1: 64.0, 2: 24.0, 3: 5.0}
"""Deviation of the Gaussian window in voxels, by number of axes: each averages over several thousand voxels, in 1D
over some two hundred."""
TRUNCATE = 2.5
SLOPE = 0.1
"""Expected deviation of the contrast from 1."""
DETAIL_WIDTH = 1.0
"""Deviation of the Gaussian that separates details from their surroundings, in voxels."""
ERROR_SHARE = 1.0
"""Expected deviation of the mean squared error of details, in units of their variance."""
OUTLIER = 20.0
"""A residual of more than this many mean absolute residuals is a broken pixel: it is clipped to that."""
LEAST_NOISE = 0.01
"""Smallest share of noise in the mean squared residual."""
TINY = float(np.finfo(np.float32).tiny)

Values = NDArray[np.float64]


def refine_reach(spatial_dims: int) -> int:
    """Voxels to each side that a voxel of :func:`refine_denoised` depends on.

    Args:
        spatial_dims: number of spatial axes, 1 to 3.

    >>> refine_reach(2), refine_reach(3)
    (183, 42)
    """
    return 3 * int(TRUNCATE * WIDTH[spatial_dims] + 0.5) + 3  # three windows in a row, and that of the details


def refine_denoised(denoised: ArrayLike, noisy: ArrayLike) -> NDArray[np.float32]:
    """Correct a blind-spot prediction by the noisy image it was made from, in two steps.

    1. **Brightness and contrast.** Noise has mean zero, so in a large window the noisy image must equal the denoised one on
       average. A line is fitted from the denoised to the noisy values in a Gaussian window around each voxel and applied there.
    2. **The pixel itself.** A blind-spot network does not look at the pixel it predicts, but the measurement there says something
       too, most at edges, where the prediction is least certain. The squared residual is noise variance and squared error of the
       prediction together. In each window it is split by a regression, ``a + b x + k v``: noise, constant and growing with the
       brightness ``x``, and error, growing with the variance ``v`` of the prediction among a pixel and its neighbours.
       Prediction and measurement are then averaged, each weighted by the inverse of its variance.

    The noise level need not be known; shot noise and read-out noise are both covered. It is valid for predictions that do not
    depend on the noise of their own pixel (Noise2Void and DenoiSeg, not supervised networks), and for noise that is independent
    between pixels.

    Args:
        denoised: ``(C, [[D,] H,] W)``, what the network predicts; each channel is treated on its own.
        noisy: same shape and unit.

    Returns:
        float32, same shape.

    Raises:
        ValueError: when the shapes differ, or there are not one to three spatial axes.

    Source: step 1 is a guided filter (He, Sun & Tang, TPAMI 2013) of the noisy image, led by the denoised one; step 2 the
    weighting of prediction and measurement of Laine et al. (NeurIPS 2019), with variances from the residuals instead of a
    network's.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> clean = np.where(np.arange(128) < 64, 20.0, 200.0) * np.ones((1, 128, 1))
        >>> noisy = clean + rng.normal(0, 10, clean.shape)
        >>> predicted = 0.95 * np.roll(clean, 1, -1) + 5  # contrast too low, edges a pixel off
        >>> refined = refine_denoised(predicted, noisy)
        >>> [round(float(((x - clean)[..., 8:-8] ** 2).mean())) for x in (noisy, predicted, refined)]
        [99, 297, 9]
    """
    image, guide = np.asarray(noisy, np.float64), np.asarray(denoised, np.float64)
    if image.shape != guide.shape:
        raise ValueError(f"`denoised` has shape {guide.shape}, `noisy` {image.shape}: they must be the same image")
    if image.ndim - 1 not in WIDTH:
        raise ValueError(f"`denoised` needs a channel axis and 1 to 3 spatial axes, got shape {guide.shape}")
    result = np.empty(image.shape, np.float32)
    for channel, (y, x) in enumerate(zip(image, guide, strict=True)):
        result[channel] = _refine(x, y) if y.size else x
    return result


def _refine(x: Values, y: Values) -> Values:
    residual = y - x
    limit = OUTLIER * _mean(np.abs(residual))
    x = _calibrate(x, np.clip(residual, -limit, limit))
    return _return_pixel(x, np.clip(y - x, -limit, limit))


def _calibrate(x: Values, residual: Values) -> Values:
    """Add the line fitted from the prediction to its residual, its slope drawn to 0 as far as it is uncertain."""
    mean, offset = _mean(x), _mean(residual)
    spread, joint = _covariance(x, x, mean, mean), _covariance(x, residual, mean, offset)
    noise = _covariance(residual, residual, offset, offset)
    slope = joint / (spread + noise / (_count(x) * SLOPE**2) + TINY)
    return x + offset + slope * (x - mean)


def _return_pixel(x: Values, residual: Values) -> Values:
    """Average prediction and measurement, each weighted by the inverse of its variance."""
    square, detail = residual**2, _detail(x)
    level, bright, fine = _mean(square), _mean(x), _mean(detail)
    bright2, fine2 = _covariance(x, x, bright, bright), _covariance(detail, detail, fine, fine)
    both = _covariance(x, detail, bright, fine)
    by_bright, by_fine = _covariance(x, square, bright, level), _covariance(detail, square, fine, level)
    # Sampling variance of a squared residual, over the expected variance of the coefficient: a ridge.
    ridge = 2 * level**2 / (_count(x) * ERROR_SHARE**2) + TINY
    bright2 = bright2 * (1 + 1e-3) + TINY
    share = np.maximum((by_fine - both * by_bright / bright2) / (np.maximum(fine2 - both**2 / bright2, 0) + ridge), 0)
    gain = (by_bright - share * both) / bright2
    # Noise does not fall with the brightness: then the fit is repeated without that coefficient.
    share = np.where(gain < 0, np.maximum(by_fine / (fine2 + ridge), 0), share)
    noise = level - share * fine + np.maximum(gain, 0) * (x - bright)
    noise = np.maximum(noise, LEAST_NOISE * level)
    error = share * detail
    return x + error / (error + noise + TINY) * residual


def _mean(values: Values) -> Values:
    """Mean in a Gaussian window around each voxel, mirrored at the edges of the image."""
    result: Values = gaussian_filter(values, WIDTH[values.ndim], mode="reflect", truncate=TRUNCATE)
    return result


def _covariance(a: Values, b: Values, mean_a: Values, mean_b: Values) -> Values:
    found = _mean(a * b) - mean_a * mean_b
    return np.maximum(found, 0) if a is b else found


def _count(values: Values) -> float:
    """How many voxels a window averages over, as far as noise is concerned."""
    return math.prod(min(2 * math.sqrt(math.pi) * WIDTH[values.ndim], size) for size in values.shape)


def _detail(values: Values) -> Values:
    """Variance of the values in the smallest neighbourhood."""

    def local(these: Values) -> Values:
        result: Values = gaussian_filter(these, DETAIL_WIDTH, mode="reflect", truncate=3.0)
        return result

    centred = values - values.mean()  # the difference of squares of large numbers loses digits
    return np.maximum(local(centred**2) - local(centred) ** 2, 0)
