"""The settings that choose among the images a user names, declared."""

from __future__ import annotations

from monai_denoiseg.bundle.settings.kinds import Choice, Text
from monai_denoiseg.bundle.settings.place import NAME, Place
from monai_denoiseg.bundle.settings.setting import EVALUATE, INFER, TRAIN, Setting
from monai_denoiseg.data.list_file import SECTIONS

_DATA, _BOTH, _ALL = "Data", (INFER, EVALUATE), (TRAIN, INFER, EVALUATE)

SOURCES: tuple[Setting, ...] = (
    Setting(
        "pattern",
        Text("a pattern of file names, such as '*_raw.tif'"),
        _DATA,
        "Only images whose file name matches.",
        _ALL,
        null="all",
    ),
    Setting("images_dir", Place(NAME, "subfolder"), _DATA, "Subfolder with the images.", _ALL),
    Setting("labels_dir", Place(NAME, "subfolder"), _DATA, "Subfolder with the labels.", (TRAIN, EVALUATE)),
    Setting(
        "section",
        Choice(SECTIONS),
        _DATA,
        "Which entries of a data list to take.",
        _BOTH,
        null="testing, else validation, else training",
    ),
)
