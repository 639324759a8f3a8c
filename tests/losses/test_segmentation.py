"""The losses a user can name, on partial labels."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from monai_denoiseg.losses import SEGMENTATION_LOSSES, DenoiSegLoss, segmentation_loss


def dice(logits: torch.Tensor, label: torch.Tensor) -> torch.Tensor:
    """One minus the mean Dice of the classes but the background, over the annotated voxels of the batch, class by class."""
    known = label[:, 0] >= 0
    scores = []
    for k in range(1, logits.shape[1]):
        p, t = logits.softmax(1)[:, k][known], (label[:, 0][known] == k).float()
        scores.append((2 * (p * t).sum() + 1e-5) / (p.sum() + t.sum() + 1e-5))
    return 1 - torch.stack(scores).mean()


@pytest.mark.parametrize("shape", [(9, 7), (5, 6, 4)])
def test_dice_and_cross_entropy_by_hand(shape: tuple[int, ...]) -> None:
    torch.manual_seed(0)
    logits, label = torch.randn(2, 3, *shape), torch.randint(-1, 3, (2, 1, *shape))
    loss = segmentation_loss("dice_ce")
    assert loss is not None
    entropy = F.cross_entropy(logits, label[:, 0], ignore_index=-1)
    assert torch.allclose(loss(logits, label), dice(logits, label) + entropy, atol=1e-5)


@pytest.mark.parametrize("name", SEGMENTATION_LOSSES[1:])
def test_what_is_not_annotated_has_no_gradient(name: str) -> None:
    torch.manual_seed(0)
    logits, label = torch.randn(2, 3, 6, 6, requires_grad=True), torch.randint(0, 3, (2, 1, 6, 6))
    label[:, :, 3:] = -1
    loss = segmentation_loss(name)
    assert loss is not None
    loss(logits, label).backward()
    assert logits.grad is not None
    assert bool((logits.grad[:, :, 3:] == 0).all())
    assert bool((logits.grad[:, :, :3] != 0).any())


def test_nothing_annotated() -> None:
    loss = segmentation_loss("dice")
    assert loss is not None
    assert float(loss(torch.randn(1, 2, 4, 4), torch.full((1, 1, 4, 4), -1))) == 0


def test_it_takes_the_place_of_the_cross_entropy() -> None:
    assert segmentation_loss("cross_entropy") is None
    loss = DenoiSegLoss(0.0, classes=["background", "liver"], segmentation=segmentation_loss("dice_ce"))
    assert loss.class_weights.tolist() == [1, 1]
    with pytest.raises(ValueError, match="`class_weights` belongs to the cross entropy"):
        DenoiSegLoss(class_weights=[1, 2], classes=["background", "liver"], segmentation=segmentation_loss("dice"))


def test_an_unknown_name() -> None:
    with pytest.raises(ValueError, match="`segmentation_loss` must be one of"):
        segmentation_loss("hausdorff")
