"""The StarDist head."""

from __future__ import annotations

import torch

from monai_denoiseg.heads import StarHead
from monai_denoiseg.networks import DenoiSegNet
from monai_denoiseg.transforms import StarsToInstances, star_rays


def test_activation_and_its_inverse() -> None:
    net = DenoiSegNet(2, depth=1, features=4, rays=torch.eye(2).repeat(4, 1)).eval()
    assert (net.n_classes, net.head.kind, len(net.class_weights)) == (9, "stardist", 0)
    output = net(torch.randn(1, 1, 9, 8))
    prediction = net.activate(output)
    assert prediction.shape == (1, 10, 9, 8)
    assert torch.equal(prediction[:, 0], output[:, 0].sigmoid())
    assert float(prediction[:, 1:9].min().detach()) >= 1e-3
    assert torch.equal(prediction[:, 9], output[:, 9])
    torch.testing.assert_close(net.logits(prediction)[:, 0], output[:, 0], atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(torch.jit.script(net).activate(output), prediction)


def test_the_rule_is_that_of_the_rays() -> None:
    rays = star_rays(8, 2)
    head = StarHead(rays).with_rule(StarHead(rays).make_rule(min_size=7, threshold=0.3, overlap=0.2, rule="paper"))
    assert isinstance(head.rule, StarsToInstances)
    assert (head.rule.threshold, head.rule.options) == (0.3, {"overlap": 0.2, "min_size": 7})
    restored = StarHead.from_state(head.state())
    assert restored.options() == {"min_size": 7}
    assert torch.equal(restored.rays, torch.as_tensor(rays, dtype=torch.float32)), "JSON holds every float32 exactly"
