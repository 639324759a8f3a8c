"""Denoisers that need no training: mean, median, non-local means, and BM3D where the user has installed it."""

from __future__ import annotations

import importlib
import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import ndimage
from skimage.restoration import denoise_nl_means

from monai_denoiseg.checks import check_int, check_range

__all__ = ["BM3D_PACKAGES", "HSearch", "denoise_bm3d", "denoise_mean", "denoise_median", "denoise_nlm", "noise_sigma", "search_h"]

BM3D_PACKAGES = {2: "bm3d", 3: "bm4d"}
"""Package with the denoiser of its inventors, by number of axes."""
NLM_PATCH = {2: (7, 11), 3: (3, 5)}
"""Default edge of the patches and distance of the search, by number of axes: in 3D the time grows with the third power."""
H_GRID = (0.4, 0.6, 0.8, 1.0, 1.4, 2.0, 2.8, 4.0, 5.6, 8.0)


def noise_sigma(image: ArrayLike) -> float:
    """Estimate the standard deviation of the noise: median absolute second difference along all axes at once, made Gaussian.

    Smooth structure cancels in the second difference, and edges are too few to move the median. Correlated noise is
    underestimated. Of noise that grows with the signal (shot noise) it is that of the typical, mostly dark, pixel. Where more
    than half of the image is saturated or empty, the mean takes the place of the median.

    Args:
        image: ``([D,] H, W)``, any unit; axes of fewer than three voxels are not looked along.

    Returns:
        Standard deviation in the unit of the image; 0 for a constant or tiny image.

    Source: the mask is that of Immerkaer, Fast noise variance estimation, CVIU 64 (1996), there with the mean.

    >>> noise = np.random.default_rng(0).normal(0, 5, (200, 200))
    >>> round(noise_sigma(noise + np.linspace(0, 1000, 200)))
    5
    """
    response = np.asarray(image, np.float64)
    axes = [axis for axis, size in enumerate(response.shape) if size >= 3]
    if not axes:
        return 0.0
    for axis in axes:
        response = np.diff(response, 2, axis=axis) / math.sqrt(6)
    response = np.abs(response)
    typical = float(np.median(response)) / 0.6744897501960817
    return typical if typical > 0 else float(response.mean()) * math.sqrt(math.pi / 2)


def denoise_mean(image: ArrayLike, size: int | Sequence[int] = 3) -> NDArray[np.float64]:
    """Mean of the box around each voxel; beyond its edge the image is mirrored.

    Args:
        image: ``([D,] H, W)``.
        size: edge of the box in voxels, one number or one an axis.

    >>> denoise_mean([[0.0, 3.0, 0.0]])
    array([[1., 1., 1.]])
    """
    return ndimage.uniform_filter(np.asarray(image, np.float64), size, mode="reflect")  # type: ignore[no-any-return]


def denoise_median(image: ArrayLike, size: int | Sequence[int] = 3) -> NDArray[np.float64]:
    """Median of the box around each voxel.

    Args:
        image: ``([D,] H, W)``.
        size: edge of the box in voxels, or one an axis.

    >>> denoise_median([[0.0, 3.0, 0.0]])
    array([[0., 0., 0.]])
    """
    return ndimage.median_filter(np.asarray(image, np.float64), size, mode="reflect")  # type: ignore[no-any-return]


def denoise_nlm(
    image: ArrayLike,
    h: float = 1.0,
    sigma: float | None = None,
    *,
    patch_size: int | None = None,
    patch_distance: int | None = None,
) -> NDArray[np.float64]:
    """Non-local means: the mean of all voxels nearby whose surroundings look alike (scikit-image, fast mode).

    A volume of a single slice is taken as an image.

    Args:
        image: ``([D,] H, W)``.
        h: how unlike surroundings may be, in standard deviations of the noise. 0.6 to 1 suits noise of one strength everywhere.
            For shot noise, stronger in bright places than ``sigma`` says, and for correlated noise the best is 2 to 8: search it
            with :func:`search_h`.
        sigma: standard deviation of the noise in the unit of the image; None: from :func:`noise_sigma`.
        patch_size: edge of the surroundings in voxels; None: 7 in 2D, 3 in 3D.
        patch_distance: how far similar places are looked for, in voxels; None: 11 in 2D, 5 in 3D.

    Returns:
        The denoised image; an image without noise (constant) comes back as it is.

    Raises:
        ValueError: when a number is out of range.

    Source: Buades, Coll, Morel, A non-local algorithm for image denoising, CVPR 2005.

    >>> noise = np.random.default_rng(0).normal(0, 5, (40, 40))
    >>> bool(denoise_nlm(noise).std() < 1)
    True
    """
    values = np.asarray(image, np.float64)
    check_range("h", h, 0, math.inf, open_low=True, open_high=True)
    sigma = noise_sigma(values) if sigma is None else check_range("sigma", sigma, 0, math.inf, open_high=True)
    flat = _without_single_axes(values)
    usual_size, usual_distance = NLM_PATCH[flat.ndim]
    size = usual_size if patch_size is None else check_int("patch_size", patch_size, 1)
    distance = usual_distance if patch_distance is None else check_int("patch_distance", patch_distance, 1)
    if sigma == 0:
        return values.copy()
    # In units of the noise and about 0: scikit-image sums squares over the whole image, whose last digits would get lost.
    mean = flat.mean()
    reduced = denoise_nl_means((flat - mean) / sigma, size, distance, h, fast_mode=True, sigma=1.0, preserve_range=True)
    return (reduced * sigma + mean).reshape(values.shape)  # type: ignore[no-any-return]


