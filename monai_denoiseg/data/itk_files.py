"""NRRD and MetaImage files, by SimpleITK (extra ``itk``)."""

from __future__ import annotations

import importlib
import logging
import math
import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from monai_denoiseg.data.axes import AS_LABELMAP, Arrangement, arrange, check_frame, put_in_order
from monai_denoiseg.data.stored import StoredImage, stored_image, voxel_sizes
from monai_denoiseg.files import target_of, write_bytes, writing
from monai_denoiseg.units import in_one_unit

logger = logging.getLogger(__name__)

ITK_SUFFIXES = (".nrrd", ".nhdr", ".mha", ".mhd")
_TO_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])


def _sitk(path: str | os.PathLike) -> Any:
    try:
        return importlib.import_module("SimpleITK")
    except ModuleNotFoundError:
        name = Path(path).name
        raise ModuleNotFoundError(
            f"{path}: SimpleITK is not installed, which NRRD and MetaImage need: pip install 'monai_denoiseg[itk]', or convert "
            f"it to NIfTI, for instance with 3D Slicer: {name} to {name.split('.')[0]}.nii.gz",
            name="SimpleITK",
        ) from None


def _header(path: str | os.PathLike) -> Any:
    if not Path(path).exists():
        raise FileNotFoundError(f"{path} does not exist")
    reader = _sitk(path).ImageFileReader()
    reader.SetFileName(str(path))
    try:
        reader.ReadImageInformation()
    except RuntimeError as error:
        raise _unreadable(path, error) from error
    return reader


def _unreadable(path: str | os.PathLike, error: Exception) -> ValueError:
    reason = " ".join(str(error).split())[-200:]
    return ValueError(
        f"{path} cannot be read, it may be damaged or not copied to its end; if another program opens it, save it from there as "
        f".nii.gz ({reason})"
    )


def _arrange(header: Any, path: str | os.PathLike, axes: str | None, spatial_dims: int | None) -> Arrangement:
    shape, components = tuple(int(n) for n in header.GetSize())[::-1], int(header.GetNumberOfComponents())
    given = (axes or "").upper()
    if len(shape) > 4:
        raise ValueError(f"{path} has {len(shape)} axes; images of up to 4 axes are supported")
    letters = {2: "YX", 3: "TYX" if "T" in given and "Z" not in given else "ZYX", 4: "TZYX" if "T" in given else "CZYX"}[
        len(shape)
    ]
    if components > 1:
        shape, letters = (*shape, components), letters.replace("C", "T") + "C"
    return arrange(shape, letters, str(path), spatial_dims)


def itk_layout(path: str | os.PathLike, axes: str | None = None, spatial_dims: int | None = None) -> Arrangement:
    """Return spatial shape, axes and number of frames of an NRRD or MetaImage file from its header.

    Args:
        path: the file.
        axes: the user's word. Only its T counts: a fourth axis is time (else the channel), or the planes are separate images.
        spatial_dims: 2, 3, or ``None`` for what the file suggests.

    Raises:
        FileNotFoundError: when there is no such file.
        ModuleNotFoundError: without SimpleITK.
        ValueError: when it cannot be read, or the axes do not fit ``spatial_dims``.
    """
    return _arrange(_header(path), path, axes, spatial_dims)


def itk_affine(path: str | os.PathLike) -> np.ndarray:
    """Where the voxels of a file lie.

    Args:
        path: the file.

    Returns:
        ``(4, 4)`` from (z, y, x) to mm to the right, front and head (RAS).
    """
    header = _header(path)
    dims = len(header.GetSize())
    n = min(dims, 3)
    affine = np.eye(4)
    direction = np.array(header.GetDirection()).reshape(dims, dims)[:n, :n]
    affine[:n, :n] = direction * np.array(header.GetSpacing())[:n]
    affine[:n, 3] = header.GetOrigin()[:n]
    return (_TO_RAS @ affine)[:, [2, 1, 0, 3]]


def read_itk(
    path: str | os.PathLike, axes: str | None = None, spatial_dims: int | None = None, frame: int | None = None
) -> StoredImage:
    """Read an NRRD or MetaImage file in ``[C, ][Z, ]Y, X`` order.

    Args:
        path: the file.
        axes: as in :func:`itk_layout`.
        spatial_dims: likewise.
        frame: index along time of the image to read, for a file of several.

    Returns:
        Array and metadata; ``affine`` ``(4, 4)`` maps (z, y, x), of a plane (y, x, 0), to RAS in mm, as for NIfTI.

    Raises:
        ModuleNotFoundError: without SimpleITK.
        ValueError: as in :func:`itk_layout`, or when there is no such frame.
    """
    arrangement = itk_layout(path, axes, spatial_dims)
    check_frame(arrangement, frame, str(path))
    sitk = _sitk(path)
    try:
        stored = sitk.GetArrayFromImage(sitk.ReadImage(str(path)))
    except RuntimeError as error:
        raise _unreadable(path, error) from error
    affine = itk_affine(path)
    sizes = voxel_sizes(affine, str(path))
    if arrangement.frame_axis is not None and frame is not None:
        stored = stored.take([frame], axis=arrangement.frame_axis)
        if arrangement.frame_axis == 0 and "Z" not in arrangement.letters and stored.ndim >= 3:
            affine[:, 3] += affine[:, 0] * frame  # the place of this slice
    flat = len(arrangement.shape) == 2
    letters = "ZYX"[-len(arrangement.shape) :]
    spacing, unit = _in_units(path, dict(zip(letters, sizes[-len(letters) :].tolist(), strict=True)))
    columns = [1, 2, 0, 3] if flat else [0, 1, 2, 3]
    return stored_image(put_in_order(stored, arrangement), arrangement, spacing, unit, affine[:, columns])


