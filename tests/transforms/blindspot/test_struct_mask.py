from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from monai_denoiseg.transforms import BlindSpot, FixedBlindSpotd
from monai_denoiseg.transforms.blindspot import (
    box_mask,
    covered_axes,
    exchangeable,
    line_mask,
    read_struct_mask,
    struct_neighbours,
)
from monai_denoiseg.transforms.orientation import orient

CASES = [
    ((2, 1, 19, 23), [[1, 1, 1, 1, 1]]),
    ((2, 2, 19, 23), [[1], [1], [1]]),
    ((1, 3, 20, 11), [[0, 1, 0], [1, 1, 1], [0, 1, 0]]),
    ((2, 1, 12, 12), [[1, 0, 0], [0, 1, 0], [0, 0, 1]]),
    ((1, 1, 3, 4), [[1] * 11]),
    ((1, 2, 6, 9, 11), [[[1]], [[1]], [[1]]]),
    ((2, 1, 6, 9, 11), box_mask([1, 3, 3])),
    ((1, 1, 1, 9, 11), line_mask("y", 5, 3)),
]


def plain_neighbours(spots: np.ndarray, mask: Any) -> np.ndarray:
    """Spot by spot and neighbour by neighbour."""
    mask, found = np.array(mask), np.zeros_like(spots)
    for b, c, *at in np.argwhere(spots):
        for place in np.argwhere(mask):
            to = [int(i + p - n // 2) for i, p, n in zip(at, place, mask.shape, strict=True)]
            if to != [int(i) for i in at] and all(0 <= i < n for i, n in zip(to, spots.shape[2:], strict=True)):
                found[(b, c, *to)] = True
    return found


@pytest.mark.parametrize(("shape", "mask"), CASES)
def test_exactly_the_marked_neighbours_are_hidden(shape: tuple[int, ...], mask: Any) -> None:
    batch = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    before = batch.clone()
    plain, spots = BlindSpot(0.05, 2, seed=4)(batch)
    hidden, same_spots = BlindSpot(0.05, 2, struct_mask=mask, struct_values="random", seed=4)(batch)
    assert torch.equal(batch, before)
    assert spots.any()
    assert torch.equal(spots, same_spots), "the loss stays with the blind spots, drawn as without the mask"
    neighbours = torch.tensor(plain_neighbours(spots.numpy(), mask))
    assert torch.equal(struct_neighbours(spots, read_struct_mask(mask)), neighbours)
    assert torch.equal(hidden[~neighbours], plain[~neighbours]), "other voxels and other spots as without the mask"
    assert bool((hidden[neighbours] != plain[neighbours]).all())


def test_a_spot_beside_a_spot_is_overwritten_too() -> None:
    batch = torch.arange(100.0).reshape(1, 1, 10, 10)
    hidden, spots = BlindSpot(0.9, strategy="identity", struct_mask=[[1, 1, 1]], seed=0)(batch)
    both = spots & struct_neighbours(spots, read_struct_mask([[1, 1, 1]]))
    assert both.sum() > 50
    assert bool((hidden[both] != batch[both]).all())


@pytest.mark.parametrize("given", [False, True])
def test_values_are_uniform_within_two_deviations_of_each_image_and_channel(given: bool) -> None:
    scale = torch.tensor([[1.0, 50.0], [7.0, 0.5]])[..., None, None]
    offset = torch.tensor([[0.0, 1000.0], [-3.0, 10.0]])[..., None, None]
    batch = offset + scale * torch.randn(2, 2, 200, 200, generator=torch.Generator().manual_seed(1))
    batch[0, 0, :10] = float("nan")
    intensity = torch.stack([offset.squeeze() + 3, 2 * scale.squeeze()], 1) if given else None
    hidden, spots = BlindSpot(0.1, struct_mask=[[1, 1, 1]], struct_values="random", seed=0)(batch, intensity=intensity)
    neighbours = struct_neighbours(spots, read_struct_mask([[1, 1, 1]]))
    for b in range(2):
        for c in range(2):
            values = hidden[b, c][neighbours[b, c]]
            mean = float(offset[b, c]) + 3 * given
            steps = (values - mean) / (float(scale[b, c]) * (1 + given))
            assert -2.1 < float(steps.min()) < -1.95
            assert 1.95 < float(steps.max()) < 2.1
            assert float(steps.std()) == pytest.approx(2 / 3**0.5, rel=0.03)
            assert float(steps.mean()) == pytest.approx(0, abs=0.06)


def test_range_can_be_chosen_and_a_constant_image_stays() -> None:
    batch = torch.randn(1, 1, 100, 100, generator=torch.Generator().manual_seed(1))
    hidden, spots = BlindSpot(0.2, struct_mask=[[1, 1, 1]], struct_values="random", struct_range=10, seed=0)(batch)
    values = hidden[struct_neighbours(spots, read_struct_mask([[1, 1, 1]]))]
    assert 9 < float(values.abs().max()) < 10.5
    constant = torch.full((1, 1, 9, 9), 4.0)
    assert torch.equal(BlindSpot(0.2, struct_mask=[[1, 1, 1]], seed=0)(constant)[0], constant)


def explained(noise: torch.Tensor, struct_mask: Any, values: str = "block") -> float:
    """Share of the noise at the blind spots that a linear predictor finds in its four neighbours."""
    hidden, spots = BlindSpot(0.02, struct_mask=struct_mask, struct_values=values, seed=0)(noise)
    spots[..., :1] = spots[..., -1:] = spots[..., :1, :] = spots[..., -1:, :] = False
    around = torch.stack([hidden.roll(shift, axis)[spots] for axis in (2, 3) for shift in (-1, 1)], 1)
    target = noise[spots][:, None]
    solution = torch.linalg.lstsq(around, target).solution
    return 1 - float((target - around @ solution).square().sum() / target.square().sum())


@pytest.mark.parametrize(("axis", "along", "across"), [(3, "x", "y"), (2, "y", "x")])
def test_striped_noise_cannot_be_guessed_behind_the_mask_of_its_direction(axis: int, along: str, across: str) -> None:
    white = torch.randn(4, 1, 200, 200, generator=torch.Generator().manual_seed(0))
    stripes = white + white.roll(1, axis) + white.roll(2, axis)
    assert explained(stripes, None) > 0.4
    assert explained(stripes, line_mask(across, 5)) > 0.4
    assert explained(stripes, line_mask(along, 5)) < 0.02
    turned = torch.as_tensor(orient(stripes, 4, 2))
    assert explained(turned.contiguous(), line_mask(along, 5)) > 0.4, "after a quarter turn the mask lies across the stripes"
    assert explained(turned.contiguous(), box_mask([5, 5])) < 0.02


def test_validation_masks_hide_the_neighbours_too() -> None:
    image = torch.randn(1, 30, 40, generator=torch.Generator().manual_seed(0))
    fixed = FixedBlindSpotd("image", BlindSpot(0.02, struct_mask=[[1, 1, 1]]))
    first, second = fixed({"image": image}), fixed({"image": image})
    assert torch.equal(first["image_hidden"], second["image_hidden"])
    neighbours = struct_neighbours(first["image_mask"][None], read_struct_mask([[1, 1, 1]]))[0]
    assert torch.equal(first["image_hidden"] != image, first["image_mask"] | neighbours)


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16, torch.float16])
def test_dtype_is_kept(dtype: torch.dtype) -> None:
    assert BlindSpot(0.1, struct_mask=[[1, 1, 1]])(torch.rand(1, 1, 8, 8).to(dtype))[0].dtype == dtype


