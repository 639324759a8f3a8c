"""DenoiSegInferer with ``refine``: as on the whole image whatever the tiles and blocks, and only where it holds."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
import torch
from stream_helpers import network

from monai_denoiseg.engines import DenoiSegInferer, inferer
from monai_denoiseg.networks import ClassicNet, DenoiSegNet, SequentialNet
from monai_denoiseg.transforms import refine_denoised


@pytest.mark.parametrize(
    ("dims", "size", "block", "channels", "tta"),
    [(2, (150, 61), 40, 1, False), (2, (150, 61), 40, 3, True), (3, (50, 21, 18), 8, 1, False)],
)
def test_refined(dims: int, size: Sequence[int], block: int, channels: int, tta: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    net = network(dims, in_channels=channels)
    image = 400 + 200 * torch.randn(2, channels, *size)
    plain, refined = DenoiSegInferer(None, tta)(image, net), DenoiSegInferer(16, tta, refine=True)(image, net)
    torch.testing.assert_close(refined[:, :3], plain[:, :3], atol=1e-4, rtol=1e-4)
    for one, noisy, found in zip(plain, image, refined, strict=True):
        wanted = refine_denoised(one[3:].numpy(), noisy.numpy())
        np.testing.assert_allclose(found[3:].numpy(), wanted, rtol=1e-3)
        assert np.abs(wanted - one[3:].numpy()).max() > 5
    monkeypatch.setitem(inferer.REFINE_BLOCK, dims, block)
    torch.testing.assert_close(DenoiSegInferer(16, tta, refine=True)(image, net), refined, atol=1e-2, rtol=1e-4)
    hidden = DenoiSegInferer(16, tta, refine=True).predict(image, net)
    torch.testing.assert_close(hidden, DenoiSegInferer(16).predict(image, net), rtol=0, atol=0)


def test_what_is_not_blind_is_not_refined() -> None:
    image = 400 + 200 * torch.randn(1, 1, 24, 20)
    segmenter = DenoiSegNet(2, depth=1, features=4, denoises=False).eval()
    supervised = network(2)
    supervised.blind.fill_(False)
    for net in (segmenter, supervised, SequentialNet(supervised, segmenter).eval(), ClassicNet(2, 1, denoise="median")):
        assert not DenoiSegInferer(refine=True).refines(net)
        torch.testing.assert_close(DenoiSegInferer(refine=True)(image, net), DenoiSegInferer()(image, net), rtol=0, atol=0)
    blind = network(2)
    both = SequentialNet(blind, segmenter).eval()
    assert not torch.equal(DenoiSegInferer(refine=True)(image, both), DenoiSegInferer()(image, both))


def test_a_file_from_before_is_taken_as_blind() -> None:
    state = network(2).state_dict()
    del state["blind"]
    net = DenoiSegNet(2, 1, depth=1, features=4)
    net.blind.fill_(False)
    net.load_state_dict(state)
    assert bool(net.blind)
