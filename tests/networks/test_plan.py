"""Strides and kernels from the voxel size."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch

from monai_denoiseg.networks import CAREUNet, plan_for_spacing, resolve_plan

NAN = math.nan


@pytest.mark.parametrize("spacing", [None, [1, 1, 1], [NAN, NAN, NAN], [0.3, 0.3, 0.3], [1.2, 1.0, 0.9], [1.9, 1, 1]])
def test_unknown_and_about_isotropic_spacing_is_pooled_and_convolved_alike(spacing: Any) -> None:
    plan = plan_for_spacing(spacing, 3)
    assert plan.strides == [[2, 2, 2]] * 3
    assert plan.kernels == [[3, 3, 3]] * 4


@pytest.mark.parametrize(
    ("spacing", "depth", "strides", "kernels"),
    [
        ([1.75, 0.8, 0.8], 3, [[1, 2, 2], [2, 2, 2], [2, 2, 2]], [[1, 3, 3], [3, 3, 3], [3, 3, 3], [3, 3, 3]]),
        ([6.5, 0.78, 0.78], 3, [[1, 2, 2]] * 3, [[1, 3, 3]] * 3 + [[3, 3, 3]]),
        ([6.5, 0.78, 0.78], 4, [[1, 2, 2]] * 3 + [[2, 2, 2]], [[1, 3, 3]] * 3 + [[3, 3, 3]] * 2),
        ([2.0, 1.0, 1.0], 2, [[1, 2, 2], [2, 2, 2]], [[3, 3, 3]] * 3),  # twice: waits, but is not more than twice as coarse
        ([0.2, 1.0, 1.0], 3, [[2, 1, 1], [2, 1, 1], [2, 2, 2]], [[3, 1, 1], [3, 1, 1], [3, 3, 3], [3, 3, 3]]),
        ([4.0, 1.0, 2.5], 2, [[1, 2, 1], [1, 2, 2]], [[1, 3, 1], [3, 3, 3], [3, 3, 3]]),
        ([1.0, 3.0], 2, [[2, 1], [2, 2]], [[3, 1], [3, 3], [3, 3]]),
    ],
)
def test_coarse_axes_wait(spacing: list[float], depth: int, strides: Any, kernels: Any) -> None:
    plan = plan_for_spacing(spacing, depth, len(spacing))
    assert (plan.strides, plan.kernels) == (strides, kernels)
    for given in (torch.tensor(spacing), np.array(spacing) * 1e-3, [1e6 * size for size in spacing]):
        assert plan_for_spacing(given, depth, len(spacing)) == plan  # the unit does not matter, nor 32 bits


@pytest.mark.parametrize("seed", range(20))
def test_the_network_ends_up_near_isotropic(seed: int) -> None:
    """Whatever the spacing, with enough levels the voxels of the bottleneck are within a factor of two of each other."""
    spacing = 10 ** np.random.default_rng(seed).uniform(-1, 1, 3)
    plan = plan_for_spacing(spacing, 8)
    final = spacing * np.prod(plan.strides, axis=0)
    assert final.max() < 2 * final.min()
    assert all(
        later >= earlier
        for a, b in zip(plan.kernels, plan.kernels[1:], strict=False)
        for earlier, later in zip(a, b, strict=True)
    )
    assert plan.kernels[-1] == [3, 3, 3]


def first_axis_lengths(net: CAREUNet, patch: list[int]) -> set[int]:
    lengths: set[int] = set()
    for module in net.modules():
        if isinstance(module, torch.nn.Conv3d):
            module.register_forward_hook(lambda module, inputs, output: lengths.add(inputs[0].shape[2]))
    net(torch.rand(1, 1, *(-(-n // step) * step for n, step in zip(patch, net.multiple(), strict=True))))
    return lengths


@pytest.mark.parametrize("patch", [[32, 64, 64], [16, 64, 64], [5, 64, 64], [12, 32, 48], [9, 16, 16], [4, 16, 16]])
@pytest.mark.parametrize("spacing", [None, [1.75, 0.8, 0.8], [0.2, 0.1, 0.1], [0.1, 0.4, 0.4], [6.5, 0.78, 0.78]])
@pytest.mark.parametrize("depth", [1, 3])
def test_no_level_of_a_patch_has_a_first_axis_of_two(patch: list[int], spacing: Any, depth: int) -> None:
    plan = plan_for_spacing(spacing, depth, patch_size=patch)
    net = CAREUNet(3, 1, 1, depth=depth, features=1, strides=plan.strides, kernel_size=plan.kernels)
    lengths = first_axis_lengths(net, patch)
    assert min(lengths) >= min(4, patch[0])
    assert 2 not in lengths


def test_an_axis_too_short_to_be_pooled_holds_nobody_up() -> None:
    plan = plan_for_spacing([1, 1, 1], 4, patch_size=[16, 64, 64])
    assert plan.strides == [[2, 2, 2], [2, 2, 2], [1, 2, 2], [1, 2, 2]]
    assert plan.kernels == [[3, 3, 3]] * 5
    assert plan_for_spacing([1, 1, 1], 4, patch_size=64).strides == [[2, 2, 2]] * 4
    assert plan_for_spacing([1, 1, 1], 2, patch_size=[1, 64, 64]).strides == [[1, 2, 2]] * 2
    assert plan_for_spacing(None, 2, 2, patch_size=[4, 4]).strides == [[1, 1]] * 2


def test_resolve_passes_what_is_given_and_fills_in_the_rest() -> None:
    spacing = [4.0, 1.0, 1.0]
    assert resolve_plan("auto", "auto", spacing, 2, 3) == plan_for_spacing(spacing, 2)
    assert resolve_plan("auto", "auto", None, 2, 3, [16, 64, 64]) == plan_for_spacing(None, 2, 3, [16, 64, 64])
    given = resolve_plan([[1, 2, 2], [2, 2, 2]], [1, 3, 3], None, 2, 3)
    assert given == ([[1, 2, 2], [2, 2, 2]], [[1, 3, 3]] * 3)
    assert resolve_plan(2, 5, [NAN, NAN], 1, 2) == ([[2, 2]], [[5, 5]] * 2)
    assert resolve_plan("auto", 3, spacing, 2, 3) == ([[1, 2, 2]] * 2, [[3, 3, 3]] * 3)
    assert resolve_plan([1, 4, 4], "auto", spacing, 2, 3).kernels == [[1, 3, 3], [3, 3, 3], [3, 3, 3]]
    for plan in (given, resolve_plan("auto", "auto", spacing, 2, 3)):
        CAREUNet(3, 1, 1, depth=2, features=1, strides=plan.strides, kernel_size=plan.kernels)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("atuo", 3, None, 2, 3), "`strides` must be 'auto', a number or lists of numbers, got 'atuo'"),
        ((2, "Auto", None, 2, 3), "`kernel_size` must be 'auto', a number or lists of numbers, got 'Auto'"),
        (("auto", "auto", [1, 1], 2, 3), r"`spacing` needs 3 values \(one an axis\), got \[1.0, 1.0\]"),
        (("auto", "auto", [1, 0, 1], 2, 3), r"`spacing` must be positive and finite on every axis, got \[1.0, 0.0, 1.0\]"),
        (([[2, 2, 2]], 3, None, 2, 3), "lists 1 levels, but `depth` is 2"),
        ((2, [[3, 3, 3]] * 2, None, 2, 3), "lists 2 levels, but with `depth` 2 there are 3"),
        (("auto", "auto", None, 0, 3), "`depth` must be an integer >= 1, got 0"),
        (("auto", "auto", None, 2, 3, [16, 64]), "`patch_size` needs one value or 3 values"),
    ],
)
def test_wrong_arguments(arguments: tuple, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        resolve_plan(*arguments)
