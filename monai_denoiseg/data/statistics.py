"""Mean and standard deviation of a data set, in one pass."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from typing import Any

import torch

logger = logging.getLogger(__name__)


def intensity_statistics(items: Iterable[Any], key: str = "image") -> tuple[torch.Tensor, torch.Tensor]:
    """Compute mean and (population) standard deviation for each channel over all voxels of all images.

    One pass in float64, image by image, with the parallel update of Chan, Golub and LeVeque (1983), "Algorithms for computing
    the sample variance", so the images may have any size and need not fit into memory together.

    Args:
        items: tensors ``(C, [D,] H, W)``, or items that hold one under ``key``; any iterable or data set.
        key: where items are dictionaries.

    Returns:
        ``(mean, std)``, float32 tensors ``(C,)`` in intensity units. A constant channel gets std 1, with a warning, so that
        dividing by it is safe.

    Raises:
        ValueError: for no image at all, NaN or infinite intensities, or different numbers of channels.

    >>> mean, std = intensity_statistics([torch.zeros(1, 2, 2), torch.full((1, 2, 2), 4.0)])
    >>> mean.tolist(), std.tolist()
    ([2.0], [2.0])
    """
    count, mean, squares = 0, torch.zeros(0), torch.zeros(0)
    for index, item in enumerate(_in_order(items)):
        image = item[key] if isinstance(item, Mapping) else item
        values = torch.as_tensor(image).detach().double().flatten(1)
        size, here = values.shape[1], values.mean(1)
        if size == 0:
            continue
        if not torch.isfinite(here).all():
            raise ValueError(f"image {index} holds NaN or infinite intensities; replace or crop them")
        squares_here = (values - here[:, None]).square().sum(1)
        if count == 0:
            count, mean, squares = size, here, squares_here
            continue
        if len(here) != len(mean):
            raise ValueError(f"image {index} has {len(here)} channels, but those before have {len(mean)}")
        difference, total = here - mean, count + size
        mean = mean + difference * (size / total)
        squares = squares + squares_here + difference.square() * (count * size / total)
        count = total
    if count == 0:
        raise ValueError("no images to take intensity statistics of")
    std = (squares / count).sqrt().float()
    constant = (std == 0).nonzero().flatten().tolist()
    if constant:
        logger.warning("channels %s are constant in all images; their standard deviation is taken as 1", constant)
        std[constant] = 1.0
    return mean.float(), std


def _in_order(items: Iterable[Any]) -> Iterable[Any]:
    """Walk a data set that has only ``__len__`` and ``__getitem__`` by its length: not all of them stop with IndexError."""
    if isinstance(items, torch.utils.data.Dataset) and not hasattr(items, "__iter__") and hasattr(items, "__len__"):
        return (items[i] for i in range(len(items)))
    return items
