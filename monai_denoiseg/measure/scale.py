"""The size of a voxel, in a unit that a column can be named by."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from monai_denoiseg.units import UNNAMED, factor_between, short_unit

_COLUMNS = {"angstrom": "um", "nm": "um", "um": "um", "mm": "mm", "cm": "mm", "inch": "mm", "m": "mm"}
VOXEL = "voxel"


class Scale(NamedTuple):
    """Size of a voxel.

    Attributes:
        unit: ``"um"``, ``"mm"``, ``"voxel"`` where nothing is known, ``"unit"`` where only numbers are.
        sizes: edge along each axis, ([Z, ]Y, X), in that unit.
    """

    unit: str
    sizes: tuple[float, ...]

    @property
    def known(self) -> bool:
        """Whether the voxel size is known."""
        return self.unit != VOXEL

    @property
    def voxel(self) -> float:
        """Area or volume of a voxel."""
        return math.prod(self.sizes)

    def size_columns(self, voxels: Any) -> dict[str, Any]:
        """Columns of area or volume.

        Args:
            voxels: number of voxels, or an array of such.

        >>> scale_of([2.0, 0.5, 0.5], "mm", 3).size_columns(4000)
        {'volume': 4000, 'volume_mm3': 2000.0, 'volume_ml': 2.0}
        """
        dims = len(self.sizes)
        name = "area" if dims == 2 else "volume"
        columns = {name: voxels}
        if self.known:
            columns[f"{name}_{self.unit}{dims}"] = voxels * self.voxel
        if self.unit == "mm" and dims == 3:
            columns["volume_ml"] = voxels * self.voxel / 1000
        return columns


def scale_of(spacing: Sequence[float] | Any, unit: str | None, spatial_dims: int) -> Scale:
    """Bring a voxel size to micrometres or millimetres.

    Args:
        spacing: ([Z, ]Y, X); None, or NaN on an axis, where it is unknown.
        unit: that of the file.
        spatial_dims: 2 or 3.

    >>> scale_of([1.0, 250.0, 250.0], "nm", 3).unit, scale_of(None, "um", 2), scale_of([0.5, 0.5], None, 2).unit
    ('um', Scale(unit='voxel', sizes=(1.0, 1.0)), 'unit')
    """
    # float32 to the shortest number that means it: 0.1, not 0.10000000149.
    sizes = [] if spacing is None else [float(str(np.float32(size))) for size in np.asarray(spacing).reshape(-1)]
    if len(sizes) != spatial_dims or not all(math.isfinite(size) and size > 0 for size in sizes):
        return Scale(VOXEL, (1.0,) * spatial_dims)
    name = _COLUMNS.get(short_unit(unit or ""), UNNAMED)
    factor = factor_between(unit, name) or 1.0
    return Scale(name, tuple(size * factor for size in sizes))
