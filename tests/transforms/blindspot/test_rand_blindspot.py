"""Blind spots as an ordinary random transform of MONAI: samples, workers, seeds, types."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from monai.data import DataLoader, Dataset, MetaTensor, PersistentDataset, decollate_batch
from monai.transforms import Compose, EnsureChannelFirstd, EnsureTyped, LoadImaged, RandFlipd, ScaleIntensityd

from monai_denoiseg.engines import BlindSpotBatch
from monai_denoiseg.transforms import BlindSpot, RandBlindSpot, RandBlindSpotd

SHAPES = [(1, 64, 64), (3, 61, 45), (1, 16, 32, 32), (2, 15, 21, 33)]


@pytest.mark.parametrize("shape", SHAPES)
def test_the_share_is_exact_and_the_values_come_from_all_axes(shape: tuple[int, ...]) -> None:
    image = torch.arange(float(np.prod(shape))).reshape(shape)
    hide = RandBlindSpot(fraction=1 / 64, radius=3).set_random_state(0)
    shares, moved = [], [False] * (len(shape) - 1)
    for _ in range(40):
        hidden, mask = hide(image)
        assert torch.equal(hidden[~mask], image[~mask])
        shares.append(float(mask.float().mean()))
        places = torch.nonzero(mask)[:, 1:].numpy().T
        sources = np.unravel_index(hidden[mask].long().numpy() % int(np.prod(shape[1:])), shape[1:])
        steps = [here - there for here, there in zip(places, sources, strict=True)]
        assert max(int(abs(step).max()) for step in steps) <= 3
        moved = [before or bool((step != 0).any()) for before, step in zip(moved, steps, strict=True)]
    assert np.mean(shares) == pytest.approx(1 / 64, rel=0.05)
    assert all(moved), "one dimension alone is what a sample read as a batch would give"


@pytest.mark.parametrize("make", [lambda x: x, lambda x: x.numpy(), lambda x: MetaTensor(x, affine=2 * torch.eye(4))])
def test_what_comes_in_comes_out(make: Any) -> None:
    image = make(torch.rand(2, 20, 24))
    before = image.copy() if isinstance(image, np.ndarray) else image.clone()
    hidden, mask = RandBlindSpot(fraction=0.1).set_random_state(3)(image)
    assert type(hidden) is type(mask) is type(image)
    assert (hidden.dtype, str(mask.dtype).removeprefix("torch.")) == (image.dtype, "bool")
    assert (image == before).all() and 0 < float(np.asarray(mask).mean()) < 0.2
    if isinstance(hidden, MetaTensor):
        assert torch.equal(hidden.affine, image.affine)


def test_state_and_repetition() -> None:
    image, hide = torch.rand(1, 32, 32), RandBlindSpot().set_random_state(5)
    first, second = hide(image)[1], hide(image)[1]
    assert not torch.equal(first, second)
    assert torch.equal(hide(image, randomize=False)[1], second)
    assert torch.equal(RandBlindSpot().set_random_state(5)(image)[1], first)
    assert torch.equal(pickle.loads(pickle.dumps(hide.set_random_state(5)))(image)[1], first)
    torch.manual_seed(1)
    assert torch.equal(hide.set_random_state(5)(image)[1], first), "torch's global generator has no say"


def test_a_probability() -> None:
    image, hide = torch.rand(1, 16, 16), RandBlindSpot(prob=0.5, fraction=0.1).set_random_state(0)
    drawn = [bool(hide(image)[1].any()) for _ in range(200)]
    assert 70 < sum(drawn) < 130
    hidden, mask = RandBlindSpot(prob=0)(image)
    assert torch.equal(hidden, image) and not mask.any()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: BlindSpot()(torch.rand(1, 64, 64)), r"takes a batch .* got \(1, 64, 64\): .*RandBlindSpot"),
        (lambda: BlindSpot()(MetaTensor(torch.rand(1, 8, 64, 64))), r"takes a batch"),
        (lambda: RandBlindSpot()(torch.rand(64, 64)), r"takes one sample \(C, \[D,\] H, W\), got \(64, 64\)"),
        (lambda: RandBlindSpot()(torch.rand(2, 1, 8, 16, 16)), "takes one sample"),
        (lambda: RandBlindSpot(spatial_dims=2)(torch.rand(4, 1, 16, 16)), r"one sample \(C, H, W\), got \(4, 1, 16, 16\)"),
        (lambda: RandBlindSpot(spatial_dims=4), "`spatial_dims` must be 2, 3 or None, got 4"),
        (lambda: RandBlindSpot(fraction=2), "`mask_fraction` must be in"),
    ],
)
def test_the_wrong_one_is_refused(call: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()


def test_types_it_does_not_take() -> None:
    with pytest.raises(TypeError, match=r"floating point image, got torch\.uint8"):
        RandBlindSpot()(torch.zeros(1, 8, 8, dtype=torch.uint8))
    with pytest.raises(TypeError, match="set_random_state"):
        RandBlindSpot(seed=3)


def test_keys() -> None:
    item = {"image": torch.rand(1, 32, 32), "other": torch.rand(1, 32, 32), "name": "a"}
    found = RandBlindSpotd(["image", "other", "absent"], allow_missing_keys=True, fraction=0.1).set_random_state(0)(item)
    assert set(found) == {*item, "image_mask", "image_original", "other_mask", "other_original"}
    assert torch.equal(found["image_mask"], found["other_mask"]) and found["image_original"] is item["image"]
    with pytest.raises(KeyError, match="absent"):
        RandBlindSpotd("absent")(item)


def chain() -> Compose:
    return Compose([EnsureTyped("image"), ScaleIntensityd("image"), RandFlipd("image", prob=0.5), RandBlindSpotd("image")])


def files(folder: Path) -> list[dict[str, Any]]:
    """Four planes and four volumes on disk, of sizes that the boxes of one blind spot each fill exactly."""
    items = []
    for number, shape in enumerate([(64, 48)] * 4 + [(16, 24, 32)] * 4):
        values = np.random.default_rng(number).random(shape, np.float32)
        items.append({"image": str(folder / f"{number}.npy"), "label": np.full((1, *shape), -1)})
        np.save(items[-1]["image"], values)
    return items


def masks(items: list[dict[str, Any]], seed: int, epochs: int = 2) -> list[torch.Tensor]:
    """The masks of all items of all epochs, from two workers that are started anew (``spawn``)."""
    first = [LoadImaged("image"), EnsureChannelFirstd("image", channel_dim="no_channel"), ScaleIntensityd("image")]
    both = ["image", "label"]
    transform = Compose([*first, EnsureTyped(both), RandFlipd(both, prob=0.5, spatial_axis=0), RandBlindSpotd("image")])
    data = Dataset(items, transform.set_random_state(seed))
    torch.manual_seed(seed)  # what MONAI's loader draws the seeds of its workers from
    loader = DataLoader(data, batch_size=1, num_workers=2, multiprocessing_context="spawn", persistent_workers=True)
    found = []
    for _ in range(epochs):
        for batch in loader:
            hidden, target, _, _ = BlindSpotBatch()(batch)
            assert torch.equal(hidden[~target["mask"]], target["image"][~target["mask"]])
            assert not torch.equal(hidden, target["image"])
            found.append(target["mask"][0])
            assert set(decollate_batch(batch)[0]) >= {"image", "image_mask", "image_original"}
    return found


def test_spawned_workers_draw_differently_and_the_same_again(tmp_path: Path) -> None:
    items = files(tmp_path)
    first = masks(items, 0)
    assert [mask.ndim for mask in first] == [3] * 4 + [4] * 4 + [3] * 4 + [4] * 4
    assert {float(mask.float().mean()) for mask in first} == {1 / 64}, "the share is exact in 2D and in 3D"
    assert len({mask.numpy().tobytes() for mask in first}) == len(first), "another draw for each item, worker and epoch"
    assert all(torch.equal(a, b) for a, b in zip(first, masks(items, 0), strict=True))


def test_a_persistent_data_set_keeps_nothing_of_the_draw(tmp_path: Path) -> None:
    items = [{"image": torch.rand(1, 32, 32)}]
    data = PersistentDataset(items, chain(), cache_dir=tmp_path)
    assert not torch.equal(data[0]["image_mask"], data[0]["image_mask"])
