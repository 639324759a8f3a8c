"""The pixels of an open TIFF file as they are stored: all of them, those of one frame, or those of a window."""

from __future__ import annotations

import io
import math
import struct
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from PIL import Image

from monai_denoiseg.data.ngff import require_zarr
from monai_denoiseg.data.tiff_meta import Source
from monai_denoiseg.data.tiff_open import HELP

TURNED = 274
"""The tag for the orientation."""


def read_pixels(
    tif: tifffile.TiffFile, source: Source, name: str, frame_axis: int | None = None, frame: int | None = None
) -> np.ndarray:
    """Read an image as stored: an orientation tag turns nothing, and "white is zero" inverts nothing.

    Args:
        tif: the open file.
        source: its image, from :func:`~monai_denoiseg.data.tiff_meta.find_source`.
        name: the file.
        frame_axis: the axis of ``source.shape`` that counts frames.
        frame: read this frame alone (its part of the file, where the file allows it); needs ``frame_axis``.

    Returns:
        Array of shape ``source.shape``; the frame axis has length 1 where one frame was read.

    Raises:
        ValueError: when the file is compressed in a way that neither tifffile nor Pillow can read.

    >>> import tempfile
    >>> from monai_denoiseg.data.tiff_meta import find_source
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     tifffile.imwrite(f"{folder}/a.tif", np.arange(24).reshape(4, 2, 3), metadata={"axes": "TYX"})
    ...     with tifffile.TiffFile(f"{folder}/a.tif") as tif:
    ...         read_pixels(tif, find_source(tif, None, "a.tif"), f"{folder}/a.tif", frame_axis=0, frame=2).tolist()
    [[[12, 13, 14], [15, 16, 17]]]
    """
    _check_pieces(tif, source, name)
    if frame is None or frame_axis is None:
        arrays = [_read_series(tif, one) for one in source.series]
        array = arrays[0] if len(arrays) == 1 else np.stack(arrays)
        shape = source.shape
    else:
        lazy = lazy_pixels(tif, source, name)
        array = np.asarray(
            lazy[tuple(slice(frame, frame + 1) if i == frame_axis else slice(0, n) for i, n in enumerate(lazy.shape))]
        )
        shape = tuple(1 if i == frame_axis else size for i, size in enumerate(source.shape))
    array = array.reshape(shape)
    return array.astype(array.dtype.newbyteorder("="), copy=False)


def lazy_pixels(tif: tifffile.TiffFile, source: Source, name: str) -> Any:
    """Something with the shape and data type of an image that reads the parts it is asked for.

    Args:
        tif: the open file; it must stay open.
        source: its image.
        name: the file.

    Raises:
        ValueError: when a piece of it lies nowhere, or beyond the end of the file.

    Returns:
        An array-like of ``source.shape``, to be indexed by a slice ``start:stop`` for every axis.

    >>> import tempfile
    >>> from monai_denoiseg.data.tiff_meta import find_source
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     tifffile.imwrite(f"{folder}/a.tif", np.arange(24).reshape(4, 2, 3), metadata={"axes": "TYX"})
    ...     with tifffile.TiffFile(f"{folder}/a.tif") as tif:
    ...         lazy_pixels(tif, find_source(tif, None, "a.tif"), "a.tif")[slice(1, 2), slice(0, 2), slice(2, 3)].tolist()
    [[[8], [11]]]
    """
    _check_pieces(tif, source, name)
    parts = [_lazy_series(tif, one) for one in source.series]
    array = parts[0] if len(parts) == 1 else _Stack(parts)
    return array if tuple(array.shape) == tuple(source.shape) else Reshaped(array, source.shape)


def _check_pieces(tif: tifffile.TiffFile, source: Source, name: str) -> None:
    """Check that all strips and tiles lie in the file: those that lie nowhere would be read by windows as black."""
    size = tif.filehandle.size
    for series in source.series:
        if series.dataoffset is not None:
            continue
        chunks = math.prod(series.keyframe.chunked)
        for page in series:
            offsets, counts = page.dataoffsets, page.databytecounts
            ends = [start if series.keyframe.compression == 1 else start + n for start, n in zip(offsets, counts, strict=False)]
            if len(ends) < chunks or max(ends, default=0) > size:
                raise ValueError(f"{name}: a piece of its page {page.index} is not in the file: {HELP}")


def _read_series(tif: tifffile.TiffFile, series: Any) -> np.ndarray:
    if _needs_pillow(series.keyframe):
        pages = _PillowPages(tif, series)
        return pages[tuple(slice(0, n) for n in pages.shape)]
    return np.asarray(series.asarray())


