"""A MONAI Label app: annotate a few images, train on all of them, see which to annotate next.

The app itself (:mod:`monai_denoiseg.label.app`) runs within a MONAI Label server; what it does stands in plain functions here.
"""

from .acquisition import blind_spot_error, choose, prediction_entropy
from .layout import write_app
from .outlines import Outline, draw_outlines, read_outlines, trace_outlines
from .predict import predict_file
from .scores import ScoreBook, measure
from .segments import prepare_label, read_segments
from .study import split_study
from .training import Progress

__all__ = [
    "Outline",
    "Progress",
    "ScoreBook",
    "blind_spot_error",
    "choose",
    "draw_outlines",
    "measure",
    "predict_file",
    "prediction_entropy",
    "prepare_label",
    "read_outlines",
    "read_segments",
    "split_study",
    "trace_outlines",
    "write_app",
]
