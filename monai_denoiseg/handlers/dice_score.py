"""The validation score of semantic classes, and the choice between it and the threshold search of instances."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from ignite.engine import Engine, Events
from torch import Tensor, nn

from monai_denoiseg.handlers.labels import predicted_labels
from monai_denoiseg.handlers.threshold_search import ThresholdSearch
from monai_denoiseg.heads import head_of
from monai_denoiseg.metrics import class_dice, class_present, dice_of_set
from monai_denoiseg.processes import of_all_processes, unwrap


class DiceScore:
    """Measure Dice of each semantic class over the labelled images of a validation.

    ``state.metrics`` gets ``dice_<name>``, the mean over the images that have the class or wrongly show it, and ``dice``, the
    mean over the classes that occur, without the background; NaN where there is nothing to measure. Nothing is searched or
    stored: the most probable class is taken.

    Args:
        network: a :class:`~monai_denoiseg.networks.DenoiSegNet` with ``classes`` (a distributed wrapper is taken off).
        labels: callable ``(probabilities, threshold, spacing=...)`` that gives label values
            (:class:`~monai_denoiseg.transforms.ProbabilitiesToClasses`).
        truth_key: batch key of the true labels ``(1, [D,] H, W)``; items without it are not labelled.

    Raises:
        ValueError: when the network has no semantic classes.

    Example:
        >>> from monai_denoiseg.networks import DenoiSegNet
        >>> from monai_denoiseg.transforms import ProbabilitiesToClasses
        >>> network = DenoiSegNet(2, depth=1, features=4, classes=["background", "liver"])
        >>> score = DiceScore(network, ProbabilitiesToClasses(2))
        >>> score.add(torch.tensor([[[0.9, 0.2, 0.2]], [[0.1, 0.8, 0.8]]]), torch.tensor([[[0, 1, 1]]]))
        >>> score.average()
        {'dice': 1.0, 'dice_liver': 1.0}
    """

    def __init__(self, network: nn.Module, labels: Callable[..., Any], truth_key: str = "instances") -> None:
        self.network: Any = unwrap(network)
        self.classes = head_of(network).classes
        if not self.classes:
            raise ValueError("the network has no `classes`: it finds instances, whose score is measured by ThresholdSearch")
        self.labels, self.truth_key = labels, truth_key
        self._rows: list[list[float]] = []

    def attach(self, engine: Engine) -> None:
        """Attach to the evaluator, before a :class:`BestCheckpoint`."""
        engine.add_event_handler(Events.EPOCH_STARTED, lambda _: self._rows.clear())
        engine.add_event_handler(Events.ITERATION_COMPLETED, self._collect)
        engine.add_event_handler(Events.EPOCH_COMPLETED, lambda e: e.state.metrics.update(self.average()))

    def _collect(self, engine: Any) -> None:
        for item, output in zip(engine.state.batch, engine.state.output, strict=True):
            if self.truth_key in item:
                self.add(output["pred"], torch.as_tensor(item[self.truth_key]), item)

    def add(self, prediction: Tensor, truth: Tensor, item: Any = None) -> None:
        """Score one image.

        Args:
            prediction: ``(K or more, [D,] H, W)``: class probabilities first.
            truth: true labels ``(1, [D,] H, W)``, -1 where not annotated.
            item: the item of the batch, for its voxel size.
        """
        probabilities = torch.as_tensor(prediction)[: len(self.classes)]
        found = predicted_labels(self.labels, probabilities, float(self.network.threshold[0]), item)
        scores, present = class_dice(found, truth, len(self.classes)), class_present(truth, len(self.classes))
        self._rows.append([*scores.tolist(), *present.tolist()])

    def average(self) -> dict[str, float]:
        """Scores over all images of all processes, by name."""
        rows = [row for rows in of_all_processes(self._rows) for row in rows]
        scores, present = torch.tensor(rows, dtype=torch.float64).reshape(-1, 2, len(self.classes) - 1).unbind(1)
        return dice_of_set(scores, present, self.classes)


def validation_score(network: nn.Module, instances: Callable[..., Any], **options: Any) -> ThresholdSearch | DiceScore:
    """Choose the score of a validation by what the network predicts.

    Args:
        network: a :class:`~monai_denoiseg.networks.DenoiSegNet` (a distributed wrapper is taken off).
        instances: what makes labels of probabilities, see :func:`~monai_denoiseg.heads.label_rule`.
        options: further arguments of the handler, such as ``truth_key``.

    Returns:
        :class:`DiceScore` for semantic classes, else :class:`ThresholdSearch`.

    >>> from monai_denoiseg.networks import DenoiSegNet
    >>> from monai_denoiseg.heads import label_rule
    >>> network = DenoiSegNet(2, depth=1, features=4, classes=["background", "liver"])
    >>> type(validation_score(network, label_rule(network.classes))).__name__
    'DiceScore'
    """
    handlers: dict[str, Any] = {"ap": ThresholdSearch, "dice": DiceScore}
    return handlers[head_of(network).key_metric](network, instances, **options)  # type: ignore[no-any-return]


def score_columns(network: nn.Module) -> list[str]:
    """Names of what :func:`validation_score` measures, for the columns of a log.

    Args:
        network: a :class:`~monai_denoiseg.networks.DenoiSegNet` (a distributed wrapper is taken off).

    >>> from monai_denoiseg.networks import DenoiSegNet
    >>> score_columns(DenoiSegNet(2, depth=1, features=4))
    ['ap', 'seg', 'threshold']
    >>> score_columns(DenoiSegNet(2, depth=1, features=4, classes=["background", "liver"]))
    ['dice', 'dice_liver']
    """
    return head_of(network).columns
