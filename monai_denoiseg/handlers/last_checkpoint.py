"""``last.pt``: everything needed to go on with a stopped training."""

from __future__ import annotations

import logging
import math
import random
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from ignite.engine import Engine, Events
from torch import nn

from monai_denoiseg.files import save_atomically, set_aside
from monai_denoiseg.handlers.checkpoint import Best, BestCheckpoint
from monai_denoiseg.processes import is_main_process, of_all_processes, unwrap

logger = logging.getLogger(__name__)


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
        resume: go on from ``path``. With more epochs than before the run is extended: the learning rate goes on as in a run that
            was planned for so many.
        about: what is kept besides, plain values: settings and split of the run.

    Raises:
        FileNotFoundError: when ``resume`` is set, but there is no file.
        ValueError: (when the training starts) if fewer epochs are wanted than before.

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
        about: Mapping[str, Any] | None = None,
    ) -> None:
        self.path, self.network, self.optimizer, self.scheduler, self.best, self.resume = (
            Path(path),
            unwrap(network),
            optimizer,
            scheduler,
            best,
            resume,
        )
        self.about = dict(about or {})
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
        epochs = engine.state.max_epochs
        self._check_length(state, epochs)
        for name, part in self._parts(engine).items():
            part.load_state_dict(state[name])
        if epochs != state["max_epochs"] and self.scheduler is not None:
            reschedule(self.scheduler, epochs)
        engine.state.epoch, engine.state.iteration = state["epoch"], state["iteration"]
        if self.best is not None and state["best"] is not None:
            self.best.best = Best(*state["best"])
        rank = torch.distributed.get_rank() if torch.distributed.is_available() and torch.distributed.is_initialized() else 0
        if rank < len(state["rng"]):
            restore_rng(state["rng"][rank])
        logger.info("resumed %s after epoch %d of %d", self.path, engine.state.epoch, engine.state.max_epochs)

    def _check_length(self, state: Mapping[str, Any], epochs: int) -> None:
        planned = state["max_epochs"]
        if epochs < planned:
            raise ValueError(
                f"`max_epochs` was {planned} in {self.path} and is {epochs} now: a run can be extended, not shortened"
            )

    def _save(self, engine: Any) -> None:
        rng = of_all_processes(rng_state())  # of one alone, all would draw the same batches after a resume
        if not is_main_process():
            return
        state: dict[str, Any] = {name: part.state_dict() for name, part in self._parts(engine).items()}
        best = list(self.best.best) if self.best is not None and self.best.best is not None else None
        state |= {name: getattr(engine.state, name) for name in ("epoch", "iteration", "max_epochs")}
        state |= {"best": best, "rng": rng, "about": self.about}
        save_atomically(state, self.path)


def reschedule(scheduler: Any, epochs: int) -> None:
    """Let a cosine schedule go on as if it had been planned for so many epochs from the start.

    Args:
        scheduler: a ``CosineAnnealingLR`` that stands where it stopped; another kind is left as it is.
        epochs: its new length.

    >>> optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
    >>> scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=2)
    >>> optimizer.step(); scheduler.step(); optimizer.step(); scheduler.step()
    >>> reschedule(scheduler, 4)
    >>> round(optimizer.param_groups[0]["lr"], 3)
    0.5
    """
    if not isinstance(scheduler, torch.optim.lr_scheduler.CosineAnnealingLR):
        logger.warning("%s is no cosine schedule: the learning rate goes on as it was planned", type(scheduler).__name__)
        return
    scheduler.T_max = epochs
    share = (1 + math.cos(math.pi * scheduler.last_epoch / epochs)) / 2
    rates = [scheduler.eta_min + (base - scheduler.eta_min) * share for base in scheduler.base_lrs]
    for group, rate in zip(scheduler.optimizer.param_groups, rates, strict=True):
        group["lr"] = rate
    scheduler._last_lr = rates
    logger.info("extended to %d epochs: the learning rate goes on at %.2g, on the cosine of that length", epochs, rates[0])


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
