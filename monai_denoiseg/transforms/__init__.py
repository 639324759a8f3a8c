"""Array and dictionary transforms: blind spots, labels, partial annotation, orientation, instances, whole-image intensity."""

from monai_denoiseg.transforms.blindspot import BlindSpot, FixedBlindSpotd, Spots, draw_spots
from monai_denoiseg.transforms.border import BorderLabel, BorderLabeld, border_classes
from monai_denoiseg.transforms.classes import (
    ClassLabel,
    ClassLabeld,
    ProbabilitiesToClasses,
    ProbabilitiesToLabelsd,
    label_rule,
    target_label,
)
from monai_denoiseg.transforms.growth import grow_seeds
from monai_denoiseg.transforms.instances import ProbabilitiesToInstances, ProbabilitiesToInstancesd, instances_from_foreground
from monai_denoiseg.transforms.intensity import WholeIntensityd
from monai_denoiseg.transforms.orient import RandOrient, RandOrientd, n_orientations, orient, orient_inverse, same_spacing
from monai_denoiseg.transforms.partial import FlagPartialLabel, FlagPartialLabeld, KeepLabels, KeepSlices, KeepSlicesd
from monai_denoiseg.transforms.replacement import STRATEGIES
from monai_denoiseg.transforms.split import SplitPredictiond
from monai_denoiseg.transforms.stitching import InstanceStitcher, instances_by_tiles

__all__ = [
    "STRATEGIES",
    "BlindSpot",
    "BorderLabel",
    "BorderLabeld",
    "ClassLabel",
    "ClassLabeld",
    "FixedBlindSpotd",
    "FlagPartialLabel",
    "FlagPartialLabeld",
    "InstanceStitcher",
    "KeepLabels",
    "KeepSlices",
    "KeepSlicesd",
    "ProbabilitiesToClasses",
    "ProbabilitiesToInstances",
    "ProbabilitiesToInstancesd",
    "ProbabilitiesToLabelsd",
    "RandOrient",
    "RandOrientd",
    "SplitPredictiond",
    "Spots",
    "WholeIntensityd",
    "border_classes",
    "draw_spots",
    "grow_seeds",
    "instances_by_tiles",
    "instances_from_foreground",
    "label_rule",
    "n_orientations",
    "orient",
    "orient_inverse",
    "same_spacing",
    "target_label",
]
