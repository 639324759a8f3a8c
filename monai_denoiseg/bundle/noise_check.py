"""Check before a training: can blind spots remove the noise of the images?"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from monai_denoiseg.checks import check_int, check_range
from monai_denoiseg.metrics import CHANNEL_LIMIT, NOISE_LIMIT, channel_correlation, noise_correlation
from monai_denoiseg.processes import is_main_process
from monai_denoiseg.transforms.blindspot import box_mask, covered_axes

_LONGEST_LAG, _WEAK = 7, 0.1
_AT_MOST = {2: (1024, 1024), 3: (64, 256, 256)}


def check_noise(
    dataset: Sequence[Mapping[str, Any]], n: int = 8, struct_mask: Any = None, limit: float = NOISE_LIMIT, key: str = "image"
) -> dict[str, Any]:
    """Measure whether the noise of neighbouring voxels is correlated, and warn once where Noise2Void would keep it.

    Noise2Void removes what cannot be guessed from the neighbours; noise that is correlated with theirs can. StructN2V hides these
    neighbours too: an axis that its mask covers is no reason to warn. Measured by
    :func:`~monai_denoiseg.metrics.noise_correlation` on up to ``n`` images spread over the data set (the middle 1024 x 1024 or
    64 x 256 x 256 voxels of larger ones); the median counts.

    Args:
        dataset: items with the noisy image ``(C, [D,] H, W)``, as read: neither cropped to patches nor augmented.
        n: images to look at, at most.
        struct_mask: the mask that the training uses, see :class:`~monai_denoiseg.transforms.BlindSpot`; None for none.
        limit: lag-1 correlation from which on noise counts as correlated.
        key: of the image in an item.

    Returns:
        ``n_images``, ``correlation`` (by axis, ``Z``, ``Y``, ``X``), ``limit``, ``correlated`` (axes beyond the limit),
        ``uncovered`` (those of them that ``struct_mask`` leaves open), ``suggested_mask`` (nested lists; None where nothing is
        uncovered), and ``between_channels`` (correlation of the noise of two channels at the same voxel, the largest; None for
        one channel). It is plain enough for JSON.

    Raises:
        ValueError: when an argument is out of range or ``struct_mask`` is no mask.

    >>> white = torch.randn(1, 128, 128, generator=torch.Generator().manual_seed(0))
    >>> found = check_noise([{"image": white + white.roll(1, 2)}])
    >>> found["correlated"], found["suggested_mask"]
    (['X'], [[1, 1, 1]])
    """
    check_int("n", n, 1)
    check_range("limit", limit, 0, 1, open_low=True)
    covered = covered_axes(struct_mask)
    chosen = np.unique(np.linspace(0, max(0, len(dataset) - 1), min(n, len(dataset))).round().astype(int))
    images = [_middle(torch.as_tensor(dataset[int(i)][key]).detach().float().cpu().numpy()) for i in chosen]
    correlation = _median(images, 1)
    correlated = [axis for axis, value in correlation.items() if value > limit]
    uncovered = [axis for axis in correlated if axis not in covered]
    found = {
        "n_images": len(images),
        "correlation": {axis: round(value, 4) for axis, value in correlation.items()},
        "limit": limit,
        "correlated": correlated,
        "uncovered": uncovered,
        "suggested_mask": _suggest(images, correlated) if uncovered else None,
        "between_channels": _between_channels(images),
    }
    if uncovered and is_main_process():
        logging.getLogger(__name__).warning(_warning(found))
    return found


def noise_of_training(
    dataset: Sequence[Mapping[str, Any]], struct_mask: Any = None, alpha: float = 0.5, target: str | None = None
) -> dict[str, Any] | None:
    """Measure the noise where it matters: where a training learns to denoise from the noisy images alone.

    Args:
        dataset: see :func:`check_noise`.
        struct_mask: likewise.
        alpha: weight of the denoising loss.
        target: images that the denoised ones are compared with; None for none.

    >>> noise_of_training([], alpha=0.0) is None
    True
    """
    return check_noise(dataset, struct_mask=struct_mask) if alpha > 0 and target is None else None


def share_spots(choice: str | bool, noise: Mapping[str, Any] | None) -> bool:
    """Whether blind spots hide all channels of a voxel at once.

    If the noise of two channels is alike, as in a grey image saved as RGB, each gives away what is hidden in the other.

    Args:
        choice: the user's; ``"auto"``: what the noise asks for.
        noise: what :func:`noise_of_training` found.

    >>> share_spots("auto", {"between_channels": 0.99}), share_spots("auto", {"between_channels": 0.02}), share_spots(True, None)
    (True, False, True)
    """
    between = (noise or {}).get("between_channels")
    if choice != "auto":
        return bool(choice)
    shared = between is not None and between > CHANNEL_LIMIT
    if between is not None and is_main_process():
        text = "hide all channels of a pixel at once" if shared else "are drawn for each channel"
        logging.getLogger(__name__).info("noise: correlation between channels %.2f; blind spots %s", between, text)
    return shared


def _between_channels(images: list[NDArray]) -> float | None:
    measured = [value for value in (channel_correlation(image) for image in images if len(image) > 1) if value is not None]
    return round(float(np.median(measured)), 4) if measured else None


def _middle(image: NDArray) -> NDArray:
    """The middle of a large image: enough to know its noise."""
    limits = _AT_MOST[image.ndim - 1]
    starts = [max(0, (length - most) // 2) for length, most in zip(image.shape[1:], limits, strict=True)]
    return image[(slice(None), *(slice(start, start + most) for start, most in zip(starts, limits, strict=True)))]


def _median(images: list[NDArray], lag: int) -> dict[str, float]:
    measured = [noise_correlation(image, lag) for image in images]
    names = [axis for axis in "ZYX" if any(axis in one for one in measured)]
    return {axis: float(np.median([one[axis] for one in measured if axis in one])) for axis in names}


def _suggest(images: list[NDArray], correlated: list[str]) -> list[Any]:
    """The box that reaches as far as the correlation along each axis."""
    reach = dict.fromkeys(correlated, 1)
    for lag in range(2, _LONGEST_LAG + 1):
        farther = _median(images, lag)
        going_on = [axis for axis in correlated if reach[axis] == lag - 1 and farther.get(axis, 0.0) > _WEAK]
        reach |= dict.fromkeys(going_on, lag)
        if not going_on:
            break
    return box_mask([2 * reach.get(axis, 0) + 1 for axis in "ZYX"[-(images[0].ndim - 1) :]])


def _warning(found: Mapping[str, Any]) -> str:
    figures = ", ".join(f"{axis} {value:.2f}" for axis, value in found["correlation"].items())
    lengths = np.shape(found["suggested_mask"])
    box = " x ".join(f"{length} along {axis}" for length, axis in zip(lengths, "ZYX"[-len(lengths) :], strict=True) if length > 1)
    return (
        f"The noise of neighbouring voxels is correlated along {' and '.join(found['uncovered'])} (correlation {figures}, "
        f"measured on {found['n_images']} image{'s' if found['n_images'] > 1 else ''}; independent noise has 0): plain "
        f"Noise2Void would keep it. Add configs/train/structn2v.json (--method structn2v) with a mask of {box} voxels: "
        f'--struct_mask "{str(found["suggested_mask"]).replace(" ", "")}"'
    )
