"""Self2Seg: joint segmentation and denoising of a single image, without training data."""

from monai_denoiseg.self2seg.chan_vese import segment_convex_chan_vese, segment_sequential
from monai_denoiseg.self2seg.cnn_expert import Noise2FastExpert
from monai_denoiseg.self2seg.constant_expert import ConstantExpert
from monai_denoiseg.self2seg.dictionary import Self2Segd
from monai_denoiseg.self2seg.expert import Expert
from monai_denoiseg.self2seg.linear_expert import LinearExpert
from monai_denoiseg.self2seg.loop import Self2Seg
from monai_denoiseg.self2seg.noise2fast import denoise_noise2fast
from monai_denoiseg.self2seg.path import LambdaPath
from monai_denoiseg.self2seg.result import EnergyRecord, Self2SegResult
from monai_denoiseg.self2seg.solver import USolution, solve_u
from monai_denoiseg.self2seg.trained_expert import TrainedExpert

__all__ = [
    "ConstantExpert",
    "EnergyRecord",
    "Expert",
    "LambdaPath",
    "LinearExpert",
    "Noise2FastExpert",
    "Self2Seg",
    "Self2SegResult",
    "Self2Segd",
    "TrainedExpert",
    "USolution",
    "denoise_noise2fast",
    "segment_convex_chan_vese",
    "segment_sequential",
    "solve_u",
]
