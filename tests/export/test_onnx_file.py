"""ONNX files: what onnxruntime makes of them, read back from disk, is what our inferer gives."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from monai_denoiseg.engines import DenoiSegInferer
from monai_denoiseg.export import onnx_bytes, read_card
from monai_denoiseg.export.extras import EXTRA
from monai_denoiseg.networks import DenoiSegNet, SequentialNet

onnxruntime = pytest.importorskip("onnxruntime", reason=f"needs the extra: {EXTRA}")

SIZES = {2: [(1, 1), (7, 30), (41, 33), (64, 64), (101, 67)], 3: [(1, 1, 1), (3, 9, 8), (7, 21, 13), (16, 16, 16), (5, 47, 50)]}


def run_file(file: bytes, path: Path, *inputs: torch.Tensor) -> list[np.ndarray]:
    path.write_bytes(file)
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    names = [entry.name for entry in session.get_inputs()]
    return session.run(None, {name: value.numpy() for name, value in zip(names, inputs, strict=True)})  # type: ignore[no-any-return]


def blobs(shape: tuple[int, ...], channels: int = 1) -> torch.Tensor:
    """A noisy image with a bright corner, a hot pixel and, if it is large, a bar."""
    generator = torch.Generator().manual_seed(sum(shape))
    image = 100 + 20 * torch.randn(1, channels, *shape, generator=generator)
    image[(..., *(slice(0, size // 3) for size in shape))] += 150
    image.view(-1)[image.numel() // 2] = 20_000
    image[..., : shape[-2] // 10, : shape[-1] // 2] = 9_000
    return image


@pytest.mark.parametrize(
    ("head", "normalisation"),
    [("border", "dataset"), *((head, "image") for head in ("border", "classes", "stars", "none"))],
)
@pytest.mark.parametrize("dims", [2, 3])
def test_equals_the_inferer(make: Callable[..., DenoiSegNet], tmp_path: Path, dims: int, head: str, normalisation: str) -> None:
    net = make(dims, head, normalisation=normalisation)
    file, report = onnx_bytes(net)
    assert all(value < 1e-4 for value in report.worst.values())
    (tmp_path / "a.onnx").write_bytes(file)
    for shape in SIZES[dims]:
        image = blobs(shape)
        found = np.concatenate(run_file(file, tmp_path / "a.onnx", image), 1)
        ours = DenoiSegInferer()(image, net).numpy()
        scale = np.ones(ours.shape[1])[:, None]
        scale[net.n_classes :] = net.intensity(image)[0, 1, 0]  # denoised: in deviations of the image
        error = np.abs(found - ours).reshape(ours.shape[1], -1) / scale
        assert error.max() < 1e-4, shape


def test_two_channels_two_images_and_anisotropic_levels(make: Callable[..., DenoiSegNet], tmp_path: Path) -> None:
    net = make(3, in_channels=2, normalisation="image", depth=2, strides=[[1, 2, 2], [2, 2, 2]])
    image = torch.cat([blobs((9, 30, 21), 2), blobs((9, 30, 21), 2).flip(2) * 3])
    found = run_file(onnx_bytes(net)[0], tmp_path / "a.onnx", image)
    np.testing.assert_allclose(np.concatenate(found, 1)[:, :3], DenoiSegInferer()(image, net).numpy()[:, :3], atol=1e-4)


def test_n2v2(make: Callable[..., DenoiSegNet]) -> None:
    assert onnx_bytes(make(2, variant="n2v2", in_channels=2))[1].worst["probabilities"] < 1e-4


def test_two_stages(make: Callable[..., DenoiSegNet], tmp_path: Path) -> None:
    net = SequentialNet(make(2, "none", normalisation="image"), make(2, depth=2, denoises=False, normalisation="image"))
    image = blobs((41, 33))
    found = run_file(onnx_bytes(net)[0], tmp_path / "a.onnx", image)
    np.testing.assert_allclose(found[0], DenoiSegInferer()(image, net).numpy()[:, :3], atol=1e-4)


def test_statistics_as_an_input_make_tiles_equal(make: Callable[..., DenoiSegNet], tmp_path: Path) -> None:
    net = make(2, normalisation="image", domain=False)
    image = blobs((64, 64))
    tile = image[..., 16:48, 16:48]
    file = onnx_bytes(net, "input")[0]
    assert read_card(file)["statistics"] == "input"
    found = run_file(file, tmp_path / "a.onnx", tile, net.intensity(image))[0]
    with torch.no_grad():
        ours = net.activate(net(tile, net.intensity(image)))[:, :3].numpy()
        alone = net.activate(net(tile))[:, :3].numpy()
    np.testing.assert_allclose(found, ours, atol=1e-4)
    assert np.abs(alone - ours).max() > 1e-3, "the test would not see other statistics"


def test_description_rule_and_thresholds_travel(make: Callable[..., DenoiSegNet]) -> None:
    net = make(2)
    net.threshold.copy_(torch.tensor([0.3, 0.6]))
    net.set_rule(net.head.make_rule(min_size=7))
    card = read_card(onnx_bytes(net)[0])
    assert json.loads(card["threshold"]) == pytest.approx({"ap": 0.3, "seg": 0.6})
    description = json.loads(card["description"])
    assert description["head"]["rule"]["min_size"] == 7
    assert description["architecture"]["features"] == 4
    assert card["statistics"] == "training"
    assert "any size" in card["input"] and json.loads(card["channels"])["probabilities"] == ["background", "foreground", "border"]


@pytest.mark.parametrize("target", ["UNet", "SegResNet"])
def test_foreign_networks(target: str, tmp_path: Path) -> None:
    options: dict[str, Any] = {
        "UNet": {"channels": [4, 8], "strides": [2]},
        "SegResNet": {"init_filters": 8, "blocks_down": [1, 1]},
    }
    extra = {"blocks_up": [1]} if target == "SegResNet" else {}
    net = DenoiSegNet(2, backbone={"_target_": target, **options[target], **extra}, normalisation="image").eval()
    image = blobs((41, 33))
    found = run_file(onnx_bytes(net)[0], tmp_path / "a.onnx", image)
    np.testing.assert_allclose(found[0], DenoiSegInferer()(image, net).numpy()[:, :3], atol=1e-4)


class FixedSize(nn.Module):
    """Adds a picture to images of one size only."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Conv2d(1, 4, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.layer(x + torch.arange(float(int(x.shape[-1]))))  # type: ignore[no-any-return]


