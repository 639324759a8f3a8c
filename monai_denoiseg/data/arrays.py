"""NumPy files and (OME-)Zarr folders as images."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from monai_denoiseg.data.axes import KNOWN_LETTERS, Arrangement, arrange, check_frame, fit_axes, put_in_order
from monai_denoiseg.data.ngff import is_zarr, open_ngff
from monai_denoiseg.data.stored import StoredImage, stored_image

ZARR_SUFFIXES = (".ome.zarr", ".zarr")


class _Source(NamedTuple):
    array: Any
    shape: tuple[int, ...]
    axes: str
    sizes: Mapping[str, float]
    unit: str | None


def array_layout(
    path: str | os.PathLike, axes: str | None = None, spatial_dims: int | None = None, unnamed: str | None = None
) -> Arrangement:
    """Return spatial shape, axes and number of frames of a ``.npy`` file or a Zarr folder, without reading its pixels.

    Args:
        path: the file or folder.
        axes: one letter for each stored axis, when the file does not tell (NumPy never does) or tells wrong.
        spatial_dims: 2, 3, or ``None`` for what the file suggests.
        unnamed: axes of a file that does not name all of its own.

    Raises:
        FileNotFoundError: when there is nothing.
        ValueError: when the axes do not say enough.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     np.save(f"{folder}/a.npy", np.zeros((2, 5, 32, 48)))
    ...     array_layout(f"{folder}/a.npy", axes="CZYX").shape
    (5, 32, 48)
    """
    source = _open(path, axes, unnamed, spatial_dims)
    return arrange(source.shape, source.axes, str(path), spatial_dims)


def read_array(
    path: str | os.PathLike,
    axes: str | None = None,
    spatial_dims: int | None = None,
    frame: int | None = None,
    unnamed: str | None = None,
) -> StoredImage:
    """Read a ``.npy`` file or the full resolution of a Zarr folder in ``[C, ][Z, ]Y, X`` order.

    Args:
        path: the file or folder.
        axes: as in :func:`array_layout`.
        spatial_dims: as in :func:`array_layout`.
        frame: index along time of the image to read, for a file of several; the others are left on the disk.
        unnamed: as in :func:`array_layout`.

    Raises:
        FileNotFoundError: when there is nothing.
        ValueError: when the axes do not say enough, or there is no such frame.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     np.save(f"{folder}/a.npy", np.arange(12).reshape(3, 2, 2))
    ...     read_array(f"{folder}/a.npy", "TYX", spatial_dims=2, frame=1).array.tolist()
    [[4, 5], [6, 7]]
    """
    source = _open(path, axes, unnamed, spatial_dims)
    arrangement = arrange(source.shape, source.axes, str(path), spatial_dims)
    check_frame(arrangement, frame, str(path))
    key: tuple[Any, ...] = (slice(None),) * source.array.ndim
    shape = list(source.shape)
    if arrangement.frame_axis is not None and frame is not None:
        # The user may have named more axes of length 1 than are stored.
        before = math.prod(shape[: arrangement.frame_axis])
        stored_shape, count = source.array.shape, arrangement.frames
        axis = next(i for i in range(len(stored_shape)) if math.prod(stored_shape[:i]) == before and stored_shape[i] == count)
        key = tuple(slice(frame, frame + 1) if i == axis else part for i, part in enumerate(key))
        shape[arrangement.frame_axis] = 1
    stored = np.asarray(source.array[key]).reshape(shape)
    stored = stored.astype(stored.dtype.newbyteorder("="), copy=False)
    sizes = [source.sizes.get(letter, 0.0) for letter in arrangement.letters[-len(arrangement.shape) :]]
    spacing = sizes if min(sizes) > 0 else None
    return stored_image(put_in_order(stored, arrangement), arrangement, spacing, source.unit)


def _open(path: str | os.PathLike, axes: str | None, unnamed: str | None, spatial_dims: int | None) -> _Source:
    if not Path(path).exists():
        raise FileNotFoundError(f"{path} does not exist")
    sizes: Mapping[str, float] = {}
    unit = named = None
    if str(path).lower().endswith(ZARR_SUFFIXES) or is_zarr(path):
        array, named, sizes, unit = open_ngff(path)
    else:
        array = np.load(path, mmap_mode="r")
    shape = tuple(int(size) for size in array.shape)
    if len(shape) < 2 or 0 in shape:
        raise ValueError(f"{path} holds no image: its array has the shape {shape}")
    own = (named or "I" * (len(shape) - 2) + "YX").upper()
    if axes is not None:
        return _Source(array, *fit_axes(axes, shape, own, str(path), spatial_dims), sizes, unit)
    is_unnamed = unnamed is not None and len(unnamed) == len(shape) and not set(own) <= set(KNOWN_LETTERS)
    return _Source(array, shape, str(unnamed) if is_unnamed else own, sizes, unit)
