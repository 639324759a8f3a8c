"""Instance scores (AP, SEG, precision, recall, F1), Dice of classes, and image quality (PSNR, SSIM)."""

from monai_denoiseg.metrics.dice import DICE, ClassDice, class_dice, dice_names, dice_row, mean_dice
from monai_denoiseg.metrics.instance_metric import InstanceMetric
from monai_denoiseg.metrics.matching import (
    Detection,
    average_precision,
    match_instances,
    precision_recall_f1,
    seg_score,
)
from monai_denoiseg.metrics.overlap import Matches, Overlap
from monai_denoiseg.metrics.psnr import PSNRMetric, psnr, scale_invariant_psnr, ssim

__all__ = [
    "DICE",
    "ClassDice",
    "Detection",
    "InstanceMetric",
    "Matches",
    "Overlap",
    "PSNRMetric",
    "average_precision",
    "class_dice",
    "dice_names",
    "dice_row",
    "match_instances",
    "mean_dice",
    "precision_recall_f1",
    "psnr",
    "scale_invariant_psnr",
    "seg_score",
    "ssim",
]
