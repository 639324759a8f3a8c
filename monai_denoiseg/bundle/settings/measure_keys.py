"""The settings of what is made of a prediction: labels anew, measurements, files for other programs."""

from __future__ import annotations

from monai_denoiseg.bundle.settings.place import READ, Place
from monai_denoiseg.bundle.settings.setting import INFER, SINGLE, Setting
from monai_denoiseg.bundle.settings.words import Words
from monai_denoiseg.measure.columns import EXPORTS, WORDS

_GROUP = "Measurements"

MEASURE: tuple[Setting, ...] = (
    Setting(
        "from_probabilities",
        Place(READ),
        "Labels and objects",
        "Folder of results with probabilities: labels are made anew of them (another threshold or rule), nothing is predicted.",
        (INFER,),
        null="predict",
    ),
    Setting(
        "measure",
        Words(WORDS),
        _GROUP,
        "Columns of measurements.csv; auto: all but the convex hull of volumes and classes.",
        (INFER, SINGLE),
        null="no tables",
        default="auto",
    ),
    Setting(
        "export",
        Words(EXPORTS),
        _GROUP,
        "Further files: QuPath's outlines, ImageJ's regions, a picture of the objects over the image.",
        (INFER, SINGLE),
        null="none",
    ),
)
