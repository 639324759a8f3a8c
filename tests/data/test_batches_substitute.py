"""Crops that somebody else makes in place of the collate function."""

from __future__ import annotations

import torch

from monai_denoiseg.data import PatchCollate


def coordinates(shape, channels=1):
    """An image in which each voxel holds its own number, and a label that holds the same."""
    image = torch.arange(float(torch.Size(shape).numel())).reshape(1, *shape)
    return {"image": torch.cat([image + 1000 * c for c in range(channels)]), "label": image.int()}


def test_substitute_is_asked_for_each_labelled_item_and_takes_its_place():
    asked = []

    def substitute(item):
        asked.append(item["name"])
        if item["name"] == "b":
            return None
        return {"image": torch.full((1, 4, 4), -7.0), "label": torch.full((1, 4, 4), 3, dtype=torch.int32), "labelled": True}

    items = [{**coordinates((9, 9)), "name": name, "labelled": name != "c"} for name in "abc"]
    collate = PatchCollate((4, 4), substitute=substitute)
    torch.manual_seed(0)
    batch = collate(items)
    torch.manual_seed(0)
    plain = PatchCollate((4, 4))(items)
    assert asked == ["a", "b"]
    assert (batch["image"][0] == -7).all() and (batch["label"][0] == 3).all()
    assert torch.equal(batch["image"][1:], plain["image"][1:]) and torch.equal(batch["label"][1:], plain["label"][1:])
    assert batch["labelled"].tolist() == [True, True, False]
    asked.clear()
    collate([{"image": item["image"], "name": item["name"]} for item in items])
    assert asked == []  # no label, nothing to show at another scale
    PatchCollate((4, 4), substitute=substitute)([{key: item[key] for key in ("image", "label", "name")} for item in items[1:2]])
    assert asked == ["b"]  # without a flag the label tells


def test_substitutes_are_transformed_too():
    patch = {"image": torch.ones(1, 4, 4), "label": torch.ones(1, 4, 4, dtype=torch.int32)}
    collate = PatchCollate((4, 4), substitute=lambda item: patch, transform=lambda patch: {**patch, "image": patch["image"] * 2})
    assert (collate([coordinates((9, 9))] * 2)["image"] == 2).all()
