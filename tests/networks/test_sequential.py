"""Denoiser and segmenter in one network."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from monai_denoiseg.engines import DenoiSegInferer
from monai_denoiseg.networks import DenoiSegNet, SequentialNet, load_network, network_for_file

TINY: dict[str, Any] = {"depth": 1, "features": 4}


def pair(spatial_dims: int = 2, channels: int = 1, **options: Any) -> SequentialNet:
    torch.manual_seed(0)
    denoiser = DenoiSegNet(spatial_dims, channels, n_classes=0, **TINY)
    segmenter = DenoiSegNet(spatial_dims, channels, denoises=False, **TINY, **options)
    denoiser.set_statistics(torch.full((channels,), 100.0), torch.full((channels,), 20.0))
    segmenter.set_statistics(torch.full((channels,), 90.0), torch.full((channels,), 10.0))
    segmenter.set_class_weights([1, 1, 5]) if segmenter.head.kind == "border" else None
    return SequentialNet(denoiser, segmenter).eval()


@pytest.mark.parametrize(("spatial_dims", "shape"), [(2, (21, 34)), (3, (5, 9, 12))])
@pytest.mark.parametrize("channels", [1, 3])
def test_is_one_network_after_the_other(spatial_dims: int, shape: tuple[int, ...], channels: int) -> None:
    net = pair(spatial_dims, channels)
    image = 100 + 20 * torch.randn(2, channels, *shape)
    output = net(image)
    denoised = net.denoiser(image)
    assert torch.equal(output[:, 3:], denoised)
    assert torch.equal(output[:, :3], net.segmenter(denoised))
    assert torch.equal(net.denoise(image), denoised)


def test_image_normalisation_is_that_of_the_noisy_image() -> None:
    torch.manual_seed(0)
    parts = [DenoiSegNet(2, n_classes=0, normalisation="image", **TINY), DenoiSegNet(2, normalisation="image", **TINY)]
    net = SequentialNet(*parts).eval()
    image = 5 + torch.randn(1, 1, 16, 16)
    intensity = net.intensity(image)
    expected = parts[1](parts[0](image, intensity), intensity)[:, :3]
    torch.testing.assert_close(net(image)[:, :3], expected)


def test_tiled_equals_whole_with_all_orientations() -> None:
    net = pair()
    image = 100 + 20 * torch.randn(1, 1, 50, 41)
    for tta in (False, True):
        whole, tiled = (DenoiSegInferer(size, tta)(image, net) for size in (None, 16))
        torch.testing.assert_close(tiled, whole, atol=2e-4, rtol=1e-4)


def test_training_leaves_the_denoiser_alone() -> None:
    net = pair().train()
    before = {key: value.clone() for key, value in net.denoiser.state_dict().items()}
    optimizer = torch.optim.SGD([p for p in net.parameters() if p.requires_grad], 0.1)
    net(100 + 20 * torch.randn(2, 1, 16, 16)).square().mean().backward()
    optimizer.step()
    assert net.segmenter.training and not net.denoiser.training
    assert all(torch.equal(value, before[key]) for key, value in net.denoiser.state_dict().items())
    assert all(p.grad is None for p in net.denoiser.parameters())


@pytest.mark.parametrize("head", ["border", "stardist"])
def test_one_file_holds_both(head: str, tmp_path: Path) -> None:
    net = pair(rays=torch.eye(2).repeat(4, 1) if head == "stardist" else None)
    net.threshold.copy_(torch.tensor([0.3, 0.4]))
    torch.save(net.state_dict(), tmp_path / "model.pt")
    assert isinstance(network_for_file(tmp_path / "model.pt"), SequentialNet)
    restored = load_network(tmp_path / "model.pt")
    image = 100 + 20 * torch.randn(1, 1, 16, 24)
    assert torch.equal(restored(image), net(image))
    assert torch.equal(restored.threshold, net.threshold)
    assert restored.head.kind == head


def test_torchscript() -> None:
    net = pair()
    image = 100 + 20 * torch.randn(1, 1, 17, 24)
    torch.testing.assert_close(torch.jit.script(net)(image), net(image))


def test_logits_undo_activate() -> None:
    net = pair()
    training = net.segmenter.train()(net.denoise(image := 100 + 20 * torch.randn(1, 1, 16, 16)))
    net.eval()
    found = net.logits(net.activate(net(image)))[:, :3].detach()
    difference = (found - net.segmenter.eval()(net.denoise(image)) - net.class_weights.log().reshape(1, 3, 1, 1))[0]
    assert float((difference - difference.mean(0)).abs().max()) < 1e-4, "equal up to a constant a voxel, which softmax ignores"
    assert training.shape == found.shape


def test_what_does_not_fit_is_said() -> None:
    with pytest.raises(ValueError, match="`denoiser` gives no denoised image"):
        SequentialNet(DenoiSegNet(2, denoises=False, **TINY), DenoiSegNet(2, **TINY))
    with pytest.raises(ValueError, match="`denoiser` has in_channels 3, `segmenter` 1"):
        SequentialNet(DenoiSegNet(2, 3, n_classes=0, **TINY), DenoiSegNet(2, **TINY))


def test_pooling_and_reach_of_both_count() -> None:
    denoiser, segmenter = DenoiSegNet(2, n_classes=0, depth=2, features=4), DenoiSegNet(2, depth=1, features=4)
    net = SequentialNet(denoiser, segmenter)
    assert net.multiple == [4, 4]
    reaches = zip(net.receptive_radius, denoiser.receptive_radius, segmenter.receptive_radius, strict=True)
    assert all(both >= one + other for both, one, other in reaches)
