"""PNG, JPEG and BMP at their full depth, also those PNG whose low bytes Pillow drops."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
from PIL import Image

# Pillow unpacks 16-bit colours to 8 bits and calls the two ways of doing so after the byte order it takes for granted: one keeps
# the high byte of each sample of a PNG (which is big-endian), the other the low byte.
_HALVES = {"RGB;16B": ("RGB;16B", "RGB;16L"), "RGBA;16B": ("RGBA;16B", "RGBA;16L")}
_GREY_AND_ALPHA = "LA;16B"
_OPAQUE = {"P": "RGB", "PA": "RGB", "RGBA": "RGB", "LA": "L", "La": "L", "RGBa": "RGB"}

PIL_SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp")


def read_picture(path: str | os.PathLike, color: bool = True) -> np.ndarray:
    """Read a PNG, JPEG or BMP as stored; an orientation tag turns nothing.

    Args:
        path: the file.
        color: whether a palette means its colours, and opacity is dropped (it is no measurement); otherwise the index stored.

    Returns:
        ``(Y, X)`` or ``(Y, X, samples)`` of 8 or 16 bits.

    Raises:
        ValueError: for a TIFF under a wrong name, or an animation.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     Image.fromarray(np.full((4, 6, 4), 9, np.uint8)).save(f"{folder}/a.png")
    ...     read_picture(f"{folder}/a.png").shape
    (4, 6, 3)
    """
    with Image.open(path) as image:
        if image.format == "TIFF":
            raise ValueError(f"{path} is a TIFF file by its content: give its name the ending .tif")
        if image.format != "MPO" and getattr(image, "n_frames", 1) > 1:
            raise ValueError(f"{path} holds {image.n_frames} pictures: save each alone, or all as TIFF")  # type: ignore[attr-defined]
        raw = _raw_mode(image)
        if raw in _HALVES or raw == _GREY_AND_ALPHA:
            array = _deep(path, raw)
            samples = 1 if raw == _GREY_AND_ALPHA else 3
            array = array[..., :samples] if color else array
            return array[..., 0] if array.shape[-1] == 1 else array
        array = np.array(image.convert(_OPAQUE[image.mode]) if color and image.mode in _OPAQUE else image)
        # Older versions of Pillow read 16-bit PNG as 32-bit numbers.
        return array.astype(np.uint16) if image.mode == "I" and image.format == "PNG" else array


def _raw_mode(image: Any) -> str:
    """How the samples of a PNG lie in the file; empty for other formats."""
    tiles = image.tile if image.format == "PNG" else []
    return str(tiles[0][3]) if tiles else ""


def _deep(path: str | os.PathLike, raw: str) -> np.ndarray:
    """Read ``(Y, X, samples)`` of 16 bits."""
    if raw == _GREY_AND_ALPHA:  # four bytes a pixel, as 8-bit colours with opacity are
        halves = _unpacked(path, "RGBA")
        high, low = halves[..., ::2], halves[..., 1::2]
    else:
        high, low = (_unpacked(path, way) for way in _HALVES[raw])
    array: np.ndarray = np.left_shift(high, 8, dtype=np.uint16) | low
    return array


def _unpacked(path: str | os.PathLike, way: str) -> np.ndarray:
    image: Any
    with Image.open(path) as image:
        image.tile = [one._replace(args=way) if hasattr(one, "_replace") else (*one[:3], way) for one in image.tile]
        return np.array(image)
