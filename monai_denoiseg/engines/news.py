"""What Ignite says of an engine, without what tells a user nothing."""

from __future__ import annotations

import logging

from ignite.engine import Engine


def _says_more(record: logging.LogRecord) -> bool:
    """Every run that begins is said to resume, from iteration 0."""
    return not record.getMessage().startswith("Engine run resuming from iteration 0,")


def _is_news(record: logging.LogRecord) -> bool:
    return record.levelno > logging.INFO or not record.getMessage().startswith(("Engine run", "Epoch["))


def only_news(engine: Engine, *, epochs: bool = False) -> None:
    """Leave out what an engine says of its own beginning and end; a handler says what came of it.

    Args:
        engine: of MONAI or Ignite; all engines of its class share the logger.
        epochs: whether its epochs mean something to a user, who then reads how long each took.

    >>> from ignite.engine import Engine
    >>> engine = Engine(lambda engine, batch: None)
    >>> only_news(engine)
    >>> len(engine.logger.filters)
    1
    """
    engine.logger.addFilter(_says_more if epochs else _is_news)  # the same function is added once
