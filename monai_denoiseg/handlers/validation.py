"""Validation every few epochs, and always after the last one."""

from __future__ import annotations

from typing import Any

from ignite.engine import Engine, Events
from monai.handlers import ValidationHandler


class FullValidationHandler(ValidationHandler):
    """MONAI's ``ValidationHandler`` that never leaves the last epoch unvalidated.

    Without this a training of 3 epochs with an interval of 5 would end without a checkpoint.

    Args:
        interval: validate every so many epochs.
        validator: the evaluator.
        epoch_level: as in MONAI.
        exec_at_start: as in MONAI.

    Example:
        >>> from monai.engines import Evaluator
        >>> validated = []
        >>> validator = Evaluator("cpu", [0], iteration_update=lambda engine, batch: validated.append(engine.state.epoch))
        >>> trainer = Engine(lambda engine, batch: None)
        >>> FullValidationHandler(2, validator).attach(trainer)
        >>> _ = trainer.run([0], max_epochs=5)
        >>> validated
        [2, 4, 5]
    """

    def attach(self, engine: Engine) -> None:
        """Attach to the trainer, before the handlers that save."""
        super().attach(engine)
        if self.epoch_level:
            engine.add_event_handler(Events.EPOCH_COMPLETED, self._last)

    def _last(self, engine: Any) -> None:
        if engine.state.epoch == engine.state.max_epochs and engine.state.epoch % self.interval:
            self(engine)
