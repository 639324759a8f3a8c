"""MONAI's segmentation losses on partial labels, and the joint loss with parts of the user's own."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from monai.engines import SupervisedTrainer
from monai.losses import DiceCELoss, DiceLoss, FocalLoss, TverskyLoss
from torch import Tensor, nn

from monai_denoiseg.engines import BlindSpotBatch
from monai_denoiseg.losses import AnnotatedLoss, DenoiSegLoss
from monai_denoiseg.networks import DenoiSegNet

ONE_HOT: dict[str, Any] = {"to_onehot_y": True, "softmax": True}


def example(*size: int, seed: int = 0) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(2, 3, *size, generator=generator), torch.randint(0, 3, (2, 1, *size), generator=generator)


def slow_dice(logits: Tensor, label: Tensor) -> float:
    """1 - Dice of each class over the annotated voxels of each image, in plain loops."""
    losses = []
    for image, numbers in zip(logits.double().softmax(1), label[:, 0], strict=True):
        known = numbers >= 0
        if not known.any():
            continue
        for k in range(image.shape[0]):
            p, t = image[k][known], (numbers[known] == k).double()
            losses.append(float(1 - (2 * (p * t).sum() + 1e-5) / (p.sum() + t.sum() + 1e-5)))
    return sum(losses) / len(losses) if losses else 0.0


@pytest.mark.parametrize("size", [(7, 6), (4, 5, 6)])
@pytest.mark.parametrize("share", [0.0, 0.6, 1.0])
def test_dice_over_annotated_voxels(size: tuple[int, ...], share: float) -> None:
    logits, label = example(*size)
    label[torch.rand(label.shape, generator=torch.Generator().manual_seed(1)) >= share] = -1
    found = AnnotatedLoss(DiceLoss(**ONE_HOT))(logits, label)
    assert float(found) == pytest.approx(slow_dice(logits, label), abs=1e-5)


def test_an_image_without_annotation_does_not_count() -> None:
    logits, label = example(6, 6)
    alone = AnnotatedLoss(DiceCELoss(**ONE_HOT))(logits[:1], label[:1])
    label[1] = -1
    assert torch.equal(AnnotatedLoss(DiceCELoss(**ONE_HOT))(logits, label), alone)


@pytest.mark.parametrize("loss", [DiceCELoss(**ONE_HOT), FocalLoss(to_onehot_y=True), TverskyLoss(**ONE_HOT)])
@pytest.mark.parametrize("size", [(5, 6), (3, 4, 5)])
def test_what_is_not_annotated_has_no_gradient(loss: nn.Module, size: tuple[int, ...]) -> None:
    logits, label = example(*size)
    label[:, :, :2] = -1
    logits.requires_grad_()
    DenoiSegLoss(0.0, segmentation=loss)(logits, {"label": label}).backward()
    assert logits.grad is not None
    assert not logits.grad[:, :, :2].any() and bool(logits.grad[:, :, 2:].any())


@pytest.mark.parametrize(
    ("loss", "message"),
    [(DiceLoss(softmax=True), "to_onehot_y=True"), (DiceLoss(reduction="none", **ONE_HOT), 'reduction="mean"')],
)
def test_a_loss_that_does_not_suit(loss: nn.Module, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        AnnotatedLoss(loss)(*example(4, 4))


@pytest.mark.parametrize("size", [(8, 8), (4, 8, 8)])
def test_any_error_of_each_element(size: tuple[int, ...]) -> None:
    output, target = torch.randn(2, 5, *size), {"image": torch.randn(2, 2, *size), "mask": torch.rand(2, 2, *size) < 0.2}
    unit = torch.tensor([2.0, 4.0])
    found = DenoiSegLoss(1.0, unit=unit, denoising=nn.L1Loss(reduction="none"))
    parts = found.parts(output, target | {"label": torch.full((2, 1, *size), -1)})
    scale = unit.reshape(-1, *[1] * len(size))
    wanted = ((output[:, 3:] - target["image"]).abs() / scale)[target["mask"]].mean()
    assert float(parts.denoising) == pytest.approx(float(wanted), rel=1e-5)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"denoising": nn.L1Loss()}, 'reduction="none"'),
        ({"denoising": nn.L1Loss(reduction="none"), "huber_delta": 1.0}, "`huber_delta` belongs to the squared error"),
        ({"segmentation": DiceLoss(**ONE_HOT), "class_weights": [1, 1, 5]}, "`class_weights` belongs to the cross entropy"),
    ],
)
def test_options_that_exclude_each_other(options: dict[str, Any], message: str) -> None:
    target = {"image": torch.zeros(1, 1, 4, 4), "mask": torch.ones(1, 1, 4, 4) > 0, "label": torch.zeros(1, 1, 4, 4)}
    with pytest.raises(ValueError, match=message):
        DenoiSegLoss(**options)(torch.zeros(1, 4, 4, 4), target)


@pytest.mark.parametrize("dims", [2, 3])
def test_in_monais_own_trainer(dims: int) -> None:
    """It wants one tensor; the parts had no ``mean`` (N6)."""
    size = [8] * dims
    batch = {"image": torch.rand(2, 1, *size), "label": torch.randint(-1, 3, (2, 1, *size))}
    network = DenoiSegNet(dims, depth=1, features=4)
    before = [parameter.clone() for parameter in network.parameters()]
    trainer = SupervisedTrainer(
        device=torch.device("cpu"),
        max_epochs=1,
        train_data_loader=[batch] * 2,
        network=network,
        optimizer=torch.optim.SGD(network.parameters(), 0.01),
        loss_function=DenoiSegLoss(segmentation=DiceCELoss(**ONE_HOT)),
        prepare_batch=BlindSpotBatch(),
        decollate=False,
    )
    trainer.run()
    assert trainer.state.iteration == 2
    assert any(not torch.equal(old, new) for old, new in zip(before, network.parameters(), strict=True))
