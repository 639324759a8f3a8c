"""A crop of an image and its label through a rotated, scaled and elastically deformed grid."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from monai_denoiseg.constants import IGNORE

KNOTS = 4
"""Knots of an elastic deformation along each axis."""


def draw_matrix(spatial_dims: int, angle: float, scale: float, spacing: Sequence[float] | None = None) -> Tensor:
    """Draw a rotation and a scale, from PyTorch's global random numbers.

    Args:
        spatial_dims: 2 or 3.
        angle: largest rotation about each axis, in degrees.
        scale: largest scale, 1 or more; the smallest is its inverse.
        spacing: voxel size along each axis: tissue is rotated, not voxels. None or NaN: the same on all.

    Returns:
        Float64 ``(spatial_dims, spatial_dims)``: from places in the crop to places in the image, in voxels.

    >>> draw_matrix(2, 0, 1).tolist()
    [[1.0, 0.0], [0.0, 1.0]]
    """
    matrix = torch.eye(spatial_dims, dtype=torch.float64)
    planes = [(i, j) for i in range(spatial_dims) for j in range(i + 1, spatial_dims)]
    drawn = torch.rand(len(planes) + 1, dtype=torch.float64).mul(2).sub(1).tolist()
    for (i, j), share in zip(planes, drawn, strict=False):
        turn = torch.eye(spatial_dims, dtype=torch.float64)
        cosine, sine = math.cos(math.radians(angle * share)), math.sin(math.radians(angle * share))
        turn[i, i], turn[i, j], turn[j, i], turn[j, j] = cosine, -sine, sine, cosine
        matrix = matrix @ turn
    sizes = torch.ones(spatial_dims) if spacing is None else torch.as_tensor(spacing)
    size = torch.where(torch.isfinite(sizes).all(), sizes, torch.ones_like(sizes)).double()
    scaled: Tensor = matrix * scale ** drawn[-1] * size[None] / size[:, None]
    return scaled


def warped_crop(
    image: Tensor,
    label: Tensor,
    centre: Sequence[float],
    size: Sequence[int],
    matrix: Tensor,
    bend: float = 0.0,
) -> tuple[Tensor, Tensor]:
    """Cut a crop through a deformed grid: the image linearly, the label class by class.

    Args:
        image: ``(C, [D,] H, W)``; beyond its edge its last voxels go on.
        label: ``(1, [D,] H, W)`` class numbers, -1 where not annotated; so it is beyond the edge.
        centre: place in the image of the middle of the crop, in voxels.
        size: of the crop.
        matrix: see :func:`draw_matrix`.
        bend: standard deviation of an elastic deformation, in voxels; 0 for none.

    Returns:
        Image ``(C, *size)``, float32, and label ``(1, *size)`` of the label's type.

    >>> image = torch.arange(16.0).reshape(1, 4, 4)
    >>> crop, label = warped_crop(image, image.long(), (1.5, 2.5), (2, 2), torch.eye(2))
    >>> crop.tolist(), torch.equal(crop.long(), label)
    ([[[6.0, 7.0], [10.0, 11.0]]], True)
    """
    places = _places(centre, size, matrix, bend)
    shape = torch.tensor(image.shape[1:])
    flat = places.reshape(-1, len(size))
    low = flat.amin(0).floor().long().clamp(min=0).minimum(shape - 1)
    high = flat.amax(0).ceil().long().add(1).clamp(min=1).minimum(shape).maximum(low + 1)
    window = (slice(None), *(slice(int(a), int(b)) for a, b in zip(low, high, strict=True)))
    # Only the part that is needed: a large volume class by class would take seconds.
    grid = _normalised(places - low, high - low)
    seen = F.grid_sample(image[window].float()[None], grid, padding_mode="border", align_corners=True)[0]
    return seen, _classwise(label[window], grid)


def _places(centre: Sequence[float], size: Sequence[int], matrix: Tensor, bend: float) -> Tensor:
    """Places in the image of the voxels of a crop, ``(*size, spatial_dims)``, in voxels."""
    axes = [torch.arange(n, dtype=torch.float64) - (n - 1) / 2 for n in size]
    grid = torch.stack(torch.meshgrid(*axes, indexing="ij"), -1)
    if bend > 0:
        knots = torch.randn(1, len(size), *[KNOTS] * len(size)) * bend
        mode = "trilinear" if len(size) == 3 else "bilinear"
        grid = grid + F.interpolate(knots, tuple(size), mode=mode, align_corners=True)[0].movedim(0, -1)
    return grid @ matrix.to(grid).T + torch.as_tensor(centre, dtype=torch.float64)


def _normalised(places: Tensor, shape: Tensor) -> Tensor:
    """Places as ``grid_sample`` wants them: ``(1, *size, dims)``, x first, -1 and 1 the first and the last voxel."""
    return (2 * places / (shape - 1).clamp(min=1) - 1).flip(-1).float()[None]


def _classwise(label: Tensor, grid: Tensor) -> Tensor:
    """The class with the largest weight at each place; -1 where that is what nobody annotated, or lies beyond the edge."""
    values = label.unique()
    values = values[values != IGNORE]
    if not len(values):
        return label.new_full((1, *grid.shape[1:-1]), IGNORE)
    shares = torch.cat([label == value for value in values]).float()
    weights = F.grid_sample(shares[None], grid, padding_mode="zeros", align_corners=True)[0]
    most, which = weights.max(0, keepdim=True)
    known = most > 1 - weights.sum(0, keepdim=True)  # more than the share of what is not annotated
    return torch.where(known, values[which], values.new_tensor(IGNORE))
