"""Trainings that must give the same weights, and trainings off the beaten track."""

from __future__ import annotations

import csv
import json
import signal
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tifffile
import torch

from monai_denoiseg.cli import run_bundle
from monai_denoiseg.data import write_simulated

from .conftest import BUNDLE, TINY, run_program, words

Train = Callable[..., Path]

KILLED = """
import os, signal, sys
from monai.bundle import run
from monai_denoiseg.engines import DenoiSegTrainer

step = DenoiSegTrainer._step

def step_or_die(self, loss):
    if self.state.iteration == 8:  # in the middle of epoch 3
        os.kill(os.getpid(), signal.SIGKILL)
    step(self, loss)

DenoiSegTrainer._step = step_or_die
config, data, out = sys.argv[1:4]
run(config_file=config, dataset_dir=data, output_dir=out, ckpt_dir=out + "/models", **eval(sys.argv[4]))
"""


def weights(folder: Path, name: str = "last") -> dict[str, torch.Tensor]:
    state: dict[str, torch.Tensor] = torch.load(folder / "models" / f"{name}.pt")
    return state["network"] if name == "last" else state  # type: ignore[return-value]


def same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return all(torch.equal(value, other[key]) for key, value in one.items())


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_killed_and_resumed_is_as_if_nothing_had_been(train: Train, dataset: Path, tmp_path: Path) -> None:
    options = {**TINY, "max_epochs": 5}
    config = str(BUNDLE / "configs" / "train.json")
    (tmp_path / "killed.py").write_text(KILLED)
    done = run_program(["killed.py", config, str(dataset), "out", repr(options)], tmp_path)
    assert done.code == -signal.SIGKILL, done.err
    assert torch.load(tmp_path / "out" / "models" / "last.pt")["epoch"] == 2
    resumed = train("out", **options, resume=True)
    whole = train("whole", **options)
    assert torch.load(resumed / "models" / "last.pt")["epoch"] == 5
    assert same(weights(whole), weights(resumed))
    assert same(weights(whole, "model"), weights(resumed, "model"))
    assert not same(weights(whole), weights(train("plain", **options, zoom=1))), "crops were scaled, before the stop and after"
    assert sorted(path.name for path in (resumed / "models").iterdir()) == ["last.pt", "model.pt"]
    for name in ("train_log.csv", "validation_log.csv"):
        assert [[v for k, v in row.items() if k != "seconds"] for row in rows(resumed / name)] == [
            [v for k, v in row.items() if k != "seconds"] for row in rows(whole / name)
        ]


def test_two_runs_give_the_same_weights_and_another_seed_others(train: Train) -> None:
    first, second, other = train("a"), train("b"), train("c", seed=1)
    assert same(weights(first), weights(second))
    assert not same(weights(first), weights(other))


def test_a_second_run_overwrites_nothing(train: Train) -> None:
    folder = train(max_epochs=1)
    before = weights(folder, "model")
    train(max_epochs=1, seed=3)
    names = {path.name for path in [*folder.iterdir(), *(folder / "models").iterdir()]}
    assert {"model.pt", "model.1.pt", "last.1.pt", "train_log.1.csv", "validation_log.1.csv"} <= names
    assert same(torch.load(folder / "models" / "model.1.pt"), before)


def test_bf16_gives_finite_weights(train: Train) -> None:
    assert all(bool(torch.isfinite(value.float()).all()) for value in weights(train(amp="bf16", max_epochs=1)).values())


def test_an_interval_longer_than_the_training_still_validates(train: Train) -> None:
    folder = train(val_interval=50)
    assert [row["epoch"] for row in rows(folder / "validation_log.csv")] == ["2"]
    assert (folder / "models" / "model.pt").is_file()


@pytest.mark.parametrize("options", [{"normalisation": "image"}, {"variant": "n2v2", "kernel_size": 5}, {"alpha": 0}])
def test_other_networks_and_weights_train_and_infer(train: Train, dataset: Path, tmp_path: Path, options: dict) -> None:
    model = train(**options, max_epochs=1) / "models" / "model.pt"
    image = str(dataset / "images" / "t0.tif")
    run_bundle("infer", dataset_dir=image, output_dir=str(tmp_path / "p"), model_file=str(model), amp="off")
    assert np.isfinite(tifffile.imread(tmp_path / "p" / "t0_denoised.tif")).all()


