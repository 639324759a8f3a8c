"""Forward differences of an image, their adjoint, and the total variation made of them."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from monai_denoiseg.checks import check_int, check_option, per_axis

TV_KINDS = ("isotropic", "anisotropic")
"""Kinds of total variation: length of the gradient, or sum of its absolute entries."""


def gradient(u: Tensor, spatial_dims: int, weights: Sequence[float] | None = None) -> Tensor:
    """Forward differences along every spatial axis; the last one of each axis, which would look beyond the edge, is 0.

    Args:
        u: ``(..., [D,] H, W)``.
        spatial_dims: number of spatial axes, the last ones of ``u``.
        weights: factor of each axis, for voxels that are not cubes (1 / edge length); None: 1.

    Returns:
        ``(..., spatial_dims, [D,] H, W)``.

    Raises:
        ValueError: when ``u`` has too few axes or the weights do not fit.

    >>> gradient(torch.tensor([[1.0, 2.0, 4.0]]), 1)
    tensor([[[1., 2., 0.]]])
    """
    factors = axis_weights(weights, spatial_dims)
    _check_dims("u", u, spatial_dims)
    lead = u.ndim - spatial_dims
    parts = torch.zeros((*u.shape[:lead], spatial_dims, *u.shape[lead:]), dtype=u.dtype, device=u.device)
    for axis, factor in enumerate(factors):
        before, after = pairs_along(u, axis - spatial_dims)
        inside = parts.select(-1 - spatial_dims, axis).narrow(axis - spatial_dims, 0, before.shape[axis - spatial_dims])
        inside.add_(after, alpha=factor).sub_(before, alpha=factor)
    return parts


def divergence(v: Tensor, spatial_dims: int, weights: Sequence[float] | None = None) -> Tensor:
    """Differences in the other direction, summed over the axes; with a minus sign the adjoint of :func:`gradient`.

    In numbers, ``sum(gradient(u) * v) == -sum(u * divergence(v))``.

    Args:
        v: ``(..., spatial_dims, [D,] H, W)``.
        spatial_dims: number of spatial axes.
        weights: as for :func:`gradient`.

    Returns:
        ``(..., [D,] H, W)``.

    Raises:
        ValueError: when the axes of ``v`` or the weights do not fit.

    >>> divergence(torch.tensor([[[1.0, 2.0, 0.0]]]), 1)
    tensor([[ 1.,  1., -2.]])
    """
    factors = axis_weights(weights, spatial_dims)
    _check_dims("v", v, spatial_dims + 1)
    if v.shape[-1 - spatial_dims] != spatial_dims:
        raise ValueError(f"`v` needs one entry an axis, {spatial_dims}, before its spatial axes, got shape {tuple(v.shape)}")
    total = v.new_zeros((*v.shape[: v.ndim - spatial_dims - 1], *v.shape[v.ndim - spatial_dims :]))
    for axis, factor in enumerate(factors):
        before, after = pairs_along(total, axis - spatial_dims)
        inside = v.select(-1 - spatial_dims, axis).narrow(axis - spatial_dims, 0, before.shape[axis - spatial_dims])
        before.add_(inside, alpha=factor)
        after.sub_(inside, alpha=factor)
    return total


def total_variation(u: Tensor, spatial_dims: int, kind: str = "isotropic", weights: Sequence[float] | None = None) -> Tensor:
    """Total variation of the last axes: for a 0/1 mask the length (area) of its boundary.

    Args:
        u: ``(..., [D,] H, W)``.
        spatial_dims: number of spatial axes.
        kind: ``"isotropic"`` sums the length of the gradient, ``"anisotropic"`` the absolute values of its entries.
        weights: as for :func:`gradient`.

    Returns:
        ``(...)``, summed over the spatial axes.

    Raises:
        ValueError: for an unknown kind, or when axes or weights do not fit.

    Source: Rudin, Osher, Fatemi, Physica D 60 (1992).

    >>> square = torch.zeros(4, 4)
    >>> square[1:3, 1:3] = 1
    >>> total_variation(square, 2, "anisotropic").item()
    8.0
    """
    check_option("tv", kind, TV_KINDS)
    parts = gradient(u, spatial_dims, weights)
    axis = -1 - spatial_dims
    sizes = parts.abs_().sum(axis) if kind == "anisotropic" else parts.square_().sum(axis).sqrt_()
    return sizes.flatten(u.ndim - spatial_dims).sum(-1)


def pairs_along(u: Tensor, axis: int) -> tuple[Tensor, Tensor]:
    """Views of all neighbours along an axis: everything but the last, everything but the first.

    Args:
        u: any tensor.
        axis: along which.

    >>> pairs_along(torch.tensor([1, 2, 3]), 0)
    (tensor([1, 2]), tensor([2, 3]))
    """
    size = max(u.shape[axis] - 1, 0)
    return u.narrow(axis, 0, size), u.narrow(axis, u.shape[axis] - size, size)


def axis_weights(weights: Sequence[float] | None, spatial_dims: int) -> tuple[float, ...]:
    """Return the factor of each spatial axis as numbers.

    Args:
        weights: one for each axis, or None for 1.
        spatial_dims: number of spatial axes.

    Raises:
        ValueError: when the number does not fit or one is not a positive, finite number.

    >>> axis_weights(None, 2)
    (1.0, 1.0)
    """
    check_int("spatial_dims", spatial_dims, 1)
    values = tuple(float(value) for value in per_axis("weights", 1.0 if weights is None else tuple(weights), spatial_dims))
    if not all(0 < value < float("inf") for value in values):
        raise ValueError(f"`weights` must be positive and finite, got {list(values)}")
    return values


def _check_dims(name: str, tensor: Tensor, least: int) -> None:
    if tensor.ndim < least:
        raise ValueError(f"`{name}` needs at least {least} axes, got shape {tuple(tensor.shape)}")
