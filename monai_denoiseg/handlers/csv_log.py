"""One CSV row an epoch."""

from __future__ import annotations

import csv
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ignite.engine import Engine, Events

from monai_denoiseg.files import set_aside, write_csv
from monai_denoiseg.processes import is_main_process


class CSVLog:
    """Append ``state.metrics`` of an engine to a CSV file after each epoch; the file is whole at any time.

    Args:
        path: the file. One of an earlier run is set aside; with ``resume`` its rows before the present epoch are kept.
        columns: metrics to write; ``learning_rate`` and ``seconds`` (since the run began) are filled in too. A missing metric is
            left empty.
        optimizer: where the learning rate is read, or None.
        resume: go on with the file.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     log = CSVLog(Path(folder) / "log.csv", ["loss"])
        ...     log.write(1, {"loss": 0.25})
        ...     (Path(folder) / "log.csv").read_text().split()
        ['epoch,loss', '1,0.25']
    """

    def __init__(self, path: str | Path, columns: Sequence[str], optimizer: Any = None, resume: bool = False) -> None:
        self.path, self.columns, self.optimizer, self.resume = Path(path), ["epoch", *columns], optimizer, resume
        self._started, self._fresh, self._earlier = time.perf_counter(), True, 0.0
        self._rows: list[dict[str, Any]] = []

    def attach(self, engine: Engine) -> None:
        """Attach to a trainer or, after the handlers that measure, to an evaluator."""
        engine.add_event_handler(Events.EPOCH_COMPLETED, self._log)

    def _log(self, engine: Any) -> None:
        values = dict(engine.state.metrics)
        if self.optimizer is not None:
            values["learning_rate"] = self.optimizer.param_groups[0]["lr"]
        if is_main_process():
            self.write(engine.state.epoch, values)

    def write(self, epoch: int, values: dict[str, float]) -> None:
        """Write the row of one epoch.

        Args:
            epoch: its number, from 1.
            values: numbers by column name.
        """
        if self._fresh:
            self._open(epoch)
        values = {"seconds": self._earlier + time.perf_counter() - self._started, **values, "epoch": epoch}
        self._rows.append({name: _short(values.get(name, "")) for name in self.columns})
        write_csv(self.columns, self._rows, self.path)

    def _open(self, epoch: int) -> None:
        self._fresh = False
        if self.resume and self.path.exists():
            with self.path.open(newline="") as file:
                kept = [row for row in csv.DictReader(file) if int(row["epoch"]) < epoch]
            self._rows = [{name: row.get(name, "") for name in self.columns} for row in kept]
            self._earlier = float(kept[-1].get("seconds") or 0) if kept else 0.0
        else:
            set_aside(self.path)


def _short(value: Any) -> Any:
    return f"{value:.6g}" if isinstance(value, float) else value
