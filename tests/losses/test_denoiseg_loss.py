from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from monai_denoiseg.heads import NoHead, StarHead
from monai_denoiseg.losses import BlindSpotLoss, DenoiSegLoss, JointLoss, PartialCrossEntropyLoss
from monai_denoiseg.transforms import star_rays


def example(channels: int = 1, spatial: tuple[int, ...] = (6, 5)) -> tuple[Tensor, dict[str, Tensor]]:
    rng = np.random.default_rng(11)
    target = {
        "image": torch.tensor(rng.normal(100, 20, (3, channels, *spatial))),
        "mask": torch.tensor(rng.random((3, channels, *spatial)) < 0.2),
        "label": torch.tensor(rng.integers(-1, 3, (3, 1, *spatial))),
    }
    return torch.tensor(rng.normal(0, 2, (3, 3 + channels, *spatial))), target


def slow_paper_loss(output: Tensor, target: dict[str, Tensor], alpha: float) -> float:
    """``denoiseg/internals/losses.py`` of the original in numpy: ``Ld`` summed over the channels, ``Ls`` over all voxels."""
    logits = np.moveaxis(output[:, :3].numpy(), 1, -1).reshape(-1, 3)
    onehot = np.stack([target["label"].numpy().reshape(-1) == k for k in range(3)], -1).astype(float)
    probability = np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)
    weight = (onehot * [1, 1, 5]).sum(-1)
    segmentation = (onehot.sum(-1) * weight * -(onehot * np.log(probability)).sum(-1)).mean()
    denoising = 0.0
    for c in range(target["image"].shape[1]):
        mask = target["mask"][:, c].numpy().astype(float)
        error = (target["image"][:, c].numpy() - output[:, 3 + c].numpy()) ** 2
        denoising += (mask * error).sum() / mask.sum()
    return float(alpha * denoising + (1 - alpha) * segmentation)


@pytest.mark.parametrize(("channels", "spatial"), [(1, (6, 5)), (3, (4, 7)), (2, (3, 4, 5))])
@pytest.mark.parametrize("alpha", [0, 0.3, 0.5, 1])
def test_paper_reduction_equals_the_original(channels: int, spatial: tuple[int, ...], alpha: float) -> None:
    output, target = example(channels, spatial)
    parts = DenoiSegLoss(alpha, reduction="paper").parts(output, target)
    assert float(parts.total) == pytest.approx(slow_paper_loss(output, target, alpha))


@pytest.mark.parametrize(("channels", "spatial"), [(1, (6, 5)), (3, (4, 7)), (2, (3, 4, 5))])
@pytest.mark.parametrize("alpha", [0.0, 0.25, 1.0])
def test_parts_and_their_sum(channels: int, spatial: tuple[int, ...], alpha: float) -> None:
    output, target = example(channels, spatial)
    unit = torch.tensor([20.0, 2.0, 0.2])[:channels]
    parts = DenoiSegLoss(alpha, class_weights=(1, 2, 3), unit=unit).parts(output, target)
    denoising = BlindSpotLoss()(output[:, 3:], target["image"], target["mask"], unit)
    segmentation = PartialCrossEntropyLoss((1, 2, 3))(output[:, :3], target["label"])
    assert isinstance(parts, JointLoss)
    assert (float(parts.denoising), float(parts.segmentation)) == (float(denoising), float(segmentation))
    assert float(parts.total) == pytest.approx(alpha * float(denoising) + (1 - alpha) * float(segmentation))


@pytest.mark.parametrize(("alpha", "trained"), [(0, slice(0, 3)), (1, slice(3, 5)), (0.5, slice(0, 5))])
def test_alpha_switches_whole_parts_off(alpha: float, trained: slice) -> None:
    output, target = example(channels=2)
    output.requires_grad_()
    DenoiSegLoss(alpha)(output, target).backward()
    assert output.grad is not None
    touched = [bool(output.grad[:, k].any()) for k in range(5)]
    assert touched == [k in range(5)[trained] for k in range(5)]


@pytest.mark.parametrize("reduction", ["labelled", "paper"])
def test_gradient(reduction: str) -> None:
    output, target = example(channels=2, spatial=(3, 4))
    loss = DenoiSegLoss(0.4, reduction=reduction, unit=[10.0, 20.0])
    assert torch.autograd.gradcheck(lambda x: loss(x, target), output.requires_grad_())


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("missing", [("mask",), ("label",), ("mask", "label")])
@pytest.mark.parametrize("reduction", ["labelled", "paper"])
def test_nothing_to_compare_is_zero_and_leaves_the_rest(dtype: torch.dtype, missing: tuple[str, ...], reduction: str) -> None:
    output, target = example()
    output = output.to(dtype).requires_grad_()
    empty = {"mask": torch.zeros_like(target["mask"]), "label": torch.full_like(target["label"], -1)}
    parts = DenoiSegLoss(reduction=reduction).parts(output, {**target, **{key: empty[key] for key in missing}})
    parts.total.backward()
    assert output.grad is not None
    assert bool(output.grad.isfinite().all())
    assert (parts.denoising.item() == 0) == ("mask" in missing) == (not output.grad[:, 3:].any())
    assert (parts.segmentation.item() == 0) == ("label" in missing) == (not output.grad[:, :3].any())


