"""Robust brightness and contrast of a whole image, shared by the network and the transforms."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Optional

import torch
from torch import Tensor

from monai_denoiseg.sparse import occupied


def sample_stride(n_voxels: int, max_samples: int = 1_000_000) -> int:
    """Every how many voxels of an image one is looked at.

    Args:
        n_voxels: voxels of the image.
        max_samples: as in :func:`robust_moments`.

    >>> sample_stride(1000), sample_stride(4_000_000)
    (1, 7)
    """
    stride = max(1, n_voxels // max_samples)
    while math.gcd(stride, n_voxels) > 1:  # else it may hit the same few columns in every row
        stride += 1
    return stride


def robust_moments(
    image: Tensor,
    low: float = 0.01,
    high: float = 0.998,
    max_samples: int = 1_000_000,
    window: Optional[list[int]] = None,  # noqa: UP045 (TorchScript)
) -> Tensor:
    """Mean and standard deviation of each channel, of its values clipped at the 1 % and 99.8 % percentiles.

    A few hot pixels then do not matter, however bright. Neither do burnt-in values (:func:`burnt_in`: bright ones are left out,
    dark ones count as the darkest measured value) nor, with ``window``, the empty part of a field
    (:func:`~monai_denoiseg.sparse.occupied`). More than a million voxels are sub-sampled with a fixed
    stride: a large image does not need them all, and the result stays the same from run to run. NaN is left out.

    Args:
        image: ``(B, C, [D,] H, W)``, any intensity unit.
        low: lower percentile, as a fraction.
        high: upper percentile, as a fraction.
        max_samples: voxels of a channel looked at: between this many and twice as many of a larger image.
        window: usual spatial shape of the images a network was trained on; None takes every field for a full one.

    Returns:
        ``(B, 2, C)`` float32: ``[:, 0]`` means (offsets) and ``[:, 1]`` standard deviations (scales) in the image's unit; a
        constant channel gets scale 1.

    >>> robust_moments(torch.tensor([0.0, 2.0] * 500).reshape(1, 1, 10, 100))
    tensor([[[1.],
             [1.]]])
    """
    flat = image.detach().flatten(2)
    stride = sample_stride(flat.shape[2], max_samples)
    return sample_moments(flat[:, :, ::stride], list(image.shape[2:]), stride, low, high, window)


def sample_moments(
    sample: Tensor,
    shape: list[int],
    stride: int,
    low: float = 0.01,
    high: float = 0.998,
    window: Optional[list[int]] = None,  # noqa: UP045 (TorchScript)
) -> Tensor:
    """What :func:`robust_moments` gives, from every ``stride``-th voxel of the images.

    Args:
        sample: ``(B, C, n)`` in the order of the voxels.
        shape: spatial shape of the images.
        stride: see :func:`sample_stride`.
        low: as in :func:`robust_moments`.
        high: likewise.
        window: likewise.
    """
    sample = sample.to(torch.float32)
    sample = torch.where(burnt_in(sample, True), torch.full_like(sample, float("nan")), sample)
    dark = burnt_in(sample, False)
    least = torch.where(dark | torch.isnan(sample), torch.full_like(sample, float("inf")), sample).amin(2, keepdim=True)
    sample = torch.where(dark, least, sample)
    levels = torch.tensor([low, high], dtype=torch.float32, device=sample.device)
    if window is not None:
        sample = torch.where(occupied(sample, shape, stride, window), sample, torch.full_like(sample, float("nan")))
    # float64, so that the order of the voxels makes no difference.
    clipped = _clip(sample, torch.nanquantile(sample, levels, dim=2)).to(torch.float64)
    mean = clipped.nanmean(2)
    scale = (clipped - mean.unsqueeze(2)).square().nanmean(2).sqrt().to(torch.float32)
    scale = torch.where(scale > 0, scale, torch.ones_like(scale))
    return torch.stack([mean.to(torch.float32), scale], dim=1)


def _clip(sample: Tensor, quantiles: Tensor) -> Tensor:
    return torch.minimum(torch.maximum(sample, quantiles[0].unsqueeze(2)), quantiles[1].unsqueeze(2))


def burnt_in(sample: Tensor, bright: bool) -> Tensor:
    """Voxels of the extreme value (but for one in a thousand), where that is no measurement: padding, a scale bar, a frame.

    It is none where a gap separates it from all others that is wider than half of what these spread to that side: from their
    median to the half per cent farthest out. Half of the voxels and more are a background; fewer than 16, or than the percentiles
    of :func:`robust_moments` cut off, do no harm.

    Args:
        sample: ``(B, C, n)``; NaN is left out.
        bright: whether the largest value is looked at, or the smallest.

    Returns:
        bool ``(B, C, n)``.

    >>> image = torch.cat([torch.linspace(0, 3, 200), torch.full((40,), 9.0)])[None, None]
    >>> int(burnt_in(image, True).sum()), int(burnt_in(torch.arange(500.0)[None, None], True).sum())
    (40, 0)
    """
    values = sample if bright else -sample
    values = torch.where(torch.isnan(sample), torch.full_like(values, -float("inf")), values)
    known = torch.where(torch.isneginf(values), torch.full_like(values, float("nan")), values)
    extreme = torch.nanquantile(known, 0.999, dim=2, keepdim=True, interpolation="lower")  # whatever a few hot pixels hold
    found = values == extreme
    rest = torch.where(values >= extreme, torch.full_like(values, float("nan")), known)
    quantiles = torch.nanquantile(rest, torch.tensor([0.5, 0.995], device=sample.device), dim=2)
    spread = (quantiles[1] - quantiles[0]).unsqueeze(2)
    gap = extreme - rest.nan_to_num(-float("inf")).amax(2, keepdim=True)
    share = found.to(torch.float32).mean(2, keepdim=True)
    return found & (share > 0.002) & (found.sum(2, keepdim=True) >= 16) & (share < 0.5) & (spread > 0) & (gap > spread / 2)


def check_limits(limits: Sequence[float] | None) -> list[float]:
    """Return lowest and highest intensity as a list, empty for none.

    Args:
        limits: two numbers, or None.

    Raises:
        ValueError: when they are no two finite numbers in order.

    >>> check_limits([-100, 250]), check_limits(None)
    ([-100.0, 250.0], [])
    """
    values = [] if limits is None else [float(value) for value in limits]
    if values and not (len(values) == 2 and all(math.isfinite(value) for value in values) and values[0] < values[1]):
        raise ValueError(f"`limits` must be a lower and a higher intensity, or None, got {limits!r}")
    return values


def check_statistics(mean: Tensor, std: Tensor, channels: int) -> tuple[Tensor, Tensor]:
    """Return mean and standard deviation of each channel as float32, if they can normalise an image.

    Args:
        mean: ``(channels,)``.
        std: likewise.
        channels: of the image.

    Raises:
        ValueError: when the number of channels differs, a mean is not finite or a deviation is not positive and finite.

    >>> check_statistics(torch.tensor([100.0]), torch.tensor([0.0]), 1)
    Traceback (most recent call last):
        ...
    ValueError: `std` must be positive and finite, got [0.0]
    """
    mean, std = torch.as_tensor(mean, dtype=torch.float32), torch.as_tensor(std, dtype=torch.float32)
    for name, value in (("mean", mean), ("std", std)):
        if value.shape != (channels,):
            raise ValueError(f"`{name}` needs {channels} values (one a channel), got shape {tuple(value.shape)}")
    if not bool(torch.isfinite(mean).all()):
        raise ValueError(f"`mean` must be finite, got {mean.tolist()}")
    if not bool((torch.isfinite(std) & (std > 0)).all()):
        raise ValueError(f"`std` must be positive and finite, got {std.tolist()}")
    return mean, std
