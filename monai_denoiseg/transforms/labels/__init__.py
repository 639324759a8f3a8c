"""What annotations become: border classes, semantic classes, star distances, partial labels."""

from monai_denoiseg.transforms.labels.border import BorderLabel, BorderLabeld, border_classes
from monai_denoiseg.transforms.labels.classes import (
    ClassLabel,
    ClassLabeld,
    ProbabilitiesToClasses,
    ProbabilitiesToClassesd,
    ProbabilitiesToLabelsd,
)
from monai_denoiseg.transforms.labels.partial import FlagPartialLabel, FlagPartialLabeld, KeepLabels, KeepSlices, KeepSlicesd
from monai_denoiseg.transforms.labels.stars import StarLabel, StarLabeld, object_probability, star_distances

__all__ = [
    "BorderLabel",
    "BorderLabeld",
    "ClassLabel",
    "ClassLabeld",
    "FlagPartialLabel",
    "FlagPartialLabeld",
    "KeepLabels",
    "KeepSlices",
    "KeepSlicesd",
    "ProbabilitiesToClasses",
    "ProbabilitiesToClassesd",
    "ProbabilitiesToLabelsd",
    "StarLabel",
    "StarLabeld",
    "border_classes",
    "object_probability",
    "star_distances",
]
