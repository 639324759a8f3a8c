"""What a user gets to read when something is wrong: the name of the key or file, and the way out, before the first step."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

from monai_denoiseg.cli import run_bundle
from monai_denoiseg.engines import first_cause

from .conftest import TINY, bundle_command, nuclei, run_program


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three images, two labels."""
    for sub in ("images", "labels"):
        (tmp_path / "cells" / sub).mkdir(parents=True)
    for i in range(3):
        image, label = nuclei(i, (24, 24))
        tifffile.imwrite(tmp_path / "cells" / "images" / f"{i}.tif", image.clip(0, 65535).astype(np.uint16))
        if i:
            tifffile.imwrite(tmp_path / "cells" / "labels" / f"{i}.tif", label.astype(np.uint16))
    return tmp_path / "cells"


def message(task: str, **options: Any) -> str:
    with pytest.raises(Exception) as error:  # MONAI wraps them; the cause is looked at
        run_bundle(task, **options)
    return str(first_cause(error.value))


def train_message(folder: Path, **options: Any) -> str:
    out = folder.parent / "out"
    text = message("train", dataset_dir=str(folder), output_dir=str(out), ckpt_dir=str(out / "models"), **{**TINY, **options})
    assert not (out / "models").exists(), "caught before the first step"
    return text


def empty(folder: Path) -> None:
    for file in (folder / "images").iterdir():
        file.unlink()


def orphan(folder: Path) -> None:
    (folder / "images" / "2.tif").unlink()


def shape(folder: Path) -> None:
    tifffile.imwrite(folder / "labels" / "1.tif", np.zeros((24, 23), np.uint16))


def floats(folder: Path) -> None:
    tifffile.imwrite(folder / "labels" / "1.tif", np.full((24, 24), 0.5, np.float32))


def binary(folder: Path) -> None:
    label = tifffile.imread(folder / "labels" / "1.tif")
    tifffile.imwrite(folder / "labels" / "1.tif", (255 * (label > 0)).astype(np.uint8))


def colours(folder: Path) -> None:
    tifffile.imwrite(folder / "images" / "0.tif", np.zeros((24, 24, 3), np.uint8), photometric="rgb")


def twice(folder: Path) -> None:
    shutil.copy(folder / "images" / "0.tif", folder / "images" / "0.tiff")


def nan(folder: Path) -> None:
    tifffile.imwrite(folder / "images" / "0.tif", np.full((24, 24), np.nan, np.float32))


@pytest.mark.parametrize(
    ("harm", "words"),
    [
        (empty, ["images", "no image", "it is empty"]),
        (orphan, ["labels", "2.tif", "has no image"]),
        (shape, ["labels", "1.tif", "(24, 23)", "(24, 24)"]),
        (floats, ["labels", "1.tif", "0.5"]),
        (binary, ["labels", "1.tif", "mask", "binary_labels"]),
        (colours, ["0.tif", "3 channels", "--in_channels 3"]),
        (twice, ["0.tif", "0.tiff", "same stem"]),
        (nan, ["0.tif", "NaN"]),
    ],
)
def test_bad_folders(folder: Path, harm: Callable[[Path], None], words: list[str]) -> None:
    harm(folder)
    text = train_message(folder)
    assert [word for word in words if word not in text] == [], text


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"alpha": 1.5}, ["`alpha` must be in [0, 1], got 1.5"]),
        ({"alpha": "much"}, ["`alpha`", "'much'"]),
        ({"labelled_fraction": -1}, ["`labelled_fraction`", "-1"]),
        ({"zoom": 0.5}, ["`zoom` must be in [1, inf), got 0.5"]),
        ({"zoom": "big"}, ["`zoom`", "'big'"]),
        ({"zoom": 0.5, "alpha": 0}, ["`zoom`", "0.5"]),  # also where it has no effect
        ({"batch_size": "many"}, ["`batch_size`", "'many'"]),
        ({"validation_fraction": 1}, ["`validation_fraction`", "1"]),
        ({"amp": "half"}, ["`amp` must be one of", "'half'"]),
        ({"patch_size": [16, 16, 16]}, ["patch_size"]),
        ({"patch_size": [0, 16]}, ["`patch_size`", "0"]),
        ({"n_labels": 9}, ["`n_labels` is 9, but only 1 training images are labelled"]),
        ({"depth": 0}, ["`depth`", "0"]),
        ({"mask_strategy": "medain"}, ["medain", "did you mean 'median'?"]),
        ({"batchsize": 3}, ["unknown key 'batchsize'; did you mean 'batch_size'?"]),
        ({"model_file": "x.pt"}, ["unknown key 'model_file'"]),
        ({"resume": True}, ["`resume` is set, but there is no checkpoint", "last.pt"]),
    ],
)
def test_bad_settings(folder: Path, options: dict[str, Any], words: list[str]) -> None:
    text = train_message(folder, **options)
    assert [word for word in words if word not in text] == [], text


@pytest.mark.parametrize("task", ["infer", "evaluate"])
def test_missing_model(folder: Path, task: str) -> None:
    model = folder / "gone.pt"
    text = message(task, dataset_dir=str(folder), output_dir=str(folder / "out"), model_file=str(model))
    assert str(model) in text
    assert "train first" in text
    assert not (folder / "out").exists()


@pytest.mark.parametrize("threshold", [1.5, -0.1])
def test_threshold_out_of_range(folder: Path, trained: Path, threshold: float) -> None:
    options = {"dataset_dir": str(folder), "output_dir": str(folder / "out"), "threshold": threshold}
    for task in ("infer", "evaluate"):
        text = message(task, model_file=str(trained / "models" / "model.pt"), **options)
        assert "threshold" in text
        assert str(threshold) in text


def test_model_that_is_none(folder: Path) -> None:
    (folder / "model.pt").write_text("not a network")
    text = message("infer", dataset_dir=str(folder), output_dir=str(folder / "out"), model_file=str(folder / "model.pt"))
    assert "model.pt is no PyTorch file or is damaged" in text


def test_missing_folder() -> None:
    assert "no/such/folder does not exist" in message("infer", dataset_dir="no/such/folder")


def test_exit_code_and_last_line(folder: Path) -> None:
    done = run_program(bundle_command("train", alpha=2, dataset_dir="cells", output_dir="out"), folder.parent, cold=True)
    assert done.code != 0
    assert "`alpha` must be in [0, 1], got 2" in done.err.strip().splitlines()[-1], done.err
