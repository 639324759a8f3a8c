"""BlindSpotBatch: hidden input, untouched target."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from monai.data import MetaTensor

from monai_denoiseg.engines import BlindSpotBatch
from monai_denoiseg.transforms import BlindSpot, FixedBlindSpotd


def batch(spatial_dims: int = 2, channels: int = 1, **more: Any) -> dict[str, Any]:
    shape = [16] * spatial_dims
    return {"image": torch.rand(2, channels, *shape), "label": torch.full((2, 1, *shape), -1), **more}


@pytest.mark.parametrize("spatial_dims", [2, 3])
@pytest.mark.parametrize("channels", [1, 3])
def test_hidden_differs_from_the_image_at_the_mask_only(spatial_dims: int, channels: int) -> None:
    data = batch(spatial_dims, channels)
    before = data["image"].clone()
    hidden, target, args, kwargs = BlindSpotBatch(BlindSpot(fraction=0.05))(data)
    changed, mask = hidden != before, target["mask"].bool()
    assert mask.any()
    assert not bool((changed & ~mask).any())
    assert bool(changed[mask].float().mean() > 0.9)
    assert torch.equal(target["image"], before)
    assert torch.equal(data["image"], before)
    assert torch.equal(target["label"], data["label"])
    assert (args, kwargs) == ((), {})


def test_two_calls_hide_different_voxels() -> None:
    prepare, data = BlindSpotBatch(BlindSpot()), batch()
    assert not torch.equal(prepare(data)[1]["mask"], prepare(data)[1]["mask"])


def test_fixed_blind_spots_are_kept() -> None:
    fixed = FixedBlindSpotd("image", BlindSpot(), seed=3)
    item = fixed({"image": torch.rand(1, 16, 16)})
    data = {key: value[None] for key, value in item.items()} | {"label": torch.zeros(1, 1, 16, 16)}

    def never(image: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        raise AssertionError("drew anew")

    hidden, target, _, _ = BlindSpotBatch(never)(data)
    assert torch.equal(hidden[0], item["image_hidden"])
    assert torch.equal(target["mask"][0], item["image_mask"])


def test_intensity_goes_to_the_network() -> None:
    intensity = torch.rand(2, 2, 1)
    assert torch.equal(BlindSpotBatch(BlindSpot())(batch(intensity=intensity))[3]["intensity"], intensity)


def test_tensors_with_metadata_become_plain() -> None:
    data = {key: MetaTensor(value) for key, value in batch().items()}
    hidden, target, _, _ = BlindSpotBatch(BlindSpot())(data, "cpu", non_blocking=True)
    assert [type(value) for value in (hidden, *target.values())] == [torch.Tensor] * 4


def test_a_batch_without_label_is_an_error() -> None:
    with pytest.raises(KeyError, match="label"):
        BlindSpotBatch(BlindSpot())({"image": torch.rand(1, 1, 8, 8)})


def test_a_target_hides_nothing() -> None:
    from monai_denoiseg.transforms import BlindSpot

    batch = {"image": torch.rand(2, 1, 8, 8), "target": torch.rand(2, 1, 8, 8), "label": torch.full((2, 1, 8, 8), -1)}
    hidden, target, _, _ = BlindSpotBatch(BlindSpot())(batch)
    assert torch.equal(hidden, batch["image"])
    assert bool(target["mask"].all())
    assert torch.equal(target["target"], batch["target"])


def test_the_original_is_the_input_beside_a_target() -> None:
    """Of an item whose image was hidden by RandBlindSpotd and that has a target, the hidden image went into the network."""
    found = batch(target=torch.rand(2, 1, 16, 16), image_original=torch.rand(2, 1, 16, 16), image_mask=torch.ones(2, 1, 16, 16))
    hidden, target, _, _ = BlindSpotBatch(BlindSpot())(found)
    assert torch.equal(hidden, found["image_original"])
    assert torch.equal(target["image"], found["image_original"])
    assert torch.equal(target["target"], found["target"])
