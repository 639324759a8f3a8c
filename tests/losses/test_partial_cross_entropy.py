from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from monai_denoiseg.losses import PartialCrossEntropyLoss

SPATIAL = [(5, 7), (1, 1), (3, 4, 2)]


def example(spatial: tuple[int, ...], classes: int = 3, ignored: float = 0.6) -> tuple[Tensor, Tensor]:
    rng = np.random.default_rng(5)
    label = rng.integers(0, classes, (2, 1, *spatial))
    label[rng.random(label.shape) < ignored] = -1
    label.flat[0] = classes - 1
    return torch.tensor(rng.normal(0, 3, (2, classes, *spatial))), torch.tensor(label)


def slow_loss(logits: Tensor, label: Tensor, weights: list[float], reduction: str) -> float:
    """Eq. 1 of the paper voxel by voxel: ``1/m`` counts all voxels, ``labelled`` only the annotated ones."""
    total, annotated, voxels = 0.0, 0, 0
    for b, _, *at in np.ndindex(tuple(label.shape)):
        voxels += 1
        target = int(label[(b, 0, *at)])
        if target != -1:
            scores = [float(logits[(b, k, *at)]) for k in range(logits.shape[1])]
            total += weights[target] * (math.log(sum(math.exp(s) for s in scores)) - scores[target])
            annotated += 1
    return total / (annotated if reduction == "labelled" else voxels)


@pytest.mark.parametrize("spatial", SPATIAL)
@pytest.mark.parametrize("weights", [[1.0, 1.0, 5.0], [1.0, 0.0], [0.5, 1.0, 2.0, 3.0]])
@pytest.mark.parametrize("reduction", ["labelled", "paper"])
def test_against_loops(spatial: tuple[int, ...], weights: list[float], reduction: str) -> None:
    logits, label = example(spatial, len(weights))
    loss = PartialCrossEntropyLoss(weights, reduction)(logits, label)
    assert loss.dtype == torch.float64
    assert float(loss) == pytest.approx(slow_loss(logits, label, weights, reduction))


def test_paper_weights_are_the_default() -> None:
    logits, label = example((6, 6))
    assert float(PartialCrossEntropyLoss()(logits, label)) == pytest.approx(slow_loss(logits, label, [1, 1, 5], "labelled"))


@pytest.mark.parametrize("spatial", SPATIAL)
@pytest.mark.parametrize("reduction", ["labelled", "paper"])
def test_gradient(spatial: tuple[int, ...], reduction: str) -> None:
    logits, label = example(spatial)
    assert torch.autograd.gradcheck(lambda x: PartialCrossEntropyLoss(reduction=reduction)(x, label), logits.requires_grad_())


@pytest.mark.parametrize("reduction", ["labelled", "paper"])
def test_exactly_the_annotated_voxels_matter(reduction: str) -> None:
    logits, label = example((8, 9))
    known, loss = label != -1, PartialCrossEntropyLoss(reduction=reduction)
    changed = torch.where(known, logits, logits * 50 - 7).requires_grad_()
    after = loss(changed, label)
    after.backward()
    assert after.item() == loss(logits, label).item()
    assert changed.grad is not None
    assert torch.equal(changed.grad.ne(0).any(1, keepdim=True), known)


def test_fully_labelled_reductions_agree_and_unlabelled_images_dilute_only_the_papers() -> None:
    logits, label = example((8, 8), ignored=0)
    labelled, paper = (PartialCrossEntropyLoss(reduction=r) for r in ("labelled", "paper"))
    whole = float(labelled(logits, label))
    assert float(paper(logits, label)) == pytest.approx(whole)
    logits, label = torch.cat([logits, logits]), torch.cat([label, torch.full_like(label, -1)])
    assert float(labelled(logits, label)) == pytest.approx(whole)
    assert float(paper(logits, label)) == pytest.approx(whole / 2)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("reduction", ["labelled", "paper"])
def test_nothing_annotated(dtype: torch.dtype, reduction: str) -> None:
    logits = torch.randn(2, 3, 4, 4).to(dtype).requires_grad_()
    loss = PartialCrossEntropyLoss(reduction=reduction)(logits, torch.full((2, 1, 4, 4), -1))
    loss.backward()
    assert loss.item() == 0
    assert loss.dtype == torch.float32
    assert logits.grad is not None
    assert not logits.grad.any()