def test_unit_makes_the_loss_independent_of_the_cameras_scale_and_stays_out_of_the_state_dict() -> None:
    output, target = example()
    before = DenoiSegLoss(unit=[20.0])(output, target)
    output[:, 3:] *= 1000
    after = DenoiSegLoss(unit=torch.tensor([20_000.0]))(output, {**target, "image": target["image"] * 1000})
    assert float(after) == pytest.approx(float(before))
    assert DenoiSegLoss(unit=[20.0]).state_dict() == {}


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"alpha": 1.5}, r"`alpha` must be in \[0, 1\], got 1.5"),
        ({"alpha": -0.1}, r"`alpha` must be in \[0, 1\], got -0.1"),
        ({"alpha": "0.5"}, r"`alpha` must be in \[0, 1\], got '0.5'"),
        ({"reduction": "papr"}, r"`reduction` must be one of 'labelled', 'paper', got 'papr'; did you mean 'paper'\?"),
        ({"class_weights": [1, 1, -5]}, r"`class_weights` needs a non-negative number"),
    ],
)
def test_wrong_arguments(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        DenoiSegLoss(**wrong)


def test_channels_that_do_not_fit() -> None:
    output, target = example(channels=2)
    with pytest.raises(ValueError, match=r"must have one shape, got \[\(3, 1, 6, 5\), \(3, 2, 6, 5\)"):
        DenoiSegLoss()(output[:, :4], target)


@pytest.mark.parametrize(("channels", "spatial"), [(1, (6, 5)), (2, (3, 4, 5))])
def test_semantic_classes(channels: int, spatial: tuple[int, ...]) -> None:
    _, target = example(channels, spatial)
    rng = np.random.default_rng(3)
    output = torch.tensor(rng.normal(0, 2, (3, 5 + channels, *spatial)))
    target["label"] = torch.tensor(rng.integers(-1, 5, (3, 1, *spatial)))
    parts = DenoiSegLoss(0.25, classes=list("abcde")).parts(output, target)
    denoising = BlindSpotLoss()(output[:, 5:], target["image"], target["mask"])
    segmentation = PartialCrossEntropyLoss([1.0] * 5)(output[:, :5], target["label"])
    assert float(parts.total) == pytest.approx(0.25 * float(denoising) + 0.75 * float(segmentation))


def test_a_target_image_takes_the_place_of_the_noisy_one() -> None:
    image, wanted = torch.zeros(2, 1, 4, 4), torch.full((2, 1, 4, 4), 3.0)
    target = {"image": image, "mask": torch.ones_like(image, dtype=torch.bool), "label": -torch.ones(2, 1, 4, 4).long()}
    output = torch.zeros(2, 1, 4, 4, requires_grad=True)
    loss = DenoiSegLoss(alpha=1.0, head=NoHead())
    assert float(loss.parts(output, target).denoising.detach()) == 0
    assert float(loss(output, target | {"target": wanted}).detach()) == 9


def test_a_network_that_only_segments() -> None:
    label = torch.zeros(1, 1, 4, 4).long()
    target = {"image": torch.zeros(1, 1, 4, 4), "mask": torch.ones(1, 1, 4, 4).bool(), "label": label}
    parts = DenoiSegLoss(alpha=0.0).parts(torch.zeros(1, 3, 4, 4), target)
    assert (float(parts.denoising), round(float(parts.total), 4)) == (0.0, 1.0986)


@pytest.mark.parametrize("denoises", [True, False])
def test_stardist_head(denoises: bool) -> None:
    from monai_denoiseg.losses import StarDistLoss

    torch.manual_seed(0)
    stars = torch.cat([torch.rand(2, 1, 6, 6), 5 * torch.rand(2, 8, 6, 6)], 1)
    output = torch.randn(2, 9 + denoises, 6, 6)
    target = {"image": torch.zeros(2, 1, 6, 6), "mask": torch.ones(2, 1, 6, 6).bool(), "label": stars}
    loss = DenoiSegLoss(alpha=0.3, head=StarHead(star_rays(8, 2)))
    parts = loss.parts(output, target)
    torch.testing.assert_close(parts.segmentation, StarDistLoss()(output[:, :9], stars))
    torch.testing.assert_close(parts.denoising, output[:, 9:].square().mean() if denoises else torch.tensor(0.0))
    assert len(loss.class_weights) == 0
    unlabelled = loss.parts(output, target | {"label": -torch.ones(2, 1, 6, 6)})
    assert float(unlabelled.segmentation) == 0


def test_wrong_heads_are_said() -> None:
    for wrong in ({"head": "star"}, {"head": NoHead(), "classes": ["background", "liver"]}):
        with pytest.raises(ValueError, match=r"`head` must be a head such as monai_denoiseg.heads.StarHead\(rays\), without"):
            DenoiSegLoss(**wrong)
