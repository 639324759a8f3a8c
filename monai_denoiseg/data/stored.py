"""An image file in memory: its array in one order whatever the format, and what is known about it."""

from __future__ import annotations

import functools
import logging
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from monai.data.utils import is_no_channel

from monai_denoiseg.data.axes import Arrangement

logger = logging.getLogger(__name__)

SHEAR = 1e-3
"""Cosine of the angle of two axes of an affine from which on they are not perpendicular."""


class StoredImage(NamedTuple):
    """An image file in memory: ``array`` in ``[C, ][Z, ]Y, X`` order and its ``meta``."""

    array: np.ndarray
    meta: dict[str, Any]


def stored_image(
    array: np.ndarray,
    arrangement: Arrangement,
    spacing: Sequence[float] | None = None,
    unit: str | None = None,
    affine: np.ndarray | None = None,
) -> StoredImage:
    """Put array and metadata together.

    Args:
        array: in the order of ``arrangement``.
        arrangement: from :func:`~monai_denoiseg.data.axes.arrange`.
        spacing: voxel size of the spatial axes in (Z)YX order, ``None`` if unknown.
        unit: its unit.
        affine: from index to world; ``None`` for one with the voxel size on its diagonal.

    >>> from monai_denoiseg.data.axes import arrange
    >>> stored_image(np.zeros((4, 6)), arrange((4, 6), "YX", "a.png")).meta["original_channel_dim"]
    'no_channel'
    """
    affine = spacing_to_affine(spacing, len(arrangement.shape)) if affine is None else affine
    meta: dict[str, Any] = {
        "affine": affine,
        "original_affine": affine.copy(),
        "spatial_shape": np.array(arrangement.shape),
        "original_channel_dim": 0 if arrangement.has_channel else "no_channel",
        "space": "RAS",
        "axes": arrangement.letters,
        "dtype": array.dtype.name,
    }
    if spacing is not None:  # no None in the metadata: the collate function of PyTorch cannot batch it
        meta |= {"spacing": tuple(spacing), "unit": unit or ""}
    return StoredImage(array, meta)


def spacing_to_affine(spacing: Sequence[float] | None, spatial_dims: int) -> np.ndarray:
    """Return the affine matrix ``(r+1, r+1)`` with the voxel size on its diagonal (1 where unknown).

    Args:
        spacing: voxel size in (Z)YX order, or ``None``.
        spatial_dims: r.

    >>> spacing_to_affine((2.0, 0.5), 2).diagonal().tolist()
    [2.0, 0.5, 1.0]
    """
    return np.diag([*(spacing or (1.0,) * spatial_dims), 1.0])


def is_sheared(affine: np.ndarray) -> bool:
    """Whether the axes of an affine are not perpendicular, as those of a scan with a tilted gantry.

    Args:
        affine: ``(4, 4)`` or ``(3, 3)``, in any order of the axes.

    >>> is_sheared(np.diag([5.0, 1.0, 1.0])), is_sheared(np.array([[5.0, 0, 0], [2.0, 1, 0], [0, 0, 1]]))
    (False, True)
    """
    axes = np.asarray(affine, dtype=float)[:3, :3]
    lengths = np.linalg.norm(axes, axis=0)
    with np.errstate(divide="ignore", invalid="ignore"):
        cosines = np.abs(axes.T @ axes / np.outer(lengths, lengths) - np.eye(3))
    return bool(np.nan_to_num(cosines).max() > SHEAR)


def voxel_sizes(affine: np.ndarray, name: str) -> np.ndarray:
    """Voxel size of an affine, such that its product is the volume of a voxel even where the axes are not perpendicular.

    The size of an axis is then its distance perpendicular to those after it: the slices of a tilted scan are as far apart as
    their planes, and pixels within a plane as they are.

    Args:
        affine: ``(4, 4)`` from (z, y, x) to the world.
        name: of the file, for the warning (once a file) of axes that are not perpendicular.

    Returns:
        ``(3,)``, Z, Y, X.

    >>> voxel_sizes(np.array([[5.0, 0, 0, 0], [2.0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]]), "tilted").tolist()
    [5.0, 1.0, 1.0]
    """
    axes = np.asarray(affine, dtype=float)[:3, :3]
    lengths = np.linalg.norm(axes, axis=0)
    if not np.isfinite(lengths).all() or not is_sheared(axes):
        return np.asarray(lengths)
    sizes = np.abs(np.diag(np.linalg.qr(axes[:, ::-1])[1]))[::-1]
    _warn_of_shear(name, " x ".join(f"{size:.4g}" for size in sizes), " x ".join(f"{length:.4g}" for length in lengths))
    return sizes


@functools.lru_cache(maxsize=1024)
def _warn_of_shear(name: str, sizes: str, lengths: str) -> None:
    logger.warning(
        "%s: its axes are not perpendicular (tilted gantry): voxels count %s, across their planes, not %s along the axes, "
        "so that volumes are right; lengths across planes are approximate. Resample it to a straight grid for exact ones",
        name,
        sizes,
        lengths,
    )


def stack_as_channels(images: Sequence[StoredImage]) -> StoredImage:
    """Join images as the channels of one.

    Args:
        images: one or more.

    Returns:
        The single image as it is, or all stacked with the metadata of the first.

    Raises:
        ValueError: when they differ in spatial shape.

    >>> from monai_denoiseg.data.axes import arrange
    >>> one = stored_image(np.zeros((4, 6)), arrange((4, 6), "YX", "a.png"))
    >>> stack_as_channels([one, one]).array.shape
    (2, 4, 6)
    """
    first = images[0]
    if len(images) == 1:
        return StoredImage(first.array, dict(first.meta))
    shapes = {tuple(image.meta["spatial_shape"].tolist()) for image in images}
    if len(shapes) > 1:
        raise ValueError(f"files to stack as channels differ in spatial shape: {sorted(shapes)}")
    stacked = [i.array[None] if is_no_channel(i.meta["original_channel_dim"]) else i.array for i in images]
    axes = "C" + first.meta["axes"].lstrip("CS")
    return StoredImage(np.concatenate(stacked), {**first.meta, "original_channel_dim": 0, "axes": axes})
