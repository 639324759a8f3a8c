"""Instance scores (AP, SEG, precision, recall, F1) and image quality (PSNR, SSIM)."""

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
    "Detection",
    "InstanceMetric",
    "Matches",
    "Overlap",
    "PSNRMetric",
    "average_precision",
    "match_instances",
    "precision_recall_f1",
    "psnr",
    "scale_invariant_psnr",
    "seg_score",
    "ssim",
]
