"""The plan of a training from its images."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from monai_denoiseg.bundle.fingerprint import take_fingerprint
from monai_denoiseg.bundle.recipe import Recipe, patch_for, plan_recipe, training_statistics
from monai_denoiseg.data import LabelBalancedBatchSampler

CLASSES = ["background", "liver"]


def scan(shape: tuple[int, ...], low: float, high: float, seed: int = 0) -> dict[str, Any]:
    """Air around an organ of these intensities."""
    rng = np.random.default_rng(seed)
    image = torch.full((1, *shape), -1000.0 if low < 1000 else 0.0)
    label = torch.zeros(1, *shape, dtype=torch.int32)
    inner = (slice(None), *(slice(n // 4, n - n // 4) for n in shape))
    image[inner] = torch.from_numpy(rng.uniform(low, high, image[inner].shape).astype("f4"))
    label[inner] = 1
    return {"image": image, "label": label, "spacing": torch.ones(len(shape))}


def settings(dims: int, **more: Any) -> dict[str, Any]:
    return {"classes": CLASSES, "spatial_dims": dims, "patch_size": "auto", "batch_size": "auto", "normalisation": "auto"} | more


@pytest.mark.parametrize("shape", [(40, 52), (20, 36, 44)])
def test_ct_is_normalised_by_its_organs(shape: tuple[int, ...]) -> None:
    item = scan(shape, 40, 80)
    recipe = plan_recipe([item, {"image": item["image"]}], dict, settings(len(shape)))
    values = item["image"][item["label"] > 0].numpy()
    low, high = np.percentile(values, [0.5, 99.5])
    assert recipe.kind == "ct"
    assert recipe.normalisation == "dataset"
    np.testing.assert_allclose(recipe.limits, [low, high], rtol=1e-5)
    np.testing.assert_allclose(recipe.statistics, [values.clip(low, high).mean(), values.clip(low, high).std()], rtol=1e-4)
    assert recipe.patch_size == [n // 8 * 8 for n in shape]
    mean, spread = training_statistics([], recipe)
    assert (float(mean), float(spread)) == pytest.approx(recipe.statistics)


def test_padding_of_ct_does_not_matter() -> None:
    item = scan((20, 36, 44), 40, 80)
    padded = {**item, "image": torch.where(item["image"] < -900, torch.tensor(-3024.0), item["image"])}
    plans = [plan_recipe([one], dict, settings(3)) for one in (item, padded)]
    assert plans[0] == plans[1]


def test_other_units_are_normalised_image_by_image() -> None:
    recipe = plan_recipe([scan((20, 36, 44), 2000, 5000), scan((20, 36, 44), 2e4, 5e4)], dict, settings(3))
    assert (recipe.kind, recipe.normalisation, recipe.limits, recipe.statistics) == ("other", "image", None, None)


def test_what_the_user_sets_stays() -> None:
    given = settings(3, patch_size=16, batch_size=5, normalisation="image")
    recipe = plan_recipe([scan((20, 36, 44), 40, 80)], dict, given)
    sizes = {"patch_size": [16, 16, 16], "batch_size": 5, "target_spacing": [1.0, 1.0, 1.0]}
    assert recipe.settings == {**sizes, "normalisation": "image"}
    assert recipe.limits is None


@pytest.mark.parametrize("fraction", [1.0, 0.5, 0.3])
@pytest.mark.parametrize("shape", [(128, 128), (36, 50, 35), (64, 64, 64)])
def test_a_step_has_two_annotated_crops_however_many_images_are_not(shape: tuple[int, ...], fraction: float) -> None:
    item = scan(shape, 2000, 5000)
    batch = plan_recipe([item], dict, settings(len(shape), labelled_fraction=fraction)).batch_size
    for others in (0, 1, 40):
        flags = [True] + [False] * others
        for drawn in LabelBalancedBatchSampler(flags, batch, 5, fraction):
            assert sum(flags[index] for index in drawn) >= 2
    given = plan_recipe([item], dict, settings(len(shape), labelled_fraction=fraction, batch_size=3))
    assert given.batch_size == 3


@pytest.mark.parametrize(
    ("dims", "patch", "batch", "normalisation"), [(2, [64, 64], 32, "dataset"), (3, [32, 64, 64], 2, "image")]
)
def test_objects_are_trained_as_ever(dims: int, patch: list[int], batch: int, normalisation: str) -> None:
    recipe = plan_recipe([scan((40,) * dims, 40, 80)], dict, settings(dims, classes=None))
    assert recipe == Recipe(patch, batch, normalisation)


def test_two_stages_normalise_alike() -> None:
    recipe = plan_recipe([scan((40, 40), 40, 80)], dict, settings(2, first_stage="noise2void"))
    assert (recipe.normalisation, recipe.limits) == ("dataset", None)


@pytest.mark.parametrize("shape", [(36, 50, 35), (3, 512, 512), (300, 512, 512), (1000, 30), (5, 5, 5), (2000, 2000)])
def test_a_patch_is_never_larger_than_the_images(shape: tuple[int, ...]) -> None:
    patch = patch_for(shape)
    assert all(edge <= n for edge, n in zip(patch, shape, strict=True))
    assert np.prod(patch) <= (1 << 14 if len(shape) == 2 else 1 << 17)


def test_shares_of_the_classes_leave_out_what_is_not_annotated() -> None:
    item = scan((8, 8), 2000, 5000)
    item["label"][0, :2] = -1
    found = take_fingerprint([item], dict, 2)
    assert found is not None
    inside = item["label"][item["label"] >= 0].float().mean()
    np.testing.assert_allclose(found.shares, [1 - inside, inside], rtol=1e-6)
    assert take_fingerprint([{"image": item["image"]}], dict, 2) is None


@pytest.mark.parametrize("shape", [(40, 52), (20, 36, 44)])
def test_a_training_that_goes_on_keeps_its_plan(shape: tuple[int, ...]) -> None:
    wanted = settings(len(shape))
    first = plan_recipe([scan(shape, 40, 80)], dict, wanted)
    more = [scan(shape, 40, 80), scan(shape, 200, 300, 1), scan(tuple(n // 2 for n in shape), 200, 300, 2)]
    assert plan_recipe(more, dict, wanted) != first
    assert plan_recipe(more, dict, wanted, first.about()) == first
    before = plan_recipe(more, dict, wanted, {})
    assert (before.limits, before.statistics) == (None, None)


def test_what_goes_far_below_zero_is_not_ct_yet() -> None:
    """Phase contrast in radians times 1000, differences, float data with a fill value: what is annotated is no tissue."""
    assert plan_recipe([scan((20, 36, 44), 20000, 30000)], dict, settings(3)).kind == "other"
    item = scan((20, 36, 44), 40, 80)
    filled = {**item, "image": torch.where(item["image"] < -900, torch.tensor(-1e6), item["image"])}
    assert plan_recipe([filled], dict, settings(3)).kind == "other"
    differences = {**item, "image": torch.where(item["label"] > 0, torch.tensor(-2000.0), torch.tensor(-600.0))}
    assert plan_recipe([differences], dict, settings(3)).kind == "other"
    lung = {**item, "image": torch.where(item["label"] > 0, torch.tensor(-820.0), torch.tensor(40.0))}
    assert plan_recipe([lung], dict, settings(3)).kind == "ct"
