"""The nearest point of the probability simplex."""

from __future__ import annotations

import torch
from torch import Tensor

FEW = 12
"""Up to this many entries are sorted by comparing whole images; the time for that grows with the square of the number."""


def project_simplex(x: Tensor, dim: int) -> Tensor:
    """Nearest point with entries >= 0 that sum to 1, along one axis.

    The point is ``max(x - t, 0)``. For the right ``t`` the positive entries are the ``k`` largest, for some ``k``, which gives
    ``t = (sum of the k largest - 1) / k``; for every other ``k`` this is smaller, so ``t`` is the largest of these numbers.

    Args:
        x: any shape, floating point.
        dim: the axis that holds the entries of one point.

    Returns:
        Tensor of the same shape.

    Raises:
        ValueError: when the axis is empty.

    Source: sorting algorithm of Held, Wolfe, Crowder, Mathematical Programming 6 (1974).

    >>> project_simplex(torch.tensor([0.5, 0.9, -1.0]), 0)
    tensor([0.3000, 0.7000, 0.0000])
    """
    size = x.shape[dim]
    if size == 0:
        raise ValueError(f"`x` has no entries along axis {dim}, shape {tuple(x.shape)}")
    return (x - simplex_threshold(x, dim)).clamp_(0, 1)


def simplex_threshold(x: Tensor, dim: int) -> Tensor:
    """The number ``t`` for which the entries of ``max(x - t, 0)`` along an axis sum to 1.

    Args:
        x: any shape, floating point.
        dim: the axis to sum over.

    Returns:
        Tensor with size 1 along ``dim``.

    >>> simplex_threshold(torch.tensor([0.5, 0.9, -1.0]), 0)
    tensor([0.2000])
    """
    size = x.shape[dim]
    if size <= FEW:
        return _threshold_of_few(x, dim)
    excess = x.sort(dim, descending=True).values.cumsum_(dim).sub_(1)
    counts = torch.arange(1, size + 1, dtype=x.dtype, device=x.device)
    return excess.movedim(dim, -1).div_(counts).amax(-1).unsqueeze(dim)


def _threshold_of_few(x: Tensor, dim: int) -> Tensor:
    """The same, repeatedly taking the largest remaining entry: whole images are compared, which is much faster."""
    rest = list(x.unbind(dim))
    threshold, excess = None, torch.full_like(rest[0], -1.0)
    for count in range(1, len(rest) + 1):
        largest = rest.pop()
        for place, other in enumerate(rest):
            rest[place], largest = torch.minimum(largest, other), torch.maximum(largest, other)
        excess += largest
        threshold = excess / count if threshold is None else torch.maximum(threshold, excess / count)
    return (excess if threshold is None else threshold).unsqueeze(dim)
