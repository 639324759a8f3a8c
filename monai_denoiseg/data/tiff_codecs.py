"""Compressions of TIFF that tifffile leaves to the large package imagecodecs, by the libraries that are here anyway.

Every piece of an image (strip or tile) is decoded alone, and tifffile puts it together. So values, order of rows and what counts
as white are the same as in an uncompressed file, whichever library decodes.
"""

from __future__ import annotations

import io
import struct
import warnings
from typing import Any

import numpy as np
import tifffile
from PIL import Image

LZW = 5
ADOBE = {"RGB": 0, "YCBCR": 1}
"""Values of the colour transform in the Adobe marker of a JPEG."""


def fill_gaps() -> None:
    """Give tifffile the decoders it lacks; those of imagecodecs, where installed, stay.

    >>> fill_gaps()
    >>> 5 in tifffile.TIFF.DECOMPRESSORS
    True
    """
    library = getattr(tifffile.tifffile, "imagecodecs", None)
    if library is None:
        return
    for name, decoder in DECODERS.items():
        if not hasattr(library, name):
            setattr(library, name, decoder)
    if library.__name__.endswith("_imagecodecs"):  # tifffile's own stand-in, which knows zstd from Python 3.14 on
        library.zstd_decode = zstd_decode


def lzw_decode(data: bytes, *, out: Any = None) -> bytes:
    """Decode LZW.

    Args:
        data: a strip or tile.
        out: bytes to return.

    Raises:
        OSError: when the data are damaged.

    >>> picture = io.BytesIO()
    >>> Image.fromarray(np.arange(64, dtype="u1").reshape(8, 8)).save(picture, "TIFF", compression="tiff_lzw")
    >>> with tifffile.TiffFile(io.BytesIO(picture.getvalue())) as tif:
    ...     start, size = tif.pages[0].dataoffsets[0], tif.pages[0].databytecounts[0]
    >>> list(lzw_decode(picture.getvalue()[start : start + size], out=64)[:4])
    [0, 1, 2, 3]
    """
    size = int(out)
    if size <= 0:
        raise ValueError("the size of LZW data must be known")
    # A picture of one row of 8-bit grey values: nothing is turned, inverted or summed up.
    tags = [(256, size), (257, 1), (258, 8), (259, LZW), (262, 1), (273, 8), (277, 1), (278, 1), (279, len(data))]
    start = 8 + len(data) + len(data) % 2
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags)
    header = struct.pack("<2sHI", b"II", 42, start)
    packed = header + data + b"\0" * (len(data) % 2) + struct.pack("<H", len(tags)) + entries + b"\0" * 4
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)
        with Image.open(io.BytesIO(packed)) as picture:
            return picture.tobytes()


def zstd_decode(data: bytes, *, out: Any = None) -> bytes:
    """Decode Zstandard, by the codecs of zarr.

    Args:
        data: a strip or tile.
        out: not used.

    >>> from numcodecs import Zstd
    >>> zstd_decode(bytes(Zstd().encode(b"abc")))
    b'abc'
    """
    from numcodecs import Zstd

    return bytes(Zstd().decode(data))


def jpeg_decode(
    data: bytes,
    *,
    tables: bytes | None = None,
    header: bytes | None = None,
    colorspace: Any = None,
    outcolorspace: Any = None,
    bitspersample: int = 8,
    **options: Any,
) -> np.ndarray:
    """Decode JPEG of 8 bits.

    Args:
        data: a strip or tile.
        tables: what the file keeps apart for all of them.
        header: not supported, as in some whole-slide files.
        colorspace: of the data; RGB must be said, three components are YCbCr otherwise.
        outcolorspace: of the result.
        bitspersample: 8.
        options: not used.

    Returns:
        ``(height, width)``, or with a last axis of three colours.

    Raises:
        ValueError: for another kind of JPEG.

    >>> picture = io.BytesIO()
    >>> Image.new("L", (16, 8), 7).save(picture, "JPEG")
    >>> jpeg_decode(picture.getvalue()).shape
    (8, 16)
    """
    if bitspersample != 8 or header is not None:
        raise ValueError(f"JPEG of {bitspersample} bits requires the 'imagecodecs' package")
    body = data[2:] if tables is None else bytes(tables)[2:-2] + data[2:]
    kind = ADOBE["RGB" if colorspace in (2, "RGB") else "YCBCR"]
    marker = b"" if b"Adobe" in data[:64] else struct.pack(">HH5sHHHB", 0xFFEE, 14, b"Adobe", 100, 0, 0, kind)
    with Image.open(io.BytesIO(b"\xff\xd8" + marker + body)) as picture:
        if picture.mode not in ("L", "RGB"):
            raise ValueError(f"JPEG of mode {picture.mode} requires the 'imagecodecs' package")
        return np.array(picture)


def floatpred_decode(data: np.ndarray, *, axis: int = -1, out: Any = None) -> np.ndarray:
    """Undo the floating-point predictor of TIFF (Adobe Photoshop TIFF Technical Note 3).

    Args:
        data: ``(depth, height, width, samples)`` of floats in the machine's byte order, whose bytes are those of the file.
        axis: the width.
        out: not used.

    >>> stored = np.array([0x3F, 0, 0xC1, 0, 0, 0, 0, 0], "u1")  # the first bytes of both, then the second ones, as differences
    >>> floatpred_decode(stored.view("<f4").reshape(1, 1, 2, 1)).ravel().tolist()
    [0.5, 0.5]
    """
    size, samples, width = data.dtype.itemsize, data.shape[-1], data.shape[-2]
    rows = np.ascontiguousarray(data).view(np.uint8).reshape(-1, width * size, samples)
    summed = np.cumsum(rows, axis=1, dtype=np.uint8)
    planes = summed.reshape(-1, size, width * samples)  # the most significant bytes of a row come first
    values = np.ascontiguousarray(planes.transpose(0, 2, 1)).view(f">f{size}")
    return values.astype(data.dtype).reshape(data.shape)


DECODERS = {
    "lzw_decode": lzw_decode,
    "jpeg_decode": jpeg_decode,
    "floatpred_decode": floatpred_decode,
    "zstd_decode": zstd_decode,
}
