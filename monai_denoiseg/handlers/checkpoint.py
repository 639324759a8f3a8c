"""Two checkpoints: ``model.pt`` is the best network, ``last.pt`` is everything needed to go on."""

from __future__ import annotations

import logging
import math
import random
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from ignite.engine import Engine, Events
from torch import nn

from monai_denoiseg.checks import check_range
from monai_denoiseg.files import save_atomically, set_aside
from monai_denoiseg.processes import is_main_process, of_all_processes

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
        metric: the segmentation score to go by; None takes ``"dice"`` for a network with semantic classes, else ``"ap"``.

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
        self.path, self.network = Path(path), getattr(network, "module", network)
        self.metric = metric or ("dice" if getattr(self.network, "classes", None) else "ap")
        self.losses = ("denoising", "loss") if getattr(self.network, "denoises", True) else ("loss",)
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


class LastCheckpoint:
    """Save the whole state of a training after each epoch, and go on from it exactly.

    ``last.pt`` holds network, optimizer, scheduler, gradient scaler, epoch, best score and the states of all random number
    generators; a run that was killed and resumed ends with the same weights as one that was not.

    Args:
        path: ``last.pt``. A file of an earlier run is set aside unless ``resume``.
        network: the network (a distributed wrapper is taken off).
        optimizer: its optimizer.
        scheduler: learning-rate scheduler, or None.
        best: the :class:`BestCheckpoint` whose score is kept as well, or None.
        resume: go on from ``path``.

    Raises:
        FileNotFoundError: when ``resume`` is set, but there is no file.
        ValueError: (when the training starts) if the file is of a training of another length.

    Example:
        >>> import tempfile
        >>> net = nn.Linear(1, 1)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     last = LastCheckpoint(Path(folder) / "last.pt", net, torch.optim.Adam(net.parameters()))
        ...     trainer = Engine(lambda engine, batch: None)
        ...     last.attach(trainer)
        ...     _ = trainer.run([0, 1], max_epochs=3)
        ...     torch.load(last.path)["epoch"]
        3
    """

    def __init__(
        self,
        path: str | Path,
        network: nn.Module,
        optimizer: torch.optim.Optimizer,
        scheduler: Any = None,
        best: BestCheckpoint | None = None,
        resume: bool = False,
    ) -> None:
        self.path, self.network, self.optimizer, self.scheduler, self.best, self.resume = (
            Path(path),
            getattr(network, "module", network),
            optimizer,
            scheduler,
            best,
            resume,
        )
        if resume and not self.path.is_file():
            raise FileNotFoundError(f"`resume` is set, but there is no checkpoint {self.path}; train without --resume first")

    def attach(self, engine: Engine) -> None:
        """Attach to the trainer, after the validation handler."""
        engine.add_event_handler(Events.STARTED, self._start)
        engine.add_event_handler(Events.EPOCH_COMPLETED, self._save)

    def _parts(self, engine: Any) -> dict[str, Any]:
        scaler = getattr(getattr(engine, "precision", None), "scaler", None)
        parts = {"network": self.network, "optimizer": self.optimizer, "scheduler": self.scheduler, "scaler": scaler}
        return {name: part for name, part in parts.items() if part is not None}

    def _start(self, engine: Any) -> None:
        if not self.resume:
            if is_main_process():
                set_aside(self.path)
            return
        state = torch.load(self.path, map_location="cpu", weights_only=True)
        if state["max_epochs"] != engine.state.max_epochs:
            raise ValueError(
                f"{self.path} is of a training of {state['max_epochs']} epochs, its learning rate was scheduled for that; "
                f"resume with `max_epochs` {state['max_epochs']}, got {engine.state.max_epochs}"
            )
        for name, part in self._parts(engine).items():
            part.load_state_dict(state[name])
        engine.state.epoch, engine.state.iteration = state["epoch"], state["iteration"]
        if self.best is not None and state["best"] is not None:
            self.best.best = Best(*state["best"])
        rank = torch.distributed.get_rank() if torch.distributed.is_available() and torch.distributed.is_initialized() else 0
        if rank < len(state["rng"]):
            restore_rng(state["rng"][rank])
        logger.info("resumed %s after epoch %d of %d", self.path, engine.state.epoch, engine.state.max_epochs)

    def _save(self, engine: Any) -> None:
        rng = of_all_processes(rng_state())  # of one alone, all would draw the same batches after a resume
        if not is_main_process():
            return
        state: dict[str, Any] = {name: part.state_dict() for name, part in self._parts(engine).items()}
        best = list(self.best.best) if self.best is not None and self.best.best is not None else None
        state |= {name: getattr(engine.state, name) for name in ("epoch", "iteration", "max_epochs")}
        state |= {"best": best, "rng": rng}
        save_atomically(state, self.path)


def rng_state() -> dict[str, Any]:
    """States of the random number generators of torch, CUDA, numpy and Python, as tensors and plain numbers.

    >>> state = rng_state()
    >>> first = torch.rand(3)
    >>> restore_rng(state)
    >>> bool((torch.rand(3) == first).all())
    True
    """
    _, keys, *rest = np.random.get_state()  # noqa: NPY002 (the global generator is what others draw from)
    return {
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [],
        "numpy": [torch.from_numpy(np.asarray(keys, dtype=np.int64)), *rest],
        "python": random.getstate(),
    }


def restore_rng(state: Mapping[str, Any]) -> None:
    """Set the random number generators to what :func:`rng_state` returned.

    Args:
        state: the states.

    >>> import random
    >>> state = rng_state()
    >>> first = random.random()
    >>> restore_rng(state)
    >>> random.random() == first
    True
    """
    torch.set_rng_state(state["torch"].cpu())
    if state["cuda"] and torch.cuda.is_available():
        torch.cuda.set_rng_state_all([s.cpu() for s in state["cuda"]])
    keys, *rest = state["numpy"]
    np.random.set_state(("MT19937", keys.cpu().numpy().astype(np.uint32), *rest))  # noqa: NPY002
    version, numbers, gauss = state["python"]
    random.setstate((version, tuple(numbers), gauss))
