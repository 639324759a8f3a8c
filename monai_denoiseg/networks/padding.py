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
        # What is traced must hold for every size.
        if wanted > size or torch.jit.is_tracing():  # type: ignore[attr-defined]
            period = torch.as_tensor(2 * (size - 1), device=x.device).clamp(min=1)
            index = torch.arange(wanted, device=x.device) % period
            index = torch.where(index < size, index, period - index)
            x = x.index_select(dim, index)
    return x


def check_image(image: Tensor, in_channels: int, spatial_dims: int) -> None:
    """Raise if a batch of images has other axes or channels than a network takes.

    Args:
        image: should be ``(B, C, [D,] H, W)``.
        in_channels: C.
        spatial_dims: 2 or 3.

    Raises:
        ValueError: naming both shapes.

    >>> check_image(torch.zeros(1, 2, 8, 8), 2, 2)
    """
    if image.dim() != spatial_dims + 2 or image.shape[1] != in_channels:
        way_out = ""
        if image.dim() == spatial_dims + 2:
            way_out = f": give images of {in_channels} channel(s), or train with --in_channels {image.shape[1]}"
        raise ValueError(
            f"the network takes (batch, {in_channels} channel(s), {spatial_dims} spatial axes), "
            f"got shape {list(image.shape)}" + way_out
        )
