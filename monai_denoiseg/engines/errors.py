"""What a user sees of an error: its first cause."""

from __future__ import annotations

import logging
import os
import sys
import threading
from multiprocessing.dummy import DummyProcess
from types import TracebackType
from typing import Any

TRACEBACK = "DENOISEG_TRACEBACK"
"""Environment variable: 1 shows where in the program an error arose."""


def explain_errors() -> None:
    """Let a program end with the first cause of an error in a configuration, in one line.

    MONAI wraps an error in one "Failed to evaluate ..." for each level of the configuration, and the reason stands far above the
    last line. The whole traceback is printed where the environment has ``DENOISEG_TRACEBACK=1``, and of an error that MONAI did
    not wrap.
    """
    if sys.excepthook is not sys.__excepthook__:
        return

    def hook(kind: type[BaseException], error: BaseException, traceback: TracebackType | None) -> None:
        if issubclass(kind, KeyboardInterrupt):
            print("\nStopped. A training goes on from its last checkpoint with --resume true", file=sys.stderr)
            return
        cause = first_cause(error)
        if cause is error or wants_traceback():
            sys.__excepthook__(kind, error, traceback)
        if cause is not error:
            print(f"\n{type(cause).__name__}: {cause}", file=sys.stderr)
        wait_for_workers()

    sys.excepthook = hook
    main = getattr(sys.modules.get("__main__"), "__spec__", None)
    if main is not None and main.name == "monai.bundle.__main__" and not wants_traceback():
        logging.setLogRecordFactory(plain_record)


def wants_traceback() -> bool:
    """Whether the user asks for tracebacks of all errors."""
    return os.environ.get(TRACEBACK, "0") not in ("", "0")


def plain_record(*words: Any, **options: Any) -> logging.LogRecord:
    """A log record without traceback: MONAI's and Ignite's handlers log one for each level an error passes.

    Args:
        words: as of :class:`logging.LogRecord`.
        options: likewise.

    >>> plain_record("name", 40, "file.py", 1, "failed", (), (ValueError, ValueError(), None)).exc_info
    """
    made = logging.LogRecord(*words, **options)
    made.exc_info = made.exc_text = None
    return made


def first_cause(error: BaseException) -> BaseException:
    """Follow ``raise ... from`` back through MONAI's wrapping, which is made of ``RuntimeError``, to the error it began with.

    Args:
        error: any error.

    >>> outer = RuntimeError("Failed to evaluate")
    >>> outer.__cause__ = ValueError("`alpha` must be in [0, 1], got 2")
    >>> first_cause(outer)
    ValueError('`alpha` must be in [0, 1], got 2')
    """
    while type(error) is RuntimeError and error.__cause__ is not None:
        error = error.__cause__
    return error


def wait_for_workers(seconds: float = 30.0) -> None:
    """Let threads of a pool finish what they are at.

    MONAI's ``CacheDataset`` loads in a thread pool and leaves its threads behind when an item fails. Python then ends under them,
    and one that is within torch takes the program down ("terminate called without an active exception", exit code 134).

    Args:
        seconds: to wait for each, at most.

    >>> wait_for_workers()
    """
    for thread in threading.enumerate():
        if isinstance(thread, DummyProcess):
            thread.join(seconds)
