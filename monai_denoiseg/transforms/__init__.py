"""Array and dictionary transforms: blind spots, labels, partial annotation, orientation, instances, whole-image intensity."""

from monai_denoiseg.transforms.blindspot.blindspot import BlindSpot, FixedBlindSpotd, Spots, draw_spots
from monai_denoiseg.transforms.blindspot.replacement import STRATEGIES
from monai_denoiseg.transforms.blindspot.struct_copy import copy_blocks
from monai_denoiseg.transforms.blindspot.struct_mask import (
    box_mask,
    covered_axes,
    exchangeable,
    line_mask,
    read_struct_mask,
    struct_neighbours,
)
from monai_denoiseg.transforms.instances.from_probabilities import (
    ProbabilitiesToInstances,
    ProbabilitiesToInstancesd,
    instances_from_foreground,
)
from monai_denoiseg.transforms.instances.from_stars import StarsToInstances
from monai_denoiseg.transforms.instances.growth import grow_seeds
from monai_denoiseg.transforms.instances.necks import split_necks
from monai_denoiseg.transforms.instances.nms import suppress
from monai_denoiseg.transforms.instances.star_shapes import StarShapes, render_stars, star_vertices
from monai_denoiseg.transforms.instances.stitching import InstanceStitcher, instances_by_tiles
from monai_denoiseg.transforms.intensity.refine import refine_denoised, refine_reach
from monai_denoiseg.transforms.intensity.rescale import RescaledCrop
from monai_denoiseg.transforms.intensity.whole_image import WholeIntensityd
from monai_denoiseg.transforms.labels.border import BorderLabel, BorderLabeld, border_classes
from monai_denoiseg.transforms.labels.classes import (
    ClassLabel,
    ClassLabeld,
    ProbabilitiesToClasses,
    ProbabilitiesToLabelsd,
    label_rule,
    target_label,
)
from monai_denoiseg.transforms.labels.partial import FlagPartialLabel, FlagPartialLabeld, KeepLabels, KeepSlices, KeepSlicesd
from monai_denoiseg.transforms.labels.stars import StarLabel, StarLabeld, object_probability, star_distances
from monai_denoiseg.transforms.orientation.orient import (
    RandOrient,
    RandOrientd,
    n_orientations,
    orient,
    orient_inverse,
    same_spacing,
)
from monai_denoiseg.transforms.orientation.rays import ray_faces, ray_permutation, star_rays
from monai_denoiseg.transforms.orientation.stars import RandOrientStarsd, random_orientation
from monai_denoiseg.transforms.split import SplitPredictiond

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
    "RandOrientStarsd",
    "RandOrientd",
    "RescaledCrop",
    "SplitPredictiond",
    "Spots",
    "StarLabel",
    "StarLabeld",
    "StarShapes",
    "StarsToInstances",
    "WholeIntensityd",
    "border_classes",
    "box_mask",
    "copy_blocks",
    "covered_axes",
    "draw_spots",
    "exchangeable",
    "grow_seeds",
    "instances_by_tiles",
    "instances_from_foreground",
    "label_rule",
    "line_mask",
    "n_orientations",
    "object_probability",
    "orient",
    "orient_inverse",
    "random_orientation",
    "ray_faces",
    "ray_permutation",
    "read_struct_mask",
    "refine_denoised",
    "refine_reach",
    "render_stars",
    "same_spacing",
    "split_necks",
    "star_distances",
    "star_rays",
    "star_vertices",
    "struct_neighbours",
    "suppress",
    "target_label",
]
