"""Checks of the segmentation head."""

from __future__ import annotations

import pytest
import torch

from monai_denoiseg.networks import DenoiSegNet, check_rays, count_channels


def test_classes_are_counted() -> None:
    assert [count_channels(None, []), count_channels(0, []), count_channels(None, ["a", "b"]), count_channels(2, ["a", "b"])] == [
        3,
        0,
        2,
        2,
    ]
    with pytest.raises(ValueError, match="`n_classes` is 3, but `classes` names 2"):
        count_channels(3, ["a", "b"])


def test_rays_are_checked() -> None:
    assert check_rays(torch.eye(3).repeat(2, 1), 3, []).shape == (6, 3)
    for wrong in (torch.eye(2), torch.zeros(4), torch.zeros(8, 3)):
        with pytest.raises(ValueError, match=r"`rays` must be \(n_rays, 2\)"):
            check_rays(wrong, 2, [])
    with pytest.raises(ValueError, match="a StarDist head finds objects, not the `classes` background, liver"):
        check_rays(torch.eye(2).repeat(4, 1), 2, ["background", "liver"])


@pytest.mark.parametrize(("options", "channels"), [({}, 3), ({"n_classes": 0}, 0), ({"denoises": False}, 3)])
def test_outputs_of_each_head(options: dict, channels: int) -> None:
    net = DenoiSegNet(2, 2, depth=1, features=4, **options)
    assert (net.n_classes, net.head) == (channels, "classes" if channels else "none")
    assert net(torch.zeros(1, 2, 9, 8)).shape == (1, channels + 2 * net.denoises, 9, 8)


def test_stardist_head() -> None:
    net = DenoiSegNet(2, depth=1, features=4, rays=torch.eye(2).repeat(4, 1)).eval()
    assert (net.n_classes, net.head, len(net.class_weights)) == (9, "stardist", 0)
    output = net(torch.randn(1, 1, 9, 8))
    prediction = net.activate(output)
    assert prediction.shape == (1, 10, 9, 8)
    assert torch.equal(prediction[:, 0], output[:, 0].sigmoid())
    assert float(prediction[:, 1:9].min().detach()) >= 1e-3
    assert torch.equal(prediction[:, 9], output[:, 9])
    torch.testing.assert_close(net.logits(prediction)[:, 0], output[:, 0], atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(torch.jit.script(net).activate(output), prediction)


def test_a_network_without_output_is_refused() -> None:
    with pytest.raises(ValueError, match="the network would have no output"):
        DenoiSegNet(2, n_classes=0, denoises=False)
