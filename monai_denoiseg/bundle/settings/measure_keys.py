"""The settings of what is measured and handed to other programs, declared."""

from __future__ import annotations

from monai_denoiseg.bundle.settings.setting import INFER, Setting
from monai_denoiseg.bundle.settings.words import Words
from monai_denoiseg.measure.columns import EXPORTS, WORDS

_GROUP = "Measurements"

MEASURE: tuple[Setting, ...] = (
    Setting(
        "measure",
        Words(WORDS),
        _GROUP,
        "Columns of measurements.csv; auto: all but the convex hull of volumes and classes.",
        (INFER,),
        null="no tables",
        default="auto",
    ),
    Setting(
        "export",
        Words(EXPORTS),
        _GROUP,
        "Further files: QuPath's outlines, ImageJ's regions, a picture of the objects over the image.",
        (INFER,),
        null="none",
    ),
)
