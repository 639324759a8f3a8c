"""``settings.json``: what was run, with what, on what."""

from __future__ import annotations

import json
import platform
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import ignite
import monai
import numpy as np
import torch
from ignite.engine import Engine, Events
from torch import nn

import monai_denoiseg
from monai_denoiseg.files import write_json
from monai_denoiseg.processes import is_main_process


def versions() -> dict[str, str]:
    """Versions of the packages that decide a result.

    >>> sorted(versions())[:3]
    ['ignite', 'monai', 'monai_denoiseg']
    """
    return {
        "monai_denoiseg": monai_denoiseg.__version__,
        "monai": monai.__version__,
        "torch": str(torch.__version__),
        "ignite": ignite.__version__,
        "numpy": np.__version__,
        "python": platform.python_version(),
    }


class RunRecord:
    """Write the settings of a training when it starts, and its duration after each epoch.

    Args:
        path: ``settings.json``.
        settings: user-level settings by name.
        network: the network, for its number of parameters.
        data: number of images, e.g. ``{"train": 50, "train_labelled": 8}``.
        noise: what :func:`check_noise` found, if it was asked.
        sizes: what :func:`check_sizes` found, if it was asked.
        resume: the run goes on: its time so far is added.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     record = RunRecord(Path(folder) / "settings.json", {"alpha": 0.5}, nn.Linear(1, 1), {"train": 3})
        ...     record.write("cpu")
        ...     json.loads((Path(folder) / "settings.json").read_text())["n_parameters"]
        2
    """

    def __init__(
        self,
        path: str | Path,
        settings: Mapping[str, Any],
        network: nn.Module,
        data: Mapping[str, int],
        noise: Mapping[str, Any] | None = None,
        sizes: Mapping[str, Any] | None = None,
        resume: bool = False,
    ) -> None:
        self._before = _times(Path(path)) if resume else (0.0, 0.0)
        self.checks = {name: dict(found) for name, found in (("noise", noise), ("sizes", sizes)) if found is not None}
        self.path, self.settings, self.data = Path(path), dict(settings), dict(data)
        self.n_parameters = sum(p.numel() for p in network.parameters())
        self._started, self._started_cpu = time.perf_counter(), time.process_time()

    def attach(self, engine: Engine) -> None:
        """Attach to the trainer."""

        def started(engine: Any) -> None:
            self._started, self._started_cpu = time.perf_counter(), time.process_time()
            self.write(str(engine.state.device))

        engine.add_event_handler(Events.STARTED, started)
        engine.add_event_handler(Events.EPOCH_COMPLETED, lambda e: self.write(str(e.state.device)))

    def write(self, device: str) -> None:
        """Write the file.

        Args:
            device: where the network runs.
        """
        if not is_main_process():
            return
        record = {
            "settings": self.settings,
            "versions": versions(),
            "command": " ".join([Path(sys.argv[0]).name, *sys.argv[1:]]),
            "device": _processor() if device == "cpu" else torch.cuda.get_device_name(device),
            "threads": torch.get_num_threads(),
            "seconds": round(self._before[0] + time.perf_counter() - self._started, 1),
            "cpu_seconds": round(self._before[1] + time.process_time() - self._started_cpu, 1),
            "n_parameters": self.n_parameters,
            "data": self.data,
            **self.checks,
        }
        write_json(record, self.path)


def _times(path: Path) -> tuple[float, float]:
    """Seconds that a stopped run took so far."""
    try:
        found = json.loads(path.read_text("utf-8"))
        return float(found["seconds"]), float(found["cpu_seconds"])
    except (OSError, ValueError, KeyError, TypeError):
        return 0.0, 0.0


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    names = (
        [line.split(":", 1)[1].strip() for line in info.read_text().splitlines() if line.startswith("model name")]
        if info.exists()
        else []
    )
    return names[0] if names else platform.processor() or "cpu"
