"""Coded terms for what a segment is: SNOMED CT, as DICOM-SEG needs them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

Code = tuple[str, str, str]
"""Value, scheme and meaning."""

ANATOMY: Code = ("123037004", "SCT", "Anatomical Structure")
ALTERED: Code = ("49755003", "SCT", "Morphologically Altered Structure")
TISSUE: Code = ("85756007", "SCT", "Tissue")

ORGANS: dict[str, tuple[str, str]] = {
    "adrenal gland": ("23451007", "Adrenal gland"),
    "aorta": ("15825003", "Aorta"),
    "bladder": ("89837001", "Urinary bladder"),
    "bone": ("272673000", "Bone"),
    "brain": ("12738006", "Brain"),
    "colon": ("71854001", "Colon"),
    "duodenum": ("38848004", "Duodenum"),
    "esophagus": ("32849002", "Esophagus"),
    "gallbladder": ("28231008", "Gallbladder"),
    "heart": ("80891009", "Heart"),
    "hippocampus": ("3738000", "Hippocampus"),
    "inferior vena cava": ("64131007", "Inferior vena cava"),
    "kidney": ("64033007", "Kidney"),
    "liver": ("10200004", "Liver"),
    "lung": ("39607008", "Lung"),
    "pancreas": ("15776009", "Pancreas"),
    "prostate": ("41216001", "Prostate"),
    "spleen": ("78961009", "Spleen"),
    "stomach": ("69695003", "Stomach"),
}
LESIONS: dict[str, tuple[str, str]] = {
    "cyst": ("367643001", "Cyst"),
    "edema": ("79654002", "Edema"),
    "lesion": ("52988006", "Lesion"),
    "mass": ("4147007", "Mass"),
    "necrosis": ("6574001", "Necrosis"),
    "tumor": ("108369006", "Neoplasm"),
}
_ALSO = {
    "oesophagus": "esophagus",
    "tumour": "tumor",
    "neoplasm": "tumor",
    "cancer": "tumor",
    "oedema": "edema",
    "urinary bladder": "bladder",
    "adrenal": "adrenal gland",
    "ivc": "inferior vena cava",
}
_SIDES = {"left": ("7771000", "SCT", "Left"), "right": ("24028007", "SCT", "Right")}


def codes_of(name: str, given: Mapping[str, Sequence[str]] | None = None) -> tuple[Code, Code, Code | None]:
    """What a class is, in codes.

    Args:
        name: of the class, e.g. ``"left kidney"`` or ``"kidney_left"``.
        given: the user's codes by name of the class: value, scheme and meaning.

    Returns:
        Category, type, and side where the name says one. A name that is not known is tissue.

    >>> codes_of("kidney_left")[1:]
    (('64033007', 'SCT', 'Kidney'), ('7771000', 'SCT', 'Left'))
    >>> codes_of("gadget")[1], codes_of("gadget", {"gadget": ["C1", "99LOCAL", "Gadget"]})[1]
    (('85756007', 'SCT', 'Tissue'), ('C1', '99LOCAL', 'Gadget'))
    """
    words = re.findall(r"[a-z]+", name.lower())
    side = next((_SIDES[word] for word in words if word in _SIDES), None)
    plain = " ".join(word for word in words if word not in _SIDES)
    plain = _ALSO.get(plain, plain)
    singular = plain.removesuffix("s")
    category = ALTERED if plain in LESIONS or singular in LESIONS else ANATOMY
    if given is not None and name in given:
        value, scheme, meaning = (str(one) for one in given[name])
        return category, (value, scheme, meaning), side
    for known in (plain, singular):
        if known in ORGANS or known in LESIONS:
            value, meaning = (ORGANS | LESIONS)[known]
            return category, (value, "SCT", meaning), side
    return TISSUE, TISSUE, side
