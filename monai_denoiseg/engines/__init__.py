"""Engines: trainer and evaluator on Ignite through MONAI, whole-image inference, and the glue a bundle needs."""

from .batch import BlindSpotBatch
from .bundle import (
    bundle_root,
    calibrate,
    check_keys,
    decision_overlap,
    decision_threshold,
    load_weights,
    user_settings,
)
from .datalists import count_data, labelled_flags, training_data, typical_spacing
from .distributed import leave_group
from .errors import explain_errors, first_cause, wait_for_workers
from .evaluator import DenoiSegEvaluator
from .inferer import DenoiSegInferer, Tile, tiles
from .precision import Precision, cpu_gains_from_bf16
from .predictor import FilePredictor
from .rescaled import RescaledLabels, can_rescale
from .stages import DenoiseImaged, first_stage, joined_network, load_network, start_network
from .streaming import StreamingPredictor
from .trainer import DenoiSegTrainer, average_parts

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