class OnlyTorch(nn.Module):
    """Uses an operation that ONNX does not have."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Conv2d(1, 4, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.layer(torch.special.i0e(x))  # type: ignore[no-any-return]


@pytest.mark.parametrize("backbone", [FixedSize(), OnlyTorch()])
def test_what_cannot_be_exported_is_refused(backbone: nn.Module, capfd: pytest.CaptureFixture[str]) -> None:
    net = DenoiSegNet(2, backbone=backbone, multiple=1, receptive_radius=0).eval()
    with pytest.raises(ValueError, match=f"cannot be exported to ONNX: {type(backbone).__name__}: .*nothing was written"):
        onnx_bytes(net)
    assert "graph(" not in capfd.readouterr().out, "the exporter prints its graph"


@pytest.mark.parametrize("dims", [2, 3])
def test_a_network_in_training_is_exported_as_it_predicts(make: Callable[..., DenoiSegNet], tmp_path: Path, dims: int) -> None:
    net = make(dims, "classes", normalisation="image")
    image = blobs(SIZES[dims][3])
    expected = run_file(onnx_bytes(net.eval())[0], tmp_path / "a.onnx", image)
    found = run_file(onnx_bytes(net.train())[0], tmp_path / "b.onnx", image)
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_array_equal(one, other)