@pytest.mark.parametrize(
    ("mask", "turns", "turns_in_plane"),
    [
        (None, True, True),
        ([[1, 1, 1]], False, False),
        ([[1], [1], [1]], False, False),
        (box_mask([5, 5]), True, True),
        (box_mask([3, 5]), False, False),
        ([[0, 1, 0], [1, 1, 1], [0, 1, 0]], True, True),
        (line_mask("z", 5, 3), False, True),
        (line_mask("x", 5, 3), False, False),
        (box_mask([1, 3, 3]), False, True),
        (box_mask([3, 3, 3]), True, True),
    ],
)
def test_quarter_turns_fit_masks_that_treat_the_axes_alike(mask: Any, turns: bool, turns_in_plane: bool) -> None:
    assert (exchangeable(mask), exchangeable(mask, in_plane=True)) == (turns, turns_in_plane)


@pytest.mark.parametrize("mask", [[[1, 0, 0]], [[1, 0, 0], [0, 1, 0], [0, 0, 1]]])
def test_a_mask_that_a_flip_changes_fits_no_augmentation(mask: Any) -> None:
    with pytest.raises(ValueError, match=r"`struct_mask` must be its own mirror image along each axis.*smallest box"):
        exchangeable(mask)


def test_covered_axes() -> None:
    assert covered_axes([[1, 0, 0, 0, 1]]) == [], "the next neighbours are not hidden"
    assert covered_axes(box_mask([3, 1, 5])) == ["Z", "X"]
    assert covered_axes(line_mask("Y", 9)) == ["Y"]


@pytest.mark.parametrize(
    ("mask", "message"),
    [
        ([1, 1, 1], r"must be nested lists of 0 and 1 with 2 levels \(HW\) or 3 levels \(DHW\).*got \[1, 1, 1\]"),
        ([[1, 1]], "each of odd length"),
        ([[1, 2, 1]], "of 0 and 1"),
        ([[1, 1, 1], [1]], "nested lists"),
        ("x:5", "nested lists.*got 'x:5'"),
        ([[float("nan"), 1, 1]], "of 0 and 1"),
        ([[1]], "marks no neighbour.*leave it null"),
        ([[0, 1, 0]], "marks no neighbour"),
    ],
)
def test_wrong_masks(mask: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        BlindSpot(struct_mask=mask)


def test_axes_must_agree_and_lengths_be_odd() -> None:
    with pytest.raises(ValueError, match="`struct_mask` has 2 axes, the image has 3"):
        BlindSpot(struct_mask=[[1, 1, 1]])(torch.zeros(1, 1, 8, 8, 8))
    with pytest.raises(ValueError, match="with 3 levels"):
        read_struct_mask([[1, 1, 1]], spatial_dims=3)
    with pytest.raises(ValueError, match="`length` must be odd, so that the mask has a middle, got 4; take 5"):
        line_mask("x", 4)
    with pytest.raises(ValueError, match="`axis` must be one of 'y', 'x', got 'z'"):
        line_mask("z", 3)
    with pytest.raises(ValueError, match="`struct_range` must be in"):
        BlindSpot(struct_mask=[[1, 1, 1]], struct_range=0)
