"""Self2Seg: joint segmentation and denoising of a single image, without training data."""

from .chan_vese import segment_convex_chan_vese, segment_sequential
from .cnn_expert import Noise2FastExpert
from .constant_expert import ConstantExpert
from .dictionary import Self2Segd
from .expert import Expert
from .linear_expert import LinearExpert
from .loop import Self2Seg
from .noise2fast import denoise_noise2fast
from .path import LambdaPath
from .result import EnergyRecord, Self2SegResult
from .solver import USolution, solve_u
from .trained_expert import TrainedExpert

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
