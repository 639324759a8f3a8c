"""Contingency table of a true and a predicted instance image, and the matching of their objects."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
from monai.config import NdarrayOrTensor
from monai.utils import convert_to_numpy
from scipy.optimize import linear_sum_assignment

from monai_denoiseg.constants import IGNORE

__all__ = ["Matches", "Overlap"]


class Matches(NamedTuple):
    """Result of matching at one IoU threshold.

    Args:
        tp: matched objects.
        fp: predicted objects without a match.
        fn: true objects without a match.
        pairs: ``(true number, predicted number)`` of each match.
        ious: IoU of each match ``(tp,)``.

    >>> Overlap.of(np.array([1, 1, 0, 2]), np.array([7, 7, 0, 0])).match().pairs
    [(1, 7)]
    """

    tp: int
    fp: int
    fn: int
    pairs: list[tuple[int, int]]
    ious: np.ndarray


@dataclass(frozen=True)
class Overlap:
    """Contingency table of one image. All scores are computed from it, so the voxels are read only once.

    Args:
        truth: numbers of the true objects ``(T,)``, ascending.
        prediction: numbers of the predicted objects ``(P,)``, ascending.
        shared: voxels shared by each pair ``(T, P)``.
        truth_size: annotated voxels of the true objects ``(T,)``.
        prediction_size: voxels of the predicted objects within the annotated part ``(P,)``.

    >>> Overlap.of(np.array([0, 3, 3, -1]), np.array([1, 1, 0, 2])).shared
    array([[1]])
    """

    truth: np.ndarray
    prediction: np.ndarray
    shared: np.ndarray
    truth_size: np.ndarray
    prediction_size: np.ndarray

    @classmethod
    def of(cls, truth: NdarrayOrTensor, prediction: NdarrayOrTensor) -> Overlap:
        """Count the overlaps of two instance images of the same shape.

        Args:
            truth: integers of any shape; 0 background, -1 not annotated, otherwise objects (numbers may have gaps).
            prediction: integers of the same shape; 0 background, otherwise objects.

        Raises:
            TypeError: when an image is boolean or has values that are no integers.
            ValueError: when the shapes differ or values are negative (other than -1 in ``truth``).
        """
        true, predicted = _numbers("truth", truth, IGNORE), _numbers("prediction", prediction, 0)
        if true.shape != predicted.shape:
            raise ValueError(f"`truth` and `prediction` must have the same shape, got {true.shape} and {predicted.shape}")
        annotated = true != IGNORE
        true_index, true_ids = _consecutive(true[annotated])
        predicted_index, predicted_ids = _consecutive(predicted[annotated])
        shape = (len(true_ids) + 1, len(predicted_ids) + 1)
        flat = np.bincount(true_index * shape[1] + predicted_index, minlength=shape[0] * shape[1])
        table = flat.reshape(shape)
        return cls(true_ids, predicted_ids, table[1:, 1:], table[1:].sum(1), table[:, 1:].sum(0))

    @cached_property
    def iou(self) -> np.ndarray:
        """Intersection over union of each pair ``(T, P)``."""
        iou: np.ndarray = self.shared / (self.truth_size[:, None] + self.prediction_size[None] - self.shared)
        return iou

    def match(self, threshold: float = 0.5) -> Matches:
        """Match objects whose IoU is strictly above ``threshold``.

        From 0.5 on every match is unique; below, pairs are assigned so that their number is largest, then their IoU.
        """
        above = self.iou > threshold
        if threshold >= 0.5:
            rows, columns = np.nonzero(above)
        else:
            # A pair counts 1 plus at most 1/2 over all pairs together, so one more pair outweighs any gain of IoU.
            rows, columns = linear_sum_assignment(above + self.iou / (2 * max(1, min(above.shape))), maximize=True)
            kept = above[rows, columns]
            rows, columns = rows[kept], columns[kept]
        tp = len(rows)
        pairs = list(zip(self.truth[rows].tolist(), self.prediction[columns].tolist(), strict=True))
        return Matches(tp, len(self.prediction) - tp, len(self.truth) - tp, pairs, self.iou[rows, columns])

    @property
    def coverage_ious(self) -> np.ndarray:
        """SEG of each true object ``(T,)``: IoU with the prediction covering more than half of it, else 0."""
        covered = 2 * self.shared > self.truth_size[:, None]  # at most one in each row
        ious: np.ndarray = np.where(covered, self.iou, 0.0).sum(1)
        return ious


def _numbers(name: str, image: NdarrayOrTensor, low: int) -> np.ndarray:
    """Return an instance image as int64, or raise an error that says why it is none."""
    array: np.ndarray = convert_to_numpy(image)
    if array.dtype == bool:
        raise TypeError(f"`{name}` is boolean, but objects must be numbered 1, 2, …; number them with skimage.measure.label")
    numbers: np.ndarray = array.astype(np.int64, copy=False)
    if array.dtype.kind not in "iu" and not np.array_equal(numbers, array):
        raise TypeError(f"`{name}` must hold whole numbers (one an object), got {float(array[numbers != array].flat[0])}")
    if numbers.size and numbers.min() < low:
        raise ValueError(f"`{name}` must be >= {low}, got {numbers.min()}")
    return numbers


def _consecutive(numbers: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return, for numbers >= 0, the index of each voxel's object (0 background) and the objects' numbers."""
    if not numbers.size or numbers.max() > 16 * numbers.size:  # a lookup table would not fit: sort
        ids = np.unique(numbers)
        ids = ids[ids > 0]
        return np.where(numbers > 0, np.searchsorted(ids, numbers) + 1, 0), ids
    present = np.bincount(numbers) > 0
    present[0] = False
    return np.cumsum(present)[numbers] * (numbers > 0), np.flatnonzero(present)
