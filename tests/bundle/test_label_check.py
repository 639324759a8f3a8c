"""A look at the labels before a training: what is counted, and what is said."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

from monai_denoiseg.bundle import check_labels, run_bundle
from monai_denoiseg.data import LoadItemd
from monai_denoiseg.engines import first_cause

TINY: dict[str, Any] = {"features": 4, "depth": 1, "batch_size": 2, "amp": "off", "max_epochs": 1, "steps_per_epoch": 1}


def cells(shape: tuple[int, ...], numbers: tuple[int, int, int]) -> np.ndarray:
    labels = np.zeros(shape, np.uint8)
    for i, number in enumerate(numbers):
        labels[(*[slice(2, 5)] * (len(shape) - 1), slice(2 + 6 * i, 5 + 6 * i))] = number
    return labels


def write(folder: Path, labels: list[np.ndarray]) -> list[dict[str, str]]:
    items = []
    for kind in ("images", "labels"):
        (folder / kind).mkdir(parents=True)
    for i, label in enumerate(labels):
        tifffile.imwrite(folder / "images" / f"{i}.tif", np.random.default_rng(i).normal(100, 5, label.shape).astype("f4"))
        tifffile.imwrite(folder / "labels" / f"{i}.tif", label)
        items.append({kind.removesuffix("s"): str(folder / kind / f"{i}.tif") for kind in ("images", "labels")})
    return items


SHAPES = [(20, 22), (8, 20, 22)]


@pytest.mark.parametrize("shape", SHAPES)
def test_pieces_are_counted_and_said(shape: tuple[int, ...], tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    load = LoadItemd(spatial_dims=len(shape))
    items = write(tmp_path / "a", [cells(shape, (1, 2, 3)), cells(shape, (5, 5, 7))])
    assert check_labels(items, load) == {"images": 2, "objects": 5, "several": 1}
    assert "1 of 5 numbers lie in several separate pieces, in 1 of 2 label images" in caplog.text
    caplog.clear()
    items = write(tmp_path / "b", [cells(shape, (1, 2, 3)), cells(shape, (4, 5, 7))])
    assert check_labels(items, load, n=1) == {"images": 1, "objects": 3, "several": 0}
    assert caplog.text == ""


def test_classes_with_a_background_are_named(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    label = np.zeros((40, 40), np.uint8)
    for y in range(1, 37, 6):
        label[y : y + 3, 2:5], label[y : y + 3, 12:15] = 1, 2
    check_labels(write(tmp_path, [label] * 2), LoadItemd(spatial_dims=2))
    assert "2 of them look like labels of classes" in caplog.text
    assert "--classes" in caplog.text
    caplog.clear()
    check_labels(
        [{"label": str(tmp_path / "labels" / "0.tif")}], LoadItemd(spatial_dims=2, classes=["background", "cell", "nucleus"])
    )
    assert caplog.text == ""


@pytest.mark.parametrize("shape", SHAPES)
def test_nothing_annotated(shape: tuple[int, ...], tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    nothing, load = np.full(shape, 255, np.uint8), LoadItemd(spatial_dims=len(shape))
    items = write(tmp_path / "a", [nothing] * 3)
    with pytest.raises(ValueError, match=r"none of the 3 label images has an annotated voxel, .*0\.tif.*--ignore_value"):
        check_labels(items, load, required=True)
    check_labels(items, load)
    assert "none of the 3 label images" in caplog.text
    caplog.clear()
    items = write(tmp_path / "b", [nothing, cells(shape, (1, 2, 3)), nothing])
    check_labels(items, load, required=True)
    assert "2 of 3 label images looked at mark all of their image as not annotated" in caplog.text
    check_labels(items, load, n=1, required=True)  # the one that was looked at is not all


@pytest.mark.parametrize(
    ("bundle", "shape", "patch"), [("denoiseg_2d", (20, 22), [16, 16]), ("denoiseg_3d", (8, 20, 22), [4, 16, 16])]
)
def test_a_training_stops_before_any_image_is_loaded(
    bundle: str, shape: tuple[int, ...], patch: list[int], tmp_path: Path
) -> None:
    write(tmp_path / "data", [np.full(shape, 255, np.uint8)] * 3)
    tifffile.imwrite(tmp_path / "data" / "images" / "0.tif", np.full(shape, np.nan, "f4"))  # refused as soon as it is loaded
    with pytest.raises(RuntimeError) as caught:
        run_bundle("train", bundle, dataset_dir=tmp_path / "data", output_dir=tmp_path / "run", patch_size=patch, **TINY)
    assert "none of the 3 label images has an annotated voxel" in str(first_cause(caught.value))
    assert not (tmp_path / "run").exists()
