"""Handlers: checkpoints, threshold search, logs, pictures, evaluation files."""

from monai_denoiseg.handlers.checkpoint import BestCheckpoint, score_tolerance, selection_score
from monai_denoiseg.handlers.csv_log import CSVLog
from monai_denoiseg.handlers.dice_score import DiceScore, score_columns, validation_score
from monai_denoiseg.handlers.evaluation import EvaluationWriter
from monai_denoiseg.handlers.labels import known_spacing, predicted_labels
from monai_denoiseg.handlers.last_checkpoint import LastCheckpoint, reschedule, restore_rng, rng_state
from monai_denoiseg.handlers.panels import ImagePanels, prediction_arrays
from monai_denoiseg.handlers.run_record import RunRecord, versions
from monai_denoiseg.handlers.seen import seen_images
from monai_denoiseg.handlers.threshold_search import ThresholdSearch
from monai_denoiseg.handlers.time_limit import TimeLimit
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
    "TimeLimit",
    "known_spacing",
    "predicted_labels",
    "prediction_arrays",
    "reschedule",
    "restore_rng",
    "rng_state",
    "score_columns",
    "score_tolerance",
    "seen_images",
    "selection_score",
    "validation_score",
    "versions",
]
