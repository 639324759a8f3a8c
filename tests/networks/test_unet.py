from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from monai_denoiseg.networks import BlurPool, CAREUNet, level_kernels, level_strides

# reference/protocol.md, section 7, depth 4 and 32 features: input and output channels of every convolution of the Keras network.
PAPER_CONVOLUTIONS = [
    *[(1, 32), (32, 32), (32, 64), (64, 64), (64, 128), (128, 128), (128, 256), (256, 256)],
    *[(256, 512), (512, 256)],
    *[(256 + 256, 256), (256, 128), (128 + 128, 128), (128, 64), (64 + 64, 64), (64, 32), (32 + 32, 32), (32, 32)],
]


def keras_count(convolutions: list[tuple[int, int]], taps: int, outputs: int) -> int:
    """``model.count_params()``: kernels and biases, four numbers a channel of each batch norm, and the 1 x 1 head."""
    blocks = sum(taps * fan_in * fan_out + fan_out + 4 * fan_out for fan_in, fan_out in convolutions)
    return blocks + convolutions[-1][1] * outputs + outputs


def our_count(net: CAREUNet) -> int:
    state = net.state_dict()
    return sum(value.numel() for name, value in state.items() if not name.endswith("num_batches_tracked"))


@pytest.mark.parametrize(("spatial_dims", "kernel", "taps"), [(2, 3, 9), (2, 5, 25), (3, 3, 27), (3, (1, 3, 3), 9)])
def test_parameter_count_of_the_paper(spatial_dims: int, kernel: Any, taps: int) -> None:
    with torch.device("meta"):
        net = CAREUNet(spatial_dims, 1, 4, kernel_size=kernel)
    assert our_count(net) == keras_count(PAPER_CONVOLUTIONS, taps, 4)
    assert spatial_dims == 3 or kernel != 3 or our_count(net) == 5_505_476


def test_n2v2_saves_the_weights_of_the_top_skip_and_norm_those_of_batch_norm() -> None:
    care, n2v2, plain = CAREUNet(2, 1, 4), CAREUNet(2, 1, 4, variant="n2v2"), CAREUNet(2, 1, 4, norm="none")
    assert our_count(care) - our_count(n2v2) == 9 * 32 * 32
    assert our_count(care) - our_count(plain) == 4 * sum(out for _, out in PAPER_CONVOLUTIONS)


def by_hand(net: CAREUNet, x: Tensor) -> Tensor:
    """The paper's network of depth 2 with stride 2, written out with functions."""
    convolve, pool = {2: (F.conv2d, F.max_pool2d), 3: (F.conv3d, F.max_pool3d)}[net.spatial_dims]
    state = net.state_dict()

    def block(name: str, x: Tensor) -> Tensor:
        for conv, norm in (("0", "1"), ("3", "4")):
            x = convolve(x, state[f"{name}.{conv}.weight"], state[f"{name}.{conv}.bias"], padding=1)
            mean, var, weight, bias = (state[f"{name}.{norm}.{k}"] for k in ("running_mean", "running_var", "weight", "bias"))
            shape = [1, -1] + [1] * net.spatial_dims
            x = (x - mean.reshape(shape)) / torch.sqrt(var.reshape(shape) + 1e-3) * weight.reshape(shape) + bias.reshape(shape)
            x = x.clamp(min=0)
        return x

    def enlarge(x: Tensor) -> Tensor:
        for axis in range(2, x.dim()):
            x = x.repeat_interleave(2, axis)
        return x

    top = block("down.0", x)
    second = block("down.1", pool(top, 2))
    middle = block("middle", pool(second, 2))
    x = block("up.0", torch.cat([enlarge(middle), second], 1))
    x = block("up.1", torch.cat([enlarge(x), top], 1))
    return convolve(x, state["head.weight"], state["head.bias"])


