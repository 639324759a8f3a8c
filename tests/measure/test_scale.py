from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from monai_denoiseg.measure import scale_of


@pytest.mark.parametrize(
    ("unit", "name", "factor"), [("nm", "um", 1e-3), ("um", "um", 1), ("mm", "mm", 1), ("cm", "mm", 10), ("", "unit", 1)]
)
@pytest.mark.parametrize("spacing", [(0.5, 0.25), (2.0, 0.5, 0.25)])
def test_units_become_those_of_the_columns(unit: str, name: str, factor: float, spacing: tuple[float, ...]) -> None:
    scale = scale_of(torch.tensor(spacing), unit, len(spacing))
    assert scale.unit == name
    assert scale.sizes == pytest.approx([size * factor for size in spacing])
    columns = scale.size_columns(np.array([1, 10]))
    kind = {2: "area", 3: "volume"}[len(spacing)]
    assert columns[kind].tolist() == [1, 10]
    physical = columns[f"{kind}_{name}{len(spacing)}"]
    assert physical.tolist() == pytest.approx([n * math.prod(spacing) * factor ** len(spacing) for n in (1, 10)])
    assert ("volume_ml" in columns) == (name == "mm" and len(spacing) == 3)


@pytest.mark.parametrize("spacing", [None, [math.nan, 1.0], [0.0, 1.0]])
def test_unknown_sizes_are_voxels(spacing: object) -> None:
    scale = scale_of(spacing, "um", 2)
    assert (scale.unit, scale.known) == ("voxel", False)
    assert list(scale.size_columns(3)) == ["area"]


def test_sizes_mean_what_was_typed() -> None:
    assert scale_of(torch.tensor([0.1, 0.3]), "um", 2).sizes == (0.1, 0.3)
