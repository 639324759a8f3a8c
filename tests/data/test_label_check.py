"""Labels that are none are refused where that is certain, and counted where it is not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from PIL import Image
from scipy import ndimage

from monai_denoiseg.data import LoadItemd
from monai_denoiseg.data.label_check import LabelFigures, label_figures
from monai_denoiseg.data.labels import instance_labels

SHAPES = [(40, 44), (12, 20, 18)]


def blobs(shape: tuple[int, ...], n: int = 6, seed: int = 0) -> np.ndarray:
    """Boxes that do not touch, numbered."""
    labels = np.zeros(shape, np.int32)
    draw = np.random.default_rng(seed)
    while len(np.unique(labels)) <= n:
        corner = [draw.integers(1, length - 4) for length in shape]
        grown = tuple(slice(c - 1, c + 4) for c in corner)
        if not labels[grown].any():
            labels[tuple(slice(c, c + 3) for c in corner)] = labels.max() + 1
    return labels


def slow_figures(labels: np.ndarray) -> tuple[int, int, int]:
    """Numbers, those in several pieces of which one is within, pieces: one number after the other."""
    structure = np.ones((3,) * labels.ndim)
    unknown = np.pad(labels == -1, 1, constant_values=True)
    beside = ndimage.binary_dilation(unknown)[(slice(1, -1),) * labels.ndim]
    numbers, several, pieces = 0, 0, 0
    for number in np.unique(labels[labels > 0]):
        found, count = ndimage.label(labels == number, structure)
        within = [i for i in range(1, count + 1) if not beside[found == i].any()]
        numbers, pieces, several = numbers + 1, pieces + count, several + (count > 1 and bool(within))
    return numbers, several, pieces


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("seed", range(3))
def test_figures_against_one_number_at_a_time(shape: tuple[int, ...], seed: int) -> None:
    draw = np.random.default_rng(seed)
    labels = blobs(shape, seed=seed)
    labels[labels == 3] = 1
    labels[labels == 4] = 2
    labels[draw.random(shape) < 0.005] = -1
    found = label_figures(labels)
    assert (found.numbers, found.several, found.pieces) == slow_figures(labels)
    assert found.several > 0


@pytest.mark.parametrize("shape", SHAPES)
def test_an_object_cut_by_the_edge_may_come_apart(shape: tuple[int, ...]) -> None:
    labels = np.zeros(shape, np.int32)
    labels[0, 2:4], labels[0, 8:9] = 1, 1  # a horseshoe, its bend beyond the edge
    assert label_figures(labels).several == 0
    labels[(5, slice(2, 4), *[slice(3, 5)] * (len(shape) - 2))] = 1
    assert label_figures(labels).several == 1
    assert label_figures(np.full(shape, -1)) == LabelFigures(0, 0, 0, False, False)


@pytest.mark.parametrize("shape", SHAPES)
def test_classes_without_background_are_refused_and_objects_that_fill_the_image_are_not(shape: tuple[int, ...]) -> None:
    classes = np.where(blobs(shape) > 0, 2, 1)
    with pytest.raises(ValueError, match=r"a\.tif holds 2 numbers in 7 separate pieces and no background \(0\).*--classes"):
        instance_labels(classes[None], "uint8", name="label a.tif")
    np.testing.assert_array_equal(instance_labels(classes[None], "uint8", binary_labels="keep")[0], classes)
    halves = np.ones(shape, np.int32)
    halves[shape[0] // 2 :] = 2  # two cells that touch everywhere
    np.testing.assert_array_equal(instance_labels(halves[None], "uint8")[0], halves)


@pytest.mark.parametrize("shape", [(64, 64), (16, 16, 16)])
def test_object_255_is_not_lost(shape: tuple[int, ...]) -> None:
    labels = (np.arange(np.prod(shape)) // 16).reshape(shape) % 256
    with pytest.raises(ValueError, match=r"holds 254 objects and the value 255.*16 bits.*ignore_value=-1"):
        instance_labels(labels[None], "uint8")
    assert instance_labels(labels[None], "uint8", ignore_value=-1).max() == 255
    assert instance_labels(labels[None], "uint8", ignore_value=255).min() == -1
    assert instance_labels(labels[None], "uint16").max() == 255
    few = np.where(labels > 20, 255, labels)  # twenty objects, and a large part that nobody looked at
    assert instance_labels(few[None], "uint8").min() == -1


@pytest.mark.parametrize(("off", "right"), [(4e-4, True), (-4e-4, True), (2e-3, False), (0.5, False), (np.nan, False)])
def test_rounding_of_a_scaled_file(off: float, right: bool) -> None:
    stored = np.array([[[0.0, 1.0, 250.0]]]) + np.array([[[off, 0, off]]])
    if right:
        assert instance_labels(stored, "float64").tolist() == [[[0, 1, 250]]]
    else:
        with pytest.raises(ValueError, match="instance labels must be integers"):
            instance_labels(stored, "float64")


def write_jpeg(path: Path, labels: np.ndarray) -> None:
    if path.suffix == ".tif":
        tifffile.imwrite(path, labels, compression="jpeg")
    else:
        Image.fromarray(labels).save(path, "JPEG")


@pytest.mark.parametrize("name", ["a.jpg", "b.jpeg", "pretends.png", "within.tif"])
@pytest.mark.parametrize("classes", [None, ["background", "cell"]])
def test_jpeg_is_refused_whatever_its_name(name: str, classes: Any, tmp_path: Path) -> None:
    labels = blobs((40, 44)).astype(np.uint8)
    if name.endswith(".tif"):
        pytest.importorskip("imagecodecs")
    write_jpeg(tmp_path / name, labels)
    tifffile.imwrite(tmp_path / "image.tif", labels)
    with pytest.raises(ValueError, match=rf"{name} is compressed as JPEG.*TIFF or PNG"):
        LoadItemd(classes=classes)({"image": str(tmp_path / "image.tif"), "label": str(tmp_path / name)})


def test_a_mask_is_told_about_classes_too() -> None:
    with pytest.raises(ValueError, match=r"number the objects.*binary_labels=.*--classes background,tumour"):
        instance_labels(np.array([[[1, 0, 1]]]), "uint8")
