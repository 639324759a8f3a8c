"""Where in a large field there is something to see."""

# No "from __future__ import annotations": TorchScript reads the annotations of locals.

import math

import torch
from torch import Tensor


def occupied(
    sample: Tensor, shape: list[int], stride: int, window: list[int], larger: float = 2.0, blocks: int = 8, least: int = 64
) -> Tensor:
    """Voxels in blocks that are not empty, and in the blocks beside them.

    Mean and deviation of a field depend on how full it is: the same cells in four times the area have half the deviation. A
    network knows the fullness of the images it was trained on, so that in larger fields only the surroundings of what is there
    count. A block is empty if its mean is about that of the blocks most alike.

    Args:
        sample: ``(B, C, n)``, every ``stride``-th voxel in their order; NaN does not count.
        shape: spatial shape of the images.
        stride: see there.
        window: usual spatial shape of a training image.
        larger: a field of up to so many training images counts as a whole.
        blocks: along an axis of a training image.
        least: voxels looked at in a block: where a field is sub-sampled so coarsely that they are fewer, blocks are larger.

    Returns:
        bool ``(B, C, n)``; true everywhere where an image is not larger, half full, or empty.

    >>> field = torch.zeros(1, 1, 64, 64)
    >>> field[..., :8, :8] = torch.arange(8.0)
    >>> keep = occupied(field.flatten(2), [64, 64], 1, [16, 16]).reshape(64, 64)
    >>> keep[:16, :16].all(), keep.sum() < 300
    (tensor(True), tensor(True))
    """
    if _product(shape) <= larger * _product(window):
        return torch.ones_like(sample, dtype=torch.bool)
    edges = [max(1, size // blocks) for size in window]
    coarser = max(1, math.ceil((least * stride / _product(edges)) ** (1 / len(edges))))
    grid: list[int] = []
    position = torch.arange(sample.shape[2], device=sample.device) * stride
    block = torch.zeros_like(position)
    inner = _product(shape)
    for size, edge in zip(shape, edges):  # noqa: B905 (TorchScript)
        inner = inner // size
        grid.append((size - 1) // (edge * coarser) + 1)
        block = block * grid[-1] + (position // inner) % size // (edge * coarser)
    strong = _contrast(sample.to(torch.float64), block, _product(grid), least // 4)
    found = _widened(strong, grid).flatten(2)[:, :, block]
    share = found.to(torch.float32).mean(2, keepdim=True)
    return found | (share == 0) | (share > 0.5)


def _contrast(sample: Tensor, block: Tensor, n: int, least: int, share: float = 0.3, limit: float = 10.0) -> Tensor:
    """Blocks ``(B, C, n)`` that are not empty: their means are far from those of the ``share`` of blocks most alike."""
    known = ~torch.isnan(sample)
    values = torch.where(known, _squashed(sample), torch.zeros_like(sample))
    empty = torch.zeros(sample.shape[0], sample.shape[1], n, dtype=sample.dtype, device=sample.device)
    count = empty.index_add(2, block, known.to(sample.dtype))
    usable = count >= least
    mean = torch.where(usable, empty.index_add(2, block, values) / count.clamp(min=1), torch.full_like(empty, float("nan")))
    ordered = mean.nan_to_num(float("inf")).sort(2)[0]  # what is unknown comes last
    step = max(1, int(share * n))
    width = ordered[:, :, step:] - ordered[:, :, : n - step]
    narrow, first = torch.where(torch.isfinite(width), width, torch.full_like(width, float("inf"))).min(2, keepdim=True)
    centre = (ordered.gather(2, first) + ordered.gather(2, first + step)) / 2
    distance = torch.where(usable, (mean - centre).abs(), torch.zeros_like(mean))
    return distance > torch.maximum(limit * narrow / 2, 0.1 * distance.amax(2, keepdim=True))


def _squashed(sample: Tensor, most: float = 4.0) -> Tensor:
    """Values in quartile distances from the median, large ones on a logarithmic scale up to ``most``.

    A lone cell of a large field is as rare as hot pixels: what tells them apart is that it fills a part of its block.
    """
    quartiles = torch.nanquantile(sample, torch.tensor([0.25, 0.5, 0.75], dtype=sample.dtype, device=sample.device), dim=2)
    centre, spread = quartiles[1].unsqueeze(2), (quartiles[2] - quartiles[0]).unsqueeze(2)
    deviation = (sample - centre).square().nanmean(2, keepdim=True).sqrt()
    spread = torch.where(spread > 0, spread, torch.where(deviation > 0, deviation, torch.ones_like(deviation)))
    return torch.asinh((sample - centre) / spread).clamp(-most, most)


def _widened(found: Tensor, grid: list[int]) -> Tensor:
    """The blocks and those beside them, ``(B, C, *grid)``."""
    found = found.reshape(list(found.shape[:2]) + grid)
    for axis in range(len(grid)):
        n, wider = grid[axis], found.clone()
        if n > 1:
            wider.narrow(axis + 2, 0, n - 1).logical_or_(found.narrow(axis + 2, 1, n - 1))
            wider.narrow(axis + 2, 1, n - 1).logical_or_(found.narrow(axis + 2, 0, n - 1))
        found = wider
    return found


def _product(sizes: list[int]) -> int:
    """``math.prod``, which TorchScript does not know."""
    product = 1
    for size in sizes:
        product *= size
    return product
