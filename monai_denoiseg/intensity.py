"""Robust brightness and contrast of a whole image, shared by the network and the transforms."""

from __future__ import annotations

import math

import torch
from torch import Tensor


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


def robust_moments(image: Tensor, low: float = 0.01, high: float = 0.998, max_samples: int = 1_000_000) -> Tensor:
    """Mean and standard deviation of each channel, of its values clipped at the 1 % and 99.8 % percentiles.

    A few hot pixels then do not matter, however bright. More than a million voxels are sub-sampled with a fixed stride: a large
    image does not need them all, and the result stays the same from run to run. NaN is left out.

    Args:
        image: ``(B, C, [D,] H, W)``, any intensity unit.
        low: lower percentile, as a fraction.
        high: upper percentile, as a fraction.
        max_samples: voxels of a channel looked at: between this many and twice as many of a larger image.

    Returns:
        ``(B, 2, C)`` float32: ``[:, 0]`` means (offsets) and ``[:, 1]`` standard deviations (scales) in the image's unit; a
        constant channel gets scale 1.

    >>> robust_moments(torch.tensor([0.0, 2.0] * 500).reshape(1, 1, 10, 100))
    tensor([[[1.],
             [1.]]])
    """
    flat = image.detach().to(torch.float32).flatten(2)
    sample = flat[:, :, :: sample_stride(flat.shape[2], max_samples)]
    levels = torch.tensor([low, high], dtype=torch.float32, device=image.device)
    quantiles = torch.nanquantile(sample, levels, dim=2)
    # float64, so that the order of the voxels makes no difference.
    clipped = torch.minimum(torch.maximum(sample, quantiles[0].unsqueeze(2)), quantiles[1].unsqueeze(2)).to(torch.float64)
    mean = clipped.nanmean(2)
    scale = (clipped - mean.unsqueeze(2)).square().nanmean(2).sqrt().to(torch.float32)
    scale = torch.where(scale > 0, scale, torch.ones_like(scale))
    return torch.stack([mean.to(torch.float32), scale], dim=1)


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
