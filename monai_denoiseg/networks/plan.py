"""Pooling and kernels of each level, derived from the voxel size, so that the network sees about cubes of tissue."""

import math
from collections.abc import Sequence
from typing import NamedTuple

from monai_denoiseg.checks import check_int, per_axis
from monai_denoiseg.networks.unet import level_kernels, level_strides

__all__ = ["AUTO", "Plan", "plan_for_spacing", "resolve_plan"]

AUTO = "auto"

_COARSE = 2.0  # an axis this many times coarser than the finest waits
_EDGE = 4  # an axis is not pooled to fewer voxels of the patch than this
_ROUNDING = 1e-3  # a spacing of 1.6000001 counts as twice 0.8


class Plan(NamedTuple):
    """How a network down-samples and convolves.

    Attributes:
        strides: down-sampling, a list an axis for each of the ``depth`` levels.
        kernels: edges of the convolutions, a list an axis for each of the ``depth + 1`` levels, the bottleneck last.
    """

    strides: list[list[int]]
    kernels: list[list[int]]


def plan_for_spacing(
    spacing: Sequence[float] | None, depth: int, spatial_dims: int = 3, patch_size: int | Sequence[int] | None = None
) -> Plan:
    """Derive the down-sampling and the kernels of every level from the voxel size.

    The rules are those of nnU-Net, with the numbers of axes and levels given:

    * An axis whose voxels are at least twice as long as the finest ones is not pooled: it waits until pooling has made the others
      as coarse.
    * As long as its voxels are more than twice as long as the finest of that level, the kernel is 1 along it, else 3: the next
      slice is too far away to say much about this one.
    * With ``patch_size``, an axis is not pooled to fewer than 4 voxels of the patch. (This also keeps the first axis from the
      length 2, at which the weight gradient of bf16 convolutions is wrong on CPUs; see :mod:`monai_denoiseg.engines.precision`.)

    Args:
        spacing: voxel size along each axis (``[Z,] Y, X``), in any unit. ``None`` or NaN stand for a size nobody knows, which is
            taken as the same on all axes.
        depth: number of down-samplings.
        spatial_dims: 2 or 3.
        patch_size: training patch in voxels, one number or one an axis.

    Raises:
        ValueError: when ``spacing`` has not one value an axis or one that is not positive.

    Source: Isensee et al., nnU-Net, Nature Methods 18 (2021), online methods.

    >>> plan_for_spacing([1.75, 0.8, 0.8], depth=3)
    Plan(strides=[[1, 2, 2], [2, 2, 2], [2, 2, 2]], kernels=[[1, 3, 3], [3, 3, 3], [3, 3, 3], [3, 3, 3]])
    >>> plan_for_spacing([6.5, 0.78, 0.78], depth=3).strides
    [[1, 2, 2], [1, 2, 2], [1, 2, 2]]
    >>> plan_for_spacing(None, depth=2, spatial_dims=2)
    Plan(strides=[[2, 2], [2, 2]], kernels=[[3, 3], [3, 3], [3, 3]])
    """
    sizes = _voxel_size(spacing, spatial_dims)
    edges = [float(edge) for edge in per_axis("patch_size", math.inf if patch_size is None else patch_size, spatial_dims)]
    strides = _strides(sizes, check_int("depth", depth, 1), edges)
    return Plan(strides, _kernels(sizes, strides))


def resolve_plan(
    strides: str | int | Sequence[int] | Sequence[Sequence[int]],
    kernel_size: str | int | Sequence[int] | Sequence[Sequence[int]],
    spacing: Sequence[float] | None,
    depth: int,
    spatial_dims: int,
    patch_size: int | Sequence[int] | None = None,
) -> Plan:
    """Spell out strides and kernels, either of which may be ``"auto"``: derived from the voxel size.

    Args:
        strides: ``"auto"``, or anything :class:`~monai_denoiseg.networks.CAREUNet` takes.
        kernel_size: the same. ``"auto"`` beside given strides follows these strides.
        spacing: see :func:`plan_for_spacing`; only looked at for ``"auto"``, as ``patch_size``.
        depth: number of down-samplings.
        spatial_dims: 2 or 3.
        patch_size: see :func:`plan_for_spacing`.

    Raises:
        ValueError: when a value is neither ``"auto"`` nor fits the levels and axes.

    >>> resolve_plan("auto", 3, [5.0, 1.0, 1.0], depth=1, spatial_dims=3)
    Plan(strides=[[1, 2, 2]], kernels=[[3, 3, 3], [3, 3, 3]])
    >>> resolve_plan(2, "auto", [5.0, 1.0, 1.0], depth=1, spatial_dims=3)
    Plan(strides=[[2, 2, 2]], kernels=[[1, 3, 3], [1, 3, 3]])
    """
    for name, value in (("strides", strides), ("kernel_size", kernel_size)):
        if isinstance(value, str) and value != AUTO:
            raise ValueError(f"`{name}` must be 'auto', a number or lists of numbers, got {value!r}")
    if isinstance(strides, str):
        steps = plan_for_spacing(spacing, depth, spatial_dims, patch_size).strides
    else:
        steps = [list(level) for level in level_strides(strides, depth, spatial_dims)]
    if isinstance(kernel_size, str):
        return Plan(steps, _kernels(_voxel_size(spacing, spatial_dims), steps))
    return Plan(steps, [list(level) for level in level_kernels(kernel_size, depth, spatial_dims)])


def _voxel_size(spacing: Sequence[float] | None, spatial_dims: int) -> list[float]:
    sizes = [1.0] * spatial_dims if spacing is None else [float(size) for size in spacing]
    if len(sizes) != spatial_dims:
        raise ValueError(f"`spacing` needs {spatial_dims} values (one an axis), got {sizes}")
    if any(math.isnan(size) for size in sizes):
        return [1.0] * spatial_dims
    if not all(0 < size < math.inf for size in sizes):
        raise ValueError(f"`spacing` must be positive and finite on every axis, got {sizes}")
    return sizes


def _strides(sizes: list[float], depth: int, edges: list[float]) -> list[list[int]]:
    sizes, edges, strides = list(sizes), list(edges), []
    for _ in range(depth):
        room = [edge / 2 >= _EDGE for edge in edges]
        # Axes too short to be pooled hold nobody up.
        finest = min((size for size, free in zip(sizes, room, strict=True) if free), default=math.inf)
        level = [2 if free and size < finest * _COARSE * (1 - _ROUNDING) else 1 for size, free in zip(sizes, room, strict=True)]
        strides.append(level)
        sizes = [size * step for size, step in zip(sizes, level, strict=True)]
        edges = [edge / step for edge, step in zip(edges, level, strict=True)]
    return strides


def _kernels(sizes: list[float], strides: list[list[int]]) -> list[list[int]]:
    sizes, kernels, wide = list(sizes), [], [False] * len(sizes)
    for level in [*strides, [1] * len(sizes)]:
        limit = min(sizes) * _COARSE * (1 + _ROUNDING)
        # Once wide, wide for good: pooling may make an axis coarser than one that is too short to be pooled.
        wide = [was or size <= limit for was, size in zip(wide, sizes, strict=True)]
        kernels.append([3 if is_wide else 1 for is_wide in wide])
        sizes = [size * step for size, step in zip(sizes, level, strict=True)]
    return kernels