@pytest.mark.parametrize(("size", "channels"), [((8, 20), 1), ((4, 4), 3), ((4, 8, 12), 2)])
def test_forward_equals_the_network_written_out(size: tuple[int, ...], channels: int) -> None:
    torch.manual_seed(0)
    net = CAREUNet(len(size), channels, 5, depth=2, features=4).double().eval()
    for name, value in net.state_dict().items():
        if name.endswith(("running_mean", "bias")):
            value.uniform_(-0.2, 0.2)
        elif name.endswith("running_var"):
            value.uniform_(0.5, 2)
    x = torch.randn(2, channels, *size, dtype=torch.float64)
    torch.testing.assert_close(net(x), by_hand(net, x))
    assert net(x).std().item() > 0.1


def touched(net: CAREUNet, axis: int) -> int:
    """Greatest distance at which one voxel changes the output: with positive weights nothing cancels, and zeros stay zeros."""
    net = net.double().eval()
    for weight in net.parameters():
        if weight.dim() > 1:
            torch.nn.init.constant_(weight, 0.1)
    size = net.multiple()
    step = size[axis]
    size[axis] = 2 * (net.receptive_radius()[axis] + step) + step
    start = size[axis] // 2 // step * step
    x = torch.zeros(step, 1, *size, dtype=torch.float64)
    for k in range(step):  # one image for every place within a pooled block
        x[k].select(axis + 1, start + k).fill_(1)
    with torch.no_grad():
        image, reached = net(x).ne(0).movedim(axis + 2, 1).flatten(2).any(2).nonzero().T
    return int((reached - start - image).abs().max())


SHAPES_OF_NETS = [
    (2, {"depth": 1}),
    (2, {"depth": 3}),
    (2, {"depth": 2, "strides": 3, "kernel_size": 5}),
    (2, {"depth": 3, "strides": [[2, 4], [3, 1], [2, 2]]}),
    (3, {"depth": 2, "strides": [[1, 2, 2], [2, 2, 2]], "kernel_size": [1, 3, 3]}),
    (3, {"depth": 2, "strides": [[1, 2, 2], [2, 2, 2]], "kernel_size": [[1, 3, 3], [3, 3, 1], [3, 5, 3]]}),
    (3, {"depth": 2, "strides": [[1, 2, 2], [1, 2, 2]], "kernel_size": [[1, 3, 3], [1, 3, 3], [3, 3, 3]]}),
    (2, {"depth": 3, "kernel_size": [[1, 3], [3, 5], [1, 1], [5, 1]]}),
]


@pytest.mark.parametrize("variant", ["care", "n2v2"])
@pytest.mark.parametrize(("spatial_dims", "options"), SHAPES_OF_NETS)
def test_receptive_radius_is_the_smallest_multiple_that_holds(spatial_dims: int, options: dict[str, Any], variant: str) -> None:
    net = CAREUNet(spatial_dims, 1, 2, features=2, variant=variant, **options)
    for axis, (radius, step) in enumerate(zip(net.receptive_radius(), net.multiple(), strict=True)):
        assert radius % step == 0
        assert radius - step < touched(net, axis) <= radius


@pytest.mark.parametrize(("spatial_dims", "options"), SHAPES_OF_NETS)
@pytest.mark.parametrize("variant", ["care", "n2v2"])
def test_output_has_the_size_of_the_input(spatial_dims: int, options: dict[str, Any], variant: str) -> None:
    net = CAREUNet(spatial_dims, 3, 6, features=2, variant=variant, **options)
    size = [step * (axis + 1) for axis, step in enumerate(net.multiple())]
    assert net(torch.rand(2, 3, *size)).shape == (2, 6, *size)


@pytest.mark.parametrize(("variant", "depends"), [("care", True), ("n2v2", False)])
def test_only_care_has_a_way_around_the_first_pooling(variant: str, depends: bool) -> None:
    torch.manual_seed(0)
    net = CAREUNet(2, 1, 4, depth=2, features=4, variant=variant).eval()
    net.pool[0].register_forward_hook(lambda module, inputs, output: torch.zeros_like(output))
    assert (not torch.equal(net(torch.rand(1, 1, 8, 8)), net(torch.rand(1, 1, 8, 8)))) == depends


