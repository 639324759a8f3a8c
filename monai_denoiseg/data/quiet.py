"""Keep what other packages log to themselves out of the log."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def quiet(name: str, level: int = logging.ERROR) -> Iterator[None]:
    """Let a logger and those below it say only what is as grave as a level, within a ``with`` block.

    Args:
        name: of the logger.
        level: of ``logging``; one that is set higher stays.

    Yields:
        Nothing.

    >>> with quiet("a.package"):
    ...     logging.getLogger("a.package.module").isEnabledFor(logging.WARNING)
    False
    """
    logger = logging.getLogger(name)
    before = logger.level
    logger.setLevel(max(level, before))
    try:
        yield
    finally:
        logger.setLevel(before)
