"""What every test file may use."""

from __future__ import annotations

import importlib
import json
import logging
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch

torch.set_num_threads(1)  # tiny tensors: more threads only wait for each other

if signal.getsignal(signal.SIGINT) == signal.SIG_IGN and threading.current_thread() is threading.main_thread():
    # A shell starts what runs in the background deaf to Ctrl-C, and every program that a test starts inherits that.
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """Folder of real images, named by the environment variable DENOISEG_DATA; the test is skipped where there is none."""
    named = os.environ.get("DENOISEG_DATA", "")
    if not named:
        pytest.skip("needs real images: set DENOISEG_DATA to the folder that holds them (dsb2018/, ...)")
    folder = Path(named)
    if not folder.is_dir():
        pytest.skip(f"needs real images: DENOISEG_DATA={named!r} is not a folder")
    return folder


@pytest.fixture(autouse=True)
def same_random_numbers() -> None:
    """What passes once passes always: tests that draw from PyTorch's global generator see the same numbers in each run."""
    torch.manual_seed(0)


@pytest.fixture(autouse=True)
def logging_as_before() -> Iterator[None]:
    """Undo what a bundle run in the test's own process does to logging; several processes disable it in all but one."""
    root = logging.getLogger()
    level, handlers, disabled = root.level, root.handlers[:], root.manager.disable
    yield
    root.setLevel(level)
    logging.disable(disabled)
    for handler in [handler for handler in root.handlers if handler not in handlers]:
        root.removeHandler(handler)


BENCHMARKS = Path(__file__).parents[1] / "benchmarks"


def run_bundle_here(
    config: str, log: Path, bundle: str = "denoiseg_2d", overlays: Sequence[str] = (), threads: int | None = None, **keys: Any
) -> None:
    """In place of ``common.run_bundle`` of the benchmarks, without the seconds that a process of its own takes to start."""
    from monai_denoiseg.bundle.run import run_bundle
    from monai_denoiseg.cli import parse_overrides
    from monai_denoiseg.engines import first_cause

    words = [word for key, value in keys.items() for word in (f"--{key}", str(value))]
    try:
        run_bundle({"inference": "infer"}.get(config, config), bundle, *overlays, **parse_overrides(words))
    except Exception as error:
        raise RuntimeError(f"{config} failed: {first_cause(error)}") from error


@pytest.fixture
def benchmark(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], ModuleType]:
    """Import a script of benchmarks/ by its name; what it runs of the bundles it runs in this process."""
    if not BENCHMARKS.is_dir():
        pytest.skip("runs in a checkout of the project only")
    monkeypatch.syspath_prepend(str(BENCHMARKS))

    def load(name: str) -> ModuleType:
        module = importlib.import_module(name)
        for place in (module, sys.modules.get("compare_runs")):
            if hasattr(place, "run_bundle"):
                monkeypatch.setattr(place, "run_bundle", run_bundle_here)
        return module

    return load


@pytest.fixture
def run_benchmark(
    benchmark: Callable[[str], ModuleType], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., dict[str, Any]]:
    """Run such a script with the words of its command line and return the JSON object of its last line, if it prints one."""

    def run(name: str, *words: object) -> dict[str, Any]:
        module = benchmark(name)
        monkeypatch.setattr(sys, "argv", [f"{name}.py", *map(str, words)])
        capsys.readouterr()
        module.main()
        last = capsys.readouterr().out.splitlines()[-1]
        return json.loads(last) if last.startswith("{") else {}

    return run
