"""Where the classes of a label are, so that crops can be drawn around each of them."""

from __future__ import annotations

import weakref
from typing import Any

import torch
from torch import Tensor

from monai_denoiseg.constants import IGNORE

REMEMBERED = 1 << 14
"""Voxels of each class that are remembered, evenly spread."""


class ClassPlaces:
    """Draw voxels of a label, each class that occurs as often as every other one, and remember where they are.

    As MONAI's ``RandCropByLabelClasses`` with equal ratios, but a volume is searched once and not for each crop.

    >>> label = torch.full((1, 8, 8), -1)
    >>> label[0, 2, 3] = 2
    >>> ClassPlaces().draw(label)
    [2, 3]
    """

    def __init__(self) -> None:
        self._known: dict[int, tuple[weakref.ref[Tensor], list[Tensor]]] = {}

    def __getstate__(self) -> dict[str, Any]:
        return {"_known": {}}  # each worker process has its own

    def draw(self, label: Tensor) -> list[int] | None:
        """Return the spatial indices of a voxel of ``(1, [D,] H, W)``, or None if nothing is annotated."""
        known = self._known.get(id(label))
        if known is None or known[0]() is not label:
            self._known = {key: value for key, value in self._known.items() if value[0]() is not None}
            self._known[id(label)] = known = weakref.ref(label), _places(label)
        if not known[1]:
            return None
        chances = torch.rand(2).tolist()
        voxels = known[1][int(chances[0] * len(known[1]))]
        return voxels[int(chances[1] * len(voxels))].tolist()  # type: ignore[no-any-return]


def _places(label: Tensor) -> list[Tensor]:
    plain = label.as_tensor() if hasattr(label, "as_tensor") else label
    found = [torch.nonzero(plain[0] == value) for value in plain.unique().tolist() if value != IGNORE]
    return [voxels[:: len(voxels) // REMEMBERED + 1].clone() for voxels in found]
