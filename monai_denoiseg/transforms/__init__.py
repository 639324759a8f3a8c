"""Array and dictionary transforms: blind spots, labels, partial annotation, orientation, instances, whole-image intensity."""

from monai_denoiseg.transforms.blindspot import BlindSpot, FixedBlindSpotd, Spots, draw_spots
from monai_denoiseg.transforms.border import BorderLabel, BorderLabeld, border_classes
from monai_denoiseg.transforms.instances import ProbabilitiesToInstances, ProbabilitiesToInstancesd, instances_from_foreground
from monai_denoiseg.transforms.intensity import WholeIntensityd
from monai_denoiseg.transforms.orient import RandOrient, RandOrientd, n_orientations, orient, orient_inverse
from monai_denoiseg.transforms.partial import FlagPartialLabel, FlagPartialLabeld, KeepLabels
from monai_denoiseg.transforms.replacement import STRATEGIES
from monai_denoiseg.transforms.split import SplitPredictiond

__all__ = [
    "STRATEGIES",
    "BlindSpot",
    "BorderLabel",
    "BorderLabeld",
    "FixedBlindSpotd",
    "FlagPartialLabel",
    "FlagPartialLabeld",
    "KeepLabels",
    "ProbabilitiesToInstances",
    "ProbabilitiesToInstancesd",
    "RandOrient",
    "RandOrientd",
    "SplitPredictiond",
    "Spots",
    "WholeIntensityd",
    "border_classes",
    "draw_spots",
    "instances_from_foreground",
    "n_orientations",
    "orient",
    "orient_inverse",
]
