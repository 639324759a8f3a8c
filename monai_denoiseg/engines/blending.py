"""Overlapping tiles, blended: for networks whose output depends on the whole image."""

from __future__ import annotations

import itertools
import logging
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch
from monai.data.utils import compute_importance_map
from torch import Tensor

logger = logging.getLogger(__name__)


class Blended(NamedTuple):
    """A prediction made of overlapping tiles.

    Attributes:
        output: ``(B, K + C, [D,] H, W)``.
        seam: standard deviation of the tiles' predictions where they overlap, the largest and the mean over the segmentation
            channels: 0 for a network whose tiles agree.
    """

    output: Tensor
    seam: tuple[float, float]


def predict_blended(
    inputs: Tensor, predict: Callable[[Tensor], Tensor], tile: Sequence[int], multiple: Sequence[int], n_classes: int
) -> Blended:
    """Predict an image in tiles that overlap by half, weighted by a Gaussian around the middle of each (nnU-Net, MONAI).

    Args:
        inputs: ``(B, C, [D,] H, W)``.
        predict: of a window, ``(B, C, ...)`` to ``(B, K + C, ...)``.
        tile: edge of the tiles in voxels, one an axis.
        multiple: of the network; tiles begin and end at its multiples, or at the border of the image.
        n_classes: segmentation channels K.

    >>> image = torch.arange(24.0).reshape(1, 1, 4, 6)
    >>> found = predict_blended(image, lambda window: 2 * window, [2, 2], [1, 1], 1)
    >>> bool((found.output - 2 * image).abs().max() < 1e-5), found.seam
    (True, (0.0, 0.0))
    """
    size = list(inputs.shape[2:])
    edges = [min(-(-edge // step) * step, n) for edge, step, n in zip(tile, multiple, size, strict=True)]
    starts = [_starts(n, edge, step) for n, edge, step in zip(size, edges, multiple, strict=True)]
    weight = compute_importance_map(tuple(edges), mode="gaussian", sigma_scale=0.125, device="cpu", dtype=torch.float32).to(
        inputs
    )
    total = square = None
    weights = inputs.new_zeros(size)
    for corner in itertools.product(*starts):
        window: Any = (..., *(slice(start, start + edge) for start, edge in zip(corner, edges, strict=True)))
        output = predict(inputs[window])
        if total is None or square is None:
            total = output.new_zeros((*output.shape[:2], *size))
            square = torch.zeros_like(total[:, :n_classes])
        share = weight.to(output)
        total[window] += output * share
        square[window] += output[:, :n_classes].square() * share
        weights[window] += weight
    assert total is not None and square is not None  # an image has at least one tile
    output = total / weights
    spread = (square / weights - output[:, :n_classes].square()).clamp(min=0).sqrt()
    spread = torch.where(spread > 1e-3, spread, 0)  # below the rounding of the squares
    seam = (float(spread.max()), float(spread.mean())) if n_classes else (0.0, 0.0)
    return Blended(output, seam)


def _starts(n: int, edge: int, step: int) -> list[int]:
    """First voxels of the tiles along an axis: half a tile apart, the last one at the end."""
    stride = max(step, edge // 2 // step * step)
    inner = list(range(0, n - edge, stride))
    return [*inner, n - edge]
