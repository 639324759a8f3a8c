"""The images a bundle trains and validates on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

from monai_denoiseg.data import write_simulated
from monai_denoiseg.engines import count_data, training_data


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


@pytest.mark.parametrize(("spatial_dims", "shape"), [(2, (128, 128)), (3, (16, 96, 96))])
def test_simulated_data_without_a_folder(
    tmp_path: Path, spatial_dims: int, shape: tuple[int, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: dict[str, Any] = {}

    def small(folder: Path, **options: Any) -> Path:
        asked.update(options)
        return write_simulated(folder, **options | {"n_images": 10, "shape": (8,) * spatial_dims})

    monkeypatch.setattr("monai_denoiseg.engines.datalists.write_simulated", small)
    parts = training_data("simulated", tmp_path, spatial_dims=spatial_dims, seed=4)
    assert (asked["shape"], asked["n_images"], asked["n_labelled"], asked["seed"]) == (shape, 60, 8, 4)
    assert sum(map(len, parts.values())) == 10
    assert parts["training"][0]["image"].startswith(str(tmp_path / "simulated"))


def test_axes_reach_the_shape_check(tmp_path: Path) -> None:
    """Three pages of 8 x 8 are channels or a volume: the label of 8 x 8 fits the first only."""
    for sub in ("images", "labels"):
        (tmp_path / sub).mkdir()
    for name in "ab":
        tifffile.imwrite(tmp_path / "images" / f"{name}.tif", np.zeros((5, 8, 8), np.uint8), photometric="minisblack")
        tifffile.imwrite(tmp_path / "labels" / f"{name}.tif", np.zeros((8, 8), np.uint8))
    with pytest.raises(ValueError, match="has shape"):
        training_data(tmp_path, tmp_path)
    assert count_data(**training_data(tmp_path, tmp_path, axes="CYX"))["train"] == 1


def test_no_image_left_to_validate(tmp_path: Path) -> None:
    folder = write_simulated(tmp_path / "data", n_images=1, n_labelled=1, shape=(24, 24))
    with pytest.raises(ValueError, match="no image is left for validation; give more images, `validation_fraction` > 0"):
        training_data(folder, tmp_path)
