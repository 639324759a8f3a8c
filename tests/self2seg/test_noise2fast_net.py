from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from monai_denoiseg.self2seg.noise2fast_net import Noise2FastNet, mirror


@pytest.mark.parametrize("shape", [(1, 1), (1, 5), (2, 3), (4, 1), (3, 7), (20, 20)])
@pytest.mark.parametrize("margin", [0, 1, 8])
def test_mirror_as_numpy_does_it(shape: tuple[int, int], margin: int) -> None:
    x = np.random.default_rng(0).normal(size=(2, 3, *shape))
    padded = np.pad(x, [(0, 0), (0, 0), (margin, margin), (margin, margin)], mode="reflect")
    np.testing.assert_array_equal(mirror(torch.from_numpy(x), margin).numpy(), padded)


def plain_network(net: Noise2FastNet, x: torch.Tensor, blocks: int) -> torch.Tensor:
    x = torch.from_numpy(np.pad(x.numpy(), [(0, 0), (0, 0), (2 * blocks, 2 * blocks), (2 * blocks, 2 * blocks)], mode="reflect"))
    for layer in net.convolutions:
        x = F.conv2d(x, layer.weight, layer.bias).clamp(min=0)
    return F.conv2d(x, net.last.weight, net.last.bias)


@pytest.mark.parametrize(("channels", "blocks", "shape"), [(1, 4, (9, 12)), (3, 1, (5, 4)), (1, 2, (1, 1))])
def test_as_plainly_computed(channels: int, blocks: int, shape: tuple[int, int]) -> None:
    net, x = Noise2FastNet(channels, 6, blocks), torch.randn(2, channels, *shape)
    torch.testing.assert_close(net(x), plain_network(net, x, blocks))
    squashed = Noise2FastNet(channels, 6, blocks, sigmoid=True)
    squashed.load_state_dict(net.state_dict())
    torch.testing.assert_close(squashed(x), plain_network(net, x, blocks).sigmoid())


@pytest.mark.parametrize("padding", ["reflect", "zeros"])
@pytest.mark.parametrize("blocks", [1, 4])
def test_sees_as_far_as_it_says(padding: str, blocks: int) -> None:
    net = Noise2FastNet(1, 4, blocks, padding).double()
    for parameter in net.parameters():  # positive, so that no rectifier shuts
        parameter.data.abs_()
    x = torch.rand(1, 1, 41, 41, dtype=torch.float64, requires_grad=True)
    net(x)[0, 0, 20, 20].backward()
    rows, columns = (x.grad[0, 0] != 0).nonzero().T
    for seen in (rows, columns):
        assert (int(seen.min()), int(seen.max())) == (20 - 2 * blocks, 20 + 2 * blocks)


def test_size_of_the_published_network() -> None:
    assert sum(parameter.numel() for parameter in Noise2FastNet(1, 64).parameters()) == 259201


def test_result_is_float32_under_autocast() -> None:
    with torch.autocast("cpu", torch.bfloat16):
        assert Noise2FastNet(features=4)(torch.zeros(1, 1, 8, 8)).dtype == torch.float32


def test_errors_name_key_and_value() -> None:
    with pytest.raises(ValueError, match="`padding` must be one of 'reflect', 'zeros', got 'reflct'; did you mean 'reflect'"):
        Noise2FastNet(padding="reflct")
    for name in ("channels", "features", "blocks"):
        with pytest.raises(ValueError, match=f"`{name}` must be an integer >= 1, got 0"):
            Noise2FastNet(**{name: 0})
