"""What a user sees of an error: its first cause, last."""

from __future__ import annotations

import sys
import threading
from multiprocessing.dummy import DummyProcess
from types import TracebackType


def explain_errors() -> None:
    """End an uncaught error's traceback with its first cause.

    MONAI wraps an error in one "Failed to evaluate ..." for each level of the configuration, and the reason stands far above the
    last line.
    """
    if sys.excepthook is not sys.__excepthook__:
        return

    def hook(kind: type[BaseException], error: BaseException, traceback: TracebackType | None) -> None:
        if issubclass(kind, KeyboardInterrupt):
            print("\nStopped. A training goes on from its last checkpoint with --resume true", file=sys.stderr)
            return
        sys.__excepthook__(kind, error, traceback)
        cause = first_cause(error)
        if cause is not error:
            print(f"\n{type(cause).__name__}: {cause}", file=sys.stderr)
        wait_for_workers()

    sys.excepthook = hook


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
