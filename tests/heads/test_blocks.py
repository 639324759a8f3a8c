"""The parts of a run that depend on the head, as configurations address them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from monai_denoiseg.heads import (
    BorderHead,
    ClassHead,
    NoHead,
    StarHead,
    label_rule,
    output_suffixes,
    random_orientation,
    relabel_with,
    target_label,
)
from monai_denoiseg.transforms import (
    BorderLabeld,
    ClassLabeld,
    ProbabilitiesToClasses,
    ProbabilitiesToInstances,
    StarLabeld,
    StarsToInstances,
    star_rays,
)
from monai_denoiseg.transforms.orientation import RandOrientd, RandOrientStarsd

ORGANS = ["background", "liver", "spleen", "kidney"]


def probabilities(size: tuple[int, ...], n_classes: int = 4) -> np.ndarray:
    drawn = np.random.default_rng(0).dirichlet([1] * n_classes, size)
    return np.moveaxis(drawn, -1, 0).astype(np.float32)


@pytest.mark.parametrize("classes", [None, [], ORGANS])
def test_choice_of_the_rule(classes: Any) -> None:
    rule = label_rule(classes, threshold=0.6, min_size=2, rule="paper")
    scores = probabilities((8, 9))
    plain = ProbabilitiesToClasses(4) if classes else ProbabilitiesToInstances(0.6, "paper", 2, split_neck=0)
    np.testing.assert_array_equal(rule(scores, spacing=None), plain(scores))
    with pytest.raises(ValueError, match="did you mean 'paper'"):
        label_rule(classes, rule="papr")


@pytest.mark.parametrize("classes", [None, [], ORGANS])
def test_choice_of_the_target(classes: Any) -> None:
    target = target_label(classes, width=2)
    plain = ClassLabeld("label", ORGANS) if classes else BorderLabeld("label", width=2)
    item = {"label": np.pad(np.ones((1, 3, 3), np.int32), ((0, 0), (3, 3), (3, 3)))}
    np.testing.assert_array_equal(target(item)["label"], plain(item)["label"])
    assert target({"image": 1}) == {"image": 1}, "an item that is not labelled passes"
    with pytest.raises(KeyError):
        target_label(classes, allow_missing_keys=False)({"image": 1})
    with pytest.raises(ValueError, match="width"):
        target_label(classes, width=0)


def test_what_is_given_in_a_block_wins_over_its_head() -> None:
    """An override inside a block of a configuration, such as ``border#classes``, must have an effect."""
    rays = star_rays(8, 2)
    assert isinstance(target_label(head=BorderHead(), rays=rays), StarLabeld)
    assert isinstance(target_label(head=BorderHead(), classes=ORGANS), ClassLabeld)
    assert isinstance(label_rule(head=ClassHead(ORGANS), rays=rays), StarsToInstances)
    assert isinstance(label_rule(head=StarHead(rays)), StarsToInstances)


def test_star_distances_turn_with_the_image() -> None:
    assert isinstance(random_orientation(["image", "label"], head=StarHead(star_rays(8, 2))), RandOrientStarsd)
    assert isinstance(random_orientation(["image", "label"], star_rays(8, 2)), RandOrientStarsd)
    assert isinstance(random_orientation(["image", "label"], head=ClassHead(ORGANS)), RandOrientd)


@pytest.mark.parametrize(
    ("head", "redrawn"), [(BorderHead(), True), (ClassHead(ORGANS), False), (StarHead(star_rays(8, 2)), False)]
)
def test_borders_alone_are_drawn_anew_at_each_scale(head: Any, redrawn: bool) -> None:
    target = head.target()
    assert (relabel_with(head, target, True) is target) == redrawn
    assert relabel_with(head, target, False) is None


def test_ends_of_file_names() -> None:
    assert output_suffixes(ClassHead(ORGANS), True) == {
        "pred": "classes",
        "denoised": "denoised",
        "probabilities": "probabilities",
    }
    assert output_suffixes(NoHead())["pred"] == "instances"
