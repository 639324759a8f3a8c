"""What is measured of the images of a training, and what is warned of."""

from __future__ import annotations

import logging
from typing import Any

import numpy as np
import pytest
import torch

from monai_denoiseg.bundle.domain import describe_images, warn_of_exposures
from monai_denoiseg.networks import DenoiSegNet


def items(spatial_dims: int, channels: int, gains: list[float]) -> list[dict[str, Any]]:
    shape = {2: (24, 20), 3: (6, 16, 12)}[spatial_dims]
    rng = np.random.default_rng(0)
    return [{"image": torch.from_numpy((gain * rng.gamma(2, 10, (channels, *shape))).astype(np.float32))} for gain in gains]


@pytest.mark.parametrize("spatial_dims", [2, 3])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("normalisation", ["image", "dataset"])
def test_a_network_is_told(spatial_dims: int, channels: int, normalisation: str) -> None:
    network = DenoiSegNet(spatial_dims, channels, depth=1, features=2, normalisation=normalisation)
    data = items(spatial_dims, channels, [1, 1.5, 2])
    window = data[0]["image"].shape[1:]
    describe_images(network, data, window)
    assert network.domain["window"] == list(window)
    assert len(network.domain["low"]) == len(network.domain["high"]) == len(network.domain["channels"]) == channels
    assert network.bounded
    for item in data:
        offset, scale = (part.reshape(-1, *[1] * spatial_dims) for part in network.intensity(item["image"][None])[0])
        seen = ((item["image"] - offset) / scale).flatten(1)
        low, high = torch.quantile(seen, torch.tensor([0.001, 0.999]), dim=1)
        assert bool((low >= torch.tensor(network.domain["low"]) - 0.01).all())
        assert bool((high <= torch.tensor(network.domain["high"]) + 0.01).all())


def test_exposures_are_warned_of_where_one_normalisation_serves_all(caplog: pytest.LogCaptureFixture) -> None:
    mixed = items(2, 1, [1, 1.2, 257, 300])
    with caplog.at_level(logging.WARNING):
        describe_images(DenoiSegNet(2, 1, depth=1, features=2, normalisation="image"), mixed, (24, 20))
    assert not caplog.messages
    describe_images(DenoiSegNet(2, 1, depth=1, features=2), mixed, (24, 20))
    (line,) = caplog.messages
    assert "--normalisation image" in line
    assert "2 have a contrast" in line


@pytest.mark.parametrize("contrasts", [[], [0.0], [5.0], [1.0, 15.0, 200.0], [0.0, 0.0, 3.0]])
def test_nothing_to_warn_of(contrasts: list[float]) -> None:
    assert not warn_of_exposures(contrasts)


def test_networks_that_keep_no_domain_are_left_alone() -> None:
    network = torch.nn.Identity()
    describe_images(network, items(2, 1, [1]), (24, 20))
    assert not hasattr(network, "domain")
