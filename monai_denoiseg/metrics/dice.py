"""Dice of each class, measured by MONAI, over the annotated voxels only."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from monai.config import NdarrayOrTensor
from monai.metrics import CumulativeIterationMetric, compute_dice
from torch import Tensor

from monai_denoiseg.checks import check_int
from monai_denoiseg.constants import IGNORE
from monai_denoiseg.open_classes import is_open, opens

__all__ = ["DICE", "ClassDice", "class_dice", "class_present", "dice_names", "dice_of_set", "dice_row", "mean_dice"]

DICE = "dice"
"""Name of the mean over the classes; ``dice_<name>`` is the score of one class."""


def class_dice(prediction: NdarrayOrTensor, truth: NdarrayOrTensor, n_classes: int) -> Tensor:
    """Dice ``2 |A and B| / (|A| + |B|)`` of each class but the background, in one image.

    Voxels that are not annotated (-1 in ``truth``) are left out of both. A class that is predicted, but not in ``truth``, has the
    score 0, as by the formula (MONAI gives it none). A class in neither has no score (NaN).

    Args:
        prediction: label values 0..K-1 of any shape.
        truth: label values 0..K-1 of the same shape, -1 where not annotated; a class is not scored where it is open
            (:func:`~monai_denoiseg.open_classes.is_open`).
        n_classes: K, the background included.

    Returns:
        float64 ``(K - 1,)``: classes 1..K-1.

    Raises:
        ValueError: when the shapes differ or a value is no class.

    >>> class_dice(torch.tensor([0, 1, 1, 2, 1]), torch.tensor([0, 1, 2, 2, -1]), 4)
    tensor([0.6667, 0.6667,    nan], dtype=torch.float64)
    """
    check_int("n_classes", n_classes, 2)
    predicted, true = (torch.as_tensor(labels).as_subclass(Tensor).detach().cpu() for labels in (prediction, truth))
    if predicted.shape != true.shape:
        shapes = f"{tuple(predicted.shape)} and {tuple(true.shape)}"
        raise ValueError(f"`prediction` and `truth` must have the same shape, got {shapes}")
    annotated = true != IGNORE
    predicted, true = predicted[annotated], true[annotated]
    for name, values in (("prediction", predicted), ("truth", true)):
        known = opens(values, n_classes) if name == "truth" else torch.zeros_like(values, dtype=torch.bool)
        odd = values[((values < 0) & ~known) | (values >= n_classes)]
        if len(odd):
            raise ValueError(f"`{name}` must hold classes 0 to {n_classes - 1}, got {odd[0].item():g}")
    # Class by class: one-hot labels of a large volume would take K times its memory.
    scores = [_dice_beside(predicted, true, number) for number in range(1, n_classes)]
    return torch.tensor(scores, dtype=torch.float64)


def _dice_beside(predicted: Tensor, true: Tensor, number: int) -> float:
    """Dice of a class, where it was annotated; without a voxel of it an image in which it was not has no score."""
    unknown = is_open(true, number)
    if not bool(unknown.any()):
        return _dice(predicted == number, true == number)
    predicted, true = predicted[~unknown], true[~unknown]
    return _dice(predicted == number, true == number) if bool((true == number).any()) else math.nan


def _dice(predicted: Tensor, true: Tensor) -> float:
    if not predicted.numel():
        return math.nan  # MONAI cannot reduce an empty array
    if not true.any():
        return 0.0 if predicted.any() else math.nan
    return float(compute_dice(predicted[None, None], true[None, None]))


def class_present(truth: NdarrayOrTensor, n_classes: int) -> Tensor:
    """Whether each class but the background is in an image.

    Args:
        truth: label values 0..K-1, -1 where not annotated.
        n_classes: K, the background included.

    Returns:
        Boolean ``(K - 1,)``: classes 1..K-1.

    >>> class_present(torch.tensor([0, 2, -1]), 3)
    tensor([False,  True])
    """
    labels = torch.as_tensor(truth).as_subclass(Tensor).detach().cpu()
    return torch.tensor([bool((labels == number).any()) for number in range(1, n_classes)])


def dice_of_set(scores: Tensor, present: Tensor, classes: Sequence[str] | None) -> dict[str, float]:
    """Scores of a data set by name.

    The score of a class is its mean over the images that have it or wrongly show it. ``dice``, the mean over the classes, leaves
    out a class that no image has: such a set tells nothing of how well the class is found.

    Args:
        scores: ``(images, K - 1)`` of :func:`class_dice`.
        present: likewise, of :func:`class_present`.
        classes: names of semantic classes, background first; None (or empty) for instances: then there is one score.

    >>> scores = torch.tensor([[0.5, 0.0], [0.0, torch.nan]], dtype=torch.float64)
    >>> dice_of_set(scores, torch.tensor([[True, False], [False, False]]), ["background", "liver", "spleen"])
    {'dice': 0.25, 'dice_liver': 0.25, 'dice_spleen': 0.0}
    """
    means = scores.nanmean(0)
    overall = mean_dice(torch.where(present.bool().any(0), means, math.nan).tolist())
    return dict(zip(dice_names(classes), [overall, *(means.tolist() if classes else [])], strict=True))


def mean_dice(scores: Sequence[float]) -> float:
    """Mean of the classes that have a score; NaN if none has.

    Args:
        scores: Dice by class, NaN where there is none.

    >>> mean_dice([0.5, float("nan"), 1.0])
    0.75
    """
    known = [score for score in scores if not math.isnan(score)]
    return sum(known) / len(known) if known else math.nan


def dice_names(classes: Sequence[str] | None) -> list[str]:
    """Names under which the scores are reported: ``dice``, then ``dice_<name>`` for each class but the background.

    Args:
        classes: names of semantic classes, background first; None (or empty) for instances, which have ``dice`` alone.

    >>> dice_names(["background", "liver", "left kidney"]), dice_names(None)
    (['dice', 'dice_liver', 'dice_left kidney'], ['dice'])
    """
    return [DICE, *(f"{DICE}_{name}" for name in (classes or [])[1:])]


def dice_row(scores: Sequence[float], classes: Sequence[str] | None) -> dict[str, float]:
    """Scores by name: the mean, then each class.

    Args:
        scores: Dice of the classes but the background.
        classes: names of semantic classes, background first; None (or empty) for instances: then there is one score.

    >>> dice_row([0.5, 1.0], ["background", "liver", "spleen"])
    {'dice': 0.75, 'dice_liver': 0.5, 'dice_spleen': 1.0}
    """
    return dict(zip(dice_names(classes), [mean_dice(scores), *(scores if classes else [])], strict=True))


class ClassDice(CumulativeIterationMetric):
    """Dice over a data set, as a MONAI metric that reduces over processes.

    Called with ``y_pred`` and ``y``: batches ``(B, 1, [D,] H, W)`` or lists of ``(1, [D,] H, W)`` label maps; -1 in ``y`` is not
    annotated. The score of a class is the mean over the images that have it (:func:`class_dice`), and the whole score the mean
    over the classes, so a class seen in few images has the same weight as the others.

    Args:
        classes: names of semantic classes, background first; None (or empty) for instance labels, whose objects are taken
            together and measured against the background.

    >>> metric = ClassDice(["background", "liver", "spleen"])
    >>> row = metric(y_pred=[torch.tensor([[[0, 1, 1, 2]]])], y=[torch.tensor([[[0, 1, 2, 2]]])])
    >>> {name: round(score, 3) for name, score in metric.aggregate().items() if name.startswith("dice")}
    {'dice': 0.667, 'dice_liver': 0.667, 'dice_spleen': 0.667}
    >>> metric = ClassDice()
    >>> row = metric(y_pred=[torch.tensor([[[0, 3, 3, 8]]])], y=[torch.tensor([[[0, 1, 2, 0]]])])
    >>> metric.aggregate()
    {'dice': 0.800000011920929}
    """

    def __init__(self, classes: Sequence[str] | None = None) -> None:
        super().__init__()
        self.classes = list(classes or [])

    def _compute_tensor(self, y_pred: Tensor, y: Tensor | None = None, **kwargs: Any) -> Tensor:
        """Return a row for each image: scores of the classes but the background, then whether ``y`` has them: ``(B, 2K - 2)``."""
        if y is None:
            raise ValueError("`y`, the true labels, is missing")
        return torch.stack([self._row(predicted, true) for predicted, true in zip(y_pred, y, strict=True)]).to(y_pred.device)

    def _row(self, predicted: Tensor, true: Tensor) -> Tensor:
        n_classes = len(self.classes) or 2
        if not self.classes:
            predicted, true = predicted > 0, true.clamp(IGNORE, 1)
        present = class_present(true, n_classes)
        scores = class_dice(predicted, true, n_classes)
        if not self.classes:  # an image without objects has no score, as for AP
            scores = torch.where(present, scores, math.nan)
        return torch.cat([scores, present.to(scores)])

    def rows(self) -> list[dict[str, float]]:
        """Return the scores of each image so far (of all processes), in order, ready for a CSV file."""
        return [dice_row(scores, self.classes) for scores in self._table()[0].tolist()]

    def aggregate(self) -> dict[str, float]:
        """Scores of all images so far, of all processes, see :func:`dice_of_set`; NaN without any. Counts are integers."""
        scores, present = self._table()
        if not len(scores):
            return dice_of_set(scores, present, self.classes)
        wrongly = ((scores == 0) & ~present).sum(0).tolist()
        counts = dict(zip((f"false_positive_images_{name}" for name in self.classes[1:]), wrongly, strict=False))
        return dice_of_set(scores, present, self.classes) | counts

    def _table(self) -> tuple[Tensor, Tensor]:
        buffer = self.get_buffer()
        width = max(1, len(self.classes) - 1)
        table = torch.full((0, 2 * width), math.nan, dtype=torch.float64) if buffer is None else buffer.double()
        return table[:, :width], table[:, width:] > 0
