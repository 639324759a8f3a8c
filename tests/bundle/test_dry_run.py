from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tifffile
import torch

from monai_denoiseg.cli import main
from monai_denoiseg.data import write_simulated
from monai_denoiseg.networks import DenoiSegNet


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return Path(write_simulated(tmp_path / "data", n_images=4, n_labelled=2, shape=(32, 32)))


def test_says_what_would_be_done_and_writes_nothing(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    before = sorted(tmp_path.rglob("*"))
    for command, said in (
        ("infer", "4 would be predicted, 0 have their results"),
        ("evaluate", "2 of them are labelled"),
        ("train", "4 images"),
    ):
        assert main([command, "--dataset_dir", str(data), "--dry_run"]) == 0
        assert said in capsys.readouterr().out
    assert sorted(tmp_path.rglob("*")) == before
    assert main(["infer", "--dataset_dir", str(data), "--tta", "false", "--output_dir", "out"]) == 0
    words = ["infer", "--dataset_dir", str(data), "--tta", "false", "--output_dir", "out", "--existing", "skip", "--dry_run"]
    capsys.readouterr()
    assert main(words) == 0
    assert "0 would be predicted, 4 have their results" in capsys.readouterr().out


def test_errors_are_those_of_the_run(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["infer", "--dataset_dir", str(tmp_path / "none"), "--dry_run"]) == 1
    assert "`dataset_dir`" in capsys.readouterr().err
    (tmp_path / "out").mkdir()
    tifffile.imwrite(tmp_path / "out" / "nuclei_0000_instances.tif", np.zeros((4, 4), np.uint8))
    assert main(["infer", "--dataset_dir", str(data), "--output_dir", str(tmp_path / "out"), "--dry_run"]) == 1
    assert "is there and is not overwritten" in capsys.readouterr().err


@pytest.mark.parametrize(("bundle", "shape"), [("denoiseg_2d", (32, 32)), ("denoiseg_3d", (8, 16, 16))])
@pytest.mark.parametrize(("task", "name"), [("infer", "summary.csv"), ("evaluate", "metrics.json")])
def test_what_is_in_the_way(
    bundle: str, shape: tuple[int, ...], task: str, name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The run would stop there, after reading and predicting nothing."""
    source = write_simulated(tmp_path / "cells", n_images=2, n_labelled=1, shape=shape)
    torch.save(DenoiSegNet(len(shape), depth=1, features=4).state_dict(), tmp_path / "model.pt")
    words = [task, "--bundle", bundle, "--dataset_dir", str(source), "--model_file", str(tmp_path / "model.pt")]
    words += ["--output_dir", str(tmp_path / "out"), "--dry_run"]
    assert main(words) == 0
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / name).write_text("mine")
    assert main(words) == 1
    assert name in capsys.readouterr().err


def test_other_bundles_and_methods(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    image = str(next((data / "images").glob("*.tif")))
    assert main(["infer", "--bundle", "self2seg", "--image", image, "--output_dir", str(tmp_path / "one"), "--dry_run"]) == 0
    assert (
        main(["infer", "--method", "otsu", "--dataset_dir", str(data), "--output_dir", str(tmp_path / "two"), "--dry_run"]) == 0
    )
    assert "4 would be predicted" in capsys.readouterr().out
    assert not (tmp_path / "one").exists()
    assert not (tmp_path / "two").exists()
