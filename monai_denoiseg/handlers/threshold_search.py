"""Search the foreground threshold on the labelled validation images."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import Any

import torch
from ignite.engine import Engine, Events
from torch import Tensor, nn

from monai_denoiseg.checks import check_range
from monai_denoiseg.handlers.labels import predicted_labels
from monai_denoiseg.metrics import average_precision, seg_score
from monai_denoiseg.processes import of_all_processes, unwrap

logger = logging.getLogger(__name__)

GRID = (*(round(0.05 * i, 2) for i in range(2, 20)), 0.97, 0.98, 0.99)
"""0.10, 0.15, ..., 0.95 as in the paper, then finer: touching objects part where their contact is a little less than certain."""

USUAL, PULL = 0.6, 60.0
"""What is maximised for n true objects is n log AP(T) - PULL (T - USUAL)²: nine objects cannot choose an extreme threshold."""


class ThresholdSearch:
    """Choose the threshold for the mean AP, and the one for the mean SEG, over the labelled images of a validation.

    For a rule with ``overlaps`` (:class:`~monai_denoiseg.transforms.StarsToInstances`) each threshold is tried
    with each overlap of the non-maximum suppression, which is stored as ``network.overlap``.

    With n true objects n log AP(T) - 60 (T - 0.6)² is maximised, for SEG the same: a thousand objects choose freely, as in
    DenoiSeg, a handful is held near 0.6, where most thresholds of larger sets lie (``docs/recipe.md``). Ties go to the higher
    threshold, as in DenoiSeg.

    Both thresholds are stored in the network (``network.threshold``, AP first), and with them the rule they were searched with
    (``network.head``), so they travel in ``model.pt``.
    ``state.metrics`` gets ``ap``, ``seg`` (each at its own threshold), ``threshold`` (the one for AP) and ``ap_error``, the
    standard error of AP from the number of true objects, as that of a share of n: the few objects of two images say little.
    Without a labelled image the scores are NaN and the thresholds stay as they are.

    Args:
        network: a :class:`~monai_denoiseg.networks.DenoiSegNet` (a distributed wrapper is taken off).
        instances: callable ``(probabilities, threshold, spacing=...) -> instances``, the very one inference uses
            (:class:`~monai_denoiseg.transforms.ProbabilitiesToInstances`).
        thresholds: candidates in (0, 1); None takes those of the rule (its attribute ``thresholds``), else :data:`GRID`.
        truth_key: batch key of the true instances ``(1, [D,] H, W)``; items without it are not labelled.

    Raises:
        ValueError: when there is no candidate or one is outside (0, 1).

    Example:
        >>> from monai_denoiseg.networks import DenoiSegNet
        >>> from monai_denoiseg.transforms import ProbabilitiesToInstances
        >>> search = ThresholdSearch(DenoiSegNet(2, depth=1, features=4), ProbabilitiesToInstances())
        >>> foreground = torch.tensor([[0.9, 0.9, 0.4, 0.2]])
        >>> search.add(torch.stack([1 - foreground, foreground, 0 * foreground]), torch.tensor([[[1, 1, 0, 0]]]))
        >>> search.choose()["threshold"]
        0.6
    """

    def __init__(
        self,
        network: nn.Module,
        instances: Callable[..., Any],
        thresholds: Sequence[float] | None = None,
        truth_key: str = "instances",
    ) -> None:
        if thresholds is None:
            thresholds = getattr(instances, "thresholds", GRID)
        if not thresholds:
            raise ValueError("`thresholds` is empty; give at least one number in (0, 1)")
        self.thresholds = sorted(check_range("thresholds", t, 0, 1, open_low=True, open_high=True) for t in thresholds)
        self.network: Any = unwrap(network)
        self.instances, self.truth_key = instances, truth_key
        self.overlaps: list[float] = list(getattr(instances, "overlaps", ()))
        self.levels = [(threshold, overlap) for overlap in self.overlaps or [0.0] for threshold in self.thresholds]
        self._rows: list[Any] = []
        self._objects: list[int] = []

    def attach(self, engine: Engine) -> None:
        """Attach to the evaluator, before a :class:`BestCheckpoint`."""
        engine.add_event_handler(Events.EPOCH_STARTED, self._forget)
        engine.add_event_handler(Events.ITERATION_COMPLETED, self._collect)
        engine.add_event_handler(Events.EPOCH_COMPLETED, lambda e: e.state.metrics.update(self.choose()))

    def _forget(self) -> None:
        self._rows.clear()
        self._objects.clear()

    def _collect(self, engine: Any) -> None:
        for item, output in zip(engine.state.batch, engine.state.output, strict=True):
            if self.truth_key in item:
                self.add(output["pred"], torch.as_tensor(item[self.truth_key]), item)

    def add(self, prediction: Tensor, truth: Tensor, item: Any = None) -> None:
        """Score one image at every threshold.

        Args:
            prediction: ``(3 or more, [D,] H, W)``: class probabilities first.
            truth: true instances ``(1, [D,] H, W)``, -1 where not annotated.
            item: the item of the batch, for its voxel size (``spacing``).
        """
        probabilities = torch.as_tensor(prediction)[: self.network.n_classes].float().cpu()
        truth = truth.cpu()
        if self.overlaps:  # its candidates are sorted out once for all thresholds
            levels = self.instances.at_levels(probabilities, self.thresholds, self.overlaps)  # type: ignore[attr-defined]
            found = [torch.as_tensor(labels) for _, _, labels in levels]
        else:
            found = [predicted_labels(self.instances, probabilities, threshold, item) for threshold in self.thresholds]
        self._rows.append([[average_precision(truth, labels), seg_score(truth, labels)] for labels in found])
        self._objects.append(int((truth.unique() > 0).sum()))

    def choose(self) -> dict[str, float]:
        """Store the best thresholds in the network and return ``ap``, ``seg``, ``threshold`` and ``ap_error``."""
        # MONAI's cumulative buffers would wait for ever for a rank that saw no labelled image.
        rows = torch.tensor([row for rows in of_all_processes(self._rows) for row in rows])
        objects = sum(n for counts in of_all_processes(self._objects) for n in counts)
        if not bool(torch.isfinite(rows).any()):
            nan = float("nan")
            return {"ap": nan, "seg": nan, "threshold": float(self.network.threshold[0]), "ap_error": nan}
        means = rows.double().nanmean(0)
        away = torch.tensor([threshold for threshold, _ in self.levels], dtype=torch.float64) - USUAL
        worth = objects * means.clamp(min=1e-9).log() - PULL * away.square()[:, None]
        # In a tie argmax takes the first: turned around, that is the highest threshold.
        best = len(self.levels) - 1 - worth.flip(0).argmax(0)
        chosen = [self.levels[i] for i in best.tolist()]
        self.network.set_rule(self.instances)
        self.network.threshold.copy_(torch.tensor([threshold for threshold, _ in chosen]))
        if self.overlaps:
            self.network.overlap.copy_(torch.tensor([overlap for _, overlap in chosen]))
        ap, n = float(means[best[0], 0]), objects + 2
        share = (ap * objects + 1) / n  # Laplace's rule of succession: five of five found is no certainty either
        error = (share * (1 - share) / n) ** 0.5
        return {"ap": ap, "seg": float(means[best[1], 1]), "threshold": chosen[0][0], "ap_error": error}
