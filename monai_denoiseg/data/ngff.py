"""OME-Zarr metadata (NGFF 0.1 to 0.5): where the pixels are, their axes and voxel size."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from monai_denoiseg.units import in_one_unit

logger = logging.getLogger(__name__)

_MARKS = ("zarr.json", ".zgroup", ".zarray")
_LONG_UNITS = {"um": "micrometer", "nm": "nanometer", "mm": "millimeter", "cm": "centimeter", "m": "meter"}
_KINDS = {"T": "time", "C": "channel"}


class ZarrImage(NamedTuple):
    """The pixels of an open OME-Zarr image or zarr array.

    Attributes:
        array: the zarr array of the full resolution.
        axes: one upper-case letter for each axis, None if unknown.
        spacing: voxel size by axis letter, where known.
        unit: its unit, or None.
    """

    array: Any
    axes: str | None
    spacing: dict[str, float]
    unit: str | None


def require_zarr() -> Any:
    """Import and return the zarr library, or say how to get it.

    Raises:
        ImportError: saying how to get it.

    >>> require_zarr().__name__
    'zarr'
    """
    try:
        import zarr
    except ImportError as error:
        raise ImportError("zarr folders and streamed prediction need zarr 3: pip install zarr") from error
    return zarr


def is_zarr(path: str | os.PathLike) -> bool:
    """Whether a path is the folder of a zarr array or group.

    Args:
        path: any path, existing or not.

    >>> is_zarr(".")
    False
    """
    folder = Path(path)
    return folder.is_dir() and any((folder / mark).is_file() for mark in _MARKS)


def open_ngff(path: str | os.PathLike) -> ZarrImage:
    """Open the full-resolution image of an OME-Zarr (zarr format 2 or 3), or a plain zarr array, for reading.

    Args:
        path: folder of the group or array. If a group is no image itself, the only image or array in it is used.

    Raises:
        ImportError: when the zarr library is missing.
        ValueError: when there is no zarr, or more than one image in it.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     _ = require_zarr().create_array(f"{folder}/a.zarr", shape=(4, 5), dtype="uint8")
    ...     image = open_ngff(f"{folder}/a.zarr")
    >>> image.array.shape, image.axes
    ((4, 5), None)
    """
    if not is_zarr(path):
        raise ValueError(f"{path} is no zarr array or group (it has none of {', '.join(_MARKS)})")
    return _open_node(require_zarr().open(str(path), mode="r"), str(path))


def image_paths(path: str | os.PathLike) -> list[Path]:
    """The images of a Zarr folder: the fields of a plate or well, the series of a converted file, else the folder itself.

    Args:
        path: folder of a group or array.

    Raises:
        ImportError: when the zarr library is missing.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     group = require_zarr().open_group(f"{folder}/a.zarr", mode="w")
    ...     for name in ("0", "1"):
    ...         group.create_group(name).attrs.update(ngff_attributes("a", "YX", {}, None))
    ...     [found.name for found in image_paths(f"{folder}/a.zarr")]
    ['0', '1']
    """
    if not is_zarr(path):
        return [Path(path)]
    node = require_zarr().open(str(path), mode="r")
    if _is_array(node) or _multiscales(node):
        return [Path(path)]
    fields = _fields(node)
    if fields:
        return [Path(path, field) for field in fields]
    series = sorted((key for key, child in node.members() if not _is_array(child) and _multiscales(child)), key=_by_number)
    return [Path(path, key) for key in series] if len(series) > 1 else [Path(path)]


def _by_number(key: str) -> tuple[int, str]:
    return (int(key) if key.isdecimal() else 1 << 30, key)


def _fields(node: Any) -> list[str]:
    """Paths of the images of a plate or a well (NGFF 0.4 and 0.5), in their order."""
    stored = _stored(node)
    if "plate" in stored:
        wells = [str(well["path"]) for well in stored["plate"].get("wells", [])]
        return [f"{well}/{field}" for well in wells if well in node for field in _fields(node[well])]
    return [str(field["path"]) for field in stored.get("well", {}).get("images", [])]


def ngff_attributes(
    name: str, axes: str, spacing: Mapping[str, float], unit: str | None, path: str = "0", version: str = "0.5"
) -> dict[str, Any]:
    """Return the attributes of an OME-Zarr group of one resolution.

    Args:
        name: name of the image.
        axes: letters of the axes in their order, of ``TCZYX``.
        spacing: voxel size by letter; 1 where missing.
        unit: unit of the voxel size as the package spells it (``"um"``), None if unknown.
        path: the array within the group.
        version: of NGFF.

    >>> attributes = ngff_attributes("a", "CYX", {"Y": 0.5, "X": 0.5}, "um")
    >>> attributes["ome"]["multiscales"][0]["datasets"][0]["coordinateTransformations"]
    [{'type': 'scale', 'scale': [1.0, 0.5, 0.5]}]
    """
    entries: list[dict[str, str]] = []
    for letter in axes:
        entries.append({"name": letter.lower(), "type": _KINDS.get(letter, "space")})
        if unit and letter in "ZYX":
            entries[-1]["unit"] = _LONG_UNITS.get(unit, unit)
    scale = [float(spacing.get(letter, 1.0)) for letter in axes]
    dataset = {"path": path, "coordinateTransformations": [{"type": "scale", "scale": scale}]}
    return {"ome": {"version": version, "multiscales": [{"name": name, "axes": entries, "datasets": [dataset]}]}}


def _open_node(node: Any, name: str) -> ZarrImage:
    if _is_array(node):
        return ZarrImage(node, _named_axes(node), {}, None)
    multiscales = _multiscales(node)
    if multiscales:
        return _open_multiscale(node, multiscales[0], name)
    inside = {key: child for key, child in node.members() if _is_array(child) or _multiscales(child)}
    if len(inside) == 1:
        key, child = inside.popitem()
        return _open_node(child, f"{name}/{key}")
    paths = _fields(node) or sorted(inside)
    if not paths:
        raise ValueError(f"{name} is a zarr group without an image: neither it nor what is in it has an array or `multiscales`")
    listed = ", ".join(paths[:5]) + ", ..." * (len(paths) > 5)
    raise ValueError(f"{name} is a zarr group of {len(paths)} images ({listed}); give the path of one, e.g. {name}/{paths[0]}")


def _is_array(node: Any) -> bool:
    return hasattr(node, "shape")


def _multiscales(node: Any) -> list[Any]:
    return list(_stored(node).get("multiscales", []))


def _stored(node: Any) -> dict[str, Any]:
    """Metadata of NGFF, which stand under ``ome`` from 0.5 on."""
    attributes = dict(node.attrs)
    return dict(attributes.get("ome", attributes))


def _open_multiscale(group: Any, image: Mapping[str, Any], name: str) -> ZarrImage:
    level = image["datasets"][0]  # the highest resolution comes first
    array = group.get(level["path"])
    if not _is_array(array):
        raise ValueError(f"{name}: its metadata name the array {level['path']!r}, which is not there")
    entries = [entry if isinstance(entry, dict) else {"name": entry} for entry in image.get("axes", [])]
    axes = "".join(_letter(entry) for entry in entries) or "TCZYX"[-array.ndim :]
    spacing = {}
    if steps := [*level.get("coordinateTransformations", []), *image.get("coordinateTransformations", [])]:
        scale = [1.0] * len(axes)
        for step in steps:
            if "scale" in step:
                scale = [a * b for a, b in zip(scale, step["scale"], strict=True)]
        spacing = {letter: value for letter, value in zip(axes, scale, strict=True) if letter in "ZYX"}
    units = {letter: entry.get("unit") for entry, letter in zip(entries, axes, strict=False) if letter in "ZYX"}
    if not spacing:
        return ZarrImage(array, axes, {}, None)
    if (found := in_one_unit(spacing, units)) is None:
        said = ", ".join(str(units.get(letter) or "none") for letter in spacing)
        logger.warning("%s: the units of %s are %s, so its voxel size is unknown: give --spacing", name, "".join(spacing), said)
        return ZarrImage(array, axes, {}, None)
    return ZarrImage(array, axes, found[0], found[1] or None)


def _letter(entry: Mapping[str, Any]) -> str:
    by_kind = {kind: letter for letter, kind in _KINDS.items()}
    return by_kind.get(entry.get("type", ""), str(entry["name"])[:1].upper())


def _named_axes(array: Any) -> str | None:
    """Axes from the names of the dimensions (zarr format 3, or as xarray stores them), if all are known letters."""
    names: Sequence[Any] = getattr(array.metadata, "dimension_names", None) or array.attrs.get("_ARRAY_DIMENSIONS", [])
    letters = "".join(str(name).upper() for name in names)
    return letters if len(letters) == array.ndim and set(letters) <= set("TCSZYX") else None
