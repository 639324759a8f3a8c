"""Three classes: the head of numbered objects."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from monai_denoiseg.heads import BorderHead, NoHead, SoftmaxActivation, StarHead
from monai_denoiseg.losses import PartialCrossEntropyLoss
from monai_denoiseg.transforms import BorderLabeld, ProbabilitiesToInstances, star_rays
from monai_denoiseg.transforms.orientation import orient, orient_inverse


@pytest.mark.parametrize("size", [(5, 6), (3, 4, 5)])
def test_probabilities_and_back(size: tuple[int, ...]) -> None:
    rng = np.random.default_rng(0)
    output, weights = rng.normal(size=(2, 4, *size)), np.array([1.0, 2.0, 5.0])
    activation = SoftmaxActivation(3)
    corrected = activation.correct(torch.tensor(output[:, :3]), torch.tensor(weights)).numpy()
    np.testing.assert_allclose(corrected, output[:, :3] - np.log(weights).reshape(1, 3, *[1] * len(size)))
    found = activation(torch.tensor(output)).numpy()
    powers = np.exp(output[:, :3])
    np.testing.assert_allclose(found[:, :3], powers / powers.sum(1, keepdims=True))
    np.testing.assert_array_equal(found[:, 3:], output[:, 3:])
    back = activation.invert(torch.tensor(found), torch.tensor(weights)).numpy()
    shift = back[:, :3] - np.log(weights).reshape(1, 3, *[1] * len(size)) - output[:, :3]
    np.testing.assert_allclose(shift, shift[:, :1].repeat(3, 1), atol=1e-6, err_msg="equal but for what a softmax ignores")


def test_the_rule_is_stored_whole() -> None:
    options: dict[str, Any] = {"rule": "paper", "min_size": 3, "max_grow": 2.5, "fill_holes": True, "connectivity": 2}
    head = BorderHead(rule=ProbabilitiesToInstances(0.3, **options, split_neck=0.25))
    again = BorderHead.from_state(head.state())
    assert again.options() == head.options() == options | {"split_neck": 0.25, "units": "voxel"}
    assert again.with_rule(head.make_rule(**again.options() | {"min_size": 9})).options()["min_size"] == 9
    assert again.options()["min_size"] == 3, "a head does not change"
    assert again.with_rule(StarHead(star_rays(8, 2)).rule) is again, "a rule of another kind"


def test_its_parts() -> None:
    head = BorderHead()
    assert isinstance(head.target(width=2), BorderLabeld)
    loss = head.loss([1, 2, 3], "paper")
    assert isinstance(loss, PartialCrossEntropyLoss)
    assert loss.weight.tolist() == [1, 2, 3]
    assert (head.n_weights, head.label_channels, head.probability_channels, head.segments) == (3, 1, 3, True)
    assert head.columns == ["ap", "seg", "threshold"]
    assert head.about(0.5, "image_mean") == {"threshold": 0.5, "reduction": "image_mean"}


@pytest.mark.parametrize("dims", [2, 3])
def test_orientations_are_averaged(dims: int) -> None:
    outputs = [torch.rand(1, 4, *[3] * dims) for _ in range(4)]
    mean = BorderHead().average(enumerate(outputs), dims)
    torch.testing.assert_close(mean, torch.stack(outputs).mean(0))


def test_distances_go_to_the_ray_they_are_of() -> None:
    """Of a turned prediction each distance belongs to another ray; averaged, a prediction that turns with the image is itself."""
    rays, size = star_rays(4, 2), (4, 4)
    head = StarHead(rays)
    upright = torch.rand(1, 6, *size)
    seen = []
    for k in range(8):
        turned = orient(upright, k, 2).clone()
        steps = [tuple(round(v) for v in ray) for ray in rays]
        where = torch.zeros(1, 3, 3)
        for channel, (y, x) in enumerate(steps):
            where[0, 1 + y, 1 + x] = 1 + channel
        moved = orient(where, k, 2)
        source = [int(moved[0, 1 + y, 1 + x]) for y, x in steps]  # the ray that came to lie here
        turned[:, 1:5] = turned[:, source]
        seen.append((k, orient_inverse(turned, k, 2)))
    torch.testing.assert_close(head.average(seen, 2), upright)


def test_no_head_leaves_everything_as_it_is() -> None:
    head, image = NoHead(), torch.rand(1, 1, 4, 4)
    activation = head.activation()
    assert activation(image) is image
    assert activation.invert(image, torch.zeros(0)) is image
    assert (head.channels, head.columns, head.segments, head.about(0.5, "image_mean")) == (0, [], False, {"head": "none"})
    with pytest.raises(ValueError, match="did you mean 'paper'"):
        head.make_rule(rule="papr")
