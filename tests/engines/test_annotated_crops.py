"""Crops of annotated images for classes, and what the denoising loss sees of them."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from monai_denoiseg.data import PatchCollate
from monai_denoiseg.engines import AnnotatedCrops, BlindSpotBatch, crops_for
from monai_denoiseg.transforms import BlindSpot


def item(shape: tuple[int, ...], labelled: bool = True) -> dict[str, Any]:
    image = torch.rand(1, *shape)
    found = {"image": image, "labelled": labelled, "spacing": torch.ones(len(shape))}
    return {**found, "label": (image > 0.5).int()} if labelled else found


@pytest.mark.parametrize("shape", [(40, 40), (20, 24, 22)])
def test_without_change_a_crop_is_a_piece_of_the_image(shape: tuple[int, ...]) -> None:
    torch.manual_seed(0)
    size = tuple(n // 2 for n in shape)
    one = item(shape)
    crop = AnnotatedCrops(size, prob=0.0)(one)
    assert crop is not None
    pieces = one["image"][0]
    for axis, n in enumerate(size):
        pieces = pieces.unfold(axis, n, 1)
    same = (pieces - crop["image"][0]).abs().flatten(-len(size)).amax(-1) < 1e-4
    assert int(same.sum()) == 1
    assert torch.equal(crop["label"], (crop["image"] > 0.5).int())


@pytest.mark.parametrize("shape", [(40, 40), (20, 24, 22)])
def test_image_and_label_change_alike(shape: tuple[int, ...]) -> None:
    torch.manual_seed(0)
    grid = torch.stack(torch.meshgrid(*[torch.arange(n) for n in shape], indexing="ij"))
    image = (grid[:1].float() - shape[0] / 2) * 10
    one = {"image": image, "label": (image > 0).int(), "labelled": True}
    crops = AnnotatedCrops([n // 2 for n in shape], prob=1.0)
    crops.appearance.prob = 0.0
    for _ in range(5):
        crop = crops(one)
        assert crop is not None
        known = (crop["label"] >= 0) & (crop["image"].abs() > 12)
        assert torch.equal(crop["label"][known] > 0, crop["image"][known] > 0)


def test_an_image_smaller_than_the_patch() -> None:
    crop = AnnotatedCrops((16, 16))(item((10, 40)))
    assert crop is not None
    assert crop["image"].shape == crop["label"].shape == (1, 16, 16)
    assert bool((crop["label"] == -1).any())


def test_what_is_compared_with_a_target_or_not_annotated_is_left_alone() -> None:
    crops = AnnotatedCrops((8, 8))
    assert crops({**item((16, 16)), "target": torch.rand(1, 16, 16)}) is None
    assert crops({**item((16, 16)), "label": torch.full((1, 16, 16), -1)}) is None


def test_augmented_crops_are_no_part_of_the_denoising() -> None:
    torch.manual_seed(0)
    collate = PatchCollate((16, 16), substitute=AnnotatedCrops((16, 16)))
    batch = collate([item((32, 32)), item((32, 32), labelled=False)])
    assert batch["augmented"].tolist() == [True, False]
    hidden, target, _, _ = BlindSpotBatch(BlindSpot())(batch)
    assert not bool(target["mask"][0].any())
    assert bool(target["mask"][1].any())
    assert torch.equal(hidden[0], batch["image"][0])
    assert not torch.equal(hidden[1], batch["image"][1])


def test_objects_are_cut_as_before() -> None:
    assert crops_for(None, (8, 8), "none", None) is None
    batch = PatchCollate((16, 16))([item((32, 32)), item((32, 32), labelled=False)])
    assert "augmented" not in batch


@pytest.mark.parametrize("shape", [(32, 32), (16, 20, 18)])
def test_where_all_images_are_annotated_the_denoiser_learns(shape: tuple[int, ...]) -> None:
    torch.manual_seed(0)
    crops = crops_for(["background", "liver"], (8,) * len(shape), "mild", None, alpha=0.5)
    batch = PatchCollate((8,) * len(shape), substitute=crops)([item(shape) for _ in range(40)])
    share = float(batch["augmented"].float().mean())
    assert 0.25 < share < 0.75
    _, target, _, _ = BlindSpotBatch(BlindSpot())(batch)
    assert torch.equal(target["mask"].flatten(1).any(1), ~batch["augmented"])


def test_unchanged_crops_are_pieces_of_the_image() -> None:
    torch.manual_seed(0)
    crops = AnnotatedCrops((8, 8), prob=1.0, unchanged=1.0)
    one = item((20, 20))
    crop = crops(one)
    assert crop is not None
    assert not crop["augmented"]
    nearest = (crop["image"].reshape(-1, 1) - one["image"].reshape(1, -1)).abs().amin(1)
    assert float(nearest.max()) < 1e-6


def test_contrast_is_changed_within_the_limits() -> None:
    """An implant of 30000 among organs of 0 to 100 does not turn the organs into one grey."""
    torch.manual_seed(0)
    one = item((24, 24))
    one["image"] *= 100
    one["image"][0, :2] = 30000
    crops = AnnotatedCrops((24, 24), prob=1.0, angle=0, scale=1, bend=0, limits=(0, 100))
    for _ in range(5):
        crop = crops(one)
        assert crop is not None
        assert float(crop["image"].std()) > 10
        assert float(crop["image"].max()) < 300
    with pytest.raises(ValueError, match="limits"):
        AnnotatedCrops((8, 8), limits=(3, 1))
