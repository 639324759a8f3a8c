"""Units of length: their spellings in files, and numbers brought from one to another."""

from __future__ import annotations

import functools
import logging
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

logger = logging.getLogger(__name__)

METRES = {"angstrom": 1e-10, "nm": 1e-9, "um": 1e-6, "mm": 1e-3, "cm": 1e-2, "inch": 25.4e-3, "m": 1.0}
"""Length in metres of each unit by the name the package uses, which ASCII headers can hold."""
_NAMES = {
    "angstrom": ("\u00e5", "\u212b", "\u00e5ngstr\u00f6m", "angstroms"),
    "nm": ("nanometer", "nanometers", "nanometre", "nanometres"),
    "um": (
        *("micron", "microns", "micrometer", "micrometers", "micrometre", "micrometres"),
        *("\u00b5m", "\u03bcm", "\\u00b5m", "\\u03bcm"),
    ),
    "mm": ("millimeter", "millimeters", "millimetre", "millimetres"),
    "cm": ("centimeter", "centimeters", "centimetre", "centimetres"),
    "inch": ("in", "inches"),
    "m": ("meter", "meters", "metre", "metres"),
}
_SHORT = {spelling: unit for unit, spellings in _NAMES.items() for spelling in (unit, *spellings)}
UNNAMED = "unit"
"""The unit of a voxel size that came without one."""
NO_LENGTHS = ("pixel", "pixels", "reference frame", "voxel", "voxels")
"""Words in the place of a unit which say that sizes are no lengths."""


def short_unit(name: str) -> str:
    r"""Bring a unit of length to the name the package uses; other words stay as they are.

    Args:
        name: as a file spells it.

    >>> short_unit("micrometer"), short_unit("\u00b5m"), short_unit("Millimetre"), short_unit("furlong")
    ('um', 'um', 'mm', 'furlong')
    """
    return _SHORT.get(name.strip().lower(), name.strip())


def factor_between(unit: str | None, wanted: str | None) -> float | None:
    """Number by which lengths in one unit become lengths in another; None where one of them is no known length.

    Args:
        unit: of the lengths, as a file spells it.
        wanted: the other.

    >>> factor_between("cm", "mm"), factor_between("micron", "um"), factor_between("", "mm")
    (10.0, 1.0, None)
    """
    short = [short_unit(name or "") for name in (unit, wanted)]
    if not set(short) <= set(METRES):
        return None
    return 1.0 if short[0] == short[1] else float(f"{METRES[short[0]] / METRES[short[1]]:.12g}")


def in_one_unit(sizes: Mapping[str, float], units: Mapping[str, str | None]) -> tuple[dict[str, float], str] | None:
    """Bring the voxel size of all axes to the unit of X (or of the last axis).

    Args:
        sizes: by axis, of which the last is X.
        units: likewise; None or empty: the file does not tell.

    Returns:
        Sizes and their unit, or None where there is no common one: axes in pixels, or in units of which one is no known length.

    >>> in_one_unit({"Z": 2.0, "X": 0.5}, {"Z": "mm", "X": "micron"}), in_one_unit({"Z": 2.0, "X": 0.5}, {"Z": "", "X": "um"})
    (({'Z': 2000.0, 'X': 0.5}, 'um'), None)
    """
    names = {axis: short_unit(units.get(axis) or "") for axis in sizes}
    if not names or any(name.lower() in NO_LENGTHS for name in names.values()):
        return None
    wanted = names["X"] if "X" in names else [*names.values()][-1]
    found = {}
    for axis, size in sizes.items():
        factor = 1.0 if names[axis] == wanted else factor_between(names[axis], wanted)
        if factor is None:
            return None
        found[axis] = size if factor == 1 else float(f"{size * factor:.12g}")
    return found, wanted


def same_sizes(first: Sequence[float], second: Sequence[float]) -> bool:
    """Whether two voxel sizes are the same within 1 %.

    Args:
        first: numbers.
        second: likewise.

    >>> same_sizes([1.0, 0.5], [1.005, 0.5]), same_sizes([1.0], [1000.0])
    (True, False)
    """
    return len(first) == len(second) and all(abs(a - b) <= 0.01 * abs(b) for a, b in zip(first, second, strict=True))


def unit_of(item: Mapping[Any, Any], key: str = "image") -> str | None:
    """Unit of an item's ``spacing``: that of its file, unless somebody gave other numbers, of which the file knows no unit.

    Args:
        item: with an image that has metadata, and ``spacing``; or with ``unit``.
        key: of the image.

    Returns:
        The unit, None where nobody knows it.

    >>> from types import SimpleNamespace
    >>> image = SimpleNamespace(meta={"spacing": (2.0, 2.0), "unit": "mm"})
    >>> unit_of({"image": image, "spacing": [2.0, 2.0]}), unit_of({"image": image, "spacing": [0.5, 0.5]})
    ('mm', None)
    """
    if "unit" in item:
        return _of_batch(item["unit"])
    meta = getattr(item.get(key), "meta", None) or {}
    return unit_for(item.get("spacing"), meta.get("spacing"), _of_batch(meta.get("unit")))


def _of_batch(unit: Any) -> str | None:
    """The unit that all images of a batch have."""
    if isinstance(unit, (list, tuple)):
        unit = unit[0] if len(set(unit)) == 1 else None
    return str(unit or "") or None


def unit_for(given: Any, own: Any, unit: str | None) -> str | None:
    """Unit of a voxel size that may not be that of the file.

    Args:
        given: the voxel size; None for that of the file.
        own: that of the file; None if it tells none.
        unit: its unit.

    >>> unit_for([0.5, 0.5], [0.5, 0.502], "um"), unit_for([0.5, 0.5], [500, 500], "nm"), unit_for(None, [1, 1], "um")
    ('um', None, 'um')
    """
    if given is None or own is None:
        return (unit or None) if own is not None else None
    first, second = np.asarray(given, dtype=float), np.array([np.asarray(size, dtype=float) for size in own])
    if second.ndim == 2:  # of a batch, by axis
        second = second.T
    return (unit or None) if same_sizes(first.reshape(-1).tolist(), second.reshape(-1).tolist()) else None


def lengths_in(spacing: Any, unit: str | None, wanted: str | None) -> Any:
    """Bring a voxel size to another unit; where one of the two is unknown, the numbers stay, with one warning.

    Args:
        spacing: any array of lengths; None and NaN stay.
        unit: their unit.
        wanted: the unit wanted; None: nobody knows, numbers are compared as they are.

    >>> lengths_in([2.0, 0.5], "mm", "um"), lengths_in([2.0, 0.5], "um", "um")
    ([2000.0, 500.0], [2.0, 0.5])
    """
    if spacing is None or (not unit and not wanted) or short_unit(unit or "") == short_unit(wanted or ""):
        return spacing
    factor = factor_between(unit, wanted)
    if factor is None:
        _warn_of_units(unit or "an unknown unit", wanted or "an unknown unit")
        return spacing
    return [float(size) * factor for size in spacing] if isinstance(spacing, (list, tuple)) else spacing * factor


@functools.lru_cache(maxsize=64)
def _warn_of_units(unit: str, wanted: str) -> None:
    logger.warning(
        "voxel sizes in %s are compared with a `target_spacing` in %s as if both were the same: results are wrong if not",
        unit,
        wanted,
    )
