from __future__ import annotations

import math
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from monai_denoiseg.self2seg.energy import to_labels
from monai_denoiseg.self2seg.linear_expert import LinearExpert
from monai_denoiseg.self2seg.loop import Self2Seg, checked_image
from monai_denoiseg.self2seg.result import Self2SegResult

from .shapes import TINY, TWO, noisy, square, three_bars


def cube() -> Tensor:
    labels = torch.zeros(5, 12, 11, dtype=torch.long)
    labels[1:4, 3:9, 3:8] = 1
    return labels


def stripes(noise: float) -> tuple[Tensor, Tensor]:
    """A disc of rising stripes in falling ones, of equal mean and contrast."""
    y, x = np.mgrid[:256, :256]
    rising, falling = (0.5 + 0.5 * np.sin(2 * np.pi * (x + sign * y) / 9 / np.sqrt(2)) for sign in (1, -1))
    disc = (x - 128) ** 2 + (y - 128) ** 2 < 64**2
    image = np.where(disc, rising, falling) + np.random.default_rng(0).normal(0, noise, disc.shape)
    return torch.tensor(image, dtype=torch.float32)[None], torch.tensor(disc)


def dice(one: Tensor, other: Tensor) -> float:
    return float(2 * (one & other).sum() / (one.sum() + other.sum()))


@pytest.mark.parametrize("noise", [0.1, 0.3])
def test_stripes_of_two_orientations(noise: float) -> None:
    image, disc = stripes(noise)
    boxes = [[[10, 40, 10, 40]], [[113, 143, 113, 143]]]
    result = Self2Seg(["linear", "linear"], lam=0.02, start="boxes", max_outer=3)(image, boxes=boxes)
    assert dice(result.labels == 1, disc) >= 0.97
    clean, _ = stripes(0.0)
    mse = [float((x - clean).square().mean()) for x in (image, result.denoised)]
    assert mse[1] < 0.5 * mse[0]


