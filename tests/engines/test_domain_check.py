"""A warning for images unlike those of the training."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
import torch

from monai_denoiseg.bundle.provenance import directions_of
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


@pytest.mark.parametrize("flips", [False, True])
def test_scans_stored_in_other_directions(flips: bool, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A network that was trained in one orientation takes left for right in a mirrored scan, and nothing told so."""
    volume = np.zeros((8, 8, 8), np.float32)
    for name, sign in (("right.nii", 1), ("left.nii.gz", -1)):
        nibabel.save(nibabel.Nifti1Image(volume, np.diag([sign, 1.0, 2.0, 1.0])), tmp_path / name)
    network = DenoiSegNet(3, 1, depth=1, features=2, flips=flips)
    network.training_info = {"directions": directions_of([{"image": tmp_path / "right.nii"}, {"image": "a.tif"}])}
    assert network.training_info["directions"] == ["RAS"]
    check = DomainCheck(network)
    for name in ("right.nii", "left.nii.gz", "a.tif"):
        check.add(str(tmp_path / name), torch.zeros(1, 8, 8, 8))
    check.report()
    assert len(caplog.messages) == (not flips)
    if not flips:
        (line,) = caplog.messages
        assert "1 scans are stored in other directions (LAS) than those of the training (RAS)" in line
        assert "left.nii.gz" in line and "as_closest_canonical" in line
