"""Engines: trainer and evaluator on Ignite through MONAI, whole-image inference, streaming."""

from __future__ import annotations

import warnings
from typing import Any

from monai_denoiseg import networks
from monai_denoiseg.engines.annotated_crops import AnnotatedCrops, crops_for
from monai_denoiseg.engines.batch import BlindSpotBatch
from monai_denoiseg.engines.calibration import calibrate
from monai_denoiseg.engines.denoise_images import DenoiseImaged
from monai_denoiseg.engines.distributed import leave_group
from monai_denoiseg.engines.errors import explain_errors, first_cause, wait_for_workers
from monai_denoiseg.engines.evaluator import DenoiSegEvaluator
from monai_denoiseg.engines.inferer import DenoiSegInferer, Tile, tiles
from monai_denoiseg.engines.precision import Precision, cpu_gains_from_bf16
from monai_denoiseg.engines.predictor import FilePredictor
from monai_denoiseg.engines.rescaled import RescaledLabels, can_rescale, count_sources, rescaling_handler
from monai_denoiseg.engines.stored import StoredPredictions, stored_predictions
from monai_denoiseg.engines.streaming import StreamingPredictor
from monai_denoiseg.engines.trainer import DenoiSegTrainer, average_parts

__all__ = [
    "AnnotatedCrops",
    "BlindSpotBatch",
    "DenoiSegEvaluator",
    "DenoiSegInferer",
    "DenoiSegTrainer",
    "DenoiseImaged",
    "FilePredictor",
    "Precision",
    "RescaledLabels",
    "StoredPredictions",
    "StreamingPredictor",
    "Tile",
    "average_parts",
    "calibrate",
    "can_rescale",
    "count_sources",
    "cpu_gains_from_bf16",
    "crops_for",
    "explain_errors",
    "first_cause",
    "leave_group",
    "rescaling_handler",
    "stored_predictions",
    "tiles",
    "wait_for_workers",
]


def __getattr__(name: str) -> Any:
    if name == "load_network":
        warnings.warn("load_network is now in monai_denoiseg.networks", FutureWarning, stacklevel=2)
        return networks.load_network
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
