"""Masks of structN2V: which neighbours of a blind spot are hidden with it, because their noise is correlated."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from monai_denoiseg.checks import check_int, check_option

__all__ = ["box_mask", "covered_axes", "exchangeable", "line_mask", "read_struct_mask", "struct_neighbours"]


def read_struct_mask(struct_mask: Any, spatial_dims: int | None = None) -> NDArray[np.bool_]:
    """Check a mask and remove its centre, which is the blind spot itself.

    Args:
        struct_mask: nested lists of 0 and 1, ``(H, W)`` or ``(D, H, W)``, each axis of odd length. ``[[1, 1, 1]]`` marks the
            neighbours along X, the last axis.
        spatial_dims: number of axes it must have, if known.

    Returns:
        Boolean array, False in the middle.

    Raises:
        ValueError: when it is no such mask, or marks nothing but its centre.

    >>> read_struct_mask([[1, 1, 1]]).tolist()
    [[True, False, True]]
    """
    try:
        values = np.asarray(struct_mask, dtype=np.float64)
    except (TypeError, ValueError):
        values = np.zeros(0)
    dims = (2, 3) if spatial_dims is None else (spatial_dims,)
    if values.ndim not in dims or not np.isin(values, (0, 1)).all() or any(n % 2 == 0 for n in values.shape):
        levels = " or ".join(f"{n} levels ({'DHW'[-n:]})" for n in dims)
        raise ValueError(
            f"`struct_mask` must be nested lists of 0 and 1 with {levels}, each of odd length, such as "
            f"{line_mask('x', 5, dims[0])}, got {struct_mask!r}"
        )
    mask = values > 0
    mask[tuple(n // 2 for n in mask.shape)] = False
    if not mask.any():
        raise ValueError(f"`struct_mask` marks no neighbour, got {struct_mask!r}; leave it null for plain Noise2Void")
    return mask


def box_mask(lengths: Sequence[int]) -> list[Any]:
    """Mask of all voxels in a box around the blind spot.

    Args:
        lengths: odd edge along each axis, ``([D,] H, W)``, in voxels.

    Returns:
        Nested lists, as a bundle's ``struct_mask`` takes them.

    Raises:
        ValueError: when a length is even or less than 1.

    >>> box_mask([1, 5]), box_mask([3, 1])
    ([[1, 1, 1, 1, 1]], [[1], [1], [1]])
    """
    for length in lengths:
        if check_int("length", length, 1) % 2 == 0:
            raise ValueError(f"`length` must be odd, so that the mask has a middle, got {length}; take {length + 1}")
    mask: list[Any] = np.ones(list(lengths), dtype=int).tolist()
    return mask


def line_mask(axis: str, length: int, spatial_dims: int = 2) -> list[Any]:
    """Mask of a line through the blind spot.

    Args:
        axis: ``"z"``, ``"y"`` or ``"x"``: along which the noise is correlated.
        length: odd number of voxels.
        spatial_dims: 2 or 3.

    Returns:
        Nested lists, as a bundle's ``struct_mask`` takes them.

    Raises:
        ValueError: when there is no such axis, or the length is even.

    >>> line_mask("x", 5), line_mask("z", 3, spatial_dims=3)
    ([[1, 1, 1, 1, 1]], [[[1]], [[1]], [[1]]])
    """
    names = "zyx"[-spatial_dims:]
    where = names.index(check_option("axis", str(axis).lower(), list(names)))
    return box_mask([length if i == where else 1 for i in range(spatial_dims)])


def covered_axes(struct_mask: Any) -> list[str]:
    """Axes along which the next neighbours of a blind spot are hidden with it.

    Args:
        struct_mask: see `read_struct_mask`; None hides none.

    >>> covered_axes([[1, 1, 1]]), covered_axes(box_mask([3, 3])), covered_axes(None)
    (['X'], ['Y', 'X'], [])
    """
    if struct_mask is None:
        return []
    mask = read_struct_mask(struct_mask)
    centre = [n // 2 for n in mask.shape]
    names = "ZYX"[-mask.ndim :]
    beside = [[tuple(c + s * (i == axis) for i, c in enumerate(centre)) for s in (-1, 1)] for axis in range(mask.ndim)]
    return [name for axis, name in enumerate(names) if mask.shape[axis] > 1 and any(bool(mask[place]) for place in beside[axis])]


def exchangeable(struct_mask: Any, in_plane: bool = False) -> bool:
    """Whether the axes of an image may be exchanged (quarter turns) before the mask is laid on it.

    Turning the image turns the direction of its noise, the mask stays as it is: a horizontal line then hides the wrong
    neighbours. Flips do no harm to a mask that is its own mirror image along each axis.

    Args:
        struct_mask: see `read_struct_mask`; None fits any orientation.
        in_plane: ask this of Y and X alone (turns of isotropic cubes exchange Z too).

    Returns:
        True if the mask stays the same whichever axes are exchanged.

    Raises:
        ValueError: when a flip along one axis changes the mask: no augmentation at all would fit it.

    >>> exchangeable([[1, 1, 1]]), exchangeable(box_mask([3, 3])), exchangeable(None)
    (False, True, True)
    """
    if struct_mask is None:
        return True
    mask = read_struct_mask(struct_mask)
    if any((np.flip(mask, axis) != mask).any() for axis in range(mask.ndim)):
        raise ValueError(
            f"`struct_mask` must be its own mirror image along each axis, because images are flipped in training, got "
            f"{struct_mask!r}; take the smallest box or cross that holds it"
        )
    last = mask.ndim - 1
    swaps = [(last - 1, last)] if in_plane else itertools.combinations(range(mask.ndim), 2)
    return all(np.array_equal(np.swapaxes(mask, *pair), mask) for pair in swaps)


def struct_neighbours(spots: Tensor, mask: NDArray[np.bool_]) -> Tensor:
    """Mark the neighbours of all blind spots, those outside the image left out.

    Args:
        spots: boolean ``(B, C, [D,] H, W)``.
        mask: of `read_struct_mask`, as many axes as the image.

    Returns:
        Boolean, same shape: True at each neighbour. A blind spot is among them where it is the neighbour of another one.

    Raises:
        ValueError: when the mask does not have the image's axes.

    >>> struct_neighbours(torch.tensor([[[[True, False, False, False]]]]), read_struct_mask([[1, 1, 1, 1, 1]])).int().tolist()
    [[[[0, 1, 1, 0]]]]
    """
    size = spots.shape[2:]
    if mask.ndim != len(size):
        raise ValueError(f"`struct_mask` has {mask.ndim} axes, the image has {len(size)}: they must agree")
    marked = torch.zeros_like(spots)
    for place in itertools.product(*(range(n) for n in mask.shape)):
        shift = [p - n // 2 for p, n in zip(place, mask.shape, strict=True)]
        if mask[place] and all(abs(s) < n for s, n in zip(shift, size, strict=True)):
            to: Any = (..., *(slice(max(0, s), n + min(0, s)) for s, n in zip(shift, size, strict=True)))
            source: Any = (..., *(slice(max(0, -s), n + min(0, -s)) for s, n in zip(shift, size, strict=True)))
            marked[to] |= spots[source]
    return marked
