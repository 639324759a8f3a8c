"""``model.pt``: the best network of a training."""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from ignite.engine import Engine, Events
from torch import nn

from monai_denoiseg.checks import check_range
from monai_denoiseg.files import save_atomically, set_aside
from monai_denoiseg.heads import denoises, head_of
from monai_denoiseg.processes import is_main_process, unwrap

logger = logging.getLogger(__name__)


def selection_score(
    metrics: Mapping[str, float], metric: str = "ap", losses: Sequence[str] = ("denoising", "loss")
) -> tuple[str, float]:
    """The number by which validations are compared, larger is better.

    The rule: the segmentation score if there are labelled validation images, else the denoising loss (negative), else the joint
    loss.

    Args:
        metrics: ``state.metrics`` of the evaluator.
        metric: name of the segmentation score: ``"ap"`` for instances, ``"dice"`` for semantic classes.
        losses: where that was not measured, the first of these that was.

    Returns:
        Name and value.

    Raises:
        KeyError: when none of the three was measured.

    >>> selection_score({"ap": 0.7, "denoising": 0.2}), selection_score({"ap": float("nan"), "denoising": 0.2})
    (('ap', 0.7), ('denoising', -0.2))
    """
    if math.isfinite(metrics.get(metric, math.nan)):
        return metric, metrics[metric]
    for name in losses:
        if name in metrics:
            return name, -metrics[name]
    raise KeyError(
        f"validation measured neither {metric!r}, 'denoising' nor 'loss', only {sorted(metrics)}: "
        "attach a ThresholdSearch (a DiceScore for semantic classes) or give a loss"
    )


def score_tolerance(tolerance: float, alpha: float, head: Any = None) -> float:
    """Tolerance of :class:`BestCheckpoint` for a training.

    Args:
        tolerance: the user's ``ap_tolerance``.
        alpha: weight of the denoising loss; without it there is no better denoiser among networks that segment equally well.
        head: what is predicted: the Dice of classes has no tolerance.

    >>> score_tolerance(0.02, 0.5), score_tolerance(0.02, 0.0)
    (0.02, 0.0)
    """
    return tolerance if alpha > 0 and getattr(head, "key_metric", "ap") == "ap" else 0.0


class Best(NamedTuple):
    """What is known of the best validation.

    Attributes:
        name: what is compared, see :func:`selection_score`.
        top: the highest score so far.
        score: the score of the saved network, at most the tolerance below ``top``.
        denoising: its denoising loss.
        error: standard error of ``top``, 0 if it is not known.
    """

    name: str
    top: float
    score: float
    denoising: float
    error: float = 0.0


class BestCheckpoint:
    """Keep the network of the best validation as one flat state dict (weights, normalisation, threshold).

    The score is that of :func:`selection_score`. Networks whose segmentation score is within ``tolerance`` of the highest so far,
    or within two of its standard errors (``<metric>_error``) if that is more, count as equally good. Of these the one that
    denoises best is kept. From one validation to the next, the AP of a few hundred objects varies by more than that; on two
    annotated images with ten to thirty objects it varies by 0.2. It can be highest early, when denoised images are still poor.

    Args:
        path: ``model.pt``. A file of an earlier run is set aside, not overwritten.
        network: the network (a distributed wrapper is taken off).
        tolerance: differences of the segmentation score up to this are no differences, in [0, 1]; 0 where denoising is not
            trained: then the highest score is kept whatever its error.
        metric: the segmentation score to go by; None takes that of the network's head.

    Raises:
        ValueError: when ``tolerance`` is out of range.

    Source: the standard-error rule of Breiman, Friedman, Olshen & Stone, Classification and Regression Trees (1984), 3.4.3,
    who take one.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     best = BestCheckpoint(Path(folder) / "model.pt", nn.Linear(1, 1), tolerance=0.02)
        ...     [best.update({"ap": ap, "denoising": d}) for ap, d in [(0.5, 0.3), (0.49, 0.2), (0.4, 0.1), (0.6, 0.3)]]
        [True, True, False, True]
    """

    def __init__(self, path: str | Path, network: nn.Module, tolerance: float = 0.0, metric: str | None = None) -> None:
        self.path, self.network = Path(path), unwrap(network)
        self.metric = metric or head_of(network).key_metric
        self.losses = ("denoising", "loss") if denoises(network) else ("loss",)
        self.tolerance = check_range("ap_tolerance", tolerance, 0, 1)
        self.best: Best | None = None

    def attach(self, engine: Engine) -> None:
        """Attach to the evaluator, after the handlers that measure."""
        engine.add_event_handler(Events.EPOCH_COMPLETED, lambda e: self.update(e.state.metrics))

    def update(self, metrics: Mapping[str, float]) -> bool:
        """Save if this validation is the best so far; return whether it was.

        Args:
            metrics: ``state.metrics`` of the evaluator.
        """
        name, score = selection_score(metrics, self.metric, self.losses)
        new = Best(name, score, score, metrics.get("denoising", math.inf), metrics.get(f"{name}_error", 0.0))
        if self.best is not None and self.best.name == name:
            highest = new if score > self.best.top or math.isnan(self.best.top) else self.best
            self.best, new = (one._replace(top=highest.top, error=highest.error) for one in (self.best, new))
            if not self._is_better(new, self.best):
                return False
        if is_main_process():
            if self.best is None:
                set_aside(self.path)
            save_atomically(self.network.state_dict(), self.path)
            logger.info("best so far, %s %.4f: saved %s", name, abs(score), self.path)
        self.best = new
        return True

    def _is_better(self, new: Best, saved: Best) -> bool:
        floor = new.top - (max(self.tolerance, 2 * new.error) if self.tolerance and new.name == self.metric else 0)
        if not new.score >= floor:
            return False
        if saved.score >= floor and self.tolerance and new.name == self.metric:
            return new.denoising < saved.denoising
        return new.score > saved.score or not saved.score >= floor
