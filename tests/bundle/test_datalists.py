"""The images a bundle trains and validates on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
import torch

from monai_denoiseg.bundle import count_data, training_data, typical_spacing
from monai_denoiseg.data import write_simulated


def test_training_data(tmp_path: Path) -> None:
    folder = write_simulated(tmp_path / "data", n_images=10, n_labelled=6, shape=(24, 24))
    parts = training_data(folder, tmp_path, validation_fraction=0.3, seed=1)
    assert count_data(**parts) == {"train": 7, "train_labelled": 4, "validation": 3, "validation_labelled": 2}
    assert not {item["image"] for item in parts["training"]} & {item["image"] for item in parts["validation"]}
    assert training_data(folder, tmp_path, validation_fraction=0.3, seed=1) == parts
    few = training_data(folder, tmp_path, validation_fraction=0.3, n_labels=1, seed=1)
    assert count_data(**few)["train_labelled"] == 1
    assert few["validation"] == parts["validation"]


def test_a_validation_folder_of_its_own(tmp_path: Path) -> None:
    train = write_simulated(tmp_path / "a", n_images=3, n_labelled=1, shape=(24, 24))
    other = write_simulated(tmp_path / "b", n_images=2, n_labelled=2, shape=(24, 24))
    parts = training_data(train, tmp_path, validation_dir=other)
    assert count_data(**parts) == {"train": 3, "train_labelled": 1, "validation": 2, "validation_labelled": 2}


@pytest.mark.parametrize(("spatial_dims", "shape", "counts"), [(2, (128, 128), (60, 8)), (3, (16, 96, 96), (16, 4))])
def test_simulated_data_without_a_folder(
    tmp_path: Path, spatial_dims: int, shape: tuple[int, ...], counts: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: dict[str, Any] = {}

    def small(folder: Path, **options: Any) -> Path:
        asked.update(options)
        return write_simulated(folder, **options | {"n_images": 10, "n_labelled": 4, "shape": (8,) * spatial_dims})

    monkeypatch.setattr("monai_denoiseg.bundle.datalists.write_simulated", small)
    parts = training_data("simulated", tmp_path, spatial_dims=spatial_dims, seed=4)
    assert (asked["shape"], asked["n_images"], asked["n_labelled"], asked["seed"]) == (shape, *counts, 4)
    assert sum(map(len, parts.values())) == 10
    assert parts["training"][0]["image"].startswith(str(tmp_path / "simulated"))


def test_axes_reach_the_shape_check(tmp_path: Path) -> None:
    """Three pages of 8 x 8 are channels or a volume: the label of 8 x 8 fits the first only."""
    for sub in ("images", "labels"):
        (tmp_path / sub).mkdir()
    for name in "ab":
        tifffile.imwrite(tmp_path / "images" / f"{name}.tif", np.zeros((5, 8, 8), np.uint8), photometric="minisblack")
        tifffile.imwrite(tmp_path / "labels" / f"{name}.tif", np.zeros((8, 8), np.uint8))
    with pytest.raises(ValueError, match="5 planes without a meaning"):
        training_data(tmp_path, tmp_path)
    assert count_data(**training_data(tmp_path, tmp_path, axes="CYX"))["train"] == 1


@pytest.mark.parametrize(
    ("n_images", "n_labelled", "fraction", "validation"), [(1, 1, 0.15, 1), (1, 0, 0.15, 1), (6, 1, 0.3, 3), (4, 2, 0, 2)]
)
def test_without_a_labelled_image_for_validation_those_of_the_training_are_used(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, n_images: int, n_labelled: int, fraction: float, validation: int
) -> None:
    folder = write_simulated(tmp_path / "data", n_images=n_images, n_labelled=n_labelled, shape=(24, 24))
    with caplog.at_level("WARNING", "monai_denoiseg"):
        parts = training_data(folder, tmp_path, validation_fraction=fraction)
    counts = count_data(**parts)
    assert (counts["validation"], counts["validation_labelled"]) == (validation, n_labelled)
    assert counts["train_labelled"] == n_labelled, "no label is taken from the training"
    assert "checkpoint and threshold come from" in caplog.text
    assert "Give `validation_dir`" in caplog.text


def test_nothing_labelled_at_all_needs_no_labelled_validation(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    folder = write_simulated(tmp_path / "data", n_images=4, n_labelled=0, shape=(24, 24))
    assert count_data(**training_data(folder, tmp_path, validation_fraction=0.25))["validation"] == 1
    assert caplog.text == ""


def sizes(*rows: list[float]) -> list[dict[str, torch.Tensor]]:
    return [{"spacing": torch.tensor(row)} for row in rows]


def test_typical_spacing(caplog: pytest.LogCaptureFixture) -> None:
    nan = float("nan")
    assert typical_spacing(sizes([2.0, 0.5, 0.5], [nan] * 3, [2.0, 0.5, 0.5])) == [2.0, 0.5, 0.5]
    assert typical_spacing(sizes([nan, nan])) is None
    assert caplog.text == ""
    assert typical_spacing(sizes([1.0, 1.0], [2.0, 1.0], [2.0, 1.0])) == [2.0, 1.0]
    assert "resample the images first" in caplog.text
    assert typical_spacing(sizes([1.0, 1.0]), given=[3, 4]) == [3.0, 4.0]


def test_denoising_alone_sees_the_same_split_without_labels(tmp_path: Path) -> None:
    data = write_simulated(tmp_path / "data", n_images=8, n_labelled=4, shape=(16, 16))
    with_labels, without = (training_data(data, tmp_path, validation_fraction=0.5, labels=labels) for labels in (True, False))
    assert count_data(**without)["train_labelled"] == count_data(**without)["validation_labelled"] == 0
    for part in ("training", "validation"):
        assert [item["image"] for item in without[part]] == [item["image"] for item in with_labels[part]]


def test_target_images_come_from_their_folder(tmp_path: Path) -> None:
    data = Path(write_simulated(tmp_path / "data", n_images=4, n_labelled=2, shape=(16, 16)))
    parts = training_data(data, tmp_path, target="clean", validation_fraction=0.25)
    for item in parts["training"] + parts["validation"]:
        assert Path(item["target"]) == data / "clean" / Path(item["image"]).name
    next((data / "clean").iterdir()).unlink()
    with pytest.raises(ValueError, match=r"1 images have no target in .*clean, the first is"):
        training_data(data, tmp_path, target="clean")
    with pytest.raises(FileNotFoundError, match="second does not exist"):
        training_data(data, tmp_path, target="second")