def _lazy_series(tif: tifffile.TiffFile, series: Any) -> Any:
    if series.dataoffset is not None:  # in one piece and not compressed
        path, kind = tif.filehandle.path, np.dtype(tif.byteorder + series.dtype.char)
        return Mapped(lambda: np.memmap(path, kind, "r", series.dataoffset, tuple(series.shape)))
    if _needs_pillow(series.keyframe):
        return _PillowPages(tif, series)
    return require_zarr().open(series.aszarr(level=0), mode="r")


def _needs_pillow(page: Any) -> bool:
    """Whether tifffile cannot decode a page of black and white: fax, or another compression of single bits."""
    if page.bitspersample != 1 or page.compression == 1:
        return False
    if page.compression == 5:
        return True  # the length of packed bits is not what tifffile takes it for
    try:
        page.decode(None, 0)
    except Exception as error:
        return "imagecodecs" in str(error)
    return False


class Mapped:
    """A memory-mapped array whose mapping lives for one reading only: pages looked at count as the program's memory.

    Args:
        load: gives the mapped array.

    >>> Mapped(lambda: np.arange(4))[1:3].tolist()
    [1, 2]
    """

    def __init__(self, load: Callable[[], Any]) -> None:
        self.load = load
        mapped = load()
        self.shape, self.dtype = mapped.shape, mapped.dtype

    def __getitem__(self, key: Any) -> np.ndarray:
        return np.array(self.load()[key])


class Reshaped:
    """An array with further axes of length 1, wherever they are.

    Args:
        array: to be indexed by slices.
        shape: with further ones.

    >>> Reshaped(np.arange(6).reshape(2, 3), (2, 1, 3))[slice(1, 2), slice(0, 1), slice(0, 2)].tolist()
    [[[3, 4]]]
    """

    def __init__(self, array: Any, shape: Sequence[int]) -> None:
        self.array, self.dtype, self.shape = array, array.dtype, tuple(shape)

    def __getitem__(self, key: tuple[slice, ...]) -> np.ndarray:
        kept = [span for span, n in zip(key, self.shape, strict=True) if n != 1]
        index = [kept.pop(0) if n != 1 else slice(0, 1) for n in self.array.shape]
        return np.asarray(self.array[tuple(index)]).reshape([span.stop - span.start for span in key])


class _Stack:
    """Equal two-dimensional arrays as one of three axes."""

    def __init__(self, planes: Sequence[Any]) -> None:
        self.planes, self.dtype = planes, planes[0].dtype
        self.shape = (len(planes), *planes[0].shape)

    def __getitem__(self, key: tuple[slice, ...]) -> np.ndarray:
        return np.stack([np.asarray(plane[key[1:]]) for plane in self.planes[key[0]]])


class _PillowPages:
    """Black and white pages that Pillow decodes, as tifffile would give them."""

    def __init__(self, tif: tifffile.TiffFile, series: Any) -> None:
        self.tif, self.series = tif, series
        self.shape, self.dtype = tuple(series.shape), np.dtype(series.dtype)

    def __getitem__(self, key: tuple[slice, ...]) -> np.ndarray:
        plane = self.series.keyframe.shape
        lead = self.shape[: len(self.shape) - len(plane)]
        numbers = np.arange(math.prod(lead)).reshape(lead)[key[: len(lead)]]
        with Image.open(self._not_turned()) as image:
            planes = [self._page(image, self.series[int(number)])[key[len(lead) :]] for number in numbers.ravel()]
        return np.stack(planes).reshape(*numbers.shape, *planes[0].shape)

    def _not_turned(self) -> io.BytesIO:
        """The file with every orientation tag (which Pillow would follow) saying "as stored"."""
        data = bytearray(Path(self.tif.filehandle.path).read_bytes())
        for number in range(len(self.tif.pages)):
            tag = self.tif.pages.get(number, aspage=True).tags.get(TURNED)
            if tag is not None:
                struct.pack_into(f"{self.tif.byteorder}H", data, tag.valueoffset, 1)
        return io.BytesIO(data)

    def _page(self, image: Image.Image, page: Any) -> np.ndarray:
        image.seek(page.index)
        array = np.array(image)
        if array.shape != page.keyframe.shape or array.dtype != self.dtype:
            raise ValueError("its compression of black and white needs the package imagecodecs")
        return ~array if page.keyframe.photometric == 0 else array
