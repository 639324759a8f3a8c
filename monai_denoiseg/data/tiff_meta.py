"""What a TIFF file says about itself: its axes and its voxel size (ImageJ, OME, tifffile's own JSON, plain tags)."""

from __future__ import annotations

import logging
import xml.etree.ElementTree as ElementTree
from typing import Any, NamedTuple

import numpy as np
import tifffile

from monai_denoiseg.data.axes import CHANNEL_LETTERS, KNOWN_LETTERS, fit_axes
from monai_denoiseg.data.tiff_open import check_complete
from monai_denoiseg.units import NO_LENGTHS, UNNAMED, in_one_unit

logger = logging.getLogger(__name__)

PRINT_RESOLUTIONS = (72, 96, 100, 150, 200, 300, 600)
"""Dots per inch that image programs write for printers: they say nothing of the object."""
_OME_UNITS = {"um": "\u00b5m", "angstrom": "\u00c5", "inch": "in", UNNAMED: "reference frame"}


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


def find_source(
    tif: tifffile.TiffFile, axes: str | None, name: str, unnamed: str | None = None, spatial_dims: int | None = None
) -> Source:
    """Return the one full-size image of a file.

    Pages written one by one make a file of many equal two-dimensional images: these are a stack of pages without a name.

    Args:
        tif: the open file.
        axes: the user's word on the axes, which wins over the file's. It may name axes of length 1 that the file leaves out.
        name: the file, for error messages.
        unnamed: axes of a file that does not name all of its own.
        spatial_dims: 2 or 3, see :func:`~monai_denoiseg.data.axes.fit_axes`.

    Returns:
        The image.

    Raises:
        ValueError: when the file holds several different images, or none.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     tifffile.imwrite(f"{folder}/a.tif", np.zeros((7, 32, 48)))
    ...     with tifffile.TiffFile(f"{folder}/a.tif") as tif:
    ...         find_source(tif, None, "a.tif").axes, find_source(tif, None, "a.tif", unnamed="TYX").axes
    ('QYX', 'TYX')
    """
    found = [series for series in tif.series if not series.keyframe.is_reduced]
    check_complete(tif, found, name)
    shapes = [tuple(series.shape) for series in found]
    if not found or min(shapes[0], default=0) == 0:
        raise ValueError(f"{name} holds no image")
    if len(found) == 1:
        shape, own = shapes[0], str(found[0].axes)
    elif len(set(shapes)) > 1 or len({series.dtype for series in found}) > 1 or len(shapes[0]) != 2:
        listed = ", ".join(str(shape) for shape in shapes[:4])
        raise ValueError(
            f"{name} holds {len(found)} different images (shapes {listed}{', ...' * (len(found) > 4)}); save each alone"
        )
    else:
        shape, own = (len(found), *shapes[0]), "IYX"
    if axes is not None:
        return Source(found, *fit_axes(axes, shape, own, name, spatial_dims))
    # tifffile takes a first axis of 3 or 4 for colour planes.
    is_guess = not set(own) <= set(KNOWN_LETTERS) or own[0] == "S"
    is_unnamed = unnamed is not None and len(unnamed) == len(shape) and is_guess
    return Source(found, shape, str(unnamed) if is_unnamed else own)


def read_spacing(tif: tifffile.TiffFile, letters: str) -> tuple[tuple[float, ...] | None, str | None]:
    """Read the voxel size of the spatial axes.

    Args:
        tif: the open file.
        letters: axes as returned by :func:`arrange`.

    Returns:
        ``(spacing, unit)`` in the order of the spatial axes, or ``(None, None)`` when the file does not give all of them.
        A time axis counts 1. ImageJ leaves out a slice distance of 1, so there a missing one is 1. Axes of several units are
        brought to that of X; the resolution a printer is told (72 dpi and the like) is no voxel size.
    """
    units: dict[str, str | None]
    if tif.is_ome:
        known, units = _ome_sizes(tif)
    elif tif.shaped_metadata and "spacing" in tif.shaped_metadata[0]:
        stored = tif.shaped_metadata[0]
        known = dict(zip("XYZ", map(float, stored["spacing"][::-1]), strict=False))
        units = dict.fromkeys("XYZ", stored.get("unit", ""))
    else:
        known, units = _tag_sizes(tif)
    spatial = [letter for letter in letters if letter not in CHANNEL_LETTERS]
    sizes = {letter: float(known.get(letter, 1.0 if letter == "T" else 0.0)) for letter in spatial}
    if not all(np.isfinite([*sizes.values()])) or min(sizes.values()) <= 0:
        return None, None
    lengths = {letter: size for letter, size in sizes.items() if letter != "T"}
    if (found := in_one_unit(lengths, units)) is None:
        said = ", ".join(str(units.get(letter) or "none") for letter in lengths)
        logger.warning(
            "%s: the units of %s are %s, so its voxel size is unknown: give --spacing", tif.filename, "".join(lengths), said
        )
        return None, None
    return tuple({**sizes, **found[0]}[letter] for letter in spatial), found[1]


def _ome_sizes(tif: tifffile.TiffFile) -> tuple[dict[str, float], dict[str, str | None]]:
    root = ElementTree.fromstring(tif.ome_metadata)
    pixels = next((element for element in root.iter() if element.tag.endswith("}Pixels")), None)
    stored = {} if pixels is None else pixels.attrib
    sizes = {letter: float(stored[f"PhysicalSize{letter}"]) for letter in "XYZ" if f"PhysicalSize{letter}" in stored}
    return sizes, {letter: stored.get(f"PhysicalSize{letter}Unit", "um") for letter in "XYZ"}  # the default of the OME schema


def _tag_sizes(tif: tifffile.TiffFile) -> tuple[dict[str, float], dict[str, str | None]]:
    tags, imagej = tif.pages[0].tags, tif.imagej_metadata or {}
    unit = str(imagej.get("unit") or {2: "inch", 3: "cm"}.get(int(tags.valueof("ResolutionUnit", 1)), ""))
    if unit in ("", *NO_LENGTHS):
        return {}, {}  # a resolution without a unit is a place holder
    sizes = {}
    for letter in "XY":
        pixels, units = tags.valueof(f"{letter}Resolution", (0, 0))
        if pixels:
            sizes[letter] = units / pixels
    if not imagej.get("unit") and unit == "inch" and any(_is_print(s) for s in sizes.values()):
        return {}, {}
    if tif.is_imagej:
        sizes["Z"] = float(imagej.get("spacing", 1.0))
    return sizes, {"X": unit, "Y": str(imagej.get("yunit") or unit), "Z": str(imagej.get("zunit") or unit)}


def _is_print(inches: float) -> bool:
    return any(abs(inches * dpi - 1) < 1e-6 for dpi in PRINT_RESOLUTIONS)


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
        units = {f"{key}Unit": _OME_UNITS.get(unit, unit) for key in sizes}
        return {"metadata": {"axes": axes, **sizes, **units}}
    metadata: dict[str, Any] = {"axes": axes, "unit": unit}
    if len(spacing) == 3 or not imagej:
        metadata["spacing"] = spacing[0] if imagej else spacing
    return {"metadata": metadata, "resolution": (1 / spacing[-1], 1 / spacing[-2]), "resolutionunit": 1}
