"""A stream takes the rule of the network's file, and starts afresh when the rule is another."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from stream_helpers import in_memory, level, network, picture, read, write

from monai_denoiseg.engines import DenoiSegInferer, StreamingPredictor
from monai_denoiseg.engines.streaming import hash_weights
from monai_denoiseg.transforms import ProbabilitiesToInstances


def stream(net: Any, folder: Path) -> StreamingPredictor:
    return StreamingPredictor(net, DenoiSegInferer(16), folder / "out", amp="off")


@pytest.mark.parametrize(("shape", "axes", "dims"), [((45, 38), "YX", 2), ((9, 30, 26), "ZYX", 3)])
def test_without_a_rule_of_its_own_it_is_that_of_the_file(tmp_path: Path, shape: tuple[int, ...], axes: str, dims: int) -> None:
    data, net = picture(shape), network(dims)
    net.threshold.fill_(level(net, data[None]))
    net.set_rule(ProbabilitiesToInstances(rule="paper", min_size=12, split_neck=0))
    written = stream(net, tmp_path)(write(tmp_path / "a.tif", data, axes))
    prediction = torch.from_numpy(in_memory(net, data[None], False))
    expected = ProbabilitiesToInstances(round(float(net.threshold[0]), 4), "paper", 12, split_neck=0)(prediction)
    assert expected.max() > 1
    np.testing.assert_array_equal(read(written["instances"], dims)[0], expected)
    np.testing.assert_array_equal(net.labels(prediction), expected)


def test_what_is_told_of_the_training_is_no_other_network_but_another_rule_is_another_stream(tmp_path: Path) -> None:
    net, path = network(2), write(tmp_path / "a.tif", picture((20, 20)), "YX")
    before = hash_weights(net)
    with stream(net, tmp_path).open(path) as image:
        settings = stream(net, tmp_path).settings(image)
        net.training_info = {"scores": {"ap": 0.5}}
        assert stream(net, tmp_path).settings(image) == settings
        net.set_rule(ProbabilitiesToInstances(min_size=7))
        assert hash_weights(net) == before
        changed = stream(net, tmp_path).settings(image)
    assert {key for key in settings if changed[key] != settings[key]} == {"min_size"}
    net.unet.head.bias.data += 1
    assert hash_weights(net) != before
