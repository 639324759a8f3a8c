"""Labels in which only some classes are annotated: the values, the losses, the scores, the files."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from monai.losses import DiceLoss

from monai_denoiseg.data import LoadItemd
from monai_denoiseg.data.list_file import read_list_file
from monai_denoiseg.losses import AnnotatedLoss, PartialCrossEntropyLoss
from monai_denoiseg.losses.segmentation import SEGMENTATION_LOSSES, segmentation_loss
from monai_denoiseg.metrics import class_dice
from monai_denoiseg.open_classes import is_open, open_label, open_value
from monai_denoiseg.transforms import ClassLabel

CLASSES = ["background", "liver", "spleen", "kidney"]


def example(dims: int) -> tuple[torch.Tensor, torch.Tensor]:
    torch.manual_seed(dims)
    values = torch.tensor([0, 1, 2, 3, -1, open_value([1]), open_value([2, 3]), open_value([1, 2, 3])])
    shape = (2, 1, *[6] * dims)
    return torch.randn(2, 4, *[6] * dims, requires_grad=True), values[torch.randint(len(values), shape)]


def test_values_tell_which_classes_are_open() -> None:
    for numbers in ([1], [2], [1, 3], [1, 2, 3]):
        value = torch.tensor(open_value(numbers))
        assert [number for number in range(4) if bool(is_open(value, number))] == numbers


@pytest.mark.parametrize("dims", [2, 3])
def test_cross_entropy_is_that_of_the_sum_of_the_probabilities(dims: int) -> None:
    logits, label = example(dims)
    chances = logits.detach().double().softmax(1)
    terms = []
    for index in np.ndindex(*label[:, 0].shape):
        value = int(label[index[0], 0][index[1:]])
        if value == -1:
            continue
        may_be = [value] if value >= 0 else [0, *(n for n in range(1, 4) if (-1 - value) >> n & 1)]
        terms.append(-math.log(sum(float(chances[index[0], n][index[1:]]) for n in may_be)))
    loss = PartialCrossEntropyLoss(classes=CLASSES)(logits, label)
    assert float(loss) == pytest.approx(np.mean(terms), rel=1e-5)


@pytest.mark.parametrize("dims", [2, 3])
def test_dice_loss_is_that_of_the_sum_of_the_probabilities(dims: int) -> None:
    logits, label = example(dims)
    chances = logits.detach().softmax(1)
    scores = []
    for number in range(1, 4):
        counts = (label[:, 0] != -1) & ~is_open(label[:, 0], number)
        p, true = chances[:, number][counts], (label[:, 0] == number)[counts].float()
        scores.append(1 - (2 * (p * true).sum() + 1e-5) / (p.sum() + true.sum() + 1e-5))
    made = AnnotatedLoss(DiceLoss(include_background=False, to_onehot_y=True, softmax=True, batch=True), pooled=True)
    torch.testing.assert_close(made(logits, label), torch.stack(scores).mean())


@pytest.mark.parametrize("name", SEGMENTATION_LOSSES)
def test_every_loss_leaves_open_classes_alone(name: str) -> None:
    """Whatever is given to an open class in place of the background costs nothing: the gradient only moves both together."""
    logits = torch.tensor([[0.3, -0.2, 0.5], [0.1, 0.4, -0.6]]).T[None, ..., None].clone().requires_grad_()
    label = torch.tensor([open_value([2]), 1])[None, None, :, None]
    loss = segmentation_loss(name) or PartialCrossEntropyLoss(classes=CLASSES[:3])
    loss(logits, label).backward()
    assert logits.grad is not None
    assert bool(torch.isfinite(logits.grad).all())
    gained = (logits.grad / logits.detach().softmax(1))[0, :, 0, 0]
    assert float(gained[0]) == pytest.approx(float(gained[2]), abs=1e-5)
    assert float(gained[0]) < 0 < float(gained[1])


def test_dice_counts_a_class_where_it_was_annotated() -> None:
    truth = torch.tensor([1, 1, open_value([2]), open_value([2]), -1])
    scores = class_dice(torch.tensor([1, 2, 2, 1, 1]), truth, 3)
    assert float(scores[0]) == pytest.approx(0.5)
    assert math.isnan(float(scores[1])), "spleen was not annotated in this image"


def test_values_of_other_classes_are_refused() -> None:
    check = ClassLabel(CLASSES[:3])
    assert check(np.array([[[open_value([1, 2]), -1, 2]]])).tolist() == [[[-7, -1, 2]]]
    for value in (-2, -4, open_value([3])):
        with pytest.raises(ValueError, match=f"label holds {value}, but the 3 classes are"):
            check(np.array([[[value]]]))


@pytest.mark.parametrize(
    ("annotated", "message"),
    [
        (["lung"], "scan: `annotated` must name some of the classes liver, spleen, kidney, got lung"),
        (["background"], "got background"),
        ([], "got none"),
        (["liver"], "scan holds spleen, which `annotated` leaves out"),
    ],
)
def test_wrong_names(annotated: list[str], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        open_label(np.array([0, 2]), annotated, CLASSES, "scan")


@pytest.mark.parametrize("shape", [(8, 9), (4, 8, 9)])
def test_a_data_list_names_what_was_annotated(tmp_path: Path, shape: tuple[int, ...]) -> None:
    label = np.zeros(shape, np.uint8)
    label[..., :2], label[..., 8] = 1, 255
    np.save(tmp_path / "image.npy", np.zeros(shape, np.float32))
    np.save(tmp_path / "label.npy", label)
    entry = {"image": "image.npy", "label": "label.npy", "annotated": ["liver", "kidney"]}
    (tmp_path / "data.json").write_text(json.dumps({"training": [entry]}))
    (item,) = read_list_file(tmp_path / "data.json", "training")
    loaded = LoadItemd(spatial_dims=len(shape), classes=CLASSES)(item)["label"]
    wanted = np.where(label == 255, -1, np.where(label == 0, open_value([2]), label.astype(int)))
    np.testing.assert_array_equal(loaded[0].numpy(), wanted)
    (tmp_path / "data.json").write_text(json.dumps({"training": [entry | {"annotated": "liver"}]}))
    with pytest.raises(ValueError, match=r"training\[0\]: annotated must be a list of names of classes, got 'liver'"):
        read_list_file(tmp_path / "data.json", "training")
