"""What a model file says of itself."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest
import torch
from monai.networks.utils import copy_model_state

from monai_denoiseg.heads import BorderHead, ClassHead, Head, NoHead, StarHead
from monai_denoiseg.networks import (
    DenoiSegNet,
    SequentialNet,
    decode_description,
    encode_description,
    load_network,
    network_for_file,
)
from monai_denoiseg.transforms import ProbabilitiesToInstances, star_rays

TINY: dict[str, Any] = {"depth": 1, "features": 4}
RULE = ProbabilitiesToInstances(rule="paper", min_size=2.5, max_grow=3.0, fill_holes=True, units="physical", split_neck=0.25)
HEADS = [
    BorderHead(rule=RULE),
    BorderHead(5),
    ClassHead(["background", "Gefäß", "脾臓"]),
    StarHead(star_rays(16, 2), 7),
    NoHead(),
]


def described(state: dict[str, torch.Tensor], prefix: str = "") -> dict[str, Any]:
    return json.loads(bytes(state[f"{prefix}description"].tolist()).rstrip(b"\0"))


def rewritten(state: dict[str, torch.Tensor], **fields: Any) -> dict[str, torch.Tensor]:
    return {**state, "description": encode_description(described(state) | fields)}


@pytest.mark.parametrize("head", HEADS)
def test_a_file_tells_everything_by_name(head: Head, tmp_path: Path) -> None:
    net = DenoiSegNet(2, 3, depth=2, features=4, kernel_size=[3, 5], variant="n2v2", norm="none", head=head, quarter_turns=False)
    net.threshold.copy_(torch.tensor([0.25, 0.75]))
    net.training_info = {"version": "9.9", "scores": {"ap": 0.5, "seg": float("nan")}, "spacing": (0.5, 0.5)}
    torch.save(net.state_dict(), tmp_path / "model.pt")
    fields = described(torch.load(tmp_path / "model.pt", weights_only=True))
    assert fields["format"] == 2
    assert fields["architecture"] == {
        **{"spatial_dims": 2, "in_channels": 3, "depth": 2, "features": 4, "norm": "none", "variant": "n2v2"},
        **{"kernel_size": [[3, 5]] * 3, "strides": [[2, 2]] * 2, "normalisation": "dataset", "denoises": True},
        "quarter_turns": False,
    }
    assert fields["head"]["kind"] == head.kind
    assert fields["decision"] == {"threshold": {"ap": 0.25, "seg": 0.75}, "nms_overlap": pytest.approx({"ap": 0.4, "seg": 0.4})}
    assert fields["training"] == {"version": "9.9", "scores": {"ap": 0.5, "seg": None}, "spacing": [0.5, 0.5]}

    again = load_network(tmp_path / "model.pt")
    assert again.head.state() == head.state()
    assert again.training_info == fields["training"]
    image = torch.rand(1, 3, 9, 12)
    assert torch.equal(again(image), net.eval()(image))


def test_the_buffers_count_and_the_description_follows() -> None:
    net = DenoiSegNet(2, **TINY)
    net.threshold.fill_(0.125)
    state = net.state_dict()
    assert described(state)["decision"]["threshold"] == {"ap": 0.125, "seg": 0.125}
    state["threshold"] = torch.tensor([0.5, 0.25])  # somebody changed the buffer alone
    net.load_state_dict(state)
    assert net.threshold.tolist() == [0.5, 0.25]
    assert described({"description": net.description})["decision"]["threshold"] == {"ap": 0.5, "seg": 0.25}


def test_what_a_later_version_adds_is_kept(tmp_path: Path) -> None:
    state = DenoiSegNet(2, **TINY).state_dict()
    fields = described(state)
    fields["architecture"]["attention"] = "none"
    fields["head"]["rule"]["smoothing"] = 1.5
    torch.save(rewritten(state, **fields, licence="CC0"), tmp_path / "model.pt")
    net = load_network(tmp_path / "model.pt")
    net.set_rule(ProbabilitiesToInstances(min_size=3, split_neck=0))
    saved = described(net.state_dict())
    assert saved["licence"] == "CC0"
    assert saved["architecture"]["attention"] == "none"
    assert (saved["head"]["rule"]["smoothing"], saved["head"]["rule"]["min_size"]) == (1.5, 3)


def test_a_newer_format_and_damage_are_said(tmp_path: Path) -> None:
    path, state = tmp_path / "model.pt", DenoiSegNet(2, **TINY).state_dict()
    torch.save(rewritten(state, format=3), path)
    for load in (load_network, network_for_file):
        with pytest.raises(ValueError, match=r"model.pt cannot be used: it is of format 3, but this version .* up to 2: update"):
            load(path)
    with pytest.raises(ValueError, match="it is of format 3"):
        DenoiSegNet(2, **TINY).load_state_dict(rewritten(state, format=3))
    state["description"][0] = 7
    torch.save(state, path)
    with pytest.raises(ValueError, match=r"model\.pt cannot be used: its description is damaged"):
        load_network(path)


def test_too_long_is_said_when_it_is_set() -> None:
    net = DenoiSegNet(2, **TINY)
    net.training_info = {"before": 1}
    with pytest.raises(ValueError, match=r"has 199,\d{3} bytes, a model file has room for 131,072: say less in `training_info`"):
        net.training_info = {"hashes": "x" * 199_150}
    assert net.training_info == {"before": 1}
    assert described(net.state_dict())["training"] == {"before": 1}


def test_the_length_does_not_depend_on_what_is_said() -> None:
    sizes = {len(DenoiSegNet(2, head=head, **TINY).state_dict()["description"]) for head in HEADS}
    assert sizes == {1 << 17}
    assert decode_description(encode_description({"format": 2, "text": "ü"})) == {"format": 2, "text": "ü"}


def test_monais_copy_of_a_state() -> None:
    theirs, ours = (
        DenoiSegNet(2, head=BorderHead(rule=rule), **TINY) for rule in (RULE, ProbabilitiesToInstances(min_size=0, split_neck=0))
    )
    theirs.training_info = {"told": True}
    _, changed, unchanged = copy_model_state(ours, theirs)
    assert "description" in changed
    assert unchanged == []
    assert ours.head.state() == theirs.head.state()
    assert ours.training_info == {"told": True}


def test_scripted_modules_carry_it() -> None:
    net = DenoiSegNet(2, head=BorderHead(rule=RULE), **TINY)
    net.training_info = {"told": True}
    net.threshold.fill_(0.25)
    memory = io.BytesIO()
    torch.jit.save(torch.jit.script(net), memory)
    memory.seek(0)
    state = torch.jit.load(memory).state_dict()
    again = DenoiSegNet(2, **TINY)
    again.load_state_dict(state)
    assert again.head.state() == net.head.state()
    assert (again.training_info, again.threshold.tolist()) == ({"told": True}, [0.25, 0.25])


def test_both_networks_of_a_sequence_tell(tmp_path: Path) -> None:
    net = SequentialNet(DenoiSegNet(2, n_classes=0, **TINY), DenoiSegNet(2, denoises=False, **TINY))
    net.set_rule(RULE)
    net.training_info = {"told": True}
    state = net.state_dict()
    assert [described(state, f"{part}.")["head"]["kind"] for part in ("denoiser", "segmenter")] == ["none", "border"]
    torch.save(state, tmp_path / "model.pt")
    again = load_network(tmp_path / "model.pt")
    assert again.head.state() == net.head.state()
    assert again.training_info == {"told": True}
    prediction = torch.rand(4, 12, 12)
    assert torch.equal(again.labels(prediction, 0.5, [1.0, 1.0]), RULE(prediction, 0.5, [1.0, 1.0]))


@pytest.mark.parametrize(
    ("ours", "theirs", "message"),
    [
        (BorderHead(), NoHead(), r"head=none \(network has border\), n_classes=0 \(network has 3\)"),
        (BorderHead(), BorderHead(5), r"n_classes=5 \(network has 3\)"),
        (StarHead(star_rays(8, 2)), StarHead(star_rays(16, 2)), r"n_rays=16 \(network has 8\)"),
        (StarHead(star_rays(8, 2)), BorderHead(), r"head=border \(network has stardist\)"),
    ],
)
def test_loading_another_head_names_what_differs(ours: Head, theirs: Head, message: str) -> None:
    state = DenoiSegNet(2, head=theirs, **TINY).state_dict()
    with pytest.raises(ValueError, match=f"the file holds another network: {message}"):
        DenoiSegNet(2, head=ours, **TINY).load_state_dict(state)


@pytest.mark.parametrize("dims", [2, 3])
def test_limits_and_orientation_go_with_the_weights(dims: int) -> None:
    """Loaded into a network built without them, weights were used on intensities they had never seen."""
    torch.manual_seed(0)
    clipped = DenoiSegNet(dims, depth=1, features=2, limits=[0, 50], flips=False).eval()
    plain = DenoiSegNet(dims, depth=1, features=2).eval()
    image = torch.rand(1, 1, *[8] * dims) * 200
    wanted, usual = clipped(image), plain(image)
    other = DenoiSegNet(dims, depth=1, features=2).eval()
    other.load_state_dict(clipped.state_dict())
    assert (other.limits, other.flips) == ([0, 50], False)
    assert torch.equal(other(image), wanted)
    assert other.architecture == clipped.architecture
    clipped.load_state_dict(plain.state_dict())
    assert (clipped.limits, clipped.flips) == ([], True)
    assert torch.equal(clipped(image), usual)
