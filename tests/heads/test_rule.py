"""The rule that a network's labels are made with."""

from __future__ import annotations

import logging
from typing import Any

import numpy as np
import pytest
import torch

from monai_denoiseg.handlers import ThresholdSearch
from monai_denoiseg.heads import BorderHead, ClassHead, StarHead, decision_overlap, decision_threshold, rule_of
from monai_denoiseg.networks import ClassicNet, DenoiSegNet
from monai_denoiseg.transforms import ProbabilitiesToInstances, StarsToInstances, star_rays

TINY: dict[str, Any] = {"depth": 1, "features": 4}


def network(spatial_dims: int = 2, **options: Any) -> DenoiSegNet:
    rule = ProbabilitiesToInstances(**options)
    net = DenoiSegNet(spatial_dims, head=BorderHead(rule=rule), **TINY).eval()
    net.threshold.copy_(torch.tensor([0.35, 0.65]))
    return net


@pytest.mark.parametrize("dims", [2, 3])
def test_it_is_that_of_the_network_with_its_threshold(dims: int) -> None:
    net = network(dims, rule="paper", min_size=9, split_neck=0.3, connectivity=2)
    probabilities = np.random.default_rng(0).dirichlet([1, 1, 1], [7] * dims).astype(np.float32)
    probabilities = np.moveaxis(probabilities, -1, 0)
    for metric, level in (("ap", 0.35), ("seg", 0.65)):
        expected = ProbabilitiesToInstances(level, "paper", 9, split_neck=0.3, connectivity=2)(probabilities)
        np.testing.assert_array_equal(rule_of(net, threshold_for=metric)(probabilities), expected)
    assert (net.labels(probabilities) == rule_of(net)(probabilities)).all()
    assert (net.labels(probabilities, threshold=0.9) == net.head.labels(probabilities, 0.9)).all()


def test_a_value_given_wins_and_only_a_different_one_is_said(caplog: pytest.LogCaptureFixture) -> None:
    net = network(min_size=15)
    with caplog.at_level(logging.INFO):
        rule = rule_of(net, min_size=200, rule="grow", split_neck=None, threshold=0.35)
    assert rule.options["min_size"] == 200
    assert [r.getMessage() for r in caplog.records] == ["labels are made with min_size 200 instead of the model file's 15"]
    assert net.head.options()["min_size"] == 15, "the network keeps its own"
    with pytest.raises(ValueError, match="`min_size` must be an integer >= 0, got -1"):
        rule_of(net, min_size=-1)


def test_physical_sizes(caplog: pytest.LogCaptureFixture) -> None:
    rule = rule_of(network(min_size=15), units="physical", min_size=2.5)
    assert (rule.units, rule.options["min_size"]) == ("physical", 2.5)


def test_classes_have_no_options_but_check_them() -> None:
    net = DenoiSegNet(2, head=ClassHead(["background", "liver"]), **TINY)
    assert rule_of(net, min_size=3)(torch.tensor([[[0.2]], [[0.8]]])).item() == 1
    with pytest.raises(ValueError, match="did you mean 'paper'"):
        rule_of(net, rule="papr")


def test_what_has_no_effect_is_said(caplog: pytest.LogCaptureFixture) -> None:
    liver = DenoiSegNet(2, head=ClassHead(["background", "liver"]), **TINY)
    stars = DenoiSegNet(2, head=StarHead(star_rays(8, 2)), **TINY)
    with caplog.at_level(logging.WARNING):
        rule_of(liver, min_size=3, rule="paper", threshold=0.4)
        rule_of(stars, min_size=3, split_neck=0.5, threshold=0.4, overlap=0.3)
        rule_of(network(), min_size=3, overlap=0.3)
    assert [record.getMessage() for record in caplog.records] == [
        "`min_size`, `instance_rule`, `threshold` have no effect: "
        'the network predicts `head` "classes" with the classes background, liver',
        '`split_neck` has no effect: the network predicts `head` "stardist"',
        '`nms_overlap` has no effect: the network predicts `head` "classes"',
    ]


def test_stars_take_both_thresholds_and_the_overlap(caplog: pytest.LogCaptureFixture) -> None:
    rays = star_rays(8, 2)
    net = DenoiSegNet(2, head=StarHead(rays, min_size=4), **TINY)
    net.overlap.copy_(torch.tensor([0.3, 0.45]))
    net.threshold.copy_(torch.tensor([0.6, 0.7]))
    rule = rule_of(net, threshold_for="seg")
    assert isinstance(rule, StarsToInstances)
    assert (rule.threshold, rule.options) == (0.7, {"overlap": 0.45, "min_size": 4})
    with caplog.at_level(logging.INFO):
        assert rule_of(net, overlap=0.2).options["overlap"] == 0.2
    assert "nms_overlap 0.2 instead of the model file's 0.3" in caplog.text


def test_numbers_of_the_network() -> None:
    net = network()
    assert [decision_threshold(net, metric=metric) for metric in ("ap", "seg")] == [0.35, 0.65]
    assert (decision_threshold(net, 0.1), decision_overlap(net), decision_overlap(net, 0.7)) == (0.1, 0.4, 0.7)
    with pytest.raises(ValueError, match="`threshold_for` must be one of 'ap', 'seg'"):
        decision_threshold(net, metric="dice")


@pytest.mark.parametrize(("dims", "size"), [(2, 15), (3, 100)])
def test_methods_without_training_use_the_rule_of_the_bundles(dims: int, size: int) -> None:
    options = rule_of(ClassicNet(dims, denoise="none", segment="otsu")).options
    assert (options["min_size"], options["split_neck"], options["rule"]) == (size, 0.7, "grow")


def test_the_search_stores_the_rule_with_the_threshold() -> None:
    """A threshold is only right together with the rule it was searched with."""
    net = network(min_size=0)
    search = ThresholdSearch(net, ProbabilitiesToInstances(rule="paper", min_size=2, fill_holes=True, split_neck=0))
    foreground = torch.tensor([[0.9, 0.9, 0.4, 0.2]])
    search.add(torch.stack([1 - foreground, foreground, 0 * foreground]), torch.tensor([[[1, 1, 0, 0]]]))
    search.choose()
    stored = DenoiSegNet(2, **TINY)
    stored.load_state_dict(net.state_dict())
    assert {key: stored.head.options()[key] for key in ("rule", "min_size", "fill_holes")} == {
        "rule": "paper",
        "min_size": 2,
        "fill_holes": True,
    }


def test_a_rule_no_file_can_hold_is_left_out() -> None:
    net = network(min_size=7)
    net.set_rule(lambda prediction, threshold=None, spacing=None: prediction)
    assert net.head.options()["min_size"] == 7
