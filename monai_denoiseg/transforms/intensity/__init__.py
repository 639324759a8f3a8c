"""Intensities of whole images: statistics, refinement, scaled crops."""

from monai_denoiseg.transforms.intensity.refine import refine_denoised, refine_reach
from monai_denoiseg.transforms.intensity.rescale import RescaledCrop
from monai_denoiseg.transforms.intensity.whole_image import WholeIntensityd

__all__ = [
    "RescaledCrop",
    "WholeIntensityd",
    "refine_denoised",
    "refine_reach",
]
