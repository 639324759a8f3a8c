"""The voxel size of a training."""

from __future__ import annotations

import logging
from typing import Any

import numpy as np
import pytest
import torch

from monai_denoiseg.bundle.fingerprint import take_fingerprint
from monai_denoiseg.bundle.recipe import plan_recipe
from monai_denoiseg.bundle.settings.together import check_together
from monai_denoiseg.bundle.target import choose_target


def scan(shape: tuple[int, ...], spacing: list[float]) -> dict[str, Any]:
    image = torch.rand(1, *shape, generator=torch.Generator().manual_seed(0))
    return {"image": image, "label": (image > 0.5).int(), "spacing": torch.tensor(spacing)}


def plan(items: list[dict[str, Any]], **more: Any) -> Any:
    dims = len(items[0]["image"].shape) - 1
    return plan_recipe(items, dict, {"classes": ["background", "liver"], "spatial_dims": dims} | more)


@pytest.mark.parametrize(
    ("sizes", "expected"),
    [
        ([[1, 1, 1], [3, 1, 1], [3, 1, 1], [1, 1, 1]], [1, 1, 1]),
        ([[5, 0.8, 0.8], [2.5, 0.7, 0.7], [5, 0.9, 0.9]], [2.5, 0.8, 0.8]),
        ([[1, 1, 1], [1.2, 1.2, 1.2], [1.5, 1.5, 1.5]], [1.2, 1.2, 1.2]),
        ([[2, 1, 1], [0.5, 1, 1], [2, 1, 1]], [1, 1, 1]),
        ([[0.5, 0.5], [0.7, 0.7], [0.6, 0.6]], [0.6, 0.6]),
    ],
)
def test_the_rule(sizes: list[list[float]], expected: list[float]) -> None:
    items = [scan(tuple([8] * len(row)), row) for row in sizes]
    assert plan(items).target_spacing == pytest.approx(expected)


def test_the_tenth_percentile_of_many() -> None:
    slices = np.linspace(2, 8, 40)
    found = take_fingerprint([scan((4, 8, 8), [float(s), 1.0, 1.0]) for s in slices], dict, 2)
    assert found is not None
    target = choose_target(found, {})
    assert target is not None
    assert target[0] == pytest.approx(np.percentile(slices, 10, method="lower"), rel=1e-5)


def test_the_patch_is_that_of_the_resampled_images() -> None:
    items = [scan((8, 24, 24), [3, 1, 1]), scan((24, 24, 24), [1, 1, 1]), scan((8, 24, 24), [3, 1, 1])]
    assert plan(items).patch_size == [24, 24, 24]
    assert plan(items, target_spacing=None).patch_size == [8, 24, 24]
    assert "segmented at voxels of 1 x 1 x 1" in str(plan(items))


def test_no_target(caplog: pytest.LogCaptureFixture) -> None:
    items = [scan((8, 24), [3.0, 1.0]), scan((24, 24), [1.0, 1.0])]
    assert plan(items, target_spacing=None).target_spacing is None
    assert plan(items, zoom=2.0, augmentation="none").target_spacing is None
    assert plan(items, first_stage="noise2void").target_spacing is None
    assert plan(items, classes=None).target_spacing is None
    assert plan([scan((8, 24), [float("nan")] * 2)]).target_spacing is None
    assert plan(items, target_spacing=[2.0, 2.0]).target_spacing == [2.0, 2.0]
    with caplog.at_level(logging.WARNING):
        plan([*items, scan((8, 24), [float("nan")] * 2)])
    assert "1 of 3 annotated images do not tell their voxel size" in caplog.text


@pytest.mark.parametrize(("more", "key"), [({"classes": None}, "for `classes`"), ({"zoom": 2.0}, "`zoom` 2.0")])
def test_what_cannot_be_resampled_is_refused(more: dict[str, Any], key: str) -> None:
    values = {"target_spacing": [1.0, 1.0], "classes": ["background", "liver"], "alpha": 0.5} | more
    with pytest.raises(ValueError, match=key):
        check_together(values, "train")
