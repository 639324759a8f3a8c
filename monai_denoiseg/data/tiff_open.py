"""Open a TIFF file as what it holds itself: its own pages, all of them, whatever its metadata say of other files."""

from __future__ import annotations

import math
import os
import struct
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import tifffile

from monai_denoiseg.data.ome_set import own_metadata, renamed_alone
from monai_denoiseg.data.tiff_codecs import fill_gaps

HELP = "it may be damaged or not copied to its end"


class _OwnPages(tifffile.TiffFile):
    """Without the two formats for which tifffile reads all files of a set, asked or not."""

    is_mmstack = False
    is_ndtiff = False


def open_tiff(path: str | os.PathLike) -> tifffile.TiffFile:
    """Open a TIFF file; use it in a ``with`` statement.

    Of a set of files (OME, Micro-Manager) only the pages of this one count, and their axes are kept.

    Args:
        path: the file.

    Raises:
        ValueError: when its chain of pages is broken, or its metadata contradict themselves.

    >>> import tempfile, numpy as np
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     tifffile.imwrite(f"{folder}/a.tif", np.zeros((7, 32, 48)))
    ...     with open_tiff(f"{folder}/a.tif") as tif:
    ...         tif.series[0].shape
    (7, 32, 48)
    """
    fill_gaps()
    tif = tifffile.TiffFile(path, _multifile=False)
    try:
        if tif.is_mmstack or tif.is_ndtiff:
            tif.close()
            tif = _OwnPages(path, _multifile=False)
        _check_chain(tif, path)
        metadata = _own_metadata(tif, Path(path).name)
        if metadata is not None:
            tif.close()
            tif = _OwnPages(path, omexml=metadata, _multifile=False)
    except BaseException:
        tif.close()
        raise
    return tif


def _own_metadata(tif: tifffile.TiffFile, name: str) -> str | None:
    xml = tif.ome_metadata if tif.is_ome else None
    if not xml or "UUID" not in xml:
        return None
    return own_metadata(xml, name, len(tif.pages)) or renamed_alone(xml, name)


def _check_chain(tif: tifffile.TiffFile, path: str | os.PathLike) -> None:
    """Follow the chain of pages to its end: tifffile leaves out what lies behind a broken link."""
    if tif.is_ndpi or tif.is_scanimage:  # these keep offsets beyond 4 GB in ways of their own
        return
    form = tif.tiff
    file, size, seen = tif.filehandle, tif.filehandle.size, set[int]()
    file.seek((form.version == 43 and 8) or 4)
    offset = struct.unpack(form.offsetformat, file.read(form.offsetsize))[0]
    while offset:
        if offset in seen:
            raise ValueError(f"{path}: its chain of pages runs in a circle after page {len(seen)}: the file is damaged")
        seen.add(offset)
        file.seek(offset)
        count = file.read(form.tagnosize) if offset < size else b""
        n_tags = struct.unpack(form.tagnoformat, count)[0] if len(count) == form.tagnosize else 0
        end = offset + form.tagnosize + n_tags * form.tagsize
        if n_tags == 0 or end + form.offsetsize > size:
            raise ValueError(f"{path} ends before its page {len(seen)}, or the page is damaged: {HELP}")
        file.seek(end)
        offset = struct.unpack(form.offsetformat, file.read(form.offsetsize))[0]


def check_complete(tif: tifffile.TiffFile, series: Sequence[Any], name: str) -> None:
    r"""Check that a file holds as many planes as its own header says.

    Args:
        tif: the open file.
        series: what tifffile found in it.
        name: the file, for the message.

    Raises:
        ValueError: when some are missing.

    >>> import tempfile, numpy as np
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     text = "ImageJ=1.54f\nimages=6\nframes=6\n"
    ...     tifffile.imwrite(f"{folder}/a.tif", np.zeros((8, 8), "u1"), metadata=None, description=text)
    ...     with open_tiff(f"{folder}/a.tif") as tif:
    ...         check_complete(tif, tif.series, "a.tif")
    Traceback (most recent call last):
        ...
    ValueError: a.tif holds 1 of the 6 planes that its header names: it may be damaged or not copied to its end
    """
    found = sum(_planes(one.shape, one) for one in series)
    named = 0
    if tif.is_imagej:
        meta = tif.imagej_metadata or {}
        lengths = math.prod(int(meta.get(key, 1)) for key in ("channels", "slices", "frames"))
        samples = series[0].keyframe.samplesperpixel if series else 1  # may be counted as channels
        named = max(int(meta.get("images", 1)), lengths) // samples
    elif tif.is_shaped and series:
        named = sum(_planes(meta["shape"], series[0]) for meta in tif.shaped_metadata or () if "shape" in meta)
    elif tif.is_ome:
        named = found
        found -= sum(page is None for one in series if one.kind == "ome" for page in one)
    for one in series:
        start = one.dataoffset  # None unless the pixels lie in one piece
        if start is not None and start + math.prod(one.shape) * one.dtype.itemsize > tif.filehandle.size:
            raise ValueError(f"{name} ends before its pixels do: {HELP}")
    if found < named:
        raise ValueError(f"{name} holds {found} of the {named} planes that its header names: {HELP}")


def _planes(shape: Sequence[int], series: Any) -> int:
    page = int(math.prod(series.keyframe.shape))
    return max(int(math.prod(shape)) // max(page, 1), 1)
