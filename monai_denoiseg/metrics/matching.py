"""Instance scores of one image of any number of axes: AP, precision, recall, F1, SEG.

Scores of an image without true objects are undefined (0/0): they are NaN, to be skipped in means, as in the papers. With
``empty="zero"`` objects predicted in such an image make its scores 0, so that false positives there are penalised.
Voxels whose truth is -1 (not annotated) count for neither side.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from monai.config import NdarrayOrTensor

from monai_denoiseg.checks import check_option, check_range
from monai_denoiseg.metrics.overlap import Matches, Overlap

__all__ = [
    "EMPTY_POLICIES",
    "Detection",
    "average_precision",
    "match_instances",
    "precision_recall_f1",
    "seg_score",
]

EMPTY_POLICIES = ("skip", "zero")


class Detection(NamedTuple):
    """Precision, recall and their harmonic mean, each in [0, 1] or NaN.

    Args:
        precision: TP / (TP + FP).
        recall: TP / (TP + FN).
        f1: 2 TP / (2 TP + FP + FN).

    >>> import numpy as np
    >>> precision_recall_f1(np.array([1, 1, 0, 2]), np.array([7, 7, 0, 0])).recall
    0.5
    """

    precision: float
    recall: float
    f1: float


def match_instances(truth: NdarrayOrTensor, prediction: NdarrayOrTensor, threshold: float = 0.5) -> Matches:
    """Match true and predicted objects of one image.

    Args:
        truth: integers of any shape; 0 background, -1 not annotated (left out on both sides), otherwise objects.
        prediction: integers of the same shape; 0 background, otherwise objects.
        threshold: IoU a pair must exceed (strictly), in [0, 1].

    Raises:
        TypeError: when an image is boolean or has values that are no integers.
        ValueError: when the shapes differ, values are negative or ``threshold`` is outside [0, 1].

    >>> import numpy as np
    >>> match_instances(np.array([1, 1, 1, 0, 2]), np.array([7, 7, 0, 0, 0]))
    Matches(tp=1, fp=0, fn=1, pairs=[(1, 7)], ious=array([0.66666667]))
    """
    return Overlap.of(truth, prediction).match(check_range("threshold", threshold, 0, 1))


def average_precision(
    truth: NdarrayOrTensor, prediction: NdarrayOrTensor, threshold: float | Sequence[float] = 0.5, empty: str = "skip"
) -> float | list[float]:
    """AP = TP / (TP + FP + FN) of one image at one IoU threshold ("accuracy" in StarDist); no mean over thresholds.

    Args:
        truth: see :func:`match_instances`.
        prediction: see :func:`match_instances`.
        threshold: IoU to exceed, or a sequence of them.
        empty: ``"skip"``: NaN without true objects; ``"zero"``: 0 if there are predicted ones, NaN otherwise.

    Returns:
        One value, or a list with one value for each threshold.

    Raises:
        TypeError: see :func:`match_instances`.
        ValueError: see :func:`match_instances`, or an unknown ``empty``.

    Source: DenoiSeg (2020); Schmidt et al., StarDist (2018).

    >>> import numpy as np
    >>> average_precision(np.array([1, 1, 1, 0, 2]), np.array([7, 7, 0, 0, 0]), [0.5, 0.9])
    [0.5, 0.0]
    """
    check_option("empty", empty, EMPTY_POLICIES)
    thresholds = threshold if isinstance(threshold, Sequence) else [threshold]
    levels = [check_range("threshold", level, 0, 1) for level in thresholds]
    overlap = Overlap.of(truth, prediction)
    values = [ap_from_counts(*overlap.match(level)[:3], empty=empty) for level in levels]
    return values if isinstance(threshold, Sequence) else values[0]


def precision_recall_f1(
    truth: NdarrayOrTensor, prediction: NdarrayOrTensor, threshold: float = 0.5, empty: str = "skip"
) -> Detection:
    """Precision TP/(TP+FP), recall TP/(TP+FN) and F1 of the objects of one image.

    With true but no predicted objects the precision is 0.

    Args:
        truth: see :func:`match_instances`.
        prediction: see :func:`match_instances`.
        threshold: IoU to exceed.
        empty: see :func:`average_precision`.

    Raises:
        TypeError: see :func:`match_instances`.
        ValueError: see :func:`match_instances`, or an unknown ``empty``.

    >>> import numpy as np
    >>> precision_recall_f1(np.array([1, 1, 1, 0, 2]), np.array([7, 7, 0, 0, 0]))
    Detection(precision=1.0, recall=0.5, f1=0.6666666666666666)
    """
    check_option("empty", empty, EMPTY_POLICIES)
    return detection_from_counts(*match_instances(truth, prediction, threshold)[:3], empty=empty)


def seg_score(truth: NdarrayOrTensor, prediction: NdarrayOrTensor, empty: str = "skip") -> float:
    """SEG of one image: mean over true objects of the IoU with the prediction covering strictly more than half of it, else 0.

    Several true objects may share one prediction, and predictions without truth are not penalised (except by ``empty="zero"``).

    Args:
        truth: see :func:`match_instances`.
        prediction: see :func:`match_instances`.
        empty: see :func:`average_precision`.

    Raises:
        TypeError: see :func:`match_instances`.
        ValueError: see :func:`match_instances`, or an unknown ``empty``.

    Source: Maška et al., "A benchmark for comparison of cell tracking algorithms", Bioinformatics (2014).

    >>> import numpy as np
    >>> seg_score(np.array([1, 1, 1, 0, 2]), np.array([7, 7, 0, 0, 0]))
    0.3333333333333333
    """
    check_option("empty", empty, EMPTY_POLICIES)
    overlap = Overlap.of(truth, prediction)
    if len(overlap.truth):
        return float(overlap.coverage_ious.mean())
    return undefined(len(overlap.prediction), empty)


def ap_from_counts(tp: float, fp: float, fn: float, empty: str = "skip") -> float:
    """AP from counts; see :func:`average_precision`.

    >>> ap_from_counts(2, 2, 2), ap_from_counts(0, 3, 0, empty="zero")
    (0.3333333333333333, 0.0)
    """
    return tp / (tp + fp + fn) if tp + fn else undefined(fp, empty)


def detection_from_counts(tp: float, fp: float, fn: float, empty: str = "skip") -> Detection:
    """Precision, recall and F1 from counts; see :func:`precision_recall_f1`.

    >>> detection_from_counts(1, 1, 0)
    Detection(precision=0.5, recall=1.0, f1=0.6666666666666666)
    """
    if not tp + fn:
        return Detection(*[undefined(fp, empty)] * 3)
    return Detection(tp / (tp + fp) if tp + fp else 0.0, tp / (tp + fn), 2 * tp / (2 * tp + fp + fn))


def undefined(predicted: float, empty: str) -> float:
    """Score of an image without true objects, given the number of predicted ones.

    >>> undefined(3, "skip"), undefined(3, "zero"), undefined(0, "zero")
    (nan, 0.0, nan)
    """
    return 0.0 if empty == "zero" and predicted else float("nan")
