from __future__ import annotations

import numpy as np
import pytest
import torch
from monai.data import MetaTensor
from monai.transforms import Compose, RandSpatialCropd

from monai_denoiseg.networks import DenoiSegNet
from monai_denoiseg.transforms import WholeIntensityd


@pytest.mark.parametrize("shape", [(1, 30, 41), (3, 8, 9), (2, 5, 6, 7)])
@pytest.mark.parametrize("kind", [np.asarray, torch.as_tensor, MetaTensor])
def test_moments_of_the_whole_image(shape: tuple[int, ...], kind: type) -> None:
    image = np.random.default_rng(0).normal(100, 20, shape).astype(np.float32)
    item = {"image": kind(image), "label": 5}
    out = WholeIntensityd()(item)
    assert set(item) == {"image", "label"}
    assert out["image"] is item["image"]
    assert type(out["intensity"]) is torch.Tensor
    for c in range(shape[0]):
        clipped = image[c].clip(*np.percentile(image[c], [1, 99.8]))
        np.testing.assert_allclose(out["intensity"][:, c], [clipped.mean(), clipped.std()], rtol=1e-4)


def test_a_crop_keeps_the_numbers_the_network_takes_from_the_whole_image() -> None:
    image = torch.arange(64.0).reshape(1, 8, 8)
    cropped = Compose([WholeIntensityd("photo", "range"), RandSpatialCropd("photo", (3, 3), random_size=False)])({"photo": image})
    net = DenoiSegNet(2, 1, depth=1, features=2, normalisation="image")
    assert cropped["photo"].shape == (1, 3, 3)
    assert torch.equal(cropped["range"], net.intensity(image[None])[0])
    assert not torch.equal(cropped["range"], net.intensity(cropped["photo"][None])[0])


def test_integer_image() -> None:
    assert WholeIntensityd()({"image": np.full((1, 4, 4), 9, np.uint16)})["intensity"].tolist() == [[9], [1]]


@pytest.mark.parametrize("size", [(96, 80), (12, 40, 40)])
def test_a_large_field_is_measured_as_the_network_will(size: tuple[int, ...]) -> None:
    """Training took the whole of a sparse field, inference what is not empty of it."""
    image = torch.randn(2, *size, generator=torch.Generator().manual_seed(0))
    image[(slice(None), *[slice(0, edge // 4) for edge in size])] += 30
    window = [edge // 3 for edge in size]
    net = DenoiSegNet(len(size), 2, depth=1, features=2, normalisation="image")
    net.window = window
    found = WholeIntensityd(window=window)({"image": image})["intensity"]
    assert torch.equal(found, net.intensity(image[None])[0])
    assert not torch.equal(found, WholeIntensityd()({"image": image})["intensity"])
