"""The row of integers that describes a network."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from monai_denoiseg.networks import DenoiSegNet, describe_architecture


@pytest.mark.parametrize(
    "plan",
    [
        {"spatial_dims": 2, "in_channels": 3, "n_classes": 0, "depth": 1, "features": 4, "norm": "none", "variant": "care"}
        | {"kernel_size": [[3, 5], [1, 7]], "strides": [[2, 3]], "denoises": True},
        {"spatial_dims": 3, "in_channels": 1, "n_classes": 5, "depth": 2, "features": 6, "norm": "batch", "variant": "n2v2"}
        | {"kernel_size": [[1, 3, 3], [1, 3, 3], [3, 3, 3]], "strides": [[1, 2, 2], [2, 2, 2]], "denoises": False},
    ],
)
def test_round_trip_through_a_network(plan: dict[str, Any]) -> None:
    assert describe_architecture(DenoiSegNet(**plan).architecture) == plan | {"n_rays": 0}


def test_rays_are_counted() -> None:
    described = describe_architecture(DenoiSegNet(2, depth=1, features=4, rays=torch.eye(2).repeat(4, 1)).architecture)
    assert (described["n_rays"], described["n_classes"]) == (8, 0)


def test_short_forms_are_spelt_out() -> None:
    described = describe_architecture(DenoiSegNet(3, depth=2, features=4, kernel_size=[1, 3, 3]).architecture)
    assert described["kernel_size"] == [[1, 3, 3]] * 3
    assert described["strides"] == [[2, 2, 2]] * 2


@pytest.mark.parametrize("change", [-2, 3])
def test_a_file_of_another_version_is_refused(change: int) -> None:
    net = DenoiSegNet(2, depth=1, features=4)
    state = net.state_dict()
    numbers = state["architecture"].tolist()
    state["architecture"] = torch.tensor(numbers[:change] if change < 0 else numbers + [3] * change)
    with pytest.raises(ValueError, match=r"with \d+ numbers, 15 are needed: it comes from another version"):
        net.load_state_dict(state)
