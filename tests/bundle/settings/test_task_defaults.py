"""What ``auto`` becomes, by the task."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import monai_denoiseg.bundle.settings.task_defaults as module
from monai_denoiseg.bundle.folders import bundle_folder
from monai_denoiseg.bundle.settings import check_settings
from monai_denoiseg.bundle.settings.setting import TRAIN
from monai_denoiseg.bundle.settings.task_defaults import AUTO, task_defaults
from monai_denoiseg.bundle.settings.together import check_together


def config(bundle: str) -> dict[str, object]:
    text = Path(bundle_folder(bundle), "configs", "train.json").read_text("utf-8")
    return {key: value for key, value in json.loads(text).items() if value == AUTO or key in ("spatial_dims", "classes")}


@pytest.mark.parametrize("bundle", ["denoiseg_2d", "denoiseg_3d"])
def test_nothing_of_the_task_is_left_open(bundle: str) -> None:
    """What is still ``auto`` is read by the parts themselves or planned from the images."""
    values = config(bundle)
    left = {key for key, value in (values | task_defaults(values)).items() if value == AUTO}
    planned = {"patch_size", "batch_size", "normalisation", "target_spacing"}
    assert left == {"amp", "kernel_size", "strides", "share_spots", *planned}
    assert task_defaults(values) == module.OBJECTS


def test_classes_in_volumes_are_not_turned() -> None:
    names = ["background", "liver"]
    for bundle, turned in (("denoiseg_2d", "turns"), ("denoiseg_3d", "fixed")):
        found = task_defaults(config(bundle) | {"classes": names})
        assert (found["orientations"], found["alpha"], found["denoises"], found["labelled_fraction"]) == (turned, 0, False, 1)


def test_who_denoises_gets_a_denoised_image() -> None:
    found = task_defaults(config("denoiseg_3d") | {"classes": ["background", "liver"], "alpha": 0.3})
    assert (found["denoises"], found["labelled_fraction"], "alpha" in found) == (True, 0.5, False)


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("orientations", "none", "`orientations` must be one of 'turns', 'flips', 'fixed', got 'none'"),
        ("patch_size", [0, 4], "`patch_size` must be an integer >= 1"),
        ("alpha", "automatic", "`alpha` must be a number in"),
        ("augmentation", "strong", "`augmentation` must be one of 'none', 'mild'"),
    ],
)
def test_a_wrong_value_is_named(key: str, value: object, message: str) -> None:
    with pytest.raises(ValueError) as caught:
        check_settings({key: value, "spatial_dims": 2, "steps_per_epoch": 1})
    assert message in str(caught.value)


CLASSES = ["background", "liver"]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"augmentation": "mild"}, "`augmentation` is 'mild', but that is for `classes`"),
        ({"classes": CLASSES, "zoom": 2, "alpha": 0.5, "augmentation": "mild"}, "`zoom` is 2 and `augmentation` 'mild'"),
        ({"classes": CLASSES, "zoom": 2}, "`zoom` is 2, which takes a network that denoises: give `alpha`"),
        ({"classes": CLASSES, "zoom": 2, "alpha": 0}, "`zoom` is 2, which takes a network that denoises: give `alpha`"),
        ({"head": "stardist", "segmentation_loss": "dice"}, "`segmentation_loss` is 'dice', but `head` 'stardist' predicts no"),
        ({"head": "none", "segmentation_loss": "focal"}, "`segmentation_loss` is 'focal', but `head` 'none' predicts no"),
        ({"class_weights": [1, 5], "segmentation_loss": "dice"}, "`segmentation_loss` is 'dice', but `class_weights` belong"),
    ],
)
@pytest.mark.parametrize("bundle", ["denoiseg_2d", "denoiseg_3d"])
def test_what_does_not_go_together(bundle: str, values: dict[str, object], message: str) -> None:
    file = Path(bundle_folder(bundle), "configs", "train.json")
    plain = json.loads(file.read_text("utf-8")) | values
    with pytest.raises(ValueError, match=message):
        check_together(plain, TRAIN)


@pytest.mark.parametrize("bundle", ["denoiseg_2d", "denoiseg_3d"])
def test_who_must_denoise_trains_for_it(bundle: str) -> None:
    """A server goes on from a joint network: the head is given, the weight of its loss is not."""
    found = task_defaults(config(bundle) | {"classes": CLASSES, "denoises": True})
    assert (found["alpha"], found["labelled_fraction"]) == (0.5, 0.5)


def test_scaled_crops_are_not_changed_otherwise() -> None:
    found = task_defaults(config("denoiseg_3d") | {"classes": CLASSES, "zoom": 2, "alpha": 0.5})
    assert found["augmentation"] == "none"
    assert task_defaults(config("denoiseg_3d") | {"classes": CLASSES})["augmentation"] == "mild"


@pytest.mark.parametrize("bundle", ["denoiseg_2d", "denoiseg_3d"])
def test_weights_choose_the_loss_that_knows_them(bundle: str) -> None:
    values = config(bundle) | {"classes": CLASSES}
    assert task_defaults(values)["segmentation_loss"] == "dice_ce"
    weighted = {**values, "class_weights": [1, 5]}
    assert task_defaults(weighted)["segmentation_loss"] == "cross_entropy"
    check_together(json.loads(Path(bundle_folder(bundle), "configs", "train.json").read_text("utf-8")) | weighted, TRAIN)
