"""Handlers: checkpoints, threshold search, logs, pictures, evaluation files."""

from .checkpoint import BestCheckpoint, LastCheckpoint, restore_rng, rng_state, selection_score
from .csv_log import CSVLog
from .dice_score import DiceScore, score_columns, validation_score
from .evaluation import EvaluationWriter
from .files import is_main_process, save_atomically, set_aside
from .labels import known_spacing, predicted_labels
from .noise_check import check_noise
from .panels import ImagePanels, prediction_arrays
from .run_record import RunRecord, versions
from .size_check import check_sizes
from .threshold_search import ThresholdSearch
from .validation import FullValidationHandler

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
