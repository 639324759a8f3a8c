"""What a MONAI user composes; the rest is in the folders, such as ``transforms.instances``."""

from monai_denoiseg.transforms.blindspot import BlindSpot, FixedBlindSpotd, RandBlindSpot, RandBlindSpotd
from monai_denoiseg.transforms.instances import (
    ProbabilitiesToInstances,
    ProbabilitiesToInstancesd,
    StarsToInstances,
    StarsToInstancesd,
)
from monai_denoiseg.transforms.intensity import WholeIntensityd, refine_denoised
from monai_denoiseg.transforms.labels import (
    BorderLabel,
    BorderLabeld,
    ClassLabel,
    ClassLabeld,
    FlagPartialLabel,
    FlagPartialLabeld,
    KeepLabels,
    KeepSlices,
    KeepSlicesd,
    ProbabilitiesToClasses,
    ProbabilitiesToClassesd,
    ProbabilitiesToLabelsd,
    StarLabel,
    StarLabeld,
)
from monai_denoiseg.transforms.orientation import RandOrient, RandOrientd, star_rays
from monai_denoiseg.transforms.resample import TargetSpacingd
from monai_denoiseg.transforms.split import SplitPredictiond

__all__ = [
    "BlindSpot",
    "BorderLabel",
    "BorderLabeld",
    "ClassLabel",
    "ClassLabeld",
    "FixedBlindSpotd",
    "FlagPartialLabel",
    "FlagPartialLabeld",
    "KeepLabels",
    "KeepSlices",
    "KeepSlicesd",
    "ProbabilitiesToClasses",
    "ProbabilitiesToClassesd",
    "ProbabilitiesToInstances",
    "ProbabilitiesToInstancesd",
    "ProbabilitiesToLabelsd",
    "RandBlindSpot",
    "RandBlindSpotd",
    "RandOrient",
    "RandOrientd",
    "SplitPredictiond",
    "StarLabel",
    "StarLabeld",
    "StarsToInstances",
    "StarsToInstancesd",
    "TargetSpacingd",
    "WholeIntensityd",
    "refine_denoised",
    "star_rays",
]
