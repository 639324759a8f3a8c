"""A training that is planned by the clock."""

from __future__ import annotations

import logging
import math
import time
from typing import Any

from ignite.engine import Engine, Events

from monai_denoiseg.checks import check_range

logger = logging.getLogger(__name__)


class TimeLimit:
    """End a training after so many minutes, its learning-rate schedule included.

    The epoch in which the time is over ends with that step and is the last one: it is validated and saved. The learning rate
    follows the cosine of the time that has passed where that is ahead of the epochs, so that it ends low in either case.

    Args:
        minutes: wall time from the first step on (of this process, also of a resumed training); None for no limit.
        lr_scheduler: a ``CosineAnnealingLR``, for its range.

    Raises:
        ValueError: when ``minutes`` is not positive.

    >>> engine = Engine(lambda engine, batch: time.sleep(0.01))
    >>> TimeLimit(0.1 / 60).attach(engine)
    >>> _ = engine.run(range(5), max_epochs=1000)
    >>> engine.state.epoch < 10
    True
    """

    def __init__(self, minutes: float | None = None, lr_scheduler: Any = None) -> None:
        if minutes is not None:
            check_range("max_minutes", minutes, 0, math.inf, open_low=True, open_high=True)
        self.minutes, self.scheduler = minutes, lr_scheduler
        self._start = time.monotonic()

    def attach(self, engine: Engine) -> None:
        """Attach to the trainer."""
        if self.minutes is None:
            return
        engine.add_event_handler(Events.STARTED, self._begin)
        engine.add_event_handler(Events.EPOCH_STARTED, self._anneal)
        engine.add_event_handler(Events.ITERATION_COMPLETED, self._look)

    def _begin(self, engine: Any) -> None:
        self._start = time.monotonic()

    def _passed(self) -> float:
        """Share of the time that is over."""
        return (time.monotonic() - self._start) / (60 * (self.minutes or math.inf))

    def _anneal(self, engine: Any) -> None:
        share = min(1.0, self._passed())
        if self.scheduler is None or share <= (engine.state.epoch - 1) / engine.state.max_epochs:
            return
        low = self.scheduler.eta_min
        for group, base in zip(self.scheduler.optimizer.param_groups, self.scheduler.base_lrs, strict=True):
            group["lr"] = low + (base - low) * (1 + math.cos(math.pi * share)) / 2

    def _look(self, engine: Any) -> None:
        if self._passed() >= 1 and engine.state.max_epochs != engine.state.epoch:
            logger.info("`max_minutes` %g are over: epoch %d is the last", self.minutes, engine.state.epoch)
            engine.state.max_epochs = engine.state.epoch
            engine.terminate_epoch()
