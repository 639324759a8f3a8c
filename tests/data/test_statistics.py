from __future__ import annotations

import warnings

import numpy as np
import pytest
import torch
from monai.data import CacheDataset, Dataset, MetaTensor

from monai_denoiseg.data import intensity_statistics


@pytest.mark.parametrize("spatial", [[(5, 7), (9, 4), (1, 1)], [(3, 5, 7), (2, 9, 4)]])
@pytest.mark.parametrize("channels", [1, 3])
def test_equals_numpy_on_all_voxels(spatial, channels):
    rng = np.random.default_rng(0)
    images = [rng.normal(5 * i, 1 + i, (channels, *shape)).astype("f4") for i, shape in enumerate(spatial)]
    voxels = np.concatenate([image.reshape(channels, -1) for image in images], 1).astype("f8")
    mean, std = intensity_statistics([torch.from_numpy(image) for image in images])
    assert mean.dtype == std.dtype == torch.float32
    np.testing.assert_allclose(mean.numpy(), voxels.mean(1), rtol=1e-6)
    np.testing.assert_allclose(std.numpy(), voxels.std(1), rtol=1e-6)


def test_stays_exact_far_from_zero():
    # The textbook formula E[x^2] - E[x]^2 fails here in float32, and loses all digits for an offset of 1e9 in float64.
    images = [
        torch.tensor([[[1e9 + 1, 1e9 + 2]]], dtype=torch.float64),
        torch.tensor([[[1e9 + 3, 1e9 + 4]]], dtype=torch.float64),
    ]
    assert intensity_statistics(images)[1].item() == pytest.approx(np.std([1, 2, 3, 4]), rel=1e-6)


def test_items_data_sets_and_generators_agree():
    images = [torch.rand(2, 4, 5) for _ in range(4)]
    items = [{"image": MetaTensor(image), "clean": image * 2} for image in images]
    expected = intensity_statistics(images)
    for source in (items, Dataset(items), CacheDataset(items, progress=False), (item for item in items), _Endless(items)):
        for a, b in zip(intensity_statistics(source), expected, strict=True):
            torch.testing.assert_close(a, b)
    torch.testing.assert_close(intensity_statistics(items, key="clean")[0], 2 * expected[0])


class _Endless(torch.utils.data.Dataset):
    """A data set that never raises IndexError."""

    def __init__(self, items):
        self.items = items

    def __len__(self):
        return len(self.items)

    def __getitem__(self, index):
        return self.items[index % len(self.items)]


def test_constant_channel_gets_std_one_with_a_warning(caplog):
    mean, std = intensity_statistics([torch.stack([torch.arange(4.0).reshape(2, 2), torch.full((2, 2), 7.0)])])
    assert "channels [1] are constant" in caplog.text
    assert mean.tolist() == [1.5, 7] and std[1] == 1 and std[0] != 1


def test_no_warning_otherwise():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        intensity_statistics([torch.rand(1, 4, 4)])


@pytest.mark.parametrize(
    ("images", "message"),
    [
        ([], "no images"),
        ([torch.zeros(1, 0, 4)], "no images"),
        ([torch.ones(1, 2, 2), torch.full((1, 2, 2), float("nan"))], "image 1 holds NaN"),
        ([torch.full((1, 2, 2), float("inf"))], "image 0 holds NaN or infinite"),
        ([torch.ones(1, 2, 2), torch.ones(3, 2, 2)], "image 1 has 3 channels, but those before have 1"),
    ],
)
def test_errors(images, message):
    with pytest.raises(ValueError, match=message):
        intensity_statistics(images)
