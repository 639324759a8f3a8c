"""Instance scores (AP, SEG, precision, recall, F1), Dice of classes, image quality (PSNR, SSIM), checks without a reference."""

from monai_denoiseg.metrics.bootstrap import bootstrap_interval
from monai_denoiseg.metrics.dice import DICE, ClassDice, class_dice, class_present, dice_names, dice_of_set, dice_row, mean_dice
from monai_denoiseg.metrics.instance_metric import InstanceMetric
from monai_denoiseg.metrics.matching import (
    Detection,
    average_precision,
    match_instances,
    precision_recall_f1,
    seg_score,
)
from monai_denoiseg.metrics.noise import CHANNEL_LIMIT, NOISE_LIMIT, channel_correlation, noise_correlation
from monai_denoiseg.metrics.overlap import Matches, Overlap
from monai_denoiseg.metrics.psnr import PSNRMetric, psnr, scale_invariant_psnr, ssim
from monai_denoiseg.metrics.residual import CORRELATED, Residual, residual_figures
from monai_denoiseg.metrics.spectrum import checkerboard

__all__ = [
    "CHANNEL_LIMIT",
    "CORRELATED",
    "DICE",
    "NOISE_LIMIT",
    "ClassDice",
    "Detection",
    "InstanceMetric",
    "Matches",
    "Overlap",
    "PSNRMetric",
    "Residual",
    "average_precision",
    "bootstrap_interval",
    "channel_correlation",
    "checkerboard",
    "class_dice",
    "class_present",
    "dice_names",
    "dice_of_set",
    "dice_row",
    "match_instances",
    "mean_dice",
    "noise_correlation",
    "precision_recall_f1",
    "psnr",
    "residual_figures",
    "scale_invariant_psnr",
    "seg_score",
    "ssim",
]
