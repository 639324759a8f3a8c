"""Time budget and progress bar of a long computation."""

from __future__ import annotations

import math
import time

from tqdm.auto import tqdm

from monai_denoiseg.checks import check_range


class Watch:
    """Time budget of a long loop, with a progress bar.

    Args:
        seconds: time budget from now on; None for no limit.
        bar: whether to show a progress bar on a terminal (on the error stream; it counts the steps, the end is not known
            beforehand).

    Raises:
        ValueError: for a budget that is not positive.

    >>> watch = Watch(seconds=3600)
    >>> watch.tick("training"), watch.over
    (None, False)
    """

    def __init__(self, seconds: float | None = None, bar: bool = False) -> None:
        if seconds is not None:
            check_range("time_budget", seconds, 0, math.inf, open_low=True)
        self._start = time.monotonic()
        self._seconds = math.inf if seconds is None else seconds
        self._bar = tqdm(unit="step", leave=False, disable=None) if bar else None

    @property
    def spent(self) -> float:
        """Seconds since the watch was made."""
        return time.monotonic() - self._start

    @property
    def over(self) -> bool:
        """Whether the budget is used up."""
        return self.spent >= self._seconds

    def tick(self, text: str = "") -> None:
        """Advance the progress bar by one step.

        Args:
            text: what is being done; empty keeps the present text.
        """
        if self._bar is not None:
            if text:
                self._bar.set_description(text, refresh=False)
            self._bar.update()

    def close(self) -> None:
        """Take the progress bar away."""
        if self._bar is not None:
            self._bar.close()
