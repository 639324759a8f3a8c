"""Lengths and sizes in voxels or in physical units: the options and checks that the transforms share."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

__all__ = ["SLACK", "UNITS", "check_target", "voxel_size"]

UNITS = ("voxel", "physical")

SLACK = 1e-6
"""Relative slack of physical comparisons: files keep the voxel size in 32 bits, and 3 voxels of 0.1 are to be 0.3, not more."""


def voxel_size(spacing: Sequence[float] | np.ndarray | torch.Tensor | None, ndim: int, options: str) -> tuple[float, ...]:
    """Return the voxel size as numbers, or say which options cannot do without it.

    Args:
        spacing: voxel size along each axis (``[Z,] Y, X``), or None. NaN stands for a size the file does not tell.
        ndim: spatial axes of the image.
        options: the options that need it, for the message.

    Raises:
        ValueError: when the spacing is missing, is not known, is not positive or has not one value an axis.

    >>> voxel_size(torch.tensor([2.0, 0.5]), 2, "`width`")
    (2.0, 0.5)
    >>> voxel_size(None, 2, "`width`")
    Traceback (most recent call last):
        ...
    ValueError: `units`='physical' (`width`) needs the voxel size, but the file does not tell it: give `spacing` (2 values) \
or use `units`='voxel'
    """
    sizes = [float("nan")] * ndim if spacing is None else [float(size) for size in spacing]
    if len(sizes) != ndim:
        raise ValueError(f"`spacing` needs {ndim} values (one an axis), got {sizes}")
    if all(np.isnan(sizes)):
        raise ValueError(
            f"`units`='physical' ({options}) needs the voxel size, but the file does not tell it: "
            f"give `spacing` ({ndim} values) or use `units`='voxel'"
        )
    if not all(0 < size < float("inf") for size in sizes):
        raise ValueError(f"`spacing` must be positive and finite on every axis, got {sizes}")
    return tuple(sizes)


def check_target(spacing: Sequence[float] | None) -> list[float]:
    """Return the voxel size that images are resampled to as a list of numbers; empty for none.

    Args:
        spacing: one number an axis, or None.

    Raises:
        ValueError: for a size that is not positive.

    >>> check_target((1, 0.5)), check_target(None)
    ([1.0, 0.5], [])
    """
    sizes = [float(size) for size in (() if spacing is None else spacing)]
    if not all(0 < size < float("inf") for size in sizes):
        raise ValueError(f"`target_spacing` must be positive and finite on every axis, got {sizes}")
    return sizes
