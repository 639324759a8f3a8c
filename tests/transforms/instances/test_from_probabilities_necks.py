"""Instances split at necks: before they grow, under both rules, with the voxel size wherever it is known."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from monai_denoiseg.heads import label_rule
from monai_denoiseg.transforms import ProbabilitiesToInstances, ProbabilitiesToInstancesd
from monai_denoiseg.transforms.instances import instances_from_foreground, split_necks


def dumbbell() -> np.ndarray:
    """Two discs joined by a bridge, as probabilities of three classes."""
    y, x = np.indices((19, 37))
    joined = (np.hypot(y - 9, x - 9) < 8) | (np.hypot(y - 9, x - 27) < 8) | ((abs(y - 9) < 2) & (abs(x - 18) < 6))
    foreground = np.where(joined, 0.9, 0.0)
    return np.stack([1 - foreground, foreground, 0 * foreground]).astype(np.float32)


@pytest.mark.parametrize("rule", ["paper", "grow"])
def test_objects_are_split_at_necks_before_they_grow(rule: str) -> None:
    probabilities = dumbbell()
    foreground = probabilities[1]
    assert instances_from_foreground(foreground, rule=rule).max() == 1
    found = instances_from_foreground(foreground, rule=rule, split_neck=0.7)
    np.testing.assert_array_equal(found, split_necks((foreground > 0).astype(int), 0.7))
    assert found.max() == 2
    assert instances_from_foreground(foreground, rule=rule, split_neck=0.7, min_size=250).max() == 1
    assert instances_from_foreground(foreground, rule=rule, split_neck=0.7, min_size=1000).max() == 0
    assert instances_from_foreground(foreground, rule=rule, split_neck=0.7, min_size=25, spacing=(0.5, 0.2)).max() == 1
    grown = instances_from_foreground(foreground * (1 - 0.3 * (foreground > 0)), threshold=0.5, rule=rule, split_neck=0.7)
    np.testing.assert_array_equal(grown, found)
    transform = ProbabilitiesToInstances(rule=rule, split_neck=0.7, min_size=0)
    np.testing.assert_array_equal(transform(probabilities)[0], found)
    np.testing.assert_array_equal(
        ProbabilitiesToInstancesd("pred", rule=rule, split_neck=0.7, min_size=0)({"pred": probabilities})["pred"],
        transform(probabilities),
    )


def test_necks_look_at_the_voxel_size_in_all_units() -> None:
    """With voxels that are long across the bridge, the bridge is as wide as the discs are."""
    probabilities = dumbbell()
    for units in ("voxel", "physical"):
        transform = ProbabilitiesToInstances(split_neck=0.7, units=units, min_size=0)
        for scale in (1.0, 1e-4):
            assert transform(probabilities, spacing=[scale, scale]).max() == 2
            assert transform(probabilities, spacing=torch.tensor([4 * scale, scale])).max() == 1
    wide, transform = np.repeat(probabilities, 4, 1), ProbabilitiesToInstances(split_neck=0.7, min_size=0)
    found = transform(wide, spacing=[0.25, 1.0])[0]
    assert (np.repeat(transform(probabilities)[0], 4, 0) == found).mean() > 0.98
    flat, cubes = transform(probabilities, spacing=[4, 1]), transform(probabilities, spacing=[1, 1])
    assert (flat.max(), cubes.max()) == (1, 2)
    for unknown in ([float("nan")] * 2, [4, float("nan")], None):
        np.testing.assert_array_equal(transform(probabilities, spacing=unknown), cubes)
    with pytest.raises(ValueError, match="`spacing` needs 2 values"):
        ProbabilitiesToInstances(split_neck=0.7, min_size=0)(probabilities, spacing=[1, 1, 1])


def test_the_rule_of_labels_takes_it_where_there_are_objects() -> None:
    probabilities = dumbbell()
    assert label_rule(split_neck=0.7)(probabilities).max() == 2
    classes = label_rule(["background", "cell", "wall"], split_neck=0.7)
    np.testing.assert_array_equal(classes(probabilities), label_rule(["background", "cell", "wall"])(probabilities))
    with pytest.raises(ValueError, match="`split_neck` must be in"):
        label_rule(["background", "cell"], split_neck=1.5)
