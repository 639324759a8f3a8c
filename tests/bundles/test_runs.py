"""Where the commands write, what they refuse to write over, and how a stopped training goes on."""

from __future__ import annotations

import csv
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from monai_denoiseg.bundle import run_bundle
from monai_denoiseg.cli import main

from .conftest import BUNDLE, TINY, bundle_command, run_program, words

SHIPPED = BUNDLE / "models" / "model.pt"


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def train(dataset: Path, **options: object) -> int:
    return main(["train", *words(dataset_dir=dataset, **{**TINY, **options})])


def epochs(run: Path) -> list[int]:
    with (run / "train_log.csv").open() as file:
        return [int(row["epoch"]) for row in csv.DictReader(file)]


@pytest.fixture(scope="module")
def finished(dataset: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A working folder with a finished training of two epochs, started by the command line without a word on folders."""
    folder, before, here = tmp_path_factory.mktemp("working"), digest(SHIPPED), Path.cwd()
    os.chdir(folder)
    try:
        assert train(dataset) == 0
    finally:
        os.chdir(here)
    assert digest(SHIPPED) == before, "the network that came with the package"
    return folder


@pytest.fixture
def working(finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of it, to work in."""
    shutil.copytree(finished, tmp_path / "working")
    monkeypatch.chdir(tmp_path / "working")
    return tmp_path / "working"


def test_a_training_leaves_everything_in_one_folder(working: Path) -> None:
    run = working / "denoiseg_run"
    assert [path.name for path in working.iterdir()] == ["denoiseg_run"]
    assert {path.name for path in (run / "models").iterdir()} == {"model.pt", "last.pt"}
    assert {"settings.json", "train_log.csv", "validation_log.csv"} <= {path.name for path in run.iterdir()}
    assert json.loads((run / "settings.json").read_text())["finished"] is True


def test_a_second_training_writes_over_nothing(working: Path, dataset: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = digest(working / "denoiseg_run" / "models" / "model.pt")
    assert train(dataset) == 1
    error = capsys.readouterr().err.strip()
    assert error.startswith("FileExistsError: a finished training lies in denoiseg_run")
    assert "--resume true" in error and "--existing rename" in error and "--output_dir" in error
    assert len(error.splitlines()) == 1
    assert train(dataset, existing="rename", max_epochs=1) == 0
    assert digest(working / "denoiseg_run" / "models" / "model.1.pt") == before
    assert epochs(working / "denoiseg_run") == [1]
    assert json.loads((working / "denoiseg_run" / "settings.1.json").read_text())["settings"]["max_epochs"] == 2


def test_a_script_that_trains_again_keeps_the_earlier_run_beside(working: Path, dataset: Path) -> None:
    before = digest(working / "denoiseg_run" / "models" / "model.pt")
    run_bundle("train", dataset_dir=str(dataset), **{**TINY, "max_epochs": 1})
    assert digest(working / "denoiseg_run" / "models" / "model.1.pt") == before


def test_resume_needs_no_other_option(working: Path) -> None:
    assert main(["train", "--resume", "--max_epochs", "3"]) == 0
    assert epochs(working / "denoiseg_run") == [1, 2, 3]
    settings = json.loads((working / "denoiseg_run" / "settings.json").read_text())["settings"]
    assert {key: settings[key] for key in ("features", "patch_size", "max_epochs")} == {
        "features": 4,
        "patch_size": [16, 16],
        "max_epochs": 3,
    }


@pytest.mark.parametrize(
    ("key", "value"),
    [("alpha", 0.9), ("seed", 7), ("steps_per_epoch", 2), ("learning_rate", 0.1), ("batch_size", 2), ("patch_size", "[8, 8]")],
)
def test_another_setting_is_refused(working: Path, key: str, value: object, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "--resume", "true", "--max_epochs", "3", f"--{key}", str(value)]) == 1
    assert f"`{key}` was " in capsys.readouterr().err
    assert epochs(working / "denoiseg_run") == [1, 2]


def test_a_finished_run_is_not_resumed_into_nothing(working: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "--resume"]) == 1
    assert "is finished (2 of 2 epochs): extend it with a larger --max_epochs" in capsys.readouterr().err


def test_one_more_annotation_moves_nothing_across_the_split(working: Path, dataset: Path, tmp_path: Path) -> None:
    data = shutil.copytree(dataset, tmp_path / "more")
    shutil.copy(data / "labels" / "t2.tif", data / "labels" / "t3.tif")
    run = working / "denoiseg_run"
    before = torch.load(run / "models" / "last.pt", weights_only=True)["about"]["split"]
    assert main(["train", "--resume", "--max_epochs", "3", "--dataset_dir", str(data)]) == 0
    after = torch.load(run / "models" / "last.pt", weights_only=True)["about"]["split"]
    assert {part: after[part] for part in ("training", "validation")} == {
        part: before[part] for part in ("training", "validation")
    }
    assert set(after["labelled"]) - set(before["labelled"]) <= {"images/t3.tif"}


