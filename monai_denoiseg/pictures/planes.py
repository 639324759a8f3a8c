"""Three orthogonal planes of a volume, cut where there is something to see, in true proportions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from monai_denoiseg.pictures.colours import Picture

GAP = 4
"""Width in pixels of the white line between joined pictures."""

_LABELS = ("truth", "instances", "classes")


def axis_scale(spacing: NDArray | Sequence[float] | None, spatial_dims: int) -> list[float]:
    """How much longer a voxel is along each axis than along the finest one.

    Args:
        spacing: voxel size along each axis; None, NaN or a number that is not positive counts as 1.
        spatial_dims: number of axes.

    Returns:
        ``spatial_dims`` numbers, the smallest 1.

    >>> axis_scale([5.0, 2.0, 2.0], 3), axis_scale(None, 2)
    ([2.5, 1.0, 1.0], [1.0, 1.0])
    """
    sizes = np.ones(spatial_dims) if spacing is None else np.asarray(spacing, np.float64).reshape(-1)
    sizes = np.where(np.isfinite(sizes) & (sizes > 0), sizes, 1.0)
    return [float(size) for size in sizes / sizes.min()]


def cut_point(arrays: Mapping[str, NDArray]) -> tuple[int, ...]:
    """Choose the voxel through which the planes are cut: inside the largest object of the slice with most label.

    The annotation decides, so a partly annotated volume is cut along an annotated slice. Without annotated objects the
    prediction decides; without any objects the middle of the volume is taken. The voxel is that of the object
    nearest to the object's centre.

    Args:
        arrays: ``input`` ``(C, [D,] H, W)`` and maybe ``truth``, ``instances`` or ``classes`` ``([D,] H, W)``.

    Returns:
        One index for each axis. For a plane image its middle, whatever it shows.

    >>> truth = np.zeros((4, 5, 6), int)
    >>> truth[3, 1:4, 1:4] = 1
    >>> cut_point({"input": np.zeros((1, 4, 5, 6)), "truth": truth})
    (3, 2, 2)
    """
    size = arrays["input"].shape[1:]
    middle = tuple(length // 2 for length in size)
    if len(size) == 2:
        return middle
    for name in _LABELS:
        if name in arrays and (arrays[name] > 0).any():
            return _in_largest_object(arrays[name], middle)
    return middle


def _in_largest_object(label: NDArray, middle: tuple[int, ...]) -> tuple[int, ...]:
    filled = (label > 0).sum(axis=(1, 2))
    fullest = np.flatnonzero(filled == filled.max())
    depth = int(fullest[np.abs(fullest - middle[0]).argmin()])
    plane = label[depth]
    values, counts = np.unique(plane[plane > 0], return_counts=True)
    inside = np.argwhere(plane == values[counts.argmax()])
    nearest = inside[((inside - inside.mean(axis=0)) ** 2).sum(axis=1).argmin()]
    return depth, int(nearest[0]), int(nearest[1])


def cut_planes(array: NDArray, point: Sequence[int]) -> list[NDArray]:
    """Cut the planes to show: the plane itself in 2D; in 3D those through a voxel: YX, YZ and ZX, as `join_planes` lays them out.

    Args:
        array: ``(..., [D,] H, W)``.
        point: index of the voxel, one number for each axis.

    >>> [plane.shape for plane in cut_planes(np.zeros((1, 5, 8, 9)), (2, 4, 4))]
    [(1, 8, 9), (1, 8, 5), (1, 5, 9)]
    """
    if len(point) == 2:
        return [array]
    z, y, x = point
    return [array[..., z, :, :], np.swapaxes(array[..., x], -1, -2), array[..., y, :]]


def stretch(plane: NDArray, zoom: Sequence[float]) -> NDArray:
    """Enlarge or stretch the first two axes, each pixel repeated.

    Args:
        plane: ``(H, W, ...)``.
        zoom: factors of height and width, at least 1 pixel remains.

    >>> stretch(np.array([[1, 2]]), (1, 2.5)).tolist()
    [[1, 1, 2, 2, 2]]
    """
    for axis, factor in enumerate(zoom):
        length = max(1, round(plane.shape[axis] * factor + 1e-9))
        source = ((np.arange(length) + 0.5) * plane.shape[axis] / length).astype(int)
        plane = plane.take(source, axis)
    return plane


def join_planes(planes: Sequence[Picture]) -> Picture:
    """Lay out three orthogonal planes: YX at the top left, YZ on its right, ZX below; a single plane stays as it is.

    Args:
        planes: one picture, or three as cut by `cut_planes`.

    >>> join_planes([np.zeros(shape, np.uint8) for shape in [(8, 9, 3), (8, 5, 3), (5, 9, 3)]]).shape
    (17, 18, 3)
    """
    if len(planes) == 1:
        return planes[0]
    front, side, bottom = planes
    height, width = front.shape[:2]
    joined = np.full((height + GAP + len(bottom), width + GAP + side.shape[1], 3), 255, np.uint8)
    joined[:height, :width] = front
    joined[:height, width + GAP :] = side
    joined[height + GAP :, :width] = bottom
    return joined