def denoise_bm3d(image: ArrayLike, sigma: float | None = None) -> NDArray[np.float64]:
    """BM3D (2D) or BM4D (3D) by the package of its inventors, if you have installed it.

    A volume of a single slice is taken as an image. The packages ``bm3d`` and ``bm4d`` are free for non-commercial use only, so
    nothing here depends on them.

    Args:
        image: ``([D,] H, W)``.
        sigma: standard deviation of the noise in the unit of the image; None: from :func:`noise_sigma`.

    Raises:
        ImportError: when the package is not installed.
        ValueError: when ``sigma`` is out of range.

    Source: Dabov et al., IEEE TIP 16 (2007); Maggioni et al., IEEE TIP 22 (2013).

    >>> denoise_bm3d(np.ones((8, 8)), sigma=0).shape
    (8, 8)
    """
    values = np.asarray(image, np.float64)
    sigma = noise_sigma(values) if sigma is None else check_range("sigma", sigma, 0, math.inf, open_high=True)
    if sigma == 0:
        return values.copy()
    flat = _without_single_axes(values)
    mean = flat.mean()
    reduced: Any = getattr(require_bm3d(flat.ndim), BM3D_PACKAGES[flat.ndim])((flat - mean) / sigma, 1.0)
    return np.asarray(reduced, np.float64).reshape(values.shape) * sigma + mean  # type: ignore[no-any-return]


def require_bm3d(spatial_dims: int) -> Any:
    """Return the package that denoises images of so many axes, or say how to get it.

    Raises:
        ImportError: when it is not installed.

    >>> require_bm3d(2)  # doctest: +SKIP
    """
    name = BM3D_PACKAGES[spatial_dims]
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise ImportError(
            f"denoise='bm3d' in {spatial_dims}D needs the package {name!r}, which is not installed. Its licence allows "
            "non-commercial use only, so it is no part of monai_denoiseg. Read it, then `pip install "
            f"{name}`; or take denoise='nlm'"
        ) from error


class HSearch(NamedTuple):
    """Result of :func:`search_h`.

    Attributes:
        h: the best, in standard deviations of the noise.
        gains: by tried ``h`` the mean gain in PSNR over the noisy image in dB.
    """

    h: float
    gains: dict[float, float]


def search_h(
    noisy: ArrayLike | Sequence[ArrayLike],
    clean: ArrayLike | Sequence[ArrayLike],
    grid: Sequence[float] = H_GRID,
    **options: Any,
) -> HSearch:
    """Find the best ``h`` of :func:`denoise_nlm` on images whose clean version is known.

    Use images the result is not judged by.

    Args:
        noisy: image ``([D,] H, W)``, or a list of images.
        clean: the same without noise.
        grid: values to try, in standard deviations of the noise.
        options: further arguments of :func:`denoise_nlm`.

    Returns:
        The value with the highest mean PSNR (in a tie the smaller one), and the gains of all.

    Raises:
        ValueError: when the images do not fit each other or the grid is empty.

    Source: grid search as for the comparison in Krull et al., Noise2Void, CVPR 2019.

    >>> clean = np.zeros((40, 40))
    >>> noisy = clean + np.random.default_rng(0).normal(0, 5, clean.shape)
    >>> search_h(noisy, clean, grid=[0.1, 1.0]).h
    1.0
    """
    if not len(grid):
        raise ValueError("`grid` holds no value of h to try")
    pairs = list(zip(_images(noisy), _images(clean), strict=True))
    for image, reference in pairs:
        if image.shape != reference.shape:
            raise ValueError(f"`noisy` and `clean` must have the same shape, got {image.shape} and {reference.shape}")
    gains = {}
    for h in grid:
        errors = [(_error(image, reference), _error(denoise_nlm(image, h, **options), reference)) for image, reference in pairs]
        gains[float(h)] = float(np.mean([10 * math.log10(before / after) if after else 0.0 for before, after in errors]))
    return HSearch(max(sorted(gains), key=lambda h: gains[h]), gains)


def _without_single_axes(values: NDArray[np.float64]) -> NDArray[np.float64]:
    flat = values.squeeze()
    return flat if flat.ndim >= 2 else flat.reshape(1, -1)


def _error(image: NDArray[np.float64], reference: NDArray[np.float64]) -> float:
    return float(np.mean((image - reference) ** 2))


def _images(given: ArrayLike | Sequence[ArrayLike]) -> list[NDArray[np.float64]]:
    parts = given if isinstance(given, (list, tuple)) and np.ndim(given[0]) > 1 else [given]
    return [np.asarray(part, np.float64) for part in parts]
