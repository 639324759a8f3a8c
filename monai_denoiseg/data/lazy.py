"""Images that stay on disk: windows of TIFF, OME-Zarr and NumPy files, read as they are asked for."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np

from monai_denoiseg.data.axes import Arrangement, arrange, put_in_order
from monai_denoiseg.data.errors import naming
from monai_denoiseg.data.ngff import is_zarr, open_ngff
from monai_denoiseg.data.tiff import TIFF_SUFFIXES
from monai_denoiseg.data.tiff_meta import find_source, read_spacing
from monai_denoiseg.data.tiff_open import open_tiff
from monai_denoiseg.data.tiff_pixels import Mapped, lazy_pixels

Window = tuple[slice, ...]


class LazyImage:
    """An image on disk, seen as ``(T, C, [Z,] Y, X)`` and read by windows; made by :func:`open_lazy`.

    Close it when done, or use it in a ``with`` statement.

    Args:
        path: the file or folder.
        array: what gives numpy arrays for slices of the stored axes.
        arrangement: which stored axis is which.
        spacing: voxel size of the spatial axes, None where the file does not tell.
        unit: unit of ``spacing``.
        close: what to call in the end.

    Attributes:
        axes: ``"TCYX"`` or ``"TCZYX"``.
        shape: lengths of these axes.
        dtype: data type of the file, in the machine's byte order.
        frames: images in the file, one after the other.
        has_frames: whether the file has an axis of frames.
        channels: channels of each.
        spatial_shape: ``([Z,] Y, X)``.

    Raises:
        ValueError: for values that are no real numbers.

    >>> image = LazyImage("a", np.zeros((6, 8)), arrange((6, 8), "YX", "a"))
    >>> image.shape, image.read(0, (slice(2, 4), slice(0, 8))).shape
    ((1, 1, 6, 8), (1, 2, 8))
    """

    def __init__(
        self,
        path: str | os.PathLike,
        array: Any,
        arrangement: Arrangement,
        spacing: Sequence[float] | None = None,
        unit: str | None = None,
        close: Callable[[], None] | None = None,
    ) -> None:
        self.path, self._array, self._arrangement, self._close = Path(path), array, arrangement, close
        self.spatial_shape = arrangement.shape
        self.axes = "TC" + "ZYX"[-len(self.spatial_shape) :]
        self.frames, self.has_frames = max(arrangement.frames, 1), arrangement.frame_axis is not None
        self.channels = int(array.shape[arrangement.order[0]]) if arrangement.has_channel else 1
        self.shape = (self.frames, self.channels, *self.spatial_shape)
        self.dtype = np.dtype(array.dtype).newbyteorder("=")
        self.spacing, self.unit = None if spacing is None else tuple(spacing), unit
        if 0 in self.shape:
            raise ValueError(f"{path} holds no image: its shape is {self.shape[2:]}")
        if self.dtype.kind not in "buif":
            raise ValueError(f"{path} holds values of type {self.dtype}; integers and real numbers can be read")

    def read(self, frame: int, window: Window) -> np.ndarray:
        """Read a window of one frame.

        Args:
            frame: which one, from 0.
            window: slices ``start:stop`` of the spatial axes.

        Returns:
            ``(C, *window)`` in the file's data type.
        """
        order, frame_axis = self._arrangement.order, self._arrangement.frame_axis
        key = [slice(0, 1)] * len(self._array.shape)
        for axis, span in zip(order[-len(window) :], window, strict=True):
            key[axis] = span
        if self._arrangement.has_channel:
            key[order[0]] = slice(0, self.channels)
        if frame_axis is not None:
            key[frame_axis] = slice(frame, frame + 1)
        with naming(self.path):
            data = put_in_order(np.asarray(self._array[tuple(key)]), self._arrangement)
        return np.ascontiguousarray(data if self._arrangement.has_channel else data[None], self.dtype)

    def close(self) -> None:
        """Close the file."""
        if self._close is not None:
            self._close()

    def __enter__(self) -> LazyImage:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()


def open_lazy(path: str | os.PathLike, axes: str | None = None, spatial_dims: int | None = None) -> LazyImage:
    """Open an image for reading by windows; nothing but its description is read yet.

    TIFF files are mapped where their pixels lie in one piece, else decoded page by page; OME-Zarr gives its full resolution; a
    window touches only the pages or chunks it needs.

    Args:
        path: TIFF file (plain, ImageJ, OME, BigTIFF), folder of an OME-Zarr (zarr format 2 or 3) or zarr array, or ``.npy`` file.
        axes: one letter for each stored axis (``"TZYX"``, ``"CYX"``, ...), when the file does not tell or tells wrong.
        spatial_dims: axes of one image, 2 or 3, which settles what further axes mean, see
            :func:`~monai_denoiseg.data.axes.arrange`. None: 3 where there is a Z axis, 2 where there is only a time axis.

    Raises:
        FileNotFoundError: when there is nothing.
        ValueError: for another format, or when it is not clear which axis is which.

    >>> import tempfile, tifffile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     tifffile.imwrite(f"{folder}/a.tif", np.zeros((5, 2, 32, 48), "uint8"), imagej=True, metadata={"axes": "TCYX"})
    ...     with open_lazy(f"{folder}/a.tif") as image:
    ...         image.shape, image.frames, image.read(4, (slice(0, 8), slice(8, 16))).shape
    ((5, 2, 32, 48), 5, (2, 8, 8))
    """
    if not Path(path).exists():
        raise FileNotFoundError(f"{path} does not exist")
    with naming(path):
        return _open(path, axes, spatial_dims)


def _open(path: str | os.PathLike, axes: str | None, spatial_dims: int | None) -> LazyImage:
    if is_zarr(path):
        return _open_zarr(path, axes, spatial_dims)
    name = str(path).lower()
    if name.endswith(TIFF_SUFFIXES):
        return _open_tiff(path, axes, spatial_dims)
    if name.endswith(".npy"):
        source = Mapped(lambda: np.load(path, mmap_mode="r"))
        return LazyImage(path, source, _arrange(source.shape, axes, None, spatial_dims, str(path)))
    raise ValueError(f"{path} cannot be read by windows: convert it to OME-Zarr or TIFF")


def can_stream(path: str | os.PathLike) -> bool:
    """Tell whether :func:`open_lazy` reads this format.

    Args:
        path: any path.

    >>> can_stream("a.ome.tif"), can_stream("a.nii.gz")
    (True, False)
    """
    return str(path).lower().endswith((*TIFF_SUFFIXES, ".npy")) or is_zarr(path)


def _open_zarr(path: str | os.PathLike, axes: str | None, spatial_dims: int | None) -> LazyImage:
    array, stored, sizes, unit = open_ngff(path)
    arrangement = _arrange(array.shape, axes, stored, spatial_dims, str(path))
    known = [sizes.get(letter, 0.0) for letter in "ZYX"[-len(arrangement.shape) :]]
    return LazyImage(path, array, arrangement, known if min(known) > 0 else None, unit)


def _open_tiff(path: str | os.PathLike, axes: str | None, spatial_dims: int | None) -> LazyImage:
    tif = open_tiff(path)
    try:
        source = find_source(tif, axes, str(path), spatial_dims=spatial_dims)
        array = lazy_pixels(tif, source, str(path))
        arrangement = _arrange(source.shape, None, source.axes, spatial_dims, str(path))
        return LazyImage(path, array, arrangement, *read_spacing(tif, arrangement.letters), tif.close)
    except BaseException:
        tif.close()
        raise


def _arrange(shape: Sequence[int], axes: str | None, stored: str | None, spatial_dims: int | None, name: str) -> Arrangement:
    """Tell which axis is which: the user's word first, then the file's; axes without a name are called Q."""
    letters = (axes or stored or ("Q" * len(shape) + "YX")[-len(shape) :]).upper()
    if spatial_dims is None and len(letters) == len(shape):
        several = {letter for letter, n in zip(letters, shape, strict=True) if n != 1}
        spatial_dims = 3 if "Z" in several else 2 if "T" in several else None
    return arrange(shape, letters, name, spatial_dims)
