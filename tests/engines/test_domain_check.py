"""A warning for images unlike those of the training."""

from __future__ import annotations

import logging
from typing import Any

import numpy as np
import pytest
import torch

from monai_denoiseg.data import simulate_nuclei
from monai_denoiseg.engines.domain_check import DomainCheck
from monai_denoiseg.networks import DenoiSegNet
from monai_denoiseg.networks.domain import describe_domain

SIZE = {2: (64, 64), 3: (12, 40, 40)}


def image(spatial_dims: int, seed: int) -> torch.Tensor:
    return torch.from_numpy(simulate_nuclei(SIZE[spatial_dims], 5, seed=seed).image.astype(np.float32))[None]


@pytest.fixture(scope="module", params=[2, 3])
def network(request: pytest.FixtureRequest) -> Any:
    found = DenoiSegNet(request.param, 1, depth=1, features=2, normalisation="image")
    found.domain = describe_domain(found, [image(request.param, seed) for seed in range(12)], SIZE[request.param])
    return found


def test_one_line_for_all(network: Any, caplog: pytest.LogCaptureFixture) -> None:
    check = DomainCheck(network)
    own = image(network.spatial_dims, 50)
    check.add("fine.tif", own)
    for number in range(7):
        check.add(f"inverted {number}.tif", 1000 - own)
    with caplog.at_level(logging.WARNING):
        names = check.report()
    assert names == [f"inverted {number}.tif" for number in range(7)]
    (line,) = caplog.messages
    assert "7 of 8 images are unlike those the network was trained on" in line
    assert "inverted 4.tif and 2 more" in line
    assert "inverted or brightfield?" in line
    assert check.report() == []


def test_windows_find_what_the_whole_image_does(network: Any) -> None:
    other = 1000 - image(network.spatial_dims, 50)
    whole, windowed = DomainCheck(network), DomainCheck(network)
    whole.add("a", other)
    read: list[Any] = []

    def window(place: tuple[slice, ...]) -> torch.Tensor:
        read.append(place)
        return other[(slice(None), *place)]

    windowed.add_windows("a", window, tuple(other.shape[1:]), network.intensity(other[None])[0])
    assert read
    assert whole.outside == windowed.outside != {}


def test_a_network_that_knows_nothing_says_nothing(caplog: pytest.LogCaptureFixture) -> None:
    for network in (DenoiSegNet(2, depth=1, features=2), torch.nn.Identity()):
        check = DomainCheck(network)
        check.add("a.tif", torch.full((1, 16, 16), 7.0))
        assert check.report() == []
    assert not caplog.messages
