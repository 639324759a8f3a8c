"""Replacement of a blind spot and its correlated neighbours: a block of the same shape from nearby."""

from __future__ import annotations

import itertools
from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor

__all__ = ["copy_blocks"]


def copy_blocks(
    batch: Tensor, spots: Tensor, mask: Any, radius: int, generator: torch.Generator | None = None, shared: bool = False
) -> Tensor:
    """Replace every blind spot and its struct neighbours by a block copied from a random place nearby.

    The copy contains the same kind of noise as its surroundings. A network can hardly distinguish it, so what it learns at hidden
    voxels holds at inference too, where nothing is hidden. (Uniform random values, as in the original, stand out: with a box mask
    the network learned to denoise only next to them.) The block copied never overlaps the one it replaces.

    Args:
        batch: ``(B, C, [D,] H, W)``.
        spots: boolean, same shape: the blind spots.
        mask: boolean array with an axis for each spatial one, of odd lengths; the centre, the spot itself, always counts.
        radius: how far away blocks are copied from, at least a block's length.
        generator: a ``torch.Generator`` of the batch's device; None for torch's global one.
        shared: copy from the same place in all channels of an image.

    Returns:
        The batch with the blocks replaced; beyond the edge the image is mirrored.

    Raises:
        ValueError: when the mask does not have the image's axes.

    >>> batch, spots = torch.arange(25.0).reshape(1, 1, 5, 5), torch.zeros(1, 1, 5, 5, dtype=torch.bool)
    >>> spots[0, 0, 2, 2] = True
    >>> changed = copy_blocks(batch, spots, torch.ones(1, 3).bool().numpy(), 1) != batch
    >>> changed.nonzero()[:, 2:].tolist()
    [[2, 1], [2, 2], [2, 3]]
    """
    size = batch.shape[2:]
    if mask.ndim != len(size):
        raise ValueError(f"`struct_mask` has {mask.ndim} axes, the image has {len(size)}: they must agree")
    moves = torch.tensor(_moves(mask, radius), device=batch.device)
    draws = (batch.shape[0], 1 if shared else batch.shape[1], *size)
    drawn = torch.randint(1, len(moves) + 1, draws, device=batch.device, generator=generator) * spots
    move = torch.zeros_like(drawn)  # number of the move of the block a voxel belongs to, 0 for none
    for place in itertools.product(*(range(n) for n in mask.shape)):
        shift = [p - n // 2 for p, n in zip(place, mask.shape, strict=True)]
        if (mask[place] or not any(shift)) and all(abs(s) < n for s, n in zip(shift, size, strict=True)):
            to: Any = (..., *(slice(max(0, s), n + min(0, s)) for s, n in zip(shift, size, strict=True)))
            source: Any = (..., *(slice(max(0, -s), n + min(0, -s)) for s, n in zip(shift, size, strict=True)))
            move[to] = torch.where(drawn[source] > 0, drawn[source], move[to])
    flat, stride, index = batch.flatten(2), 1, torch.zeros_like(move)
    for axis in reversed(range(len(size))):
        n = size[axis]
        at = torch.arange(n, device=batch.device).reshape([-1 if i == axis else 1 for i in range(len(size))])
        index += _mirror(at + moves[(move - 1).clamp(min=0), axis], n) * stride
        stride *= n
    return torch.where(move > 0, flat.gather(2, index.flatten(2)).reshape(batch.shape), batch)


def _moves(mask: NDArray[Any], radius: int) -> list[tuple[int, ...]]:
    """All ways from a block to another that does not overlap it."""
    reach = [max(radius, n) for n in mask.shape]
    window = itertools.product(*(range(-r, r + 1) for r in reach))
    return [move for move in window if any(abs(m) >= n for m, n in zip(move, mask.shape, strict=True))]


def _mirror(index: Tensor, n: int) -> Tensor:
    period = max(2 * (n - 1), 1)
    index = index.remainder(period)
    return torch.minimum(index, (period - index).clamp(min=0)).clamp(max=n - 1)
