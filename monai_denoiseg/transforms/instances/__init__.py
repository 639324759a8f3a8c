"""Objects from predictions, whole and across tiles."""

from monai_denoiseg.transforms.instances.from_probabilities import (
    ProbabilitiesToInstances,
    ProbabilitiesToInstancesd,
    instances_from_foreground,
)
from monai_denoiseg.transforms.instances.from_stars import StarsToInstances, StarsToInstancesd
from monai_denoiseg.transforms.instances.growth import grow_seeds
from monai_denoiseg.transforms.instances.necks import split_necks
from monai_denoiseg.transforms.instances.nms import suppress
from monai_denoiseg.transforms.instances.star_shapes import StarShapes, render_stars, star_vertices
from monai_denoiseg.transforms.instances.stitching import InstanceStitcher, instances_by_tiles

__all__ = [
    "InstanceStitcher",
    "ProbabilitiesToInstances",
    "ProbabilitiesToInstancesd",
    "StarShapes",
    "StarsToInstances",
    "StarsToInstancesd",
    "grow_seeds",
    "instances_by_tiles",
    "instances_from_foreground",
    "render_stars",
    "split_necks",
    "star_vertices",
    "suppress",
]
