"""Networks to export."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

from monai_denoiseg.networks import DenoiSegNet
from monai_denoiseg.transforms import star_rays

HEADS: dict[str, dict[str, Any]] = {
    "border": {},
    "classes": {"classes": ["background", "liver", "spleen"]},
    "stars": {"rays": 12},
    "none": {"n_classes": 0},
}


def make_network(dims: int = 2, head: str = "border", *, domain: bool = True, **options: Any) -> DenoiSegNet:
    """A network of random weights whose buffers all hold something."""
    torch.manual_seed(0)
    own = {key: star_rays(value, dims) if key == "rays" else value for key, value in HEADS[head].items()}
    net = DenoiSegNet(dims, **{"depth": 1, "features": 4} | own | options)
    net.set_statistics(torch.tensor([100.0] * net.in_channels), torch.tensor([20.0] * net.in_channels))
    if len(net.class_weights) == 3:
        net.set_class_weights([1.0, 2.0, 5.0])
    if domain:
        ends = {"low": [-2.0] * net.in_channels, "high": [6.0] * net.in_channels}
        net.domain = {"window": [16] * dims, "channels": []} | ends
    net.train()(100 + 20 * torch.randn(2, net.in_channels, *[16] * dims))
    return net.eval()


@pytest.fixture(scope="session")
def make() -> Callable[..., DenoiSegNet]:
    return make_network
