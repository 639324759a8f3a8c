"""Segmentation that needs no training: Otsu's threshold and the Chan-Vese model."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray
from skimage.filters import threshold_otsu
from skimage.segmentation import chan_vese, morphological_chan_vese

from monai_denoiseg.checks import check_int, check_range

__all__ = ["segment_chan_vese", "segment_otsu"]

SMOOTHNESS = {2: 0.05, 3: 1}
ITERATIONS = {2: 500, 3: 20}


def segment_otsu(image: ArrayLike, dark_objects: bool = False) -> NDArray[np.bool_]:
    """Foreground by the threshold that best parts the grey levels of the whole image in two groups.

    Args:
        image: ``([D,] H, W)``, finite.
        dark_objects: whether the objects are darker than the background.

    Returns:
        True in the foreground; nowhere in a constant image.

    Source: Otsu, IEEE Trans. SMC 9 (1979), as in scikit-image.

    >>> segment_otsu([[1, 2, 9, 8]])
    array([[False, False,  True,  True]])
    """
    values = np.asarray(image, np.float64)
    if values.size == 0 or values.min() == values.max():
        return np.zeros(values.shape, bool)
    bright: NDArray[np.bool_] = values > threshold_otsu(values.ravel())  # flat: a short last axis is no colour
    return ~bright if dark_objects else bright


def segment_chan_vese(
    image: ArrayLike, dark_objects: bool = False, *, smoothness: float | None = None, iterations: int | None = None
) -> NDArray[np.bool_]:
    """Foreground by the Chan-Vese model: two regions of constant brightness with a short contour between them.

    A 2D image is segmented by scikit-image's ``chan_vese`` (level sets, beginning with a checkerboard). It has no version for
    volumes; they go through ``morphological_chan_vese``, which approximates the same model with morphological operators in any
    number of axes, and begins with Otsu's foreground. A volume of a single slice is taken as an image. Which region is the
    foreground is told by its brightness.

    Args:
        image: ``([D,] H, W)``, finite.
        dark_objects: whether the objects are darker than the background.
        smoothness: 2D: weight of the contour's length (``mu``), usually 0 to 1, None: 0.05. 3D: smoothing passes an iteration, an
            integer, None: 1.
        iterations: at most so many (2D; None: 500), exactly so many (3D; None: 20).

    Returns:
        True in the foreground; nowhere in a constant image.

    Raises:
        ValueError: when a number is out of range.

    Source: Chan and Vese, IEEE TIP 10 (2001); Marquez-Neila et al., IEEE TPAMI 36 (2014) for the morphological version.

    >>> image = np.zeros((20, 20))
    >>> image[5:12, 5:15] = 10
    >>> int((segment_chan_vese(image) != (image > 5)).sum())
    0
    """
    values = np.asarray(image, np.float64)
    flat = values.squeeze()
    flat = flat if flat.ndim >= 2 else flat.reshape(1, -1)
    flat = -flat if dark_objects else flat
    rounds = ITERATIONS[flat.ndim] if iterations is None else check_int("iterations", iterations, 1)
    start = segment_otsu(flat)
    if not start.any():
        return np.zeros(values.shape, bool)
    flat = (flat - flat.min()) / (flat.max() - flat.min())
    if flat.ndim == 2:
        mu = SMOOTHNESS[2] if smoothness is None else check_range("smoothness", smoothness, 0, math.inf, open_high=True)
        found = chan_vese(flat, mu=mu, max_num_iter=rounds)
    else:
        passes = SMOOTHNESS[3] if smoothness is None else check_int("smoothness", smoothness, 0)  # type: ignore[arg-type]
        found = morphological_chan_vese(flat, rounds, init_level_set=start, smoothing=int(passes))
    found = np.asarray(found, bool)
    return (found if _is_bright(flat, found) else ~found).reshape(values.shape)


def _is_bright(image: NDArray[np.float64], found: NDArray[np.bool_]) -> bool:
    """Whether the found region is the brighter one; the regions of the model have no names."""
    if found.all() or not found.any():
        return bool(found.any())
    return bool(image[found].mean() > image[~found].mean())