def slow_blur_pool(image: np.ndarray, stride: tuple[int, ...]) -> np.ndarray:
    def largest(at: tuple[int, ...]) -> float:
        window = itertools.product(*(range(i, i + step) for i, step in zip(at, stride, strict=True)))
        return max(image[tuple(min(i, n - 1) for i, n in zip(where, image.shape, strict=True))] for where in window)

    out = np.zeros([n // step for n, step in zip(image.shape, stride, strict=True)])
    taps = [{-1: 0.25, 0: 0.5, 1: 0.25} if step > 1 else {0: 1.0} for step in stride]
    for at in np.ndindex(out.shape):
        for shift in itertools.product(*taps):
            where = [i * step + s for i, step, s in zip(at, stride, shift, strict=True)]
            inside = tuple(min(max(i, 0), n - 1) for i, n in zip(where, image.shape, strict=True))
            out[at] += largest(inside) * np.prod([tap[s] for tap, s in zip(taps, shift, strict=True)])
    return out


@pytest.mark.parametrize("stride", [(2, 2), (1, 2), (3, 2), (2, 2, 2), (1, 2, 3)])
def test_blur_pool_against_loops(stride: tuple[int, ...]) -> None:
    image = np.random.default_rng(0).normal(size=(2, *(step * (3 + i) for i, step in enumerate(stride))))
    pooled = BlurPool(len(stride), stride).double()(torch.tensor(image)[None])[0]
    for channel in range(2):
        np.testing.assert_allclose(pooled[channel], slow_blur_pool(image[channel], stride), atol=1e-12)


def test_blur_pool_aliases_less_than_strided_pooling() -> None:
    board = (torch.arange(16)[:, None] + torch.arange(16)).remainder(2.0)[None, None]
    assert BlurPool(2, (2, 2))(board)[..., 1:-1, 1:-1].unique().tolist() == [1.0]
    stripes = torch.tensor([0.0, 0.0, 0.0, 1.0]).repeat(8).expand(1, 1, 32, 32)
    plain, blurred = (pool(stripes)[..., 2:-2].std().item() for pool in (torch.nn.MaxPool2d(2), BlurPool(2, (2, 2))))
    assert blurred < 0.6 * plain


def test_initialised_as_in_keras() -> None:
    torch.manual_seed(0)
    net = CAREUNet(2, 1, 4, depth=2, features=16)
    conv, norm = net.middle[0], net.middle[1]
    weight = conv.weight.detach()
    limit = (6 / (9 * 32 + 9 * 64)) ** 0.5
    assert 0.98 * limit < float(weight.abs().max()) <= limit
    assert float(weight.var()) == pytest.approx(limit**2 / 3, rel=0.05)
    assert not conv.bias.any()
    assert (norm.eps, norm.momentum) == (1e-3, 0.01)


def test_head_stays_exact_under_autocast() -> None:
    net = CAREUNet(2, 1, 4, depth=1, features=4)
    with torch.autocast("cpu", torch.bfloat16):
        assert net(torch.rand(2, 1, 8, 8)).dtype == torch.float32


def test_level_strides_spell_out_and_complain() -> None:
    assert level_strides(2, 3, 2) == [(2, 2)] * 3
    assert level_strides((1, 2, 2), 2, 3) == [(1, 2, 2)] * 2
    with pytest.raises(ValueError, match=r"lists 1 levels, but `depth` is 2"):
        level_strides([[2, 2]], 2, 2)
    with pytest.raises(ValueError, match=r"`strides` needs one value or 3 values .* got \[2, 2\]"):
        level_strides([[2, 2], [2, 2]], 2, 3)
    with pytest.raises(ValueError, match="`strides` must be an integer >= 1, got 0"):
        level_strides([2, 0], 2, 2)


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_receptive_radius_holds_every_gradient(axis: int) -> None:
    """The same by gradients: none beyond the radius, and some in its last block. Positive weights keep every ReLU open; which
    voxel a pooling takes is up to the image, so several are looked at."""
    torch.manual_seed(0)
    options: Any = {"strides": [[1, 2, 2], [2, 2, 2]], "kernel_size": [[1, 3, 3], [3, 3, 3], [3, 1, 3]]}
    net = CAREUNet(3, 1, 1, depth=2, features=2, norm="none", **options).double()
    for weight in net.parameters():
        weight.data.abs_()
    radius, step, size = net.receptive_radius()[axis], net.multiple()[axis], net.multiple()
    size[axis] = 2 * radius + 3 * step
    far = 0
    for place in range(radius + step, radius + 2 * step):
        x = torch.rand(4, 1, *size, dtype=torch.float64, requires_grad=True)
        net(x).select(axis + 2, place).sum().backward()
        assert x.grad is not None
        reached = x.grad.movedim(axis + 2, 0).flatten(1).ne(0).any(1).nonzero()[:, 0]
        far = max(far, int((reached - place).abs().max()))
    assert radius - step < far <= radius


def test_kernels_of_every_level() -> None:
    kernels = [(1, 3, 3), (3, 3, 3), (3, 5, 1)]
    net = CAREUNet(3, 1, 2, depth=2, features=2, kernel_size=kernels)
    assert net.kernels == kernels
    blocks = [*net.down, net.middle, *reversed(net.up)]
    for block, kernel in zip(blocks, [*kernels, *kernels[:2]], strict=True):
        convolutions = [layer for layer in block if isinstance(layer, torch.nn.Conv3d)]
        assert [layer.kernel_size for layer in convolutions] == [kernel, kernel]
    same = CAREUNet(3, 1, 2, depth=2, features=2, kernel_size=[1, 3, 3])
    assert same.kernels == [(1, 3, 3)] * 3
    x = torch.rand(1, 1, 4, 8, 8)
    torch.testing.assert_close(torch.jit.script(net.eval())(x), net(x))


def test_level_kernels_spell_out_and_complain() -> None:
    assert level_kernels(5, 1, 2) == [(5, 5)] * 2
    assert level_kernels((1, 3, 3), 2, 3) == [(1, 3, 3)] * 3
    with pytest.raises(ValueError, match=r"lists 2 levels, but with `depth` 2 there are 3: .* bottleneck"):
        level_kernels([[3, 3], [3, 3]], 2, 2)
    with pytest.raises(ValueError, match=r"`kernel_size` needs one value or 3 values .* got \[3, 3\]"):
        level_kernels([[3, 3], [3, 3]], 1, 3)
    with pytest.raises(ValueError, match=r"`kernel_size` must be odd, got \[\[3, 3\], \[3, 2\]\]"):
        level_kernels([[3, 3], [3, 2]], 1, 2)
    with pytest.raises(ValueError, match="`kernel_size` must be an integer >= 1, got 0"):
        level_kernels([3, 0], 1, 2)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"spatial_dims": 1}, "`spatial_dims` must be 2 or 3, got 1"),
        ({"in_channels": 0}, "`in_channels` must be an integer >= 1, got 0"),
        ({"depth": 0}, "`depth` must be an integer >= 1, got 0"),
        ({"features": 1.5}, "`features` must be an integer >= 1, got 1.5"),
        ({"kernel_size": 4}, "`kernel_size` must be odd, got 4"),
        ({"kernel_size": [3]}, "`kernel_size` needs one value or 2 values"),
        ({"norm": "bach"}, "`norm` must be one of 'batch', 'none', got 'bach'; did you mean 'batch'?"),
        ({"variant": "n2v"}, "did you mean 'n2v2'?"),
    ],
)
def test_wrong_arguments(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError) as error:
        CAREUNet(**{"spatial_dims": 2, "in_channels": 1, "out_channels": 4, **wrong})
    assert message in str(error.value)
