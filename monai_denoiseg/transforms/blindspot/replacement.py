"""Replacement of blind spots by values made from their neighbours, for all spots of a batch at once."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor


class Windows(NamedTuple):
    """The neighbourhood of each spot, cut off at the image border: first voxel and length per axis, ``(ndim, B, C, N)``."""

    start: Tensor
    length: Tensor
    centre: Tensor


def _windows(index: Tensor, size: list[int], radius: int) -> Windows:
    starts, lengths, centres, stride = [], [], [], math.prod(size)
    for n in size:
        stride //= n
        place = index // stride % n
        start = (place - radius).clamp(min=0)
        starts.append(start)
        lengths.append((place + radius).clamp(max=n - 1) - start + 1)
        centres.append(place - start)
    return Windows(torch.stack(starts), torch.stack(lengths), torch.stack(centres))


def _flat_index(windows: Windows, within: Tensor, size: list[int]) -> Tensor:
    """Flat image index of the voxel number ``within`` of each window."""
    flat, stride = torch.zeros_like(within), 1
    for axis in reversed(range(len(size))):
        length = windows.length[axis].reshape(windows.length.shape[1:] + (1,) * (within.dim() - 3))
        start = windows.start[axis].reshape(length.shape)
        flat += (start + within % length) * stride
        within = within // length
        stride *= size[axis]
    return flat


def _centre_index(windows: Windows) -> Tensor:
    within = torch.zeros_like(windows.centre[0])
    for axis in range(len(windows.centre)):
        within = within * windows.length[axis] + windows.centre[axis]
    return within


def _uniform(flat: Tensor, index: Tensor, size: list[int], radius: int, generator: Any, *, centre: bool) -> Tensor:
    windows = _windows(index, size, radius)
    volume = windows.length.prod(0)
    choices = volume if centre else (volume - 1).clamp(min=1)
    # float64 so that the product reaches every voxel of a large 3D window and never the one past its end.
    pick = torch.rand(index.shape, device=index.device, generator=generator, dtype=torch.float64)
    within = (pick * choices).long()
    if not centre:
        within = (within + (within >= _centre_index(windows)).long()).clamp(max=volume - 1)
    return flat.gather(2, _flat_index(windows, within, size).expand(*flat.shape[:2], -1))


def _neighbours(flat: Tensor, index: Tensor, size: list[int], radius: int) -> tuple[Tensor, Tensor, Tensor]:
    """Values of each spot's window ``(B, C, N, W)``, which of them lie in the image, and which are the centre."""
    windows = _windows(index, size, radius)
    within = torch.arange((2 * radius + 1) ** len(size), device=index.device).expand(*index.shape, -1)
    inside = within < windows.length.prod(0)[..., None]
    places = _flat_index(windows, torch.where(inside, within, 0), size).expand(*flat.shape[:2], -1, -1)
    values = flat[:, :, None].expand(-1, -1, index.shape[2], -1).gather(3, places)
    return values, inside, within == _centre_index(windows)[..., None]


def _median(flat: Tensor, index: Tensor, size: list[int], radius: int, generator: Any) -> Tensor:
    values, inside, centre = _neighbours(flat, index, size, radius)
    middle = values.masked_fill(~inside | centre, float("nan")).nanquantile(0.5, dim=3)
    return torch.where(middle.isnan(), flat.gather(2, index.expand(*flat.shape[:2], -1)), middle)


def _mean(flat: Tensor, index: Tensor, size: list[int], radius: int, generator: Any) -> Tensor:
    values, inside, centre = _neighbours(flat, index, size, radius)
    used = inside & ~centre
    mean = values.masked_fill(~used, 0).sum(3) / used.sum(3).clamp(min=1)
    return torch.where(used.any(3), mean, flat.gather(2, index.expand(*flat.shape[:2], -1)))


def _normal_fitted(flat: Tensor, index: Tensor, size: list[int], radius: int, generator: Any) -> Tensor:
    values, inside, _ = _neighbours(flat, index, size, radius)
    count = inside.sum(3)
    mean = values.masked_fill(~inside, 0).sum(3) / count
    spread = (values - mean[..., None]).masked_fill(~inside, 0).square().sum(3) / count
    return mean + spread.sqrt() * torch.randn(index.shape, device=flat.device, generator=generator)


def _uniform_without_centre(flat: Tensor, index: Tensor, size: list[int], radius: int, generator: Any) -> Tensor:
    return _uniform(flat, index, size, radius, generator, centre=False)


def _uniform_with_centre(flat: Tensor, index: Tensor, size: list[int], radius: int, generator: Any) -> Tensor:
    return _uniform(flat, index, size, radius, generator, centre=True)


def _identity(flat: Tensor, index: Tensor, size: list[int], radius: int, generator: Any) -> Tensor:
    return flat.gather(2, index.expand(*flat.shape[:2], -1))


STRATEGIES: dict[str, Callable[[Tensor, Tensor, list[int], int, Any], Tensor]] = {
    "uniform": _uniform_without_centre,
    "uniform_with_center": _uniform_with_centre,
    "median": _median,
    "mean": _mean,
    "normal_fitted": _normal_fitted,
    "identity": _identity,
}
