"""The settings of scores of semantic classes, declared: ``evaluate.json``."""

from __future__ import annotations

from monai_denoiseg.bundle.settings.kinds import Real
from monai_denoiseg.bundle.settings.setting import EVALUATE, Setting

SCORES: tuple[Setting, ...] = (
    Setting(
        "surface_tolerance",
        Real(0),
        "Scores",
        "Classes: surfaces so far apart count as the same (surface Dice).",
        (EVALUATE,),
        unit="mm, or the unit of the voxel size; pixels where it is unknown",
    ),
)
