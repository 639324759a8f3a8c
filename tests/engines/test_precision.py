"""Precision: which number format a network really runs in, and the CPU fault that is worked around."""

from __future__ import annotations

import copy
import subprocess
import sys
from collections.abc import Sequence
from typing import Any

import pytest
import torch
from torch import nn

from monai_denoiseg.engines import Precision, cpu_gains_from_bf16
from monai_denoiseg.engines.precision import _meets_conv3d_fault
from monai_denoiseg.losses import DenoiSegLoss
from monai_denoiseg.networks import DenoiSegNet, resolve_plan


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
def test_channels_last_goes_with_mixed_precision_and_with_volumes(spatial_dims: int) -> None:
    layout = torch.channels_last if spatial_dims == 2 else torch.channels_last_3d
    image = torch.rand(2, 3, *[8] * spatial_dims)
    for amp, expected in (("bf16", True), ("off", spatial_dims == 3)):
        precision = Precision("cpu", amp)
        network: Any = precision.prepare(DenoiSegNet(spatial_dims, 3, depth=1, features=4))
        assert precision.layout(image).is_contiguous(memory_format=layout) is expected
        assert network.unet.down[0][3].weight.is_contiguous(memory_format=layout) is expected
        torch.testing.assert_close(precision.layout(image), image)


@pytest.mark.parametrize(
    ("options", "size", "meets"),
    [
        ({"depth": 1}, (4, 16, 16), True),  # 4 -> 2
        ({"depth": 2}, (8, 16, 16), True),  # 8 -> 4 -> 2
        ({"depth": 2}, (7, 16, 16), True),  # padded to 8
        ({"depth": 2}, (16, 16, 16), False),  # 16 -> 8 -> 4
        ({"depth": 2, "strides": [[1, 2, 2], [2, 2, 2]]}, (2, 16, 16), True),  # the first level already
        ({"depth": 1, "strides": [1, 2, 2]}, (3, 16, 16), False),
        ({"depth": 1}, (2, 16, 16), True),  # 2 -> 1
        ({"depth": 1, "strides": [1, 2, 2]}, (1, 16, 16), True),  # a single slice
        ({"depth": 1, "strides": [1, 2, 2], "kernel_size": [1, 3, 3]}, (1, 16, 16), False),
        ({"depth": 1, "strides": [1, 2, 2], "kernel_size": [1, 3, 3]}, (2, 16, 16), False),
        ({"depth": 1, "strides": [1, 2, 2], "kernel_size": [[1, 3, 3], [3, 3, 3]]}, (2, 16, 16), True),
        ({"depth": 1, "strides": [2, 2, 2], "kernel_size": [[3, 3, 3], [1, 3, 3]]}, (4, 16, 16), False),
        ({"depth": 1, "kernel_size": 5}, (8, 16, 16), True),  # 8 -> 4
        ({"depth": 1, "kernel_size": 5}, (10, 16, 16), False),
        ({"depth": 1, "kernel_size": [3, 5, 5]}, (8, 16, 8), True),
    ],
)
def test_where_the_fault_is_met(options: dict[str, Any], size: tuple[int, ...], meets: bool) -> None:
    network, image = DenoiSegNet(3, features=4, **options), torch.rand(1, 1, *size)
    shorter: list[bool] = []

    def look(module: nn.Conv3d, inputs: tuple[torch.Tensor], output: torch.Tensor) -> None:
        shorter.append(any(n < kernel for n, kernel in zip(inputs[0].shape[2:], module.kernel_size, strict=True)))

    for module in network.modules():
        if isinstance(module, nn.Conv3d):
            module.register_forward_hook(look)
    network(image)
    assert any(shorter) is meets
    assert _meets_conv3d_fault(network, image) is meets


def test_the_fault_is_seen_through_a_distributed_wrapper_and_not_in_2d() -> None:
    wrapper = nn.Module()
    wrapper.module = DenoiSegNet(3, depth=1, features=4)
    assert _meets_conv3d_fault(wrapper, torch.rand(1, 1, 4, 8, 8))
    assert not _meets_conv3d_fault(DenoiSegNet(2, depth=1, features=4), torch.rand(1, 1, 4, 8))
    assert not _meets_conv3d_fault(nn.Linear(1, 1), torch.rand(1, 1, 4, 8, 8))
    assert not _meets_conv3d_fault(None, None)


# In a process of its own: the fault reads and writes memory that is not its own. The first line shows that all else works.
FAULT = """
import torch
def worst(dtype):
    error = 0.0
    for kernel, length, channels in ((3, 2, 16), (3, 2, 1), (5, 3, 4)):
        torch.manual_seed(0)
        conv = torch.nn.Conv3d(channels, 4, (kernel, 3, 3), padding=(kernel // 2, 1, 1)).to(memory_format=torch.channels_last_3d)
        x = torch.rand(2, channels, length, 8, 8).contiguous(memory_format=torch.channels_last_3d)
        grads = []
        for enabled in (False, dtype == "bf16"):
            conv.zero_grad()
            with torch.autocast("cpu", torch.bfloat16, enabled=enabled):
                y = conv(x)
            (y.float() * torch.linspace(-1, 1, 8)).sum().backward()
            grads.append(conv.weight.grad.clone())
        one = float((grads[1] - grads[0]).norm() / grads[0].norm())
        error = max(error, one if one == one else 1e9)
    return error
print(worst("float32"), flush=True)
print(worst("bf16"), flush=True)
"""


