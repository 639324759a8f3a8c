"""Half images of one noisy image: the pixels of a chess board, black and white, pushed together."""

from __future__ import annotations

import torch
from torch import Tensor


def checkerboard_pairs(x: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Split an image into two pairs of half images.

    Each half image holds every second pixel of each row (first pair) or of each column (second pair), alternating like the
    squares of a chess board. The two of a pair show the same picture shifted by a pixel, with independent noise. Masks are split
    in the same way.

    Args:
        x: ``(..., H, W)``. Of an odd length the last pixel is left out, along the halved axis only.

    Returns:
        ``even, odd``: ``(..., H, W // 2)``; ``even', odd'``: ``(..., H // 2, W)``. An axis of one pixel gives an empty pair.

    Raises:
        ValueError: for fewer than two axes.

    Source: Lequyer et al., A fast blind zero-shot denoiser, Nat. Mach. Intell. 4 (2022), Fig. 1.

    >>> even, odd, down_even, down_odd = checkerboard_pairs(torch.arange(16).reshape(4, 4))
    >>> even[:2].tolist(), odd[:2].tolist()
    ([[0, 2], [5, 7]], [[1, 3], [4, 6]])
    >>> down_even.tolist()
    [[0, 5, 2, 7], [8, 13, 10, 15]]
    """
    if x.dim() < 2:
        raise ValueError(f"`x` must have at least two axes (..., H, W), got shape {tuple(x.shape)}")
    first, second = _halves(x)
    down_first, down_second = _halves(x.transpose(-1, -2))
    return first, second, down_first.transpose(-1, -2).contiguous(), down_second.transpose(-1, -2).contiguous()


def _halves(x: Tensor) -> tuple[Tensor, Tensor]:
    """The two halves of each row: in odd rows the parts are exchanged."""
    width = x.shape[-1] // 2 * 2
    left, right = x[..., 0:width:2], x[..., 1:width:2]
    swap = (torch.arange(x.shape[-2], device=x.device) % 2 == 1).unsqueeze(-1)
    return torch.where(swap, right, left), torch.where(swap, left, right)
