"""Losses: blind-spot error, partial cross entropy, and their joint sum."""

from monai_denoiseg.losses.annotated_loss import AnnotatedLoss
from monai_denoiseg.losses.blindspot_loss import BlindSpotLoss
from monai_denoiseg.losses.denoiseg_loss import DenoiSegLoss, JointLoss, error_unit
from monai_denoiseg.losses.partial_cross_entropy import PartialCrossEntropyLoss
from monai_denoiseg.losses.segmentation import SEGMENTATION_LOSSES, segmentation_loss
from monai_denoiseg.losses.star_loss import StarDistLoss

__all__ = [
    "SEGMENTATION_LOSSES",
    "AnnotatedLoss",
    "BlindSpotLoss",
    "DenoiSegLoss",
    "JointLoss",
    "PartialCrossEntropyLoss",
    "StarDistLoss",
    "error_unit",
    "segmentation_loss",
]
