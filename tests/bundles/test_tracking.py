"""``--tracking mlflow``: through both front doors, with MLflow's own client as the reader."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest
from monai.bundle import ConfigWorkflow

from monai_denoiseg.bundle import bundle_folder
from monai_denoiseg.bundle.run import run_bundle
from monai_denoiseg.data import write_simulated
from monai_denoiseg.engines import first_cause

from .conftest import words

SMALL = {
    "depth": 1,
    "features": 4,
    "batch_size": 2,
    "max_epochs": 2,
    "steps_per_epoch": 2,
    "val_interval": 1,
    "tta": False,
    "zoom": 1,
    "device": "cpu",
}


def images(folder: Path, dims: int) -> Path:
    return write_simulated(folder / "images", n_images=4, n_labelled=3, shape=(40, 40) if dims == 2 else (12, 24, 24))


def record(folder: Path, experiment: str = "monai_experiment") -> tuple[Any, dict[str, list[float]], set[str]]:
    """The one run in the store of a folder: itself, its curves, and the files kept with it."""
    mlflow = pytest.importorskip("mlflow")
    client = mlflow.MlflowClient(f"sqlite:///{folder / 'mlruns.db'}")
    (run,) = client.search_runs([client.get_experiment_by_name(experiment).experiment_id])
    curves = {name: [one.value for one in client.get_metric_history(run.info.run_id, name)] for name in run.data.metrics}

    def files(path: str = "") -> set[str]:
        found = client.list_artifacts(run.info.run_id, path)
        return {one.path for one in found if not one.is_dir} | {file for one in found if one.is_dir for file in files(one.path)}

    return run, curves, files()


def check_training(folder: Path, dims: int, experiment: str = "monai_experiment") -> Any:
    run, curves, files = record(folder, experiment)
    assert run.info.status == "FINISHED"
    settings = json.loads((folder / "settings.json").read_text())["settings"]
    assert {name: run.data.params[name] for name in settings} == {name: str(value)[:500] for name, value in settings.items()}
    assert run.data.params["patch_size"] == str([16] * dims) and run.data.params["alpha"] == "0.5"
    assert len(curves["train_loss"]) == 4, "each step"
    assert len(curves["ap"]) == 2 and len(curves["psnr"] if "psnr" in curves else curves["denoising"]) >= 2, "each validation"
    assert {"settings/settings.json", "logs/train_log.csv", "logs/validation_log.csv", "model/model.pt"} <= files
    assert any(file.startswith("settings/config_") for file in files)
    assert any(file.startswith("pictures/") for file in files)
    return run


@pytest.mark.parametrize("dims", [2, pytest.param(3, marks=pytest.mark.slow)])
def test_a_training_its_evaluation_and_its_inference(dims: int, tmp_path: Path) -> None:
    pytest.importorskip("mlflow")
    data, bundle = images(tmp_path, dims), f"denoiseg_{dims}d"
    place = {"dataset_dir": str(data), "tracking": "mlflow"}
    run_bundle("train", bundle, output_dir=str(tmp_path / "run"), patch_size=[16] * dims, **place, **SMALL)
    check_training(tmp_path / "run", dims)
    for task in ("evaluate", "infer"):
        options = {"output_dir": str(tmp_path / task), "run": str(tmp_path / "run"), "tta": False, "device": "cpu"}
        run_bundle(task, bundle, **options, **place)
        run, curves, files = record(tmp_path / task)
        assert run.info.status == "FINISHED" and run.data.params["tta"] == "False"
        assert any(file.startswith("settings/config_") for file in files)
        if task == "evaluate":
            metrics = json.loads((tmp_path / task / "metrics.json").read_text())
            assert {key: curves[key][-1] for key in ("ap", "psnr")} == {key: metrics[key] for key in ("ap", "psnr")}
            assert {"scores/metrics.json", "scores/per_image.csv"} <= files


def test_monais_own_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("mlflow")
    import runpy

    given = {"dataset_dir": str(images(tmp_path, 2)), "output_dir": str(tmp_path / "run"), "patch_size": [16, 16], **SMALL}
    named = {"tracking": "mlflow", "experiment_name": "mine", "run_name": "first"}
    config = str(bundle_folder("denoiseg_2d") / "configs" / "train.json")
    monkeypatch.setattr(sys, "argv", ["", "run", "--config_file", config, *words(**given, **named)])
    runpy.run_module("monai.bundle", run_name="__main__", alter_sys=True)
    assert check_training(tmp_path / "run", 2, "mine").info.run_name == "first"


def test_without_mlflow_both_doors_say_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("monai_denoiseg.bundle.settings.tracking.find_spec", lambda name: None)
    wanted = "`tracking` 'mlflow' needs MLflow, which is not installed: pip install mlflow"
    options = {"dataset_dir": str(images(tmp_path, 2)), "output_dir": str(tmp_path / "run"), "tracking": "mlflow"}
    with pytest.raises(ModuleNotFoundError, match=wanted):
        run_bundle("train", **options)
    config = str(bundle_folder("denoiseg_2d") / "configs" / "train.json")
    with pytest.raises(Exception) as caught:  # MONAI wraps it
        ConfigWorkflow(config, workflow_type="train", **options).initialize()
    assert wanted in str(first_cause(caught.value))
    assert not (tmp_path / "run" / "models").exists()
