"""Flips and quarter turns of images, labels and rays."""

from monai_denoiseg.transforms.orientation.choice import ORIENTATIONS, may_flip, may_turn
from monai_denoiseg.transforms.orientation.orient import (
    RandOrient,
    RandOrientd,
    n_orientations,
    orient,
    orient_inverse,
    same_spacing,
)
from monai_denoiseg.transforms.orientation.rays import ray_faces, ray_permutation, star_rays
from monai_denoiseg.transforms.orientation.stars import RandOrientStarsd

__all__ = [
    "ORIENTATIONS",
    "RandOrient",
    "RandOrientStarsd",
    "RandOrientd",
    "may_flip",
    "may_turn",
    "n_orientations",
    "orient",
    "orient_inverse",
    "ray_faces",
    "ray_permutation",
    "same_spacing",
    "star_rays",
]
