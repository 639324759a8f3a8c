"""Images and class labels on another grid and back."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from monai.data import MetaTensor

from monai_denoiseg.transforms import TargetSpacingd
from monai_denoiseg.transforms.resample import grid_at, resample, resample_classes
from monai_denoiseg.units import _warn_of_units


def triangle(values: np.ndarray, n: int) -> np.ndarray:
    """Along the last axis: the reference, a triangle filter as wide as the larger of the two voxels."""
    old, step = values.shape[-1], values.shape[-1] / n
    width = max(1.0, step)
    result = np.zeros((*values.shape[:-1], n))
    for i in range(n):
        middle = (i + 0.5) * step - 0.5
        weights = np.maximum(0, 1 - np.abs(np.arange(old) - middle) / width)
        result[..., i] = values @ (weights / weights.sum())
    return result


@pytest.mark.parametrize(("shape", "wanted"), [((6, 9), (18, 9)), ((12, 5, 7), (4, 5, 10)), ((4, 6, 6), (12, 4, 6))])
def test_against_a_triangle_filter(shape: tuple[int, ...], wanted: tuple[int, ...]) -> None:
    image = np.random.default_rng(0).normal(size=(2, *shape))
    expected = image
    for axis, n in enumerate(wanted, 1):
        if n != image.shape[axis]:
            expected = np.moveaxis(triangle(np.moveaxis(expected, axis, -1), n), -1, axis)
    np.testing.assert_allclose(resample(torch.from_numpy(image), wanted), expected, atol=1e-5)


@pytest.mark.parametrize("dims", [2, 3])
def test_the_same_grid_is_the_same_image(dims: int) -> None:
    image = torch.rand(1, *[7] * dims)
    assert resample(image, image.shape[1:]) is image
    assert grid_at([40] * dims, [1.05] * dims, [1.0] * dims) == [40] * dims
    assert grid_at([40] * dims, [math.nan] * dims, [1.0] * dims) == [40] * dims
    assert grid_at([40] * dims, [1.06] * dims, [1.0] * dims) == [42] * dims


def test_a_unit_that_cannot_be_is_refused() -> None:
    with pytest.raises(ValueError, match="give the voxel size with --spacing"):
        grid_at((10, 10), (0.5, 0.5), (500.0, 500.0))
    with pytest.raises(ValueError, match="need 2 values"):
        grid_at((10, 10), (0.5, 0.5), (1.0, 1.0, 1.0))


@pytest.mark.parametrize("shape", [(8, 30), (6, 20, 24)])
def test_labels_there_and_back(shape: tuple[int, ...]) -> None:
    rng = np.random.default_rng(1)
    label = torch.from_numpy(rng.integers(-1, 3, (1, *[-(-n // 4) for n in shape])).astype("i4"))
    for axis, n in enumerate(shape, 1):  # pieces of 4 voxels
        label = label.repeat_interleave(4, axis).narrow(axis, 0, n)
    wide = resample_classes(label, [n * 3 for n in shape])
    assert wide.dtype == label.dtype
    assert torch.equal(wide[(0, *[slice(1, None, 3)] * len(shape))], label[0]), "the middle of each old voxel"
    assert torch.equal(resample_classes(wide, shape), label)
    assert torch.equal(resample_classes(label, shape), label)


def test_classes_are_not_interpolated() -> None:
    label = torch.tensor([[0] * 6 + [2] * 6])
    assert set(resample_classes(label, (29,)).unique().tolist()) == {0, 2}, "no class 1 between 0 and 2"


def test_single_slices_stay_annotated() -> None:
    label = torch.full((1, 30, 8), -1)
    label[0, 4::10] = torch.arange(8) % 3
    coarse = resample_classes(label, (10, 8))
    kept = (coarse[0] >= 0).all(1).nonzero().flatten().tolist()
    assert kept == [1, 4, 8]
    assert torch.equal(coarse[0, 1], torch.arange(8) % 3)
    thin = resample_classes(label, (90, 8))
    assert (thin[0] >= 0).all(1).nonzero().flatten().tolist() == [12, 13, 14, 42, 43, 44, 72, 73, 74]


@pytest.mark.parametrize("shape", [(8, 12), (4, 12, 10)])
def test_a_copy_for_the_segmentation(shape: tuple[int, ...]) -> None:
    image, label = torch.rand(1, *shape), torch.randint(0, 2, (1, *shape))
    item = {"image": image, "label": label, "spacing": torch.tensor([3.0, *[1.0] * (len(shape) - 1)])}
    found = TargetSpacingd([1.0] * len(shape))(item)
    copy = found["respaced"]
    assert found["image"] is image
    assert bool((found["label"] == -1).all())
    assert copy["image"].shape == copy["label"].shape == (1, 3 * shape[0], *shape[1:])
    assert copy["spacing"].tolist() == [1.0] * len(shape)
    for same in (None, [3.1, *[1.0] * (len(shape) - 1)]):
        assert "respaced" not in TargetSpacingd(same)(item)
    assert "respaced" not in TargetSpacingd([1.0] * len(shape))({"image": image, "spacing": item["spacing"]})


@pytest.mark.parametrize("shape", [(8, 12), (4, 12, 10)])
def test_a_copy_of_an_image_in_another_unit(shape: tuple[int, ...], caplog: pytest.LogCaptureFixture) -> None:
    dims = len(shape)
    label, own = torch.randint(0, 2, (1, *shape)), torch.tensor([3.0, *[1.0] * (dims - 1)])
    image = MetaTensor(torch.rand(1, *shape), meta={"unit": "mm", "spacing": tuple(own.tolist())})
    item = {"image": image, "label": label, "spacing": own}
    copy = TargetSpacingd([1000.0] * dims, unit="um")(item)["respaced"]
    assert copy["image"].shape == (1, 3 * shape[0], *shape[1:])
    assert copy["spacing"].tolist() == [1000.0] * dims
    image.meta["unit"] = ""
    _warn_of_units.cache_clear()
    for _ in range(2):
        assert TargetSpacingd([1.0] * dims, unit="nm")(item)["respaced"]["spacing"].tolist() == [1.0] * dims
    assert sum("as if both were the same" in record.message for record in caplog.records) == 1
