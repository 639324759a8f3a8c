"""A MONAI Label app: annotate a few images, train on all of them, see which to annotate next.

The app itself (:mod:`monai_denoiseg.label.app`) runs within a MONAI Label server; what it does stands in plain functions here.
"""

from monai_denoiseg.label.acquisition import blind_spot_error, choose, prediction_entropy
from monai_denoiseg.label.layout import write_app
from monai_denoiseg.label.outlines import Outline, draw_outlines, read_outlines, trace_outlines
from monai_denoiseg.label.predict import predict_file
from monai_denoiseg.label.scores import ScoreBook, measure
from monai_denoiseg.label.segments import prepare_label, read_segments
from monai_denoiseg.label.study import split_study
from monai_denoiseg.label.training import Progress

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