def test_low_precision_and_extreme_logits_stay_finite() -> None:
    logits, label = example((40, 40))
    loss = PartialCrossEntropyLoss()(logits.bfloat16(), label)
    assert float(loss) == pytest.approx(slow_loss(logits.bfloat16(), label, [1, 1, 5], "labelled"), rel=1e-5)
    extreme = torch.tensor([3e38, -3e38, 0.0]).reshape(1, 3, 1, 1)
    assert torch.isfinite(PartialCrossEntropyLoss([1, 1, 1])(extreme, torch.zeros(1, 1, 1, 1, dtype=torch.int64)))


@pytest.mark.parametrize("dtype", [torch.uint8, torch.int16, torch.int32])
def test_label_dtype_and_other_ignore_index(dtype: torch.dtype) -> None:
    logits, label = example((6, 6))
    bytes_label = torch.where(label == -1, 100, label).to(dtype)
    found = PartialCrossEntropyLoss(ignore_index=100)(logits, bytes_label)
    assert float(found) == float(PartialCrossEntropyLoss()(logits, label))


def test_errors() -> None:
    logits, label = torch.zeros(2, 3, 4, 4), torch.zeros(2, 1, 4, 4, dtype=torch.int64)
    for weights in ([1.0], [1.0, -1.0], [0.0, 0.0]):
        with pytest.raises(ValueError, match=r"`class_weights` needs a non-negative number for each class, not all 0, got \["):
            PartialCrossEntropyLoss(weights)
    with pytest.raises(
        ValueError, match=r"`reduction` must be one of 'labelled', 'paper', got 'labeled'; did you mean 'labelled'\?"
    ):
        PartialCrossEntropyLoss(reduction="labeled")
    with pytest.raises(ValueError, match="`class_weights` has 2 entries, but the network gives 3 classes"):
        PartialCrossEntropyLoss([1.0, 1.0])(logits, label)
    for wrong in (label[:, 0], label[:1], label[..., :3], label.expand(2, 3, 4, 4)):
        with pytest.raises(ValueError, match=r"label must be \(B, 1, ...\) matching \(2, 3, 4, 4\), got"):
            PartialCrossEntropyLoss()(logits, wrong)


@pytest.mark.parametrize("spatial", SPATIAL)
def test_semantic_classes_weigh_the_same_by_default(spatial: tuple[int, ...]) -> None:
    logits, label = example(spatial, 5)
    loss = PartialCrossEntropyLoss(classes=list("abcde"))(logits, label)
    assert float(loss) == pytest.approx(slow_loss(logits, label, [1.0] * 5, "labelled"))


def test_three_semantic_classes_are_no_border_labels() -> None:
    assert PartialCrossEntropyLoss(classes=["background", "liver", "spleen"]).weight.tolist() == [1, 1, 1]
    assert PartialCrossEntropyLoss(classes=[]).weight.tolist() == [1, 1, 5]


@pytest.mark.parametrize("value", [3, 255, -2])
@pytest.mark.parametrize("classes", [None, ["background", "liver", "spleen"]])
def test_a_label_that_is_no_class_is_named(value: int, classes: list[str] | None) -> None:
    logits, label = example((5, 7))
    label[0, 0, 0, 0] = value
    names = "0 background, 1 liver, 2 spleen" if classes else "0 background, 1 foreground, 2 border"
    with pytest.raises(ValueError, match=f"label holds {value}, but the 3 classes are {names}; name every class in `classes`"):
        PartialCrossEntropyLoss(classes=classes)(logits, label)


def test_many_wrong_labels_and_classes_without_names() -> None:
    label = torch.arange(8).reshape(1, 1, 1, 8)
    with pytest.raises(ValueError, match=r"label holds 2, 3, 4, 5, 6, \.\.\., but the 2 classes are 0 to 1"):
        PartialCrossEntropyLoss([1, 1])(torch.zeros(1, 2, 1, 8), label)


def test_weights_and_classes_must_agree() -> None:
    with pytest.raises(ValueError, match="has 3 entries, but `classes` names 2: background, liver; give one weight a class"):
        PartialCrossEntropyLoss([1, 1, 5], classes=["background", "liver"])
