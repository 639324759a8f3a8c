"""Instance scores over a data set, as a MONAI metric that reduces over processes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from monai.metrics import CumulativeIterationMetric

from monai_denoiseg.checks import check_option, check_range
from monai_denoiseg.metrics.matching import EMPTY_POLICIES, ap_from_counts, detection_from_counts, undefined
from monai_denoiseg.metrics.overlap import Overlap

__all__ = ["InstanceMetric"]

_SCORES = ("ap", "seg", "precision", "recall", "f1")


class InstanceMetric(CumulativeIterationMetric):
    """AP, SEG, precision, recall and F1 of instance images, accumulated image by image.

    Called with ``y_pred`` and ``y``: instance batches ``(B, 1, [D,] H, W)`` or lists of ``(1, [D,] H, W)`` tensors, integers, 0
    background, -1 in ``y`` not annotated. Errors as in :func:`~monai_denoiseg.metrics.match_instances`.

    Args:
        threshold: IoU a match must exceed, or several: all scores but the extra APs are taken at the first.
        empty: ``"skip"`` leaves images without true objects out (papers; how many, and how many false positives they hold, is
            reported); ``"zero"`` lets them count 0 if anything is predicted there.
        reduction: ``"image_mean"``, the mean over images (papers), or ``"pooled"``, from counts summed over the data set, SEG
            being the mean over objects (Cell Tracking Challenge).
        value: name of the one score :meth:`aggregate` returns, for use as a key metric; ``None`` returns all in a dictionary.

    Raises:
        ValueError: when an argument is not one of its options, or a threshold outside [0, 1].

    Source: DenoiSeg (2020) for ``image_mean`` and ``skip``.

    >>> metric = InstanceMetric(threshold=[0.5, 0.75])
    >>> truth = torch.tensor([[[[1, 1, 1, 0, 2]]]])
    >>> rows = metric(truth.clone().fill_(0), truth), metric(truth, truth)
    >>> metric.aggregate()["ap"], metric.aggregate()["ap_0.75"], metric.aggregate()["n_objects"]
    (0.5, 0.5, 4)
    >>> metric.rows()[0]["fn"], metric.rows()[1]["seg"]
    (2, 1.0)
    """

    def __init__(
        self,
        threshold: float | Sequence[float] = 0.5,
        empty: str = "skip",
        reduction: str = "image_mean",
        value: str | None = None,
    ) -> None:
        super().__init__()
        thresholds = threshold if isinstance(threshold, Sequence) else [threshold]
        if not thresholds:
            raise ValueError("`threshold` needs at least one value, got an empty sequence")
        self.thresholds = [check_range("threshold", level, 0, 1) for level in thresholds]
        self.empty = check_option("empty", empty, EMPTY_POLICIES)
        self.reduction = check_option("reduction", reduction, ("image_mean", "pooled"))
        self.scores = (*_SCORES, *(f"ap_{level:g}" for level in self.thresholds)) if len(self.thresholds) > 1 else _SCORES
        self.value = value if value is None else check_option("value", value, self.scores)

    def _compute_tensor(self, y_pred: torch.Tensor, y: torch.Tensor | None = None, **kwargs: Any) -> torch.Tensor:
        """Return a row of counts for each image: true objects, predicted ones, sum of SEG, TP at each threshold."""
        if y is None:
            raise ValueError("`y`, the true instances, is missing")
        rows = [self._count(truth, prediction) for truth, prediction in zip(y, y_pred, strict=True)]
        return torch.tensor(rows, dtype=torch.float32, device=y_pred.device).reshape(len(rows), 3 + len(self.thresholds))

    def _count(self, truth: torch.Tensor, prediction: torch.Tensor) -> list[float]:
        overlap = Overlap.of(truth, prediction)
        matched = [overlap.match(level).tp for level in self.thresholds]
        return [len(overlap.truth), len(overlap.prediction), float(overlap.coverage_ious.sum()), *matched]

    def rows(self) -> list[dict[str, float]]:
        """Return the scores and counts of each image so far (of all processes), in order, ready for a CSV file."""
        return [self._scores(counts) for counts in self._counts()]

    def aggregate(self) -> dict[str, float] | float:
        """Reduce over all images so far, of all processes.

        Returns:
            ``ap, seg, precision, recall, f1`` (NaN if no image can be scored), with several thresholds also ``ap_<threshold>``;
            the images scored ``n_images`` and left out ``n_skipped``, predicted objects in the latter
            ``skipped_false_positives``, and true objects ``n_objects``. Only one score if ``value`` names it.
        """
        images = [(counts, self._scores(counts)) for counts in self._counts()]
        scored = [(counts, row) for counts, row in images if not math.isnan(row["ap"])]
        if not scored:
            result = dict.fromkeys(self.scores, math.nan)
        elif self.reduction == "pooled":
            totals = self._scores([sum(column) for column in zip(*(counts for counts, _ in scored), strict=True)])
            result = {name: totals[name] for name in self.scores}
        else:
            result = {name: sum(row[name] for _, row in scored) / len(scored) for name in self.scores}
        if self.value is not None:
            return result[self.value]
        return {
            **result,
            "n_images": len(scored),
            "n_skipped": len(images) - len(scored),
            "skipped_false_positives": sum(row["n_predicted"] for _, row in images if math.isnan(row["ap"])),
            "n_objects": sum(row["n_objects"] for _, row in scored),
        }

    def _counts(self) -> list[list[float]]:
        buffer = self.get_buffer()
        return [] if buffer is None else buffer.double().tolist()

    def _scores(self, counts: Sequence[float]) -> dict[str, float]:
        """Turn counts (of one image, or summed) into scores."""
        n_true, n_predicted, seg_sum, *matched = counts
        tp = matched[0]
        aps = [ap_from_counts(hits, n_predicted - hits, n_true - hits, self.empty) for hits in matched]
        detection = detection_from_counts(tp, n_predicted - tp, n_true - tp, self.empty)
        seg = seg_sum / n_true if n_true else undefined(n_predicted, self.empty)
        row: dict[str, float] = {"ap": aps[0], "seg": seg, **detection._asdict()}
        if len(aps) > 1:
            row |= {f"ap_{level:g}": ap for level, ap in zip(self.thresholds, aps, strict=True)}
        counted = {"tp": tp, "fp": n_predicted - tp, "fn": n_true - tp, "n_objects": n_true, "n_predicted": n_predicted}
        return row | {name: round(count) for name, count in counted.items()}