@pytest.mark.parametrize("tv", ["isotropic", "anisotropic"])
@pytest.mark.parametrize(
    ("labels", "experts", "channels"),
    [
        (square(), ["constant", "constant"], 1),
        (square(), [LinearExpert(2), LinearExpert(2)], 1),
        (square(), ["constant", LinearExpert(1)], 3),
        (three_bars(), ["constant", LinearExpert(1), "constant"], 1),
        (three_bars(), ["constant"] * 3, 3),
        (cube(), [LinearExpert(1), LinearExpert(1)], 1),
        (cube(), ["constant", "constant"], 2),
    ],
)
def test_with_exact_experts_the_energy_never_rises(labels: Tensor, experts: list[Any], channels: int, tv: str) -> None:
    """From a start far from the end, so that there are steps to be taken."""
    method = Self2Seg(
        experts, lam=0.01, tv=tv, start="boxes", max_outer=6, energy_tolerance=0, mask_tolerance=0, gap_tolerance=1e-4
    )
    width = labels.shape[-1]
    cuts = [0, width // 3, width] if len(experts) == 2 else [0, width // 4, width // 2 + 2, width]
    ends = [end for n in labels.shape[:-1] for end in (0, n)]
    boxes = [[[*ends, first, last]] for first, last in pairwise(cuts)]
    result = method(noisy(labels, 0.5, channels).double(), boxes=boxes)
    assert len(result.records) > 1
    assert result.records[0].energy > result.records[-1].energy
    for before, after in pairwise(result.records):
        assert after.energy <= before.energy + after.gap + 1e-9 * before.energy
        assert after.energy == pytest.approx(after.lam * after.tv + after.fit)


@pytest.mark.parametrize("mu", [0.05, 5.0])
def test_the_pull_of_the_last_regions_slows_but_lowers_the_energy(mu: float) -> None:
    image = noisy(square(), 0.4).double()
    boxes = [[[0, 24, 0, 12]], [[0, 24, 12, 24]]]
    settings = {"lam": 0.02, "start": "boxes", "energy_tolerance": 0, "mask_tolerance": 0, "max_outer": 4}
    free, pulled = (Self2Seg(TWO, mu=x, **settings)(image, boxes=boxes) for x in (0.0, mu))
    for before, after in pairwise(pulled.records):
        assert after.energy <= before.energy + after.gap
    assert pulled.records[0].changed <= free.records[0].changed
    if mu == 5.0:
        assert pulled.records[0].changed < 0.5 * free.records[0].changed


@pytest.mark.parametrize("experts", [TWO, [LinearExpert(2), "constant"]])
def test_exchanged_experts_and_boxes_give_the_complement(experts: list[Any]) -> None:
    image = noisy(square(), 0.3).double()
    boxes = [[[0, 4, 0, 24]], [[10, 14, 10, 14]]]
    method = {"lam": 0.03, "start": "boxes", "gap_tolerance": 1e-7}
    one = Self2Seg(experts, **method)(image, boxes=boxes)
    other = Self2Seg(experts[::-1], **method)(image, boxes=boxes[::-1])
    assert 0 < int(one.labels.sum()) < one.labels.numel()
    assert float((one.labels == 1 - other.labels).double().mean()) > 0.995
    torch.testing.assert_close(one.denoised, other.denoised, atol=0.05, rtol=0)


def test_the_same_seed_gives_the_same_mask() -> None:
    image = noisy(square(), 0.3)
    first, second, third = (Self2Seg(seed=seed, **TINY)(image) for seed in (0, 0, 1))
    assert torch.equal(first.labels, second.labels)
    assert torch.equal(first.denoised, second.denoised)
    assert not torch.equal(first.denoised, third.denoised)


def test_a_method_can_be_used_twice() -> None:
    method, image = Self2Seg([LinearExpert(1), "noise2fast"], **TINY), noisy(square(), 0.3)
    first, _, second = method(image), method(noisy(square(), 0.3, seed=1)), method(image)
    assert torch.equal(first.labels, second.labels)
    assert torch.equal(first.denoised, second.denoised)


def test_three_grey_levels() -> None:
    labels = three_bars(36)
    labels[:12] = labels[:12].flip(-1)
    result = Self2Seg(["constant"] * 3, lam=0.03)(noisy(labels, 0.25))
    assert float((result.labels == labels).double().mean()) > 0.98
    assert result.u.shape == (3, 36, 36)
    assert torch.equal(result.labels, to_labels(result.u))
    means = [float(p.mean()) for p in result.predictions]
    assert means == pytest.approx([0, 1, 2], abs=0.05)


@pytest.mark.parametrize("experts", [TWO, ["linear", "constant"], ["linear", "linear", "constant"]])
@pytest.mark.parametrize(("gain", "offset"), [(1000.0, 5.0), (-1e-3, 2.0)])
def test_the_unit_does_not_matter(experts: list[Any], gain: float, offset: float) -> None:
    labels = three_bars()
    image = noisy(labels, 0.2).double()
    boxes = [[[0, 24, 1 + 8 * r, 7 + 8 * r]] for r in range(len(experts))]
    method = Self2Seg(experts, lam=0.02, start="boxes", max_outer=3)
    one, other = method(image, boxes=boxes), method(image * gain + offset, boxes=boxes)
    assert float((one.labels == other.labels).double().mean()) > 0.998
    torch.testing.assert_close(other.denoised, one.denoised * gain + offset, rtol=1e-2, atol=1e-2 * abs(gain))


@pytest.mark.parametrize("labels", [square(), three_bars(), cube()], ids=["2d", "three", "3d"])
@pytest.mark.parametrize("channels", [1, 3])
def test_what_is_returned(labels: Tensor, channels: int) -> None:
    n_regions = int(labels.max()) + 1
    image = 50 * noisy(labels, 0.2, channels) + 20
    result = Self2Seg(["constant"] * n_regions, lam=0.02)(image)
    assert (result.labels.shape, result.labels.dtype) == (labels.shape, torch.int64)
    assert result.u.shape == (1 if n_regions == 2 else 3, *labels.shape)
    assert result.predictions.shape == (n_regions, *image.shape)
    shares = torch.cat([1 - result.u, result.u]) if n_regions == 2 else result.u
    torch.testing.assert_close(result.denoised, torch.einsum("r...,rc...->c...", shares, result.predictions))
    clean = 50 * labels.float() + 20
    assert float((result.denoised - clean).abs().mean()) < 0.5 * float((image - clean).abs().mean())
    assert [record.step for record in result.records] == list(range(1, len(result.records) + 1))
    assert (result.lam, result.path) == (0.02, None)


@pytest.mark.parametrize(
    "change",
    [
        lambda x: (x.clamp(0, 2) * 100).to(torch.uint8),
        lambda x: x.double(),
        lambda x: x.half(),
        lambda x: x.numpy(),
        lambda x: (100 * x.numpy()).astype(">i2"),
        lambda x: x.numpy()[:, ::-1, ::-1][:, ::-1, ::-1],
        lambda x: (100 * x).round().tolist(),
    ],
)
def test_types_of_images(change: Callable[[Tensor], Any]) -> None:
    image = noisy(square(), 0.2)
    result, expected = Self2Seg(TWO)(change(image)), Self2Seg(TWO)(image)
    assert float((result.labels == expected.labels).double().mean()) > 0.98
    assert result.denoised.dtype in (torch.float32, torch.float64)


def test_double_precision_stays() -> None:
    result = Self2Seg(TWO)(noisy(square(), 0.2).double())
    assert (result.denoised.dtype, result.u.dtype) == (torch.float64, torch.float64)


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (torch.ones(4, 4), r"\(channels, \[depth,\] height, width\)"),
        (torch.ones(1, 2, 3, 4, 5), "height, width"),
        (torch.ones(1, 0, 4), "not empty"),
        (torch.tensor([[[0.0, math.nan]]]), "NaN or infinite"),
        (torch.tensor([[[0.0, math.inf]]]), "NaN or infinite"),
        (torch.ones(1, 2, 2) + 1j, "complex"),
    ],
)
def test_wrong_images(image: Tensor, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        checked_image(image)
    with pytest.raises(ValueError, match=message):
        Self2Seg(TWO)(image)


@pytest.mark.parametrize("start", ["threshold", "denoise", "boxes"])
def test_a_constant_image(start: str) -> None:
    boxes = {"boxes": [[[0, 1, 0, 1]], [[3, 4, 3, 4]]]} if start == "boxes" else {}
    with pytest.raises(ValueError, match="the image is constant"):
        Self2Seg(TWO, start=start, **TINY)(torch.full((1, 8, 8), 3.0), **boxes)


@pytest.mark.parametrize("experts", [TWO, ["linear", "linear"], ["noise2fast", "constant"]])
@pytest.mark.parametrize("shape", [(1, 12, 1), (1, 1, 12), (2, 3, 12)])
def test_thin_images(experts: list[str], shape: tuple[int, ...]) -> None:
    image = torch.zeros(shape)
    image.flatten(1)[:, image[0].numel() // 2 :] = 1
    image += 0.05 * torch.randn(shape, generator=torch.Generator().manual_seed(0))
    result = Self2Seg(experts, max_outer=2, lam=0.01, **TINY)(image)
    assert result.labels.shape == shape[1:]
    assert bool(result.denoised.isfinite().all())


def test_dear_axes_are_cut_less() -> None:
    """A weight of 0 makes the boundary across an axis free, so that noise decides there."""
    image = noisy(square(), 0.6)
    lengths = {}
    for weights in ((1.0, 1.0), (0.1, 1.0), (1.0, 0.1)):
        labels = Self2Seg(TWO, lam=0.05, tv="anisotropic", axis_weights=weights, max_outer=1)(image).labels
        lengths[weights] = [int((labels.diff(dim=axis) != 0).sum()) for axis in (0, 1)]
    assert lengths[0.1, 1.0][0] > lengths[1.0, 1.0][0]
    assert lengths[1.0, 0.1][1] > lengths[1.0, 1.0][1]
    with pytest.raises(ValueError, match="`weights`"):
        Self2Seg(TWO, axis_weights=[1.0, 1.0, 1.0])(image)


def test_anisotropic_memberships_are_hard() -> None:
    result = Self2Seg(TWO, lam=0.05, tv="anisotropic", gap_tolerance=1e-7)(noisy(square(), 0.4).double())
    assert float(((result.u - result.u.round()).abs() < 1e-3).double().mean()) > 0.99


def test_averaged_residuals_tell_brightness_in_strong_noise() -> None:
    labels = square(40)
    image = noisy(labels, 1.0)
    plain, boxed = (Self2Seg(TWO, lam=0.0, max_outer=1, residual_box=box)(image) for box in (1, 3))
    assert dice(boxed.labels == 1, labels == 1) > dice(plain.labels == 1, labels == 1) + 0.1


def test_metadata_of_the_tensor_is_left_behind() -> None:
    from monai.data import MetaTensor

    result: Self2SegResult = Self2Seg(TWO)(MetaTensor(noisy(square(), 0.2)))
    assert type(result.labels) is type(result.denoised) is Tensor


def test_the_options_reach_the_networks() -> None:
    image = noisy(square(), 0.3)
    one, other = (Self2Seg(**{**TINY, "features": features})(image) for features in (4, 8))
    assert not torch.equal(one.predictions, other.predictions)