def _nrrd_fields(path: str | os.PathLike) -> dict[str, str]:
    """The fields of the header of an NRRD file, which SimpleITK does not give; none for MetaImage."""
    fields: dict[str, str] = {}
    if Path(path).suffix.lower() not in (".nrrd", ".nhdr"):
        return fields
    with Path(path).open("rb") as stream:
        for raw in stream:
            line = raw.decode("utf-8", "replace").strip()
            if not line:  # the data follow
                break
            name, colon, value = line.partition(":")
            if colon and not line.startswith("#"):
                fields[name.strip().lower()] = value.strip()
    return fields


def _in_units(path: str | os.PathLike, sizes: dict[str, float]) -> tuple[list[float] | None, str | None]:
    """Voxel size and unit: those of the header, where positions are in mm unless it says otherwise.

    Args:
        path: the file.
        sizes: by axis, as stored.
    """
    fields = _nrrd_fields(path)
    if fields and "spacings" not in fields and "space directions" not in fields:
        return None, None
    steps = re.findall(r"\S+", fields.get("spacings", ""))
    if "space directions" not in fields and "nan" in [step.lower() for step in steps[: len(sizes)]]:
        return None, None
    units = re.findall(r'"([^"]*)"', fields.get("space units") or fields.get("units") or "")
    units = [unit for unit in units if unit][:3]
    if not units:  # ITK's world is in mm; numbers without a world have no unit
        return [*sizes.values()], "mm" if not fields or "space directions" in fields or "space" in fields else None
    named = dict(zip("XYZ", units, strict=False))
    if (found := in_one_unit(sizes, named)) is None:
        logger.warning("%s: its axes are in the units %s, so its voxel size is unknown: give --spacing", path, ", ".join(units))
        return None, None
    return [*found[0].values()], found[1]


def check_segments(path: str | os.PathLike, classes: Sequence[str]) -> None:
    """Refuse a segmentation whose header names its numbers otherwise than the classes do, as 3D Slicer writes them.

    Args:
        path: label file; of other kinds than NRRD and MetaImage nothing is known.
        classes: names by number, the background first. Case, spaces and underscores do not count.

    Raises:
        ValueError: naming both, for a segment that is called like a class of another number.

    >>> check_segments("labels/a.nii.gz", ["background", "liver"])
    """
    if not str(path).lower().endswith(ITK_SUFFIXES):
        return
    numbers = {_plain(name): number for number, name in enumerate(classes)}
    for name, value in _segments(_header(path)):
        number = numbers.get(_plain(name))
        if number is not None and number != value:
            raise ValueError(
                f"label {path}: its header says that {value} is {name!r}, but `classes` says that {number} is {classes[number]!r}"
                f"{f' and {value} {classes[value]!r}' if 0 <= value < len(classes) else ''}: put `classes` in the order of the "
                f"labels, or give the segments these numbers ({AS_LABELMAP})"
            )


def _segments(header: Any) -> list[tuple[str, int]]:
    """Names and numbers of segments."""
    found = []
    for key in header.GetMetaDataKeys():
        if key.startswith("Segment") and key.endswith("_Name"):
            value = f"{key.removesuffix('_Name')}_LabelValue"
            if header.HasMetaDataKey(value) and header.GetMetaData(value).strip().isdecimal():
                found.append((header.GetMetaData(key), int(header.GetMetaData(value))))
    return found


def _plain(name: str) -> str:
    return " ".join(name.replace("_", " ").casefold().split())


def write_itk(array: np.ndarray, source: str | os.PathLike, target: str | os.PathLike) -> None:
    """Write an array in the geometry of the file it stems from, whole or not at all.

    Args:
        array: ``(C, [Z, ]Y, X)``.
        source: NRRD or MetaImage file.
        target: file to write, ``.nrrd`` or ``.mha``; values are compressed.

    Raises:
        ValueError: when the shape is not that of the source.
    """
    sitk, header = _sitk(source), _header(source)
    size, dims = tuple(int(n) for n in header.GetSize()), len(header.GetSize())
    n = min(dims, 3)
    full = size[:n][::-1]
    if math.prod(full) != math.prod(array.shape[1:]) or [i for i in full if i > 1] != [i for i in array.shape[1:] if i > 1]:
        raise ValueError(f"{target_of(Path(target))}: shape {array.shape[1:]} is not that of {source}, {full}")
    stored = array.reshape(array.shape[0], *full)
    several = array.shape[0] > 1
    image = sitk.GetImageFromArray(np.moveaxis(stored, 0, -1) if several else stored[0], isVector=several)
    image.SetSpacing(header.GetSpacing()[:n])
    image.SetOrigin(header.GetOrigin()[:n])
    image.SetDirection(np.array(header.GetDirection()).reshape(dims, dims)[:n, :n].ravel().tolist())
    units = _nrrd_fields(source).get("space units")
    with writing(target) as part:
        sitk.WriteImage(image, str(part), useCompression=True)
        if units and Path(part).suffix.lower() == ".nrrd":  # SimpleITK leaves them out
            header, data = Path(part).read_bytes().split(b"\n\n", 1)
            write_bytes(header + f"\nspace units: {units}\n\n".encode() + data, part)
