"""Which head the arguments and the users' keys ask for."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from monai_denoiseg.heads import BorderHead, Head, StarHead, as_head, build_head, described_head, head_from_state
from monai_denoiseg.networks import DenoiSegNet
from monai_denoiseg.transforms import star_rays

ORGANS = ["background", "liver", "spleen"]


@pytest.mark.parametrize(
    ("keys", "kind", "channels"),
    [
        ({}, "border", 3),
        ({"head": "classes", "classes": None}, "border", 3),
        ({"head": "classes", "classes": []}, "border", 3),
        ({"head": "classes", "classes": ORGANS}, "classes", 3),
        ({"head": "stardist"}, "stardist", 33),
        ({"head": "stardist", "n_rays": 8}, "stardist", 9),
        ({"head": "stardist", "spatial_dims": 3}, "stardist", 67),
        ({"head": "none"}, "none", 0),
    ],
)
def test_users_keys(keys: dict[str, Any], kind: str, channels: int) -> None:
    head = build_head(**keys)
    assert (head.kind, head.channels) == (kind, channels)
    again = build_head(**{key: value for key, value in head.keys().items()}, spatial_dims=keys.get("spatial_dims", 2))
    assert again.state() == head.state(), "the keys it names build it"
    assert head_from_state(head.state()).state() == head.state()


def test_classes_are_counted() -> None:
    arguments: list[dict[str, Any]] = [{}, {"n_classes": 0}, {"classes": ["a", "b"]}, {"n_classes": 2, "classes": ["a", "b"]}]
    assert [as_head(**one).channels for one in arguments] == [3, 0, 2, 2]
    assert (as_head(n_classes=5).kind, as_head(n_classes=5).channels) == ("border", 5)
    with pytest.raises(ValueError, match="`n_classes` is 3, but `classes` names 2"):
        as_head(n_classes=3, classes=["a", "b"])


def test_contradictions_and_unknown_names_are_said() -> None:
    with pytest.raises(ValueError, match="`head` must be one of 'classes', 'stardist', 'none', got 'star'"):
        build_head("star")
    with pytest.raises(ValueError, match="a StarDist head finds objects, not the `classes` background, liver, spleen"):
        build_head("stardist", ORGANS)
    with pytest.raises(ValueError, match="`head` is 'none', but `classes` names 3"):
        build_head("none", ORGANS)
    with pytest.raises(ValueError, match="the head 'other', which is none of border, classes, stardist, none"):
        head_from_state({"kind": "other"})


def test_rays_are_checked() -> None:
    assert as_head(rays=torch.eye(3).repeat(2, 1)).rays.shape == (6, 3)
    for wrong in (torch.eye(2), torch.zeros(4), torch.zeros(8, 4)):
        with pytest.raises(ValueError, match=r"`rays` must be \(n_rays, "):
            as_head(rays=wrong)
    with pytest.raises(ValueError, match=r"`rays` must be \(n_rays, 2\)"):
        DenoiSegNet(2, depth=1, features=4, rays=torch.zeros(8, 3))
    with pytest.raises(ValueError, match="a StarDist head finds objects, not the `classes` background, liver"):
        as_head(rays=torch.eye(2).repeat(4, 1), classes=["background", "liver"])


@pytest.mark.parametrize(("options", "channels"), [({}, 3), ({"n_classes": 0}, 0), ({"denoises": False}, 3)])
def test_outputs_of_each_head(options: dict, channels: int) -> None:
    net = DenoiSegNet(2, 2, depth=1, features=4, **options)
    assert (net.n_classes, net.head.kind) == (channels, "border" if channels else "none")
    assert net(torch.zeros(1, 2, 9, 8)).shape == (1, channels + 2 * net.denoises, 9, 8)


def test_a_network_without_output_is_refused() -> None:
    with pytest.raises(ValueError, match="the network would have no output"):
        DenoiSegNet(2, n_classes=0, denoises=False)


@pytest.mark.parametrize("head", [BorderHead(), StarHead(star_rays(8, 2)), as_head(n_classes=0), as_head(classes=ORGANS)])
def test_words_about_a_run_that_is_over(head: Head) -> None:
    told = described_head(head.keys()["head"], head.classes)
    assert (told.kind, told.goal("it"), told.chart()) == (head.kind, head.goal("it"), head.chart())
    assert described_head("from another program", []).kind == "border"
