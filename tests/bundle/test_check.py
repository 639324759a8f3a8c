"""What is found out before a training, without leaving a trace."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

from monai_denoiseg.bundle.check import check_training
from monai_denoiseg.cli import main
from monai_denoiseg.data import write_simulated

TINY: dict[str, Any] = {"features": 4, "depth": 1, "batch_size": 2, "amp": "off", "max_epochs": 3, "steps_per_epoch": 5}


def lines(text: str) -> dict[str, str]:
    return {line[:12].strip(): line[13:] for line in text.splitlines()}


@pytest.mark.parametrize(
    ("bundle", "shape", "patch"), [("denoiseg_2d", (48, 40), [16, 16]), ("denoiseg_3d", (6, 32, 30), [4, 16, 16])]
)
def test_a_training_is_looked_at(
    bundle: str, shape: tuple[int, ...], patch: list[int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = write_simulated(tmp_path / "data", n_images=6, n_labelled=4, shape=shape)
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    found = lines(check_training(bundle, overrides={"dataset_dir": str(data), "patch_size": patch, **TINY}))
    assert found["Data"] == f"{data}: 6 images, 4 labelled; 5 to train on (3 labelled), 1 to validate on (1 labelled)"
    assert found["Images"].startswith(f"1 channel, {' x '.join(map(str, shape))}, voxel size ")
    assert found["Noise"].startswith("independent from voxel to voxel (correlation")
    assert "of them below `min_size`" in found["Objects"]
    assert f"2 patches of {' x '.join(map(str, patch))} a step" in found["Network"]
    assert "s a step, 15 steps: about" in found["Time"]
    assert list((tmp_path / "here").iterdir()) == []


def test_warnings_come_last(tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    draw = np.random.default_rng(0)
    for i in range(3):
        noise = draw.normal(0, 10, (64, 65))
        tifffile.imwrite(tmp_path / "images" / f"{i}.tif", (100 + noise[:, 1:] + noise[:, :-1]).astype(np.float32))
    text = check_training(method="noise2void", overrides={"dataset_dir": str(tmp_path), "patch_size": [16, 16], **TINY})
    assert text.splitlines()[-1].startswith("Warning      The noise of neighbouring voxels is correlated along X")
    assert lines(text)["Noise"].startswith("correlated along X")


def test_a_second_stage_is_looked_at_without_training_the_first(tmp_path: Path) -> None:
    data = write_simulated(tmp_path / "data", n_images=4, n_labelled=4, shape=(32, 32))
    text = check_training(method="sequential", overrides={"dataset_dir": str(data), "patch_size": [16, 16], **TINY})
    assert "First stage  trained before this one, about as long" in text


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = write_simulated(tmp_path / "data", n_images=4, n_labelled=2, shape=(32, 32))
    words = [
        word for key, value in {**TINY, "patch_size": [16, 16], "dataset_dir": data}.items() for word in (f"--{key}", str(value))
    ]
    assert main(["check", *words]) == 0
    assert "Data         " in capsys.readouterr().out
    assert main(["check", *words, "--alpha", "2"]) == 1
    assert "`alpha` must be in [0, 1], got 2" in capsys.readouterr().err
