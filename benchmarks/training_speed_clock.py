"""The clock of `training_speed.py`: where the time of a training epoch goes."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from ignite.engine import Events
from monai.engines.utils import IterationEvents

NETWORK = ("forward", "backward", "optimizer")
SPEEDS = ("patches_per_second", "patches_per_second_in_steps", "patches_per_cpu_second")


class Clock:
    """Ignite handler: times of the parts of each training epoch, written as JSON when the training ends.

    Stands last among the handlers, so that a step ends when theirs have run.

    Args:
        path: the file.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.epochs: list[dict[str, float]] = []
        self._in_step = False
        self._began: dict[str, float] = {}

    def attach(self, engine: Any) -> None:
        """Attach to the trainer."""
        engine.add_event_handler(Events.EPOCH_STARTED, self._epoch_begins)
        engine.add_event_handler(Events.ITERATION_STARTED, self._step_begins)
        engine.add_event_handler(Events.ITERATION_COMPLETED, self._step_ends)
        engine.add_event_handler(Events.COMPLETED, self._write)
        engine.network.register_forward_pre_hook(lambda *_: self._begin("forward"))
        engine.network.register_forward_hook(lambda *_: self._end("forward"))
        engine.add_event_handler(IterationEvents.LOSS_COMPLETED, lambda: self._begin("backward"))
        engine.add_event_handler(IterationEvents.BACKWARD_COMPLETED, lambda: self._end("backward"))
        engine.optimizer.register_step_pre_hook(lambda *_: self._begin("optimizer"))
        engine.optimizer.register_step_post_hook(lambda *_: self._end("optimizer"))

    def _begin(self, part: str) -> None:
        self._began[part] = time.perf_counter()

    def _end(self, part: str) -> None:
        if self._in_step:  # the validation runs the network too
            self.epochs[-1][part] += time.perf_counter() - self._began[part]

    def _epoch_begins(self) -> None:
        self.epochs.append(dict.fromkeys(("patches", "seconds", "cpu_seconds", "in_steps", "loader", *NETWORK), 0.0))
        self._epoch_began = self._step_ended = time.perf_counter()
        self._cpu_began = time.process_time()

    def _step_begins(self) -> None:
        self._in_step, self._step_began = True, time.perf_counter()
        self.epochs[-1]["loader"] += self._step_began - self._step_ended

    def _step_ends(self, engine: Any) -> None:
        self._in_step, self._step_ended = False, time.perf_counter()
        epoch = self.epochs[-1]
        epoch["patches"] += len(engine.state.batch["image"])
        epoch["in_steps"] += self._step_ended - self._step_began
        epoch["seconds"] = self._step_ended - self._epoch_began
        epoch["cpu_seconds"] = time.process_time() - self._cpu_began

    def _write(self, engine: Any) -> None:
        network = {
            "parameters": sum(p.numel() for p in engine.network.parameters()),
            "threads": torch.get_num_threads(),
            "dtype": str(engine.precision.dtype).removeprefix("torch."),
        }
        self.path.write_text(json.dumps(network | {"epochs": self.epochs}))


def rates(epoch: Mapping[str, float]) -> dict[str, float]:
    """Patches a second, and the shares of the parts in the time, of an epoch that :class:`Clock` timed."""
    speeds = (epoch["patches"] / epoch[key] for key in ("seconds", "in_steps", "cpu_seconds"))
    shares = {f"share_{part}": epoch[part] / epoch["seconds"] for part in (*NETWORK, "loader")}
    network = sum(epoch[part] for part in NETWORK)
    outside = {"share_outside": 1 - network / epoch["seconds"]}
    return {"patches": epoch["patches"], **dict(zip(SPEEDS, speeds, strict=True)), **shares, **outside}
