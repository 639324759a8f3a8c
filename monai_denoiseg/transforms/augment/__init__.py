"""Other shapes and other contrasts of annotated crops, for networks that learn to segment from a few images."""

from monai_denoiseg.transforms.augment.appearance import RandAppearance
from monai_denoiseg.transforms.augment.warp import draw_matrix, warped_crop

__all__ = ["RandAppearance", "draw_matrix", "warped_crop"]
