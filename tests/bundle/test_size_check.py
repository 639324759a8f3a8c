"""Annotated objects below `min_size` are counted before the training, and warned of."""

from __future__ import annotations

import logging
from typing import Any

import numpy as np
import pytest
import torch

from monai_denoiseg.bundle import check_sizes
from monai_denoiseg.transforms import BorderLabel, ProbabilitiesToClasses, ProbabilitiesToInstances


def item(sizes: list[int], spatial_dims: int = 2, thick: int = 1) -> dict[str, Any]:
    """Cores of these lengths, ``thick`` wide along the other axes, away from the edge."""
    shape = (thick + 4,) * (spatial_dims - 1) + (sum(sizes) + 2 * len(sizes) + 4,)
    label, at = torch.zeros(1, *shape, dtype=torch.int64), 2
    for size in sizes:
        label[(0, *(slice(2, 2 + thick),) * (spatial_dims - 1), slice(at, at + size))] = 1
        at += size + 2
    return {"label": label}


@pytest.mark.parametrize("spatial_dims", [2, 3])
def test_counts_and_warns(spatial_dims: int, caplog: pytest.LogCaptureFixture) -> None:
    rule = ProbabilitiesToInstances(min_size=4 * 2 ** (spatial_dims - 1))
    data = [item([3, 4, 5], spatial_dims, thick=2), {}, item([9, 1], spatial_dims, thick=2)]
    with caplog.at_level(logging.WARNING):
        found = check_sizes(data, [True, False, True], rule)
    smallest = 4 * 2 ** (spatial_dims - 1)
    assert found == {"min_size": smallest, "units": "voxel", "objects": 5, "below": 2}
    assert f"2 of 5 annotated objects have a core (without border) below `min_size` {smallest} (voxels)" in caplog.text
    assert f"Half of the cores are below {smallest}," in caplog.text
    assert "set --min_size lower" in caplog.text


@pytest.mark.parametrize(("share", "warned"), [(0.25, True), (0.4, False)])
def test_a_few_small_ones_are_no_reason_to_warn(share: float, warned: bool, caplog: pytest.LogCaptureFixture) -> None:
    found = check_sizes([item([3, 4, 5, 1, 9])], [True], ProbabilitiesToInstances(min_size=4, split_neck=0), share=share)
    assert found is not None
    assert found["below"] == 2
    assert bool(caplog.text) == warned


def test_what_ends_at_the_edge_or_beside_no_annotation_is_not_counted() -> None:
    label = item([2, 3, 7])["label"]
    label[0, :, 4] = -1  # beside the first
    label[0, 2, -2:] = 1  # at the edge
    found = check_sizes([{"label": label}], [True], ProbabilitiesToInstances(min_size=5, split_neck=0))
    assert found is not None
    assert (found["objects"], found["below"]) == (2, 1)
    sliced = torch.full((1, 9, 20, 20), -1)
    sliced[0, ::5, 5:15, 5:15] = 1  # every fifth slice alone says nothing of volumes
    sliced[0, ::5][:, :5] = 0
    assert (check_sizes([{"label": sliced}], [True], ProbabilitiesToInstances(min_size=200, split_neck=0)) or {})["objects"] == 0


def test_physical_units() -> None:
    rule = ProbabilitiesToInstances(min_size=1.2, units="physical", split_neck=0)
    data = item([3, 4, 5], 3) | {"spacing": torch.tensor([2.0, 0.5, 0.3])}
    assert check_sizes([data], [True], rule) == {"min_size": 1.2, "units": "physical", "objects": 3, "below": 1}  # 0.9, 1.2, 1.5
    with pytest.raises(ValueError, match="needs the voxel size"):
        check_sizes([item([3])], [True], rule)


def test_the_core_of_a_disc_is_the_disc_without_its_border() -> None:
    """Against the rule itself on a perfect prediction: what it drops is what is counted."""
    grid = np.indices((40, 120))
    truth = np.zeros((1, 40, 120), np.int32)
    for i, radius in enumerate((2.2, 3.3, 5.1, 8.4)):
        truth[0][(grid[0] - 20) ** 2 + (grid[1] - 15 - 28 * i) ** 2 <= radius**2] = i + 1
    label = torch.from_numpy(np.asarray(BorderLabel()(truth)))
    perfect = torch.stack([label[0] == k for k in range(3)]).float()
    for smallest in (0, 9, 20, 60, 150, 1000):
        rule = ProbabilitiesToInstances(min_size=smallest, split_neck=0)
        found = check_sizes([{"label": label}], [True], rule)
        assert found is not None
        assert 4 - found["below"] == len(np.unique(np.asarray(rule(perfect)))) - 1


def test_nothing_to_check() -> None:
    rule = ProbabilitiesToInstances(min_size=4, split_neck=0)
    assert check_sizes([item([3])], [False], rule) is None
    assert check_sizes([item([3])], [True], ProbabilitiesToClasses(3)) is None
    assert check_sizes([{"label": torch.zeros(1, 8, 8)}], [True], rule) == {
        "min_size": 4, "units": "voxel", "objects": 0, "below": 0,
    }  # fmt: skip
    for wrong in ({"n": 0}, {"share": 2}):
        with pytest.raises(ValueError, match=next(iter(wrong))):
            check_sizes([], [], rule, **wrong)
