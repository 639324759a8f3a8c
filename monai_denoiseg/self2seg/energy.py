"""The energy of Self2Seg: boundary length plus what the experts cannot explain."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor

from monai_denoiseg.self2seg.differences import total_variation


def residuals(image: Tensor, predictions: Tensor, box: int = 1) -> Tensor:
    """Squared residual of each expert at each pixel, summed over the channels.

    Args:
        image: ``(C, [D,] H, W)``.
        predictions: ``(regions, C, [D,] H, W)``.
        box: average the residuals over a box of this many pixels on each axis before they are squared; 1 does not. It makes
            experts that differ in brightness easier to distinguish in strong noise, and blurs the boundary by half a box.

    Returns:
        ``(regions, [D,] H, W)``.

    Source: Gruber et al., arXiv 2309.10511, Eq. (5), and the filtered data term of its section 5.

    >>> residuals(torch.zeros(2, 1, 1), torch.tensor([1.0, 2.0]).reshape(1, 2, 1, 1))
    tensor([[[5.]]])
    """
    difference = image - predictions
    if box > 1:
        dims = image.ndim - 1
        pool = F.avg_pool2d if dims == 2 else F.avg_pool3d
        size = [min(box, n if n % 2 else n - 1) for n in image.shape[1:]]
        flat = difference.reshape(-1, 1, *image.shape[1:])
        difference = pool(flat, size, 1, [n // 2 for n in size], count_include_pad=False).reshape(difference.shape)
    return difference.square().sum(1)


def membership_cost(costs: Tensor) -> Tensor:
    """Cost of the membership channels: the difference of two regions, or the costs of three and more.

    Args:
        costs: ``(regions, [D,] H, W)``.

    Returns:
        ``(K, [D,] H, W)``, K = 1 for two regions.

    >>> membership_cost(torch.tensor([[[5.0]], [[2.0]]]))
    tensor([[[-3.]]])
    """
    return costs[1:] - costs[:1] if len(costs) == 2 else costs


Weight = TypeVar("Weight", float, Tensor)


def channel_weight(lam: Weight, n_regions: int) -> Weight:
    """Weight of the total variation of each membership channel.

    A boundary between two of three and more regions is counted in both their channels. Half the weight for each makes ``lam``
    the price of a boundary pixel whatever the number of regions.

    Args:
        lam: price of a boundary pixel.
        n_regions: number of regions.

    >>> channel_weight(0.2, 2), channel_weight(0.2, 3)
    (0.2, 0.1)
    """
    return lam if n_regions == 2 else lam / 2


def memberships(u: Tensor) -> Tensor:
    """How much each pixel belongs to each region.

    Args:
        u: ``(K, [D,] H, W)``.

    Returns:
        ``(regions, [D,] H, W)``, sum 1.

    >>> memberships(torch.tensor([[[0.25]]])).flatten()
    tensor([0.7500, 0.2500])
    """
    return torch.cat([1 - u, u]) if len(u) == 1 else u


def to_labels(u: Tensor) -> Tensor:
    """The region of each pixel.

    Args:
        u: ``(K, [D,] H, W)``.

    Returns:
        ``([D,] H, W)``, int64. Ties go to the first region.

    >>> to_labels(torch.tensor([[[0.5, 0.6]]]))
    tensor([[0, 1]])
    """
    return (u[0] > 0.5).long() if len(u) == 1 else u.argmax(0)


def boundary_length(u: Tensor, tv: str, weights: Sequence[float] | None = None) -> float:
    """Total variation of the memberships, each boundary between two regions counted once.

    Args:
        u: ``(K, [D,] H, W)``.
        tv: ``"isotropic"`` or ``"anisotropic"``.
        weights: of the axes.

    >>> boundary_length(torch.tensor([[[0.0, 1.0], [0.0, 1.0]]]), "isotropic")
    2.0
    """
    total = float(total_variation(u.double(), u.ndim - 1, tv, weights).sum())
    return total if len(u) == 1 else total / 2


def explained(costs: Tensor, u: Tensor) -> float:
    """Squared residuals of each region's own expert, summed over the image.

    Args:
        costs: ``(regions, [D,] H, W)``.
        u: ``(K, [D,] H, W)``.

    >>> explained(torch.tensor([[[5.0]], [[2.0]]]), torch.tensor([[[1.0]]]))
    2.0
    """
    return float((costs.double() * memberships(u).double()).sum())
