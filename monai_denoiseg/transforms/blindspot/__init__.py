"""Blind spots: which voxels are hidden, and what replaces them."""

from monai_denoiseg.transforms.blindspot.blindspot import BlindSpot, FixedBlindSpotd, Spots, draw_spots
from monai_denoiseg.transforms.blindspot.rand_blindspot import RandBlindSpot, RandBlindSpotd
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

__all__ = [
    "STRATEGIES",
    "BlindSpot",
    "FixedBlindSpotd",
    "RandBlindSpot",
    "RandBlindSpotd",
    "Spots",
    "box_mask",
    "copy_blocks",
    "covered_axes",
    "draw_spots",
    "exchangeable",
    "line_mask",
    "read_struct_mask",
    "struct_neighbours",
]