def shows_fault(status: int, printed: str) -> bool:
    """Whether a run of ``FAULT`` met it. Only a death by signal in the second half counts as one; all else is a failure."""
    lines = printed.split()
    assert lines and float(lines[0]) == 0, f"the gradient in float32 was not computed twice alike: exit {status}, {printed!r}"
    assert status < 0 or (status == 0 and len(lines) == 2), f"the gradient in bf16 was not computed: exit {status}"
    return status < 0 or float(lines[1]) > 0.05


def test_the_fault_is_there_where_bf16_is_chosen() -> None:
    """Where the processor computes bf16 in hardware. Elsewhere it is emulated, and ``auto`` keeps away from it."""
    run = subprocess.run([sys.executable, "-c", FAULT], capture_output=True, text=True, timeout=120, check=False)
    found = shows_fault(run.returncode, run.stdout)
    if cpu_gains_from_bf16():
        assert found, "this torch computes the bf16 gradient of thin volumes right: the guard in precision.py may go"
    else:
        assert Precision("cpu", "auto").dtype == torch.float32


@pytest.mark.parametrize(
    ("status", "printed", "expected"),
    [(0, "0.0\n0.002\n", False), (0, "0.0\n1000000000.0\n", True), (-11, "0.0\n", True), (-6, "0.0\n1.2\n", True)],
)
def test_what_shows_the_fault(status: int, printed: str, expected: bool) -> None:
    assert shows_fault(status, printed) is expected


@pytest.mark.parametrize(("status", "printed"), [(1, ""), (-11, ""), (1, "0.0\n"), (0, "0.0\n"), (0, "0.3\n0.0\n")])
def test_a_run_that_breaks_off_shows_nothing(status: int, printed: str) -> None:
    with pytest.raises(AssertionError, match="computed"):
        shows_fault(status, printed)


class Round(torch.autograd.Function):
    """Round to bfloat16 what passes on the way there and back."""

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor) -> torch.Tensor:
        return x.bfloat16().float()

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> torch.Tensor:
        return gradient.bfloat16().float()


def rounded(network: DenoiSegNet) -> DenoiSegNet:
    """The same network in float32, rounded to bfloat16 before and after every step of its U-Net: what exact bf16 would give."""
    network = copy.deepcopy(network)
    for module in network.unet.modules():
        if isinstance(module, (nn.Conv3d, nn.BatchNorm3d)) and module is not network.unet.head:
            module.register_forward_pre_hook(lambda module, inputs: (Round.apply(inputs[0]),))
            module.register_forward_hook(lambda module, inputs, output: Round.apply(output))
    return network


def gradients(amp: str, network: DenoiSegNet, size: Sequence[int]) -> list[torch.Tensor]:
    """Of every convolution's weights, for a blurred image with objects where it is bright."""
    torch.manual_seed(0)
    network = copy.deepcopy(network)
    smooth = torch.randn(1, 1, *size)
    for _ in range(2):
        smooth = nn.functional.avg_pool3d(smooth, (1, 3, 3), 1, (0, 1, 1))
    smooth /= smooth.std()
    image, label = smooth + 0.3 * torch.randn_like(smooth), (smooth > 0.3).long() + (smooth > 0.8).long()
    target = {"image": image, "mask": torch.rand_like(image) < 0.2, "label": label}
    precision = Precision("cpu", amp)
    precision.prepare(network)
    with precision.autocast(network, image):
        output = network(precision.layout(image))
    DenoiSegLoss()(output, target).backward()
    # A bias in front of a batch norm has the gradient 0 and rounding noise.
    return [p.grad.float() for p in network.parameters() if p.grad is not None and p.dim() == 5]


def errors(wanted: list[torch.Tensor], got: list[torch.Tensor]) -> list[float]:
    return [float((b - a).norm() / a.norm()) for a, b in zip(wanted, got, strict=True)]


@pytest.mark.parametrize(
    ("options", "size"),
    [
        ({"depth": 1}, (4, 16, 16)),
        ({"depth": 3}, (16, 64, 64)),  # 16 -> 8 -> 4 -> 2
        ({"depth": 1, "strides": [1, 2, 2], "kernel_size": 5}, (3, 16, 16)),
        ({"depth": 1, "strides": [1, 2, 2]}, (1, 16, 16)),
    ],
)
def test_where_the_fault_is_met_the_batch_is_run_in_float32(options: dict[str, Any], size: tuple[int, ...]) -> None:
    torch.manual_seed(0)
    network = DenoiSegNet(3, features=4, **options)
    assert max(errors(gradients("off", network, size), gradients("bf16", network, size))) < 1e-3


@pytest.mark.parametrize(
    ("patch", "spacing", "norm"),
    [((32, 64, 64), None, "batch"), ((32, 64, 64), (1.75, 0.8, 0.8), "none"), ((16, 64, 64), None, "batch")],
)
def test_default_3d_gradients_in_bf16_are_right(patch: tuple[int, ...], spacing: Any, norm: str) -> None:
    """The default plan never meets the fault, and no weight's gradient is farther from that in float32 than rounding takes it.

    Rounding takes it far behind batch norm in an untrained network (to half of its length); a wrong gradient is farther.
    """
    plan = resolve_plan("auto", "auto", spacing, depth=3, spatial_dims=3, patch_size=patch)
    torch.manual_seed(0)
    network = DenoiSegNet(3, depth=3, features=4, strides=plan.strides, kernel_size=plan.kernels, norm=norm)
    assert not _meets_conv3d_fault(network, torch.zeros(1, 1, *patch))
    exact = gradients("off", network, patch)
    for error, expected in zip(
        errors(exact, gradients("bf16", network, patch)), errors(exact, gradients("off", rounded(network), patch)), strict=True
    ):
        assert error < 1.5 * expected + 0.03
        assert error < (0.6 if norm == "batch" else 0.3)
