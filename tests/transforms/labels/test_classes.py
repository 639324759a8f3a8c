"""Semantic classes from probabilities and from files."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from monai.data import MetaTensor

from monai_denoiseg.transforms import (
    ClassLabel,
    ProbabilitiesToClasses,
    ProbabilitiesToLabelsd,
)

ORGANS = ["background", "liver", "spleen", "kidney"]


def probabilities(size: tuple[int, ...], n_classes: int = 4) -> np.ndarray:
    drawn = np.random.default_rng(0).dirichlet([1] * n_classes, size)
    return np.moveaxis(drawn, -1, 0).astype(np.float32)


@pytest.mark.parametrize("size", [(6, 7), (1, 1), (1, 5, 4), (3, 4, 5)])
def test_most_probable_class_voxel_by_voxel(size: tuple[int, ...]) -> None:
    scores = probabilities(size)
    found = ProbabilitiesToClasses(4)(scores)
    assert (found.shape, found.dtype) == ((1, *size), np.int32)
    for at in np.ndindex(size):
        best = 0
        for k in range(1, 4):
            if scores[(k, *at)] > scores[(best, *at)]:
                best = k
        assert found[(0, *at)] == best


def test_of_equals_the_first_and_further_channels_are_not_looked_at() -> None:
    scores = np.array([0.4, 0.4, 0.2, 9.0], np.float32).reshape(4, 1, 1)
    assert ProbabilitiesToClasses(3)(scores).item() == 0
    assert ProbabilitiesToClasses(3)(torch.from_numpy(scores)).item() == 0


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float64])
def test_types_are_kept(dtype: torch.dtype) -> None:
    scores = torch.from_numpy(probabilities((5, 6))).to(dtype)
    found = ProbabilitiesToClasses(4)(MetaTensor(scores, affine=2 * torch.eye(4)))
    assert isinstance(found, MetaTensor)
    assert found.dtype == torch.int32
    assert found.affine[0, 0] == 2
    plain = ProbabilitiesToClasses(4)(scores, 0.3, spacing=[1.0, 2.0])
    assert type(plain) is torch.Tensor
    assert torch.equal(plain, found.as_tensor())


def test_wrong_probabilities() -> None:
    with pytest.raises(ValueError, match=r"must have the shape \(4, \[D,\] H, W\) for the classes, got \(3, 5, 5\)"):
        ProbabilitiesToClasses(4)(np.zeros((3, 5, 5)))
    with pytest.raises(ValueError, match="holds NaN"):
        ProbabilitiesToClasses(2)(np.full((2, 2, 2), np.nan))
    with pytest.raises(ValueError, match="`n_classes` must be an integer >= 2, got 1"):
        ProbabilitiesToClasses(1)


def test_the_rule_is_told_threshold_and_spacing() -> None:
    asked: list[Any] = []

    def rule(scores: Any, threshold: Any = None, spacing: Any = None) -> Any:
        asked.append((threshold, spacing))
        return scores[:1]

    labels = ProbabilitiesToLabelsd(["a", "b"], rule, allow_missing_keys=True)
    item = {"a": torch.zeros(3, 2, 2), "spacing": torch.tensor([2.0, 1.0]), "other": 1}
    assert set(labels(item, threshold=0.7)) == {"a", "spacing", "other"}
    labels({"b": torch.zeros(3, 2, 2)})
    assert asked == [(0.7, item["spacing"]), (None, None)]
    assert item["a"].shape[0] == 3, "the item given is not changed"


@pytest.mark.parametrize("kind", ["numpy", "torch", "meta"])
@pytest.mark.parametrize("dtype", [np.int16, np.float32])
def test_labels_that_are_classes_pass_unchanged(kind: str, dtype: Any) -> None:
    label = np.random.default_rng(1).integers(-1, 4, (1, 3, 4, 5)).astype(dtype)
    given: Any = {"numpy": label, "torch": torch.from_numpy(label), "meta": MetaTensor(torch.from_numpy(label))}[kind]
    found = ClassLabel(ORGANS)(given)
    assert type(found) is type(given)
    assert str(found.dtype).endswith("int64")
    np.testing.assert_array_equal(np.asarray(found), label)


@pytest.mark.parametrize(("value", "shown"), [(4, "4"), (-2, "-2"), (0.5, "0.5"), (255, "255")])
def test_other_values_are_named(value: float, shown: str) -> None:
    label = np.zeros((1, 4, 4), np.float32)
    label[0, 1, 1] = value
    with pytest.raises(ValueError, match=f"label holds {shown}, but the 4 classes are 0 background, 1 liver, 2 spleen, 3 kidney"):
        ClassLabel(ORGANS)(label)


def test_wrong_shape_and_too_few_classes() -> None:
    with pytest.raises(ValueError, match=r"must have the shape \(1, \[D,\] H, W\), got \(2, 4, 4\)"):
        ClassLabel(ORGANS)(np.zeros((2, 4, 4), int))
    with pytest.raises(ValueError, match="number of `classes`"):
        ClassLabel(["background"])
