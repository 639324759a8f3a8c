"""Precision: which number format a network really runs in, and the CPU fault that is worked around."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from monai_denoiseg.engines import Precision, cpu_gains_from_bf16
from monai_denoiseg.engines.precision import _meets_conv3d_fault
from monai_denoiseg.losses import DenoiSegLoss
from monai_denoiseg.networks import DenoiSegNet


def inner_dtype(network: DenoiSegNet, precision: Precision, image: torch.Tensor) -> torch.dtype:
    """Type of what comes out of the middle of the U-Net."""
    seen: list[torch.dtype] = []
    handle = network.unet.middle.register_forward_hook(lambda module, inputs, output: seen.append(output.dtype))
    with precision.autocast(network, image):
        assert network(precision.layout(image)).dtype == torch.float32
    handle.remove()
    return seen[0]


@pytest.mark.parametrize(("amp", "expected"), [("bf16", torch.bfloat16), ("off", torch.float32), (False, torch.float32)])
def test_the_network_runs_in_the_type_asked_for(amp: Any, expected: torch.dtype) -> None:
    network, precision = DenoiSegNet(2, depth=1, features=4), Precision("cpu", amp)
    assert inner_dtype(precision.prepare(network), precision, torch.rand(1, 1, 16, 16)) == expected


@pytest.mark.parametrize("gains", [True, False])
@pytest.mark.parametrize("amp", ["auto", True])
def test_auto_follows_the_processor(gains: bool, amp: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("monai_denoiseg.engines.precision.cpu_gains_from_bf16", lambda: gains)
    precision = Precision("cpu", amp)
    assert (precision.dtype, precision.channels_last) == ((torch.bfloat16, True) if gains else (torch.float32, False))
    assert precision.scaler is None


def test_a_torch_without_the_probes_gains_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    for probe in ("_is_avx512_bf16_supported", "_is_amx_tile_supported"):
        monkeypatch.delattr(torch.cpu, probe, raising=False)
    assert cpu_gains_from_bf16() is False


@pytest.mark.parametrize("amp", ["fp32", "bfloat16", ""])
def test_unknown_option(amp: str) -> None:
    with pytest.raises(ValueError, match="`amp` must be one of 'auto', 'off', 'bf16', 'fp16'"):
        Precision("cpu", amp)


@pytest.mark.parametrize("spatial_dims", [2, 3])
def test_channels_last_goes_with_mixed_precision(spatial_dims: int) -> None:
    layout = torch.channels_last if spatial_dims == 2 else torch.channels_last_3d
    image = torch.rand(2, 3, *[8] * spatial_dims)
    for amp, expected in (("bf16", True), ("off", False)):
        precision = Precision("cpu", amp)
        network: Any = precision.prepare(DenoiSegNet(spatial_dims, 3, depth=1, features=4))
        assert precision.layout(image).is_contiguous(memory_format=layout) is expected
        assert network.unet.down[0][3].weight.is_contiguous(memory_format=layout) is expected
        torch.testing.assert_close(precision.layout(image), image)


@pytest.mark.parametrize(
    ("depth", "strides", "patch_depth", "meets"),
    [
        (1, 2, 4, True),  # 4 -> 2
        (2, 2, 8, True),  # 8 -> 4 -> 2
        (2, 2, 7, True),  # padded to 8
        (2, 2, 16, False),  # 16 -> 8 -> 4
        (2, [[1, 2, 2], [2, 2, 2]], 2, True),  # the first level already
        (1, [1, 2, 2], 3, False),
        (1, 2, 2, True),  # 2 -> 1
    ],
)
def test_where_the_fault_is_met(depth: int, strides: Any, patch_depth: int, meets: bool) -> None:
    network, image = DenoiSegNet(3, depth=depth, features=4, strides=strides), torch.rand(1, 1, patch_depth, 8, 8)
    lengths: list[int] = []
    for module in network.modules():
        if isinstance(module, nn.Conv3d) and module.kernel_size != (1, 1, 1):
            module.register_forward_hook(lambda module, inputs, output: lengths.append(inputs[0].shape[2]))
    network(image)
    assert (2 in lengths) is meets
    assert _meets_conv3d_fault(network, image) is meets


def test_the_fault_is_seen_through_a_distributed_wrapper_and_not_in_2d() -> None:
    wrapper = nn.Module()
    wrapper.module = DenoiSegNet(3, depth=1, features=4)
    assert _meets_conv3d_fault(wrapper, torch.rand(1, 1, 4, 8, 8))
    assert not _meets_conv3d_fault(DenoiSegNet(2, depth=1, features=4), torch.rand(1, 1, 4, 8))
    assert not _meets_conv3d_fault(nn.Linear(1, 1), torch.rand(1, 1, 4, 8, 8))
    assert not _meets_conv3d_fault(None, None)


def gradients(amp: str, patch_depth: int) -> list[torch.Tensor]:
    torch.manual_seed(0)
    network = DenoiSegNet(3, depth=1, features=4)
    image = torch.rand(2, 1, patch_depth, 16, 16)
    target = {"image": image, "mask": torch.rand_like(image) < 0.2, "label": torch.randint(-1, 3, image.shape)}
    precision = Precision("cpu", amp)
    precision.prepare(network)
    with precision.autocast(network, image):
        output = network(precision.layout(image))
    DenoiSegLoss()(output, target).total.backward()
    return [p.grad.float() for p in network.parameters() if p.grad is not None]


@pytest.mark.parametrize(("patch_depth", "exact"), [(4, True), (8, False)])
def test_3d_gradients_in_bf16(patch_depth: int, exact: bool) -> None:
    """At a level with first axis 2 the batch is run in float32; elsewhere bf16 is near enough."""
    for wanted, got in zip(gradients("off", patch_depth), gradients("bf16", patch_depth), strict=True):
        if exact:
            torch.testing.assert_close(got, wanted, rtol=1e-3, atol=1e-5)
        elif wanted.dim() == 5:
            assert (got - wanted).norm() < 0.2 * wanted.norm()
