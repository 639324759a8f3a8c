"""Files that cannot be used: one message, when they are loaded, that names the file and what is wrong with it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from monai_denoiseg.networks import DenoiSegNet, SequentialNet, load_network, load_weights, network_for_file

TINY: dict[str, Any] = {"depth": 1, "features": 4}


def written(path: Path, **options: Any) -> Path:
    torch.save(DenoiSegNet(**{"spatial_dims": 2, **TINY, **options}).state_dict(), path)
    return path


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
@pytest.mark.parametrize("key", ["unet.head.weight", "std", "threshold"])
@pytest.mark.parametrize("classes", [0, None])
def test_values_that_are_not_finite(tmp_path: Path, value: float, key: str, classes: int | None) -> None:
    """F4: a denoiser with NaN weights wrote images of NaN, exit code 0."""
    path = written(tmp_path / "m.pt", n_classes=classes)
    state = torch.load(path, weights_only=True)
    state[key].view(-1)[0] = value
    torch.save(state, path)
    for load in (load_network, network_for_file, lambda path: load_weights(DenoiSegNet(2, n_classes=classes, **TINY), path)):
        with pytest.raises(ValueError, match=rf"m.pt holds NaN or infinite values \({key}\), so it predicts nothing"):
            load(path)


def test_damaged_and_foreign_files(tmp_path: Path) -> None:
    path = written(tmp_path / "m.pt")
    whole = path.read_bytes()
    for content in (b"", b"hello", whole[:100], whole[: len(whole) // 2]):
        path.write_bytes(content)
        for load in (load_network, network_for_file):
            with pytest.raises(ValueError, match=r"m.pt is no PyTorch file or is damaged"):
                load(path)
    for foreign in ({"model": {"a": torch.ones(1)}}, torch.nn.Conv2d(1, 1, 1).state_dict(), [1, 2], {"description": "text"}):
        torch.save(foreign, path)
        for load in (load_network, network_for_file):
            with pytest.raises(ValueError, match=r"m.pt holds no DenoiSegNet state dict"):
                load(path)


def test_weights_that_are_missing_are_named_with_the_file(tmp_path: Path) -> None:
    path = written(tmp_path / "m.pt")
    state = torch.load(path, weights_only=True)
    del state["unet.head.bias"]
    torch.save(state, path)
    with pytest.raises(ValueError, match=r"(?s)m.pt: .*Missing key.*unet.head.bias"):
        load_network(path)


@pytest.mark.parametrize("kind", ["single", "sequential"])
def test_a_file_for_other_axes_or_channels(tmp_path: Path, kind: str) -> None:
    """F15: a 2D file in the 3D bundle failed with "zip() argument 2 is shorter"."""
    path = tmp_path / "m.pt"
    network: torch.nn.Module = DenoiSegNet(2, 2, **TINY)
    if kind == "sequential":
        network = SequentialNet(DenoiSegNet(2, 2, n_classes=0, **TINY), DenoiSegNet(2, 2, **TINY))
    torch.save(network.state_dict(), path)
    with pytest.raises(ValueError, match=r"m.pt is a network for images of 2 axes, but `spatial_dims` is 3: use .* denoiseg_2d"):
        network_for_file(path, spatial_dims=3, in_channels=1)
    with pytest.raises(ValueError, match=r"m.pt is a network for images of 2 channel\(s\), but `in_channels` is 3: leave it out"):
        network_for_file(path, spatial_dims=2, in_channels=3)
    assert network_for_file(path, spatial_dims=2, in_channels=1).in_channels == 2, (
        "the file tells, where nothing else is asked for"
    )


def test_no_file(tmp_path: Path) -> None:
    for load in (load_network, lambda path: load_weights(DenoiSegNet(2, **TINY), path)):
        with pytest.raises(FileNotFoundError, match=r"no trained network .*m.pt: train first.*--run or --model_file"):
            load(tmp_path / "m.pt")
