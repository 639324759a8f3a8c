"""Robust intensity range of a whole image, shared by the network and the transforms."""

from __future__ import annotations

import math

import torch
from torch import Tensor


def robust_range(image: Tensor, low: float = 0.01, high: float = 0.998, max_samples: int = 1_000_000) -> Tensor:
    """Offset and scale that map the 1 % percentile of each channel to 0 and the 99.8 % percentile to 1.

    More than a million voxels are sub-sampled with a fixed stride: the percentiles of a large image do not need them all,
    and the result stays the same from run to run. NaN is left out.

    Args:
        image: ``(B, C, [D,] H, W)``, any intensity unit.
        low: percentile mapped to 0, as a fraction.
        high: percentile mapped to 1, as a fraction.
        max_samples: voxels of a channel looked at: between this many and twice as many of a larger image.

    Returns:
        ``(B, 2, C)`` float32: ``[:, 0]`` offsets and ``[:, 1]`` scales in the image's unit; a constant channel gets scale 1.

    >>> robust_range(torch.arange(1001.0).reshape(1, 1, 1, 1001))
    tensor([[[ 10.],
             [988.]]])
    """
    flat = image.detach().to(torch.float32).flatten(2)
    stride = max(1, flat.shape[2] // max_samples)
    while math.gcd(stride, flat.shape[2]) > 1:  # else it may hit the same few columns in every row
        stride += 1
    levels = torch.tensor([low, high], dtype=torch.float32, device=image.device)
    quantiles = torch.nanquantile(flat[:, :, ::stride], levels, dim=2)
    scale = quantiles[1] - quantiles[0]
    scale = torch.where(scale > 0, scale, torch.ones_like(scale))
    return torch.stack([quantiles[0], scale], dim=1)
