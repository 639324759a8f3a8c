"""Reflection padding that works for every size, down to one voxel."""

from __future__ import annotations

import torch
from torch import Tensor


def reflect_to_multiple(x: Tensor, multiple: list[int]) -> Tensor:
    """Pad the spatial axes at their end, by reflection, to multiples.

    Unlike ``torch.nn.functional.pad(mode="reflect")`` the padding may exceed the axis: the image is then reflected again and
    again (one voxel is repeated).

    Args:
        x: ``(B, C, [D,] H, W)``.
        multiple: one number a spatial axis.

    Returns:
        ``x`` itself when nothing is to be padded, else the padded tensor.

    >>> reflect_to_multiple(torch.arange(3.0).reshape(1, 1, 1, 3), [1, 8])
    tensor([[[[0., 1., 2., 1., 0., 1., 2., 1.]]]])
    """
    for axis in range(len(multiple)):
        dim = axis + 2
        size = x.shape[dim]
        wanted = (size + multiple[axis] - 1) // multiple[axis] * multiple[axis]
        if wanted > size:
            period = max(1, 2 * (size - 1))
            index = torch.arange(wanted, device=x.device) % period
            index = torch.where(index < size, index, period - index)
            x = x.index_select(dim, index)
    return x
