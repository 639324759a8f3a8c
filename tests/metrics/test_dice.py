"""Dice against plain loops."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from monai.metrics import DiceMetric
from monai.networks.utils import one_hot

from monai_denoiseg.metrics import ClassDice, class_dice, dice_names, dice_row, mean_dice

ORGANS = ["background", "liver", "spleen", "kidney"]
SIZES = [(9, 11), (1, 1), (1, 6, 7), (3, 5, 4)]


def case(size: tuple[int, ...], seed: int, n_classes: int = 4, ignored: float = 0.3) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    truth = random.integers(0, n_classes, (1, *size))
    prediction = np.where(random.random((1, *size)) < 0.6, truth, random.integers(0, n_classes, (1, *size)))
    truth[random.random(truth.shape) < ignored] = -1
    return prediction, truth


def slow_dice(prediction: np.ndarray, truth: np.ndarray, label: int) -> float:
    both = found = true = 0
    for at in np.ndindex(truth.shape):
        if truth[at] == -1:
            continue
        found += prediction[at] == label
        true += truth[at] == label
        both += prediction[at] == label and truth[at] == label
    return 2 * both / (found + true) if found + true else math.nan


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("ignored", [0, 0.5])
def test_each_class_against_loops(size: tuple[int, ...], ignored: float) -> None:
    prediction, truth = case(size, 0, ignored=ignored)
    wanted = [slow_dice(prediction, truth, label) for label in (1, 2, 3)]
    np.testing.assert_allclose(class_dice(prediction, truth, 4).numpy(), wanted, rtol=1e-6)
    np.testing.assert_allclose(class_dice(torch.tensor(prediction), torch.tensor(truth), 4).numpy(), wanted, rtol=1e-6)


@pytest.mark.parametrize("size", [(9, 11), (3, 5, 4)])
def test_data_set_against_loops_and_monai(size: tuple[int, ...]) -> None:
    cases = [case(size, seed, ignored=0) for seed in range(3)]
    cases[1][1][cases[1][1] == 2] = 0  # a class one image has not
    metric, reference = ClassDice(ORGANS), DiceMetric(include_background=False, reduction="mean_batch")
    for prediction, truth in cases:
        metric(y_pred=[torch.tensor(prediction)], y=[torch.tensor(truth)])
        reference(*(one_hot(torch.tensor(labels)[None], 4) for labels in (prediction, truth)))
    table = np.array([[slow_dice(*pair, label) for label in (1, 2, 3)] for pair in cases])
    assert table[1, 1] == 0  # wrongly predicted there
    means = table.mean(axis=0)
    found = metric.aggregate()
    assert list(found)[:4] == ["dice", "dice_liver", "dice_spleen", "dice_kidney"]
    np.testing.assert_allclose(list(found.values())[:4], [means.mean(), *means], rtol=1e-6)
    assert list(found.values())[4:] == [0, 1, 0]
    # MONAI leaves such an image out of the mean of the class.
    np.testing.assert_allclose(np.where([0, 1, 0], means * 3 / 2, means), reference.aggregate(), rtol=1e-6)
    np.testing.assert_allclose([list(row.values())[1:] for row in metric.rows()], table, rtol=1e-6)
    assert metric.rows()[1]["dice"] == pytest.approx(table[1].mean())


@pytest.mark.parametrize("size", [(9, 11), (3, 5, 4)])
def test_a_class_that_no_image_has_shows_its_false_positives_but_is_not_in_the_mean(size: tuple[int, ...]) -> None:
    metric = ClassDice(["background", "liver", "spleen", "kidney"])
    truth, empty = torch.zeros(1, *size, dtype=torch.int64), torch.zeros(1, *size, dtype=torch.int64)
    truth[0, :2] = 1
    wrong = truth.clone()
    wrong[0, -1] = 2
    metric(y_pred=[wrong], y=[truth])
    metric(y_pred=[truth], y=[empty])
    found = metric.aggregate()
    assert (found["dice_liver"], found["dice_spleen"]) == (0.5, 0)
    assert math.isnan(found["dice_kidney"])  # neither there nor predicted
    assert found["dice"] == 0.5
    assert [found[f"false_positive_images_{name}"] for name in ("liver", "spleen", "kidney")] == [1, 1, 0]


@pytest.mark.parametrize("size", SIZES)
def test_instances_are_objects_against_background(size: tuple[int, ...]) -> None:
    metric, wanted = ClassDice(), []
    for seed in range(2):
        prediction, truth = case(size, seed, n_classes=6)
        metric(y_pred=[torch.tensor(prediction)], y=[torch.tensor(truth)])
        wanted.append(slow_dice((prediction > 0) * 1, np.where(truth == -1, -1, truth > 0), 1))
    assert list(metric.aggregate()) == ["dice"]
    assert metric.aggregate()["dice"] == pytest.approx(mean_dice(wanted), nan_ok=True)


def test_batches_count_as_their_images() -> None:
    pairs = [case((5, 6), seed) for seed in range(2)]
    batch, single = ClassDice(ORGANS), ClassDice(ORGANS)
    batch(*(torch.tensor(np.stack(part)) for part in zip(*pairs, strict=True)))
    for prediction, truth in pairs:
        single(y_pred=[torch.tensor(prediction)], y=[torch.tensor(truth)])
    assert batch.aggregate() == single.aggregate()
    batch.reset()
    assert all(math.isnan(score) for score in batch.aggregate().values())


@pytest.mark.parametrize(
    ("prediction", "truth", "wanted"),
    [
        ([0, 0, 0], [-1, -1, -1], [math.nan, math.nan]),  # nothing annotated
        ([0, 0, 0], [0, 0, 0], [math.nan, math.nan]),  # an empty image
        ([1, 0, 0], [0, 0, 0], [0, math.nan]),  # wrongly predicted in one
        ([0, 0, 0], [1, 1, 2], [0, 0]),
        ([1, 1, 2], [1, 1, 2], [1, 1]),
        ([1, 2, 2], [1, -1, 2], [1, 1]),  # a mistake where nobody looked
        ([2, 1, 1], [0, 1, 1], [1, 0]),
    ],
)
def test_edges(prediction: list[int], truth: list[int], wanted: list[float]) -> None:
    np.testing.assert_array_equal(class_dice(np.array([prediction]), np.array([truth]), 3).numpy(), wanted)


@pytest.mark.parametrize(
    ("prediction", "truth", "message"),
    [
        ([0, 1], [0, 1, 1], r"must have the same shape, got \(2,\) and \(3,\)"),
        ([0, 3], [0, 1], "`prediction` must hold classes 0 to 2, got 3"),
        ([0, 1], [0, 7], "`truth` must hold classes 0 to 2, got 7"),
        ([0, 1], [0, -2], "`truth` must hold classes 0 to 2, got -2"),
    ],
)
def test_wrong_labels(prediction: list[int], truth: list[int], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        class_dice(np.array(prediction), np.array(truth), 3)


def test_means_and_names() -> None:
    assert math.isnan(mean_dice([math.nan, math.nan]))
    assert math.isnan(mean_dice([]))
    assert dice_names([]) == ["dice"]
    row: Any = dice_row([0.25, math.nan, 0.75], ORGANS)
    assert row["dice"] == 0.5
    assert math.isnan(row["dice_spleen"])
    assert dice_row([0.25], None) == {"dice": 0.25}
