"""settings.json says what was run, with what, on what."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import monai
import pytest
import torch
from ignite.engine import Engine
from monai.engines import Workflow
from torch import nn

from monai_denoiseg.handlers import RunRecord, versions


def record(folder: Path, network: nn.Module | None = None) -> RunRecord:
    settings = {"alpha": 0.5, "patch_size": [8, 8], "axes": None}
    return RunRecord(folder / "sub" / "settings.json", settings, network or nn.Linear(3, 2), {"train": 3})


def read(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "sub" / "settings.json").read_text())
    return found


def test_what_is_recorded(tmp_path: Path) -> None:
    record(tmp_path).write("cpu")
    found = read(tmp_path)
    assert found["settings"] == {"alpha": 0.5, "patch_size": [8, 8], "axes": None}
    assert found["data"] == {"train": 3}
    assert found["n_parameters"] == 3 * 2 + 2
    assert found["threads"] == torch.get_num_threads()
    assert found["versions"]["monai"] == monai.__version__
    assert found["versions"]["torch"] == str(torch.__version__)
    assert found["device"]
    assert found["command"]
    assert found["seconds"] >= 0


def test_versions_are_text() -> None:
    assert all(isinstance(value, str) and value for value in versions().values())


def test_it_is_written_at_the_start_already(tmp_path: Path) -> None:
    def step(engine: Engine, batch: Any) -> None:
        assert read(tmp_path)["settings"]["alpha"] == 0.5
        raise RuntimeError("killed")

    engine = Workflow("cpu", 1, [0], iteration_update=step)
    record(tmp_path).attach(engine)
    with pytest.raises(RuntimeError, match="killed"):
        Engine.run(engine, [0])
    assert read(tmp_path)["data"] == {"train": 3}


def test_other_ranks_write_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("monai_denoiseg.handlers.run_record.is_main_process", lambda: False)
    record(tmp_path).write("cpu")
    assert list(tmp_path.iterdir()) == []
