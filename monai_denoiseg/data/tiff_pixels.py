"""Read the pixels of an open TIFF file: all of them, or those of one frame."""

from __future__ import annotations

import contextlib
import math
from typing import Any

import numpy as np
import tifffile
from PIL import Image

from monai_denoiseg.data.tiff_meta import Source


def read_pixels(
    tif: tifffile.TiffFile, source: Source, name: str, frame_axis: int | None = None, frame: int | None = None
) -> np.ndarray:
    """Read an image as stored.

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
    key = None if frame is None or frame_axis is None else (frame_axis, frame)
    shape = tuple(1 if key and i == frame_axis else size for i, size in enumerate(source.shape))
    try:
        array = _read_frame(tif, source, name, *key) if key else _read_all(source)
    except ValueError as error:
        if "imagecodecs" not in str(error):
            raise
        array = _read_with_pillow(source, name, error)
        array = array.take(key[1], key[0]) if key else array
    array = array.reshape(shape)
    return array.astype(array.dtype.newbyteorder("="), copy=False)


def _read_all(source: Source) -> np.ndarray:
    arrays = [one.asarray() for one in source.series]
    return arrays[0] if len(arrays) == 1 else np.stack(arrays)


def _read_frame(tif: tifffile.TiffFile, source: Source, name: str, frame_axis: int, frame: int) -> np.ndarray:
    if len(source.series) > 1:  # pages written one by one
        array: np.ndarray = source.series[frame].asarray()
        return array
    series = source.series[0]
    before, count = math.prod(source.shape[:frame_axis]), source.shape[frame_axis]
    if series.dataoffset is not None:  # the pixels lie in one uncompressed piece
        stored = np.memmap(name, tif.byteorder + series.dtype.char, "r", series.dataoffset, tuple(series.shape))
        return np.array(stored.reshape(before, count, -1)[:, frame])
    import zarr  # only compressed files need it

    # The source may have more axes of length 1 than tifffile tells.
    axis = next(i for i in range(series.ndim) if math.prod(series.shape[:i]) == before and series.shape[i] == count)
    store = series.aszarr(level=0)
    try:
        lazy: Any = zarr.open(store, mode="r")
        return np.asarray(lazy[(slice(None),) * axis + (frame,)])
    finally:
        store.close()


def _read_with_pillow(source: Source, name: str, error: ValueError) -> np.ndarray:
    """Pillow reads what tifffile needs the large package imagecodecs for (LZW, JPEG)."""
    with contextlib.suppress(OSError, ValueError), Image.open(name) as image:
        pages = []
        for page in (page for one in source.series for page in one.pages):
            image.seek(page.index)
            pages.append(np.array(image))
        array = np.stack(pages).reshape(source.shape)
        if array.dtype == np.dtype(source.series[0].dtype).newbyteorder("="):
            return array
    raise ValueError(f"{name}: {error}; run `pip install imagecodecs`") from error
