"""What a TIFF file says about itself: its axes and its voxel size (ImageJ, OME, tifffile's own JSON, plain tags)."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import tifffile

CHANNEL_LETTERS = "CS"
UNITS = {
    "micron": "um",
    "microns": "um",
    "micrometer": "um",
    "\u00b5m": "um",
    "\u03bcm": "um",
    "\\u00b5m": "um",
    "\\u00B5m": "um",
}
"""Spellings of the micrometre found in files, brought to the one that ASCII headers can hold."""


class Arrangement(NamedTuple):
    """How to bring an array as stored into ``[C, ][Z, ]Y, X`` order.

    Attributes:
        order: the stored axes to keep, in their new order (all others have length 1).
        letters: the letters of the kept axes; the channel is ``C`` or ``S`` (RGB samples), the stack axis ``Z`` or ``T``.
        shape: the spatial shape, ``([Z, ]Y, X)``.
    """

    order: tuple[int, ...]
    letters: str
    shape: tuple[int, ...]

    @property
    def has_channel(self) -> bool:
        """Whether the first kept axis holds channels."""
        return self.letters[0] in CHANNEL_LETTERS


def arrange(shape: Sequence[int], axes: str, name: str) -> Arrangement:
    """Tell which stored axis is the channel, the stack and the plane.

    Axes of length 1 other than Y and X are dropped. One remaining axis beside Y, X and the channel is the stack,
    whatever its letter (plain pages are called I or Q, a stack may be stored as time).

    Args:
        shape: shape of the array as stored.
        axes: one letter for each axis, for instance ``"ZCYX"``.
        name: the file, for the error message.

    Returns:
        The arrangement.

    Raises:
        ValueError: when the letters do not fit the shape or more than one axis could be the stack or the channel.

    >>> arrange((5, 1, 64, 48), "ZCYX", "a.tif")
    Arrangement(order=(0, 2, 3), letters='ZYX', shape=(5, 64, 48))
    >>> arrange((64, 48, 3), "YXS", "a.tif").letters
    'SYX'
    """
    axes, seen = axes.upper(), f"{name} has axes {axes!r} of lengths {tuple(shape)}"
    if len(axes) != len(shape):
        raise ValueError(f"{name} has {len(shape)} axes of lengths {tuple(shape)}, but axes={axes!r} names {len(axes)}")
    if axes.count("Y") != 1 or axes.count("X") != 1:
        raise ValueError(f"{seen}; one Y and one X are needed: pass axes=, for instance axes='ZYX'")
    others = [i for i, letter in enumerate(axes) if letter not in "YX" and shape[i] != 1]
    channel = [i for i in others if axes[i] in CHANNEL_LETTERS]
    stack = [i for i in others if axes[i] not in CHANNEL_LETTERS]
    for kind, found in (("channel", channel), ("stack", stack)):
        if len(found) > 1:
            raise ValueError(
                f"{seen}: more than one could be the {kind} axis ({', '.join(axes[i] for i in found)}). "
                "Pass axes= naming at most one of C or S and one of Z, or split the file"
            )
    spatial = (*stack, axes.index("Y"), axes.index("X"))
    letters = "".join(axes[i] for i in channel) + "".join(axes[i] if axes[i] == "T" else "Z" for i in stack) + "YX"
    return Arrangement((*channel, *spatial), letters, tuple(int(shape[i]) for i in spatial))


class Source(NamedTuple):
    """The image of an open TIFF file.

    Attributes:
        series: where its pixels are; several equal ones form a stack.
        shape: shape as stored.
        axes: one letter for each axis.
    """

    series: list[Any]
    shape: tuple[int, ...]
    axes: str


def find_source(tif: tifffile.TiffFile, axes: str | None, name: str) -> Source:
    """Return the one full-size image of a file.

    Pages written one by one make a file of many equal two-dimensional images: these are the slices of one stack.

    Args:
        tif: the open file.
        axes: the user's word on the axes, which wins over the file's.
        name: the file, for error messages.

    Raises:
        ValueError: when the file holds several different images, or none.
    """
    found = [series for series in tif.series if not series.keyframe.is_reduced]
    shapes = [tuple(series.shape) for series in found]
    if not found or min(shapes[0], default=0) == 0:
        raise ValueError(f"{name} holds no image")
    if len(found) == 1:
        return Source(found, shapes[0], axes or found[0].axes)
    if len(set(shapes)) > 1 or len({series.dtype for series in found}) > 1 or len(shapes[0]) != 2:
        listed = ", ".join(str(shape) for shape in shapes[:4])
        raise ValueError(
            f"{name} holds {len(found)} different images (shapes {listed}{', ...' * (len(found) > 4)}); save each alone"
        )
    return Source(found, (len(found), *shapes[0]), axes or "ZYX")


def read_spacing(tif: tifffile.TiffFile, letters: str) -> tuple[tuple[float, ...] | None, str | None]:
    """Read the voxel size of the spatial axes.

    Args:
        tif: the open file.
        letters: axes as returned by :func:`arrange`.

    Returns:
        ``(spacing, unit)`` in the order of the spatial axes, or ``(None, None)`` when the file does not give all of them.
        A time axis counts 1. ImageJ leaves out a slice distance of 1, so there a missing one is 1.
    """
    if tif.is_ome:
        known, unit = _ome_sizes(tif)
    elif tif.shaped_metadata and "spacing" in tif.shaped_metadata[0]:
        stored = tif.shaped_metadata[0]
        known, unit = dict(zip("XYZ", stored["spacing"][::-1], strict=False)), stored.get("unit", "")
    else:
        known, unit = _tag_sizes(tif)
    spatial = [letter for letter in letters if letter not in CHANNEL_LETTERS]
    spacing = tuple(float(known.get(letter, 1.0 if letter == "T" else 0.0)) for letter in spatial)
    if not all(np.isfinite(spacing)) or min(spacing) <= 0:
        return None, None
    return spacing, UNITS.get(unit, unit)


def _ome_sizes(tif: tifffile.TiffFile) -> tuple[dict[str, float], str]:
    root = ElementTree.fromstring(tif.ome_metadata)
    pixels = next((element for element in root.iter() if element.tag.endswith("}Pixels")), None)
    stored = {} if pixels is None else pixels.attrib
    sizes = {letter: float(stored[f"PhysicalSize{letter}"]) for letter in "XYZ" if f"PhysicalSize{letter}" in stored}
    return sizes, stored.get("PhysicalSizeXUnit", "um")  # micrometres are the default of the OME schema


def _tag_sizes(tif: tifffile.TiffFile) -> tuple[dict[str, float], str]:
    tags, imagej = tif.pages[0].tags, tif.imagej_metadata or {}
    unit = str(imagej.get("unit") or {2: "inch", 3: "cm"}.get(int(tags.valueof("ResolutionUnit", 1)), ""))
    if unit in ("", "pixel", "pixels"):
        return {}, ""  # a resolution without a unit is a place holder
    sizes = {}
    for letter in "XY":
        pixels, units = tags.valueof(f"{letter}Resolution", (0, 0))
        if pixels:
            sizes[letter] = units / pixels
    if tif.is_imagej:
        sizes["Z"] = float(imagej.get("spacing", 1.0))
    return sizes, unit


def spacing_to_affine(spacing: Sequence[float] | None, spatial_dims: int) -> np.ndarray:
    """Return the affine matrix ``(r+1, r+1)`` with the voxel size on its diagonal (1 where unknown).

    >>> spacing_to_affine((2.0, 0.5), 2).diagonal().tolist()
    [2.0, 0.5, 1.0]
    """
    return np.diag([*(spacing or (1.0,) * spatial_dims), 1.0])


def file_layout(data: np.ndarray, source_axes: str) -> tuple[np.ndarray, str]:
    """Bring an image to the order of the file: one channel is no axis, channels follow the stack axis (as in ImageJ).

    Args:
        data: ``(C, [D,] H, W)``.
        source_axes: ``axes`` of the file the image stems from; ``T`` and ``S`` in it are kept.

    Returns:
        The array and its axes.

    >>> file_layout(np.zeros((2, 5, 32, 48)), "")[1], file_layout(np.zeros((1, 5, 32, 48)), "TYX")[1]
    ('ZCYX', 'TYX')
    """
    spatial = "YX" if data.ndim == 3 else ("TYX" if "T" in source_axes else "ZYX")
    if data.shape[0] == 1:
        return np.ascontiguousarray(data[0]), spatial
    if "S" in source_axes and data.shape[0] in (3, 4) and data.dtype.name in ("uint8", "uint16"):
        return np.ascontiguousarray(np.moveaxis(data, 0, -1)), spatial + "S"
    return np.ascontiguousarray(np.moveaxis(data, 0, -3)), spatial[:-2] + "CYX"


def describe_to_tifffile(axes: str, spacing: list[float] | None, unit: str, ome: bool, imagej: bool) -> dict[str, Any]:
    """Return the metadata arguments of ``tifffile.imwrite`` in the way of each format.

    Args:
        axes: axes of the file.
        spacing: voxel size of its spatial axes, ``None`` if unknown.
        unit: unit of the voxel size.
        ome: whether to write OME-TIFF.
        imagej: whether to write an ImageJ hyperstack; neither: tifffile's own metadata.

    >>> describe_to_tifffile("YX", [0.5, 0.25], "um", ome=False, imagej=True)
    {'metadata': {'axes': 'YX', 'unit': 'um'}, 'resolution': (4.0, 2.0), 'resolutionunit': 1}
    """
    if spacing is None:
        return {"metadata": {"axes": axes}}
    if ome:
        letters = [letter for letter in axes if letter in "ZYX"]
        sizes = {f"PhysicalSize{letter}": size for letter, size in zip(letters[::-1], spacing[::-1], strict=False)}
        units = {f"{key}Unit": "\u00b5m" if unit == "um" else unit for key in sizes}
        return {"metadata": {"axes": axes, **sizes, **units}}
    metadata: dict[str, Any] = {"axes": axes, "unit": unit}
    if len(spacing) == 3 or not imagej:
        metadata["spacing"] = spacing[0] if imagej else spacing
    return {"metadata": metadata, "resolution": (1 / spacing[-1], 1 / spacing[-2]), "resolutionunit": 1}