def test_three_channels(train: Train, tmp_path: Path) -> None:
    folder = tmp_path / "colour"
    for sub in ("images", "labels"):
        (folder / sub).mkdir(parents=True)
    for i in range(3):
        image = np.random.default_rng(i).integers(0, 255, (24, 30, 3)).astype(np.uint8)
        tifffile.imwrite(folder / "images" / f"{i}.tif", image, photometric="rgb")
        tifffile.imwrite(folder / "labels" / f"{i}.tif", np.pad(np.full((8, 8), 1 + i, np.uint16), ((8, 8), (11, 11))))
    model = train("run", dataset_dir=str(folder), in_channels=3, max_epochs=1) / "models" / "model.pt"
    place = {"model_file": str(model), "dataset_dir": str(folder), "amp": "off"}
    run_bundle("infer", output_dir=str(tmp_path / "p"), **place)
    with tifffile.TiffFile(tmp_path / "p" / "0_denoised.tif") as file:
        assert sorted(file.series[0].shape) == [3, 24, 30]
    assert tifffile.imread(tmp_path / "p" / "0_instances.tif").shape == (24, 30)
    run_bundle("evaluate", output_dir=str(tmp_path / "e"), **place)
    assert json.loads((tmp_path / "e" / "metrics.json").read_text())["n_objects"] == 3


def test_without_any_label(train: Train, tmp_path: Path) -> None:
    """Denoising alone: the network of the lowest denoising loss is kept, the threshold stays."""
    folder = write_simulated(tmp_path / "cells", n_images=5, n_labelled=0, shape=(24, 24))
    out = train(dataset_dir=str(folder), alpha=1, max_epochs=4, learning_rate=0.02)
    validation = rows(out / "validation_log.csv")
    assert {(row["ap"], row["seg"], row["segmentation"]) for row in validation} == {("nan", "nan", "0")}
    state = torch.load(out / "models" / "last.pt")
    assert state["best"][0] == "denoising"
    assert -state["best"][1] == pytest.approx(min(float(row["denoising"]) for row in validation), rel=1e-4)
    assert weights(out, "model")["threshold"].tolist() == [0.5, 0.5]


def test_two_processes(dataset: Path, tmp_path: Path) -> None:
    """Gloo on the CPU stands for NCCL on several GPUs."""
    configs = [str(BUNDLE / "configs" / f"{name}.json") for name in ("train", "multi_gpu_train")]
    place = {"config_file": str(configs), "dataset_dir": dataset, "output_dir": "out", "ckpt_dir": "out/models"}
    launch = ["-m", "torch.distributed.run", "--standalone", "--nnodes=1", "--nproc_per_node=2"]
    done = run_program([*launch, "-m", "monai.bundle", "run", *words(**place, **TINY)], tmp_path, timeout=240)
    assert done.code == 0, done.out + done.err
    out = tmp_path / "out"
    assert sorted(path.name for path in (out / "models").iterdir()) == ["last.pt", "model.pt"]
    assert [row["epoch"] for row in rows(out / "train_log.csv")] == ["1", "2"]
    assert not any(key.startswith("module.") for key in weights(out, "model"))
    states = torch.load(out / "models" / "last.pt")["rng"]
    assert len(states) == 2
    assert not torch.equal(states[0]["torch"], states[1]["torch"]), "each process draws its own batches"


def test_default_data_is_simulated(train: Train, monkeypatch: pytest.MonkeyPatch) -> None:
    def small(folder: Path, **options: object) -> Path:
        return write_simulated(folder, n_images=4, n_labelled=2, shape=(24, 24))

    monkeypatch.setattr("monai_denoiseg.bundle.datalists.write_simulated", small)
    out = train(dataset_dir="simulated", max_epochs=1)
    assert len(list((out / "simulated" / "images").iterdir())) == 4
    assert json.loads((out / "settings.json").read_text())["data"]["train_labelled"] == 1


@pytest.mark.parametrize("dims", [2, 3])
def test_objects_that_would_all_be_dropped_are_warned_of(dims: int, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    shape = (12, 40, 40)[-dims:]
    data = write_simulated(tmp_path / "data", n_images=2, n_labelled=2, shape=shape)
    for path in (data / "labels").iterdir():  # one object, away from the edges
        label = np.zeros(shape, np.uint16)
        label[(slice(3, 9), slice(10, 30), slice(12, 28))[-dims:]] = 1
        tifffile.imwrite(path, label)
    tiny = TINY | {"patch_size": [8, 16, 16][-dims:], "max_epochs": 1, "steps_per_epoch": 1, "tta": False}
    for size in (0, 100_000):
        place = {"dataset_dir": str(data), "output_dir": str(tmp_path / str(size)), "ckpt_dir": str(tmp_path / str(size))}
        capfd.readouterr()
        run_bundle("train", bundle=f"denoiseg_{dims}d", min_size=size, **place, **tiny)
        found = json.loads((tmp_path / str(size) / "settings.json").read_text())["sizes"]
        assert found["objects"] == 1
        assert found["below"] == (found["objects"] if size else 0)
        assert ("set --min_size lower" in "".join(capfd.readouterr())) == bool(size)
