"""Scores of semantic classes, case by case and class by class, with the intervals of their means."""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from torch import Tensor

from monai_denoiseg.metrics import class_dice
from monai_denoiseg.metrics.bootstrap import bootstrap_intervals
from monai_denoiseg.metrics.surfaces import ClassScore, class_scores
from monai_denoiseg.units import factor_between

MEANS = ("dice", "hd95", "surface_dice", "volume_error_ml")
"""What is averaged; of the volume error its absolute value."""

OF_LENGTHS = ("hd95", "surface_dice")

logger = logging.getLogger(__name__)


class ClassTable:
    """Collect a row for each image and class, and their means.

    Args:
        classes: names, background first.
        tolerance: of the surface Dice, see :func:`~monai_denoiseg.metrics.surfaces.class_scores`.

    >>> import torch
    >>> table, truth = ClassTable(["background", "liver"]), torch.zeros(1, 6, 6)
    >>> truth[:, 2:4, 2:4] = 1
    >>> table.add("a.tif", truth, truth)
    >>> table.metrics()["surface_dice_liver"], table.rows[0]["hd95"]
    (1.0, 0.0)
    """

    def __init__(self, classes: Sequence[str], tolerance: float = 1.0) -> None:
        self.classes, self.tolerance = list(classes), tolerance
        self.unit: str | None = None
        self.rows: list[dict[str, Any]] = []

    def add(self, name: str, found: Tensor, truth: Tensor, spacing: Any = None, unit: str | None = None) -> None:
        """Score an image.

        Args:
            name: of the image.
            found: labels ``(1, [D,] H, W)``.
            truth: the same, -1 where not annotated.
            spacing: voxel size, None where nobody knows.
            unit: of the voxel size. Lengths are given in that of the first image, where both are known.
        """
        self.unit = self.unit or unit
        if spacing is not None and (factor := factor_between(unit, self.unit)) is not None:
            spacing, unit = [float(size) * factor for size in spacing], self.unit
        k = len(self.classes)
        dice = class_dice(found, truth, k).tolist()
        scores = class_scores(found, truth, k, spacing, self.tolerance, unit)
        for label, score, one in zip(self.classes[1:], scores, dice, strict=True):
            lengths = "voxels" if spacing is None else unit or "unit of the voxel size"
            self.rows.append({"image": name, "class": label, "dice": one, **score._asdict(), "length": lengths})

    def metrics(self) -> dict[str, Any]:
        """Means over the images by class and over all classes, and their ``intervals``.

        How many images have none of a class, or miss it (mean HD95 leaves these out), is counted.
        """
        if not self.rows:
            return {}
        length = self.rows[0]["length"]
        other = np.array([row["length"] != length for row in self.rows]).reshape(-1, len(self.classes) - 1)
        if other.any():
            logger.warning(
                "%d of %d images are not measured in %s: the means of surface distances leave them out",
                other.any(1).sum(),
                len(other),
                length,
            )
        found: dict[str, Any] = {"surface_tolerance": self.tolerance, "surface_unit": length}
        intervals: dict[str, list[float]] = {}
        present = self._column("voxels_truth") > 0
        for key in MEANS:
            values = np.abs(self._column(key))
            if key in OF_LENGTHS:
                values = np.where(other, np.nan, values)
            if not np.isfinite(values).any():
                continue
            means = [_mean(column) for column in values.T]
            used = np.asarray(present.any(0))  # a class that no image has says nothing of how well it is found
            each, over = bootstrap_intervals(values[:, used] if used.any() else values)
            names = [name for name, use in zip(self.classes[1:], used, strict=True) if use or not used.any()]
            if key != "dice":  # Dice is that of the metric
                found |= dict(zip((f"{key}_{name}" for name in self.classes[1:]), means, strict=True))
                found[key] = _mean(np.array(means)[used])
            intervals |= {key: over} | {f"{key}_{name}": ends for name, ends in zip(names, each, strict=True)}
        found_none = self._column("voxels_predicted") == 0
        for key, images in {"both_empty": ~present & found_none, "missed": present & found_none}.items():
            found |= dict(zip((f"{key}_images_{name}" for name in self.classes[1:]), images.sum(0).tolist(), strict=True))
        return found | {"intervals": {key: _plain(ends) for key, ends in intervals.items()}}

    def _column(self, key: str) -> np.ndarray:
        return np.array([row[key] for row in self.rows], dtype=float).reshape(-1, len(self.classes) - 1)


COLUMNS = ("image", "class", "dice", *ClassScore._fields, "length")
"""Columns of ``per_class.csv``."""


def _mean(values: np.ndarray) -> float:
    values = values[np.isfinite(values)]
    return float(values.mean()) if len(values) else math.nan


def _plain(ends: Sequence[float]) -> list[float] | None:
    return [round(end, 6) for end in ends] if all(map(math.isfinite, ends)) else None
