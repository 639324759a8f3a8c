"""Engines: trainer and evaluator on Ignite through MONAI, whole-image inference, and the glue a bundle needs."""

from monai_denoiseg.engines.batch import BlindSpotBatch
from monai_denoiseg.engines.bundle import (
    bundle_root,
    calibrate,
    check_keys,
    decision_overlap,
    decision_threshold,
    load_weights,
    user_settings,
)
from monai_denoiseg.engines.datalists import count_data, labelled_flags, training_data, typical_spacing
from monai_denoiseg.engines.distributed import leave_group
from monai_denoiseg.engines.errors import explain_errors, first_cause, wait_for_workers
from monai_denoiseg.engines.evaluator import DenoiSegEvaluator
from monai_denoiseg.engines.inferer import DenoiSegInferer, Tile, tiles
from monai_denoiseg.engines.precision import Precision, cpu_gains_from_bf16
from monai_denoiseg.engines.predictor import FilePredictor
from monai_denoiseg.engines.rescaled import RescaledLabels, can_rescale
from monai_denoiseg.engines.stages import DenoiseImaged, first_stage, joined_network, load_network, start_network
from monai_denoiseg.engines.streaming import StreamingPredictor
from monai_denoiseg.engines.trainer import DenoiSegTrainer, average_parts

__all__ = [
    "BlindSpotBatch",
    "DenoiSegEvaluator",
    "DenoiSegInferer",
    "DenoiSegTrainer",
    "DenoiseImaged",
    "FilePredictor",
    "Precision",
    "RescaledLabels",
    "StreamingPredictor",
    "Tile",
    "average_parts",
    "bundle_root",
    "calibrate",
    "can_rescale",
    "check_keys",
    "count_data",
    "cpu_gains_from_bf16",
    "decision_overlap",
    "decision_threshold",
    "explain_errors",
    "first_cause",
    "first_stage",
    "joined_network",
    "labelled_flags",
    "leave_group",
    "load_network",
    "load_weights",
    "start_network",
    "tiles",
    "training_data",
    "typical_spacing",
    "user_settings",
    "wait_for_workers",
]
