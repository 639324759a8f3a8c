"""Which configurations a task and a method run, and how a workflow begins and ends."""

from __future__ import annotations

import json
import logging
import shutil
from pathlib import Path
from typing import Any

import pytest

from monai_denoiseg.bundle import methods, open_workflow
from monai_denoiseg.bundle import run as run_module
from monai_denoiseg.bundle.folders import bundle_folder
from monai_denoiseg.bundle.run import config_files, continued, how_to_go_on


@pytest.fixture
def own_bundle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the bundle that the package then takes for its own."""
    own = tmp_path / "denoiseg_2d"
    shutil.copytree(bundle_folder("denoiseg_2d") / "configs", own / "configs")
    monkeypatch.setattr(run_module, "bundle_folder", lambda name: own)
    return own


def test_an_overlay_belongs_to_the_task_of_its_folder(own_bundle: Path) -> None:
    """By its keys alone an overlay with a helper key of its own counted as one of inference."""
    (own_bundle / "configs" / "train" / "mine.json").write_text(json.dumps({"_scale": 2, "alpha": "$@_scale / 4"}))
    assert "mine" in methods("train")
    assert "mine" not in methods("infer") + methods("evaluate")
    assert config_files("train", method="mine")[1] == own_bundle / "configs" / "train" / "mine.json"


@pytest.mark.parametrize("bundle", ["denoiseg_2d", "denoiseg_3d"])
def test_the_methods(bundle: str) -> None:
    assert len(methods("train", bundle)) == 12
    assert methods("infer", bundle) == methods("evaluate", bundle) == ["bm3d", "chan_vese", "mean", "median", "nlm", "otsu"]
    assert methods("infer", "self2seg") == ["chan_vese", "noise2fast", "sequential"]


def test_an_unknown_method_is_answered_with_the_nearest() -> None:
    with pytest.raises(ValueError, match=r"`method` must be one of .*did you mean 'noise2void'"):
        config_files("train", method="noise2viod")


def test_a_workflow_is_finalised_after_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "images").mkdir()
    place = {"dataset_dir": str(tmp_path / "images"), "output_dir": str(tmp_path / "out")}
    ended: list[bool] = []
    with pytest.raises(ZeroDivisionError), open_workflow(config_files("infer"), logging_file=False, **place) as workflow:
        monkeypatch.setattr(workflow, "finalize", lambda: ended.append(True))
        raise ZeroDivisionError
    assert ended == [True]


def test_overlays_of_another_folder_are_no_reason_for_a_warning(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "images").mkdir()
    place = {"dataset_dir": str(tmp_path / "images"), "output_dir": str(tmp_path / "out")}
    with caplog.at_level(logging.WARNING), open_workflow(config_files("infer", method="median"), logging_file=False, **place):
        pass
    assert "Not all config files are in" not in caplog.text


def test_a_run_without_settings_is_left_to_the_user(tmp_path: Path) -> None:
    import torch

    state: dict[str, Any] = {name: {} for name in ("network", "optimizer", "rng")} | {"epoch": 1, "iteration": 9, "max_epochs": 4}
    (tmp_path / "models").mkdir()
    torch.save(state, tmp_path / "models" / "last.pt")
    assert continued("denoiseg_2d", {"output_dir": str(tmp_path)}) == ("denoiseg_2d", {"output_dir": str(tmp_path)})
    torch.save(state | {"about": {"settings": {"spatial_dims": 3, "alpha": 0.25}}}, tmp_path / "models" / "last.pt")
    bundle, settings = continued("denoiseg_2d", {"output_dir": str(tmp_path)})
    assert bundle == "denoiseg_3d", "that of the checkpoint"
    assert settings["alpha"] == 0.25


def test_a_run_of_another_bundle_is_not_resumed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_module, "stored_settings", lambda path: {"spatial_dims": 2, "alpha": 0.9})
    place = {"output_dir": str(tmp_path)}
    with pytest.raises(ValueError, match=r"last.pt is a training of the bundle denoiseg_2d, not of denoiseg_3d"):
        continued("denoiseg_3d", place)
    assert continued("denoiseg_2d", place)[1]["alpha"] == 0.9


def test_how_to_go_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for folder in ("denoiseg_run/models", "other/models", "own"):
        Path(folder).mkdir(parents=True)
        (Path(folder) / "last.pt").touch()
    command = "Go on from the last checkpoint with: monai-denoiseg train --resume true"
    assert how_to_go_on("denoiseg_run", "denoiseg_run/models") == command
    assert how_to_go_on("other", "other/models") == f"{command} --output_dir other"
    assert how_to_go_on("denoiseg_run", "own") == f"{command} --ckpt_dir own"
    assert "the same command begins again" in how_to_go_on("new", "new/models")
