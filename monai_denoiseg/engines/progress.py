"""How far an engine is, in a terminal or a notebook."""

from __future__ import annotations

import logging
from contextlib import ExitStack
from types import TracebackType
from typing import Any

from ignite.engine import Engine, Events
from tqdm.auto import tqdm
from tqdm.contrib.logging import logging_redirect_tqdm

from monai_denoiseg.processes import is_main_process


def resumes(record: logging.LogRecord) -> bool:
    """Whether a line is no news: every run that begins is one that "resumes from iteration 0"."""
    return not record.getMessage().startswith("Engine run resuming from iteration 0")


def is_news(record: logging.LogRecord) -> bool:
    """Whether a line is more than that an engine began, or ended an epoch or its run."""
    return record.levelno > logging.INFO or not record.getMessage().startswith(("Engine run", "Epoch["))


class Progress:
    """A bar with the time left while an engine runs, and none of the lines of Ignite that say nothing.

    A bar is shown in a terminal or a notebook only, log lines above it, and is gone when the run has ended, well or badly.

    Args:
        engine: of MONAI or Ignite.
        unit: what one iteration handles.
        epochs: whether its epochs mean something to a user, who then reads how long each took.

    Example:
        >>> from ignite.engine import Engine
        >>> engine = Engine(lambda engine, batch: None)
        >>> with Progress(engine, "image"):
        ...     engine.run([1, 2, 3]).iteration
        3
    """

    def __init__(self, engine: Engine, unit: str, *, epochs: bool = False) -> None:
        self.unit, self.epochs = unit, epochs
        self.bar: Any = None
        self._shown = ExitStack()
        engine.logger.addFilter(resumes if epochs else is_news)  # shared by the engines of a class, as the filter is
        engine.add_event_handler(Events.EPOCH_STARTED, self._begin)
        engine.add_event_handler(Events.ITERATION_COMPLETED, self._step)

    def __enter__(self) -> Progress:
        self.__exit__(None, None, None)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._shown.close()
        self.bar = None

    def _begin(self, engine: Engine) -> None:
        state = engine.state
        if self.bar is None:
            steps = (state.epoch_length or 0) * (state.max_epochs or 1)
            hidden = None if is_main_process() else True  # None: shown in a terminal only
            self.bar = tqdm(total=steps or None, initial=state.iteration, unit=self.unit, leave=False, disable=hidden)
            self._shown.callback(self.bar.close)
            if not self.bar.disable:
                loggers = [one for one in logging.root.manager.loggerDict.values() if isinstance(one, logging.Logger)]
                with_output = [logging.root, *(one for one in loggers if one.handlers)]
                self._shown.enter_context(logging_redirect_tqdm(with_output, tqdm_class=type(self.bar)))
        if self.epochs:
            self.bar.set_description(f"epoch {state.epoch} of {state.max_epochs}")

    def _step(self, engine: Engine) -> None:
        if self.bar is not None:
            self.bar.update()
