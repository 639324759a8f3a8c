from __future__ import annotations

import io
import math
import sys

import pytest

from monai_denoiseg.self2seg import watch as watch_module
from monai_denoiseg.self2seg.watch import Watch


class Clock:
    """Stands where the real clock does."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 100.0
        monkeypatch.setattr(watch_module.time, "monotonic", lambda: self.now)


def test_the_budget_counts_from_the_making(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock(monkeypatch)
    watch = Watch(5.0)
    clock.now += 4.9
    assert not watch.over
    clock.now += 0.1
    assert watch.over
    assert watch.spent == pytest.approx(5.0)


def test_without_budget_it_is_never_over(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock(monkeypatch)
    watch = Watch()
    clock.now += 1e9
    assert not watch.over


@pytest.mark.parametrize("seconds", [0, -1.0, math.nan, True, "10"])
def test_a_wrong_budget_is_refused(seconds: float) -> None:
    with pytest.raises(ValueError, match="`time_budget`"):
        Watch(seconds)


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_the_bar_counts_and_goes_away(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = Terminal()
    monkeypatch.setattr(sys, "stderr", screen)
    watch = Watch(bar=True)
    assert watch._bar is not None
    watch.tick("training")
    watch.tick()  # no text leaves the old one
    assert (watch._bar.n, watch._bar.desc) == (2, "training: ")
    watch.close()
    assert watch._bar.disable
    assert screen.getvalue() != ""


@pytest.mark.parametrize("bar", [False, True])
def test_a_log_file_gets_no_bar(bar: bool, capsys: pytest.CaptureFixture[str]) -> None:
    watch = Watch(1.0, bar)
    watch.tick("training")
    watch.close()
    assert capsys.readouterr() == ("", "")
