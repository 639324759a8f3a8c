"""Sizes and lengths in physical units."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from monai_denoiseg.spacing import voxel_size
from monai_denoiseg.transforms import ProbabilitiesToInstances, ProbabilitiesToInstancesd


def balls(shape: tuple[int, ...], radii: list[int]) -> np.ndarray:
    """Probabilities of a row of boxes with 1, 27 (9 in 2D), ... voxels, well apart."""
    foreground = np.zeros(shape, np.float32)
    at = 1
    for radius in radii:
        foreground[(*[slice(0, 2 * radius + 1)] * (len(shape) - 1), slice(at, at + 2 * radius + 1))] = 1
        at += 2 * radius + 4
    return np.stack([1 - foreground, foreground, 0 * foreground])


@pytest.mark.parametrize(
    ("shape", "spacing"), [((6, 24), (0.5, 0.1)), ((6, 6, 24), (1.75, 0.8, 0.8)), ((6, 6, 24), (0.1, 0.1, 0.1))]
)
@pytest.mark.parametrize("rule", ["paper", "grow"])
def test_physical_min_size_is_an_area_or_volume(shape: tuple[int, ...], spacing: tuple[float, ...], rule: str) -> None:
    probabilities = balls(shape, [0, 1, 2])
    sizes = np.array([1, 3 ** len(shape), 5 ** len(shape)]) * np.prod(spacing)
    for given in (spacing, torch.tensor(spacing)):
        for size, kept in [(0, 3), (sizes[0], 3), (sizes[0] * 1.001, 2), (sizes[1], 2), (sizes[1] * 1.001, 1), (sizes[2], 1)]:
            found = ProbabilitiesToInstances(rule=rule, min_size=float(size), units="physical", split_neck=0)(
                probabilities, spacing=given
            )
            assert found.max() == kept
    assert ProbabilitiesToInstances(min_size=10**6, units="physical")(probabilities, spacing=spacing).max() == 0


def test_physical_max_grow_is_a_length() -> None:
    foreground = np.full((5, 9, 9), 0.6, np.float32)
    foreground[2, 4, 4] = 0.95
    probabilities = np.stack([1 - foreground, foreground, 0 * foreground])
    z, y, x = np.indices((5, 9, 9)) - np.array([2, 4, 4]).reshape(3, 1, 1, 1)
    grown = ProbabilitiesToInstances(0.9, max_grow=0.3, units="physical", min_size=0, split_neck=0)(
        probabilities, spacing=torch.tensor([0.25, 0.1, 0.1])
    )
    np.testing.assert_array_equal(grown[0] > 0, (2.5 * z) ** 2 + y**2 + x**2 <= 9)
    voxels = ProbabilitiesToInstances(0.9, max_grow=3, min_size=0, split_neck=0)(
        probabilities, spacing=torch.tensor([0.25, 0.1, 0.1])
    )
    np.testing.assert_array_equal(voxels[0] > 0, z**2 + y**2 + x**2 <= 9)


def test_dictionary_version_reads_the_voxel_size() -> None:
    probabilities = balls((6, 24), [0, 1, 2])
    to_instances = ProbabilitiesToInstancesd("pred", min_size=0.5, units="physical", split_neck=0)
    spacing = torch.tensor([0.5, 0.5])
    assert to_instances({"pred": probabilities, "spacing": spacing})["pred"].max() == 2
    renamed = ProbabilitiesToInstancesd("pred", min_size=0.5, units="physical", spacing_key="size", split_neck=0)
    assert renamed({"pred": probabilities, "size": spacing})["pred"].max() == 2
    unknown = {"pred": probabilities, "spacing": torch.full((2,), torch.nan)}
    assert ProbabilitiesToInstancesd("pred", min_size=0, split_neck=0)(unknown)["pred"].max() == 3
    for item in (unknown, {"pred": probabilities}):
        with pytest.raises(ValueError, match=r"`units`='physical' \(`min_size`, `max_grow`\) needs the voxel size"):
            to_instances(item)


def test_voxel_size() -> None:
    assert voxel_size(np.array([2, 0.5]), 2, "") == (2.0, 0.5)
    for spacing in (None, [np.nan] * 3, torch.full((3,), torch.nan)):
        with pytest.raises(ValueError, match=r"\(`width`\) needs the voxel size, .* give `spacing` \(3 values\)"):
            voxel_size(spacing, 3, "`width`")
    for spacing in ([1, 0, 1], [1, np.nan, 1], [1, np.inf, 1], [1, -1, 1]):
        with pytest.raises(ValueError, match="`spacing` must be positive and finite on every axis"):
            voxel_size(spacing, 3, "")
    with pytest.raises(ValueError, match="`spacing` needs 3 values"):
        voxel_size([1, 1], 3, "")
