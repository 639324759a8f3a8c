"""The settings of results for DICOM images, declared."""

from __future__ import annotations

from typing import Any

from monai_denoiseg.bundle.settings.kinds import RefusedError, Switch
from monai_denoiseg.bundle.settings.setting import INFER, Setting
from monai_denoiseg.bundle.settings.special import Special


def _codes(value: Any, dims: int | None) -> dict[str, list[str]]:
    if not isinstance(value, dict) or not value:
        raise RefusedError
    for name, code in value.items():
        texts = isinstance(code, (list, tuple)) and len(code) == 3 and all(isinstance(one, str) and one for one in code)
        if not texts or len(code[0]) > 16 or len(code[1]) > 16 or len(code[2]) > 64:
            raise RefusedError(f"a code for {name!r} as [value, scheme, meaning], three texts of at most 16, 16 and 64 letters")
    return {str(name): list(code) for name, code in value.items()}


DICOM: tuple[Setting, ...] = (
    Setting(
        "dicom_seg",
        Switch(),
        "Data",
        "Write the segmentation of DICOM images as DICOM-SEG too, with the patient's identification.",
        (INFER,),
    ),
    Setting(
        "segment_codes",
        Special(
            "a code for each class as {name: [value, scheme, meaning]}",
            _codes,
            "\"{'liver': ['10200004', 'SCT', 'Liver']}\"",
        ),
        "Data",
        "Coded terms of classes in DICOM-SEG.",
        (INFER,),
        null="SNOMED CT by the names of the classes",
    ),
)
