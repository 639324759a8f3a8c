"""Contingency table of a true and a predicted instance image, and the matching of their objects."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
from monai.config import NdarrayOrTensor
from monai.utils import convert_to_numpy
from scipy.sparse import coo_array, csr_array
from scipy.sparse.csgraph import min_weight_full_bipartite_matching

from monai_denoiseg.constants import IGNORE

__all__ = ["Matches", "Overlap"]

_PART = 1 << 20
"""Voxels looked at at once: what is computed from them fits the cache, whatever the size of the image."""


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

    Only pairs of objects that touch are kept: memory grows with the number of objects, not with its square.

    Args:
        truth: numbers of the true objects ``(T,)``, ascending.
        prediction: numbers of the predicted objects ``(P,)``, ascending.
        shared: voxels shared by each pair, sparse ``(T, P)``, sorted by row and column.
        truth_size: annotated voxels of the true objects ``(T,)``.
        prediction_size: voxels of the predicted objects within the annotated part ``(P,)``.

    >>> Overlap.of(np.array([0, 3, 3, -1]), np.array([1, 1, 0, 2])).shared.toarray()
    array([[1]])
    """

    truth: np.ndarray
    prediction: np.ndarray
    shared: coo_array
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
        parts = _parts(true.reshape(-1), predicted.reshape(-1))
        true_ids, predicted_ids = _objects(true, (one for one, _ in parts())), _objects(predicted, (one for _, one in parts()))
        shape = len(true_ids) + 1, len(predicted_ids) + 1
        true_size, predicted_size = (np.zeros(n, np.int64) for n in shape)
        pairs = [np.zeros((2, 0), np.int64)]
        number_true, number_predicted = _numbering(true_ids), _numbering(predicted_ids)
        for true_part, predicted_part in parts():
            rows, columns = number_true(true_part), number_predicted(predicted_part)
            true_size += np.bincount(rows, minlength=shape[0])
            predicted_size += np.bincount(columns, minlength=shape[1])
            both = (rows > 0) & (columns > 0)
            pairs.append(np.stack(np.unique(rows[both].astype(np.int64) * shape[1] + columns[both], return_counts=True)))
        keys, counts = np.concatenate(pairs, axis=1)
        keys, where = np.unique(keys, return_inverse=True)
        voxels = np.zeros(len(keys), np.int64)
        np.add.at(voxels, where, counts)
        places = (keys // shape[1] - 1, keys % shape[1] - 1)
        shared = coo_array((voxels, places), shape=(len(true_ids), len(predicted_ids)))
        return cls(true_ids, predicted_ids, shared, true_size[1:], predicted_size[1:])

    @cached_property
    def iou(self) -> coo_array:
        """Intersection over union of each pair that touches, sparse ``(T, P)`` in the order of ``shared``."""
        rows, columns = self.shared.row, self.shared.col
        union = self.truth_size[rows] + self.prediction_size[columns] - self.shared.data
        return coo_array((self.shared.data / union, (rows, columns)), shape=self.shared.shape)

    def match(self, threshold: float = 0.5) -> Matches:
        """Match objects whose IoU is strictly above ``threshold``.

        From 0.5 on every match is unique; below, pairs are assigned so that their number is largest, then their IoU.
        """
        above = self.iou.data > threshold
        rows, columns = self.iou.row[above], self.iou.col[above]
        ious = self.iou.data[above]
        if threshold < 0.5 and len(ious):
            kept = _assigned(rows, columns, ious)
            rows, columns, ious = rows[kept], columns[kept], ious[kept]
        tp = len(rows)
        pairs = list(zip(self.truth[rows].tolist(), self.prediction[columns].tolist(), strict=True))
        return Matches(tp, len(self.prediction) - tp, len(self.truth) - tp, pairs, ious)

    @property
    def coverage_ious(self) -> np.ndarray:
        """SEG of each true object ``(T,)``: IoU with the prediction covering more than half of it, else 0."""
        rows = self.shared.row
        covered = 2 * self.shared.data > self.truth_size[rows]  # at most one for each object
        ious = np.zeros(len(self.truth))
        ious[rows[covered]] = self.iou.data[covered]
        return ious


def _assigned(rows: np.ndarray, columns: np.ndarray, ious: np.ndarray) -> np.ndarray:
    """Which of the pairs ``(rows, columns)`` to keep so that no object is in two: as many as can be, then the highest IoUs."""
    kept: np.ndarray = (np.bincount(rows)[rows] == 1) & (np.bincount(columns)[columns] == 1)
    contested = np.flatnonzero(~kept)
    if len(contested):
        n_rows, row = _renumbered(rows[contested])
        n_columns, column = _renumbered(columns[contested])
        # A pair costs 1, less at most 1/2 over all pairs together; a true object may also stay alone, which costs more.
        costs = np.concatenate([1 - ious[contested] / (2 * min(n_rows, n_columns)), np.full(n_rows, 2.0)])
        alone = np.arange(n_rows)
        places = np.concatenate([row, alone]), np.concatenate([column, n_columns + alone])
        partners = np.full(n_rows, -1)
        matched, found = min_weight_full_bipartite_matching(csr_array((costs, places), shape=(n_rows, n_columns + n_rows)))
        partners[matched] = found
        kept[contested] = partners[row] == column
    return kept


def _renumbered(numbers: np.ndarray) -> tuple[int, np.ndarray]:
    ids, index = np.unique(numbers, return_inverse=True)
    return len(ids), index


def _numbers(name: str, image: NdarrayOrTensor, low: int) -> np.ndarray:
    """Return an instance image as integers, or raise an error that says why it is none."""
    array: np.ndarray = convert_to_numpy(image)
    if array.dtype == bool:
        raise TypeError(f"`{name}` is boolean, but objects must be numbered 1, 2, …; number them with skimage.measure.label")
    if array.dtype.kind not in "iu":
        numbers: np.ndarray = array.astype(np.int64)
        if not np.array_equal(numbers, array):
            odd = float(array[numbers != array].flat[0])
            raise TypeError(f"`{name}` must hold whole numbers (one an object), got {odd}")
        array = numbers
    if array.size and array.min() < low:
        raise ValueError(f"`{name}` must be >= {low}, got {array.min()}")
    return array


def _parts(true: np.ndarray, predicted: np.ndarray) -> Callable[[], Iterator[tuple[np.ndarray, np.ndarray]]]:
    """The annotated voxels of two flat images, part by part, as often as one likes."""

    def parts() -> Iterator[tuple[np.ndarray, np.ndarray]]:
        for start in range(0, true.size, _PART):
            one, other = true[start : start + _PART], predicted[start : start + _PART]
            annotated = one != IGNORE
            yield (one, other) if annotated.all() else (one[annotated], other[annotated])

    return parts


def _objects(image: np.ndarray, parts: Iterator[np.ndarray]) -> np.ndarray:
    """Numbers of the objects in the parts of an image, ascending."""
    largest = int(image.max(initial=0))
    if largest > 16 * image.size:  # a lookup table would not fit: sort
        found = np.unique(np.concatenate([np.unique(part) for part in parts]))
        return found[found > 0]
    present = np.zeros(largest + 1, bool)
    for part in parts:
        present[part] = True
    return 1 + np.flatnonzero(present[1:])


def _numbering(ids: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
    """What gives each voxel the index of its object, from 1; 0 for the background."""
    largest = int(ids[-1]) if len(ids) else 0
    if largest > 16 * max(_PART, len(ids)):
        return lambda numbers: np.where(numbers > 0, np.searchsorted(ids, numbers) + 1, 0)
    table = np.zeros(largest + 1, np.int32)
    table[ids] = np.arange(1, len(ids) + 1)
    return lambda numbers: table[numbers]