def test_a_run_has_to_be_named(working: Path, dataset: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["infer", "--dataset_dir", str(dataset)]) == 1
    error = capsys.readouterr().err
    assert "--run denoiseg_run" in error and f"--model_file {SHIPPED}" in error
    assert [path.name for path in working.iterdir()] == ["denoiseg_run"]


def test_a_run_gives_its_network(working: Path, dataset: Path) -> None:
    image = dataset / "images" / "t0.tif"
    done = run_program(["-m", "monai_denoiseg.cli", "infer", *words(run="denoiseg_run", dataset_dir=image)], working)
    assert done.code == 0, done.err
    assert "network: denoiseg_run/models/model.pt" in done.out
    assert {path.name for path in (working / "denoiseg_results").glob("*.tif")} == {"t0_instances.tif", "t0_denoised.tif"}
    assert main(["evaluate", "--run", "denoiseg_run", "--dataset_dir", str(dataset)]) == 0
    assert json.loads((working / "denoiseg_results" / "metrics.json").read_text())["model_file"] == "denoiseg_run/models/model.pt"


def test_the_model_file_tells_of_its_training(working: Path, dataset: Path) -> None:
    from monai_denoiseg.data import LoadItemd
    from monai_denoiseg.data.digest import pixel_digest
    from monai_denoiseg.networks import load_network

    info = load_network("denoiseg_run/models/model.pt").training_info
    assert info["settings"]["features"] == 4
    assert info["versions"]["torch"] == torch.__version__
    assert {"ap", "seg", "threshold"} <= info["scores"].keys()
    paths = [path for path in (dataset / "images").iterdir() if path.name.split(".")[0] in ("t0", "t2", "p0", "n0")]
    labelled = {pixel_digest(LoadItemd(spatial_dims=2)({"image": path})["image"]) for path in paths}
    seen = info["data"]
    assert labelled <= {*seen["trained"], *seen["validated"]}
    assert not {*seen["trained"]} & {*seen["validated"]}
    assert seen["train"] + seen["validation"] == 8
    assert info["intensity"]["minimum"] < info["intensity"]["maximum"]


def test_through_monai_as_well(dataset: Path, tmp_path: Path) -> None:
    """The same folders; with a bundle's folder its own; never the file that came with the package."""
    own = tmp_path / "own"
    shutil.copytree(BUNDLE / "configs", own / "configs")
    options = {"dataset_dir": dataset, **TINY, "max_epochs": 1}
    before = digest(SHIPPED)
    refused = run_program(bundle_command("train", bundle_root=BUNDLE, **options), tmp_path)
    assert refused.code != 0
    assert "came with the package and is not overwritten" in refused.out + refused.err
    done = run_program(bundle_command("train", bundle_root=own, **options), tmp_path)
    assert done.code == 0, done.err
    assert {path.name for path in (own / "models").iterdir()} == {"model.pt", "last.pt"}
    assert not (tmp_path / "denoiseg_run").exists()
    assert digest(SHIPPED) == before


def test_resume_through_monai(working: Path) -> None:
    refused = run_program(bundle_command("train", resume="true", max_epochs=3, alpha=0.9), working)
    assert refused.code != 0
    assert "`alpha` was 0.5 in denoiseg_run/models/last.pt and is 0.9 now" in refused.out + refused.err
    done = run_program(bundle_command("train", resume="true", max_epochs=3), working)
    assert done.code == 0, done.err
    assert epochs(working / "denoiseg_run") == [1, 2, 3]


def test_stopped_by_hand(dataset: Path, tmp_path: Path) -> None:
    options = words(dataset_dir=dataset, **{**TINY, "max_epochs": 500, "val_interval": 500})
    command = [sys.executable, "-m", "monai_denoiseg.cli", "train", *options]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(BUNDLE.parents[1])}
    with subprocess.Popen(command, cwd=tmp_path, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as program:
        last = tmp_path / "denoiseg_run" / "models" / "last.pt"
        deadline = time.monotonic() + 100
        while not last.is_file() and time.monotonic() < deadline:
            time.sleep(0.1)
        program.send_signal(signal.SIGINT)
        _, errors = program.communicate(timeout=60)
    assert program.returncode == 130
    assert "Traceback" not in errors.decode()
    assert "monai-denoiseg train --resume true" in errors.decode().splitlines()[-1]
    assert torch.load(last, weights_only=True)["max_epochs"] == 500
