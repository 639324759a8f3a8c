"""Handlers: checkpoints, threshold search, logs, pictures, evaluation files."""

from monai_denoiseg.handlers.checkpoint import BestCheckpoint, LastCheckpoint, restore_rng, rng_state, selection_score
from monai_denoiseg.handlers.csv_log import CSVLog
from monai_denoiseg.handlers.dice_score import DiceScore, score_columns, validation_score
from monai_denoiseg.handlers.evaluation import EvaluationWriter
from monai_denoiseg.handlers.files import is_main_process, save_atomically, set_aside
from monai_denoiseg.handlers.labels import known_spacing, predicted_labels
from monai_denoiseg.handlers.noise_check import check_noise
from monai_denoiseg.handlers.panels import ImagePanels, prediction_arrays
from monai_denoiseg.handlers.run_record import RunRecord, versions
from monai_denoiseg.handlers.size_check import check_sizes
from monai_denoiseg.handlers.threshold_search import ThresholdSearch
from monai_denoiseg.handlers.validation import FullValidationHandler

__all__ = [
    "BestCheckpoint",
    "CSVLog",
    "DiceScore",
    "EvaluationWriter",
    "FullValidationHandler",
    "ImagePanels",
    "LastCheckpoint",
    "RunRecord",
    "ThresholdSearch",
    "check_noise",
    "check_sizes",
    "is_main_process",
    "known_spacing",
    "predicted_labels",
    "prediction_arrays",
    "restore_rng",
    "rng_state",
    "save_atomically",
    "score_columns",
    "selection_score",
    "set_aside",
    "validation_score",
    "versions",
]
