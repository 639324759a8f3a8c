"""Blocks copied over blind spots and their neighbours."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
import torch

from monai_denoiseg.transforms import BlindSpot
from monai_denoiseg.transforms.blindspot import box_mask, copy_blocks

CASES = [
    ((2, 1, 19, 23), [[1, 1, 1, 1, 1]]),
    ((1, 2, 20, 11), [[0, 1, 0], [1, 1, 1], [0, 1, 0]]),
    ((1, 1, 3, 4), [[1] * 11]),
    ((1, 1, 1, 1), [[1, 1, 1]]),
    ((1, 2, 6, 9, 11), [[[1]], [[1]], [[1]]]),
    ((1, 1, 1, 9, 11), box_mask([1, 3, 3])),
]


def mirrored(index: int, n: int) -> int:
    while not 0 <= index < n:
        index = 0 if n == 1 else -index if index < 0 else 2 * (n - 1) - index
    return index


def places(at: Any, mask: np.ndarray, size: Any) -> list[tuple[int, ...]]:
    """Spot and neighbours within the image, relative to the spot."""
    found = []
    for place in itertools.product(*(range(n) for n in mask.shape)):
        shift = tuple(p - n // 2 for p, n in zip(place, mask.shape, strict=True))
        inside = all(0 <= a + s < n for a, s, n in zip(at, shift, size, strict=True))
        if inside and (mask[place] or not any(shift)):
            found.append(shift)
    return found


def value(batch: torch.Tensor, at: Any, shift: Any, move: Any) -> float:
    """What stands a move away from a neighbour of the spot, in the image as mirrored at its edges."""
    to = (mirrored(a + s + m, n) for a, s, m, n in zip(at, shift, move, batch.shape[2:], strict=True))
    return float(batch[(0, 0, *to)])


@pytest.mark.parametrize(("shape", "mask"), CASES)
def test_a_lone_spot_gets_a_block_from_nearby(shape: tuple[int, ...], mask: Any) -> None:
    """Some move, not too long and not overlapping, explains all values of the block; nothing else changes."""
    marks, size, radius = np.array(mask), shape[2:], 2
    for seed in range(5):
        generator = torch.Generator().manual_seed(seed)
        batch = torch.randn(shape, generator=generator)
        spots = torch.zeros(shape, dtype=torch.bool)
        at = [int(torch.randint(n, (), generator=generator)) for n in size]
        spots[(0, 0, *at)] = True
        hidden = copy_blocks(batch, spots, marks, radius, generator)
        shifts = places(at, marks, size)
        reach = [max(radius, n) for n in marks.shape]
        moves = [
            move
            for move in itertools.product(*(range(-r, r + 1) for r in reach))
            if any(abs(m) >= n for m, n in zip(move, marks.shape, strict=True))
        ]

        got = {shift: float(hidden[(0, 0, *(a + s for a, s in zip(at, shift, strict=True)))]) for shift in shifts}
        assert any(all(value(batch, at, shift, move) == got[shift] for shift in shifts) for move in moves)
        changed = hidden != batch
        assert int(changed.sum()) <= len(shifts)
        rest = changed.clone()
        for shift in shifts:
            rest[(0, 0, *(a + s for a, s in zip(at, shift, strict=True)))] = False
        assert not bool(rest.any())


def test_many_spots_hide_what_the_mask_marks_and_nothing_else() -> None:
    batch = torch.randn(4, 1, 64, 64, generator=torch.Generator().manual_seed(0))
    hidden, spots = BlindSpot(struct_mask=box_mask([3, 3]), seed=1)(batch)
    grown = torch.nn.functional.max_pool2d(spots.float(), 3, 1, 1) > 0
    assert torch.equal(hidden[~grown], batch[~grown])
    assert float((hidden != batch)[grown].float().mean()) > 0.99
    again, _ = BlindSpot(struct_mask=box_mask([3, 3]), seed=1)(batch)
    assert torch.equal(hidden, again)


def test_the_copy_keeps_the_correlation_of_the_noise() -> None:
    """Neighbours within a block are as alike as anywhere; random values are not."""
    white = torch.randn(4, 1, 201, 200, generator=torch.Generator().manual_seed(0))
    noise = white[:, :, 1:] + white[:, :, :-1]
    for values, low, high in (("block", 0.45, 0.55), ("random", -0.05, 0.05)):
        hidden, spots = BlindSpot(1 / 256, struct_mask=box_mask([3, 3]), struct_values=values, seed=0)(noise)
        spots[:, :, :2] = spots[:, :, -2:] = False
        one, other = hidden[spots.roll(-1, 2)], hidden[spots.roll(-1, 2).roll(1, 3)]
        assert len(one) > 300
        assert abs(float(torch.corrcoef(torch.stack([one, other]))[0, 1])) < 0.15, "no correlation along X"
        above = hidden[spots.roll(-1, 2).roll(-1, 3)]
        beside = hidden[spots.roll(-1, 3)]
        assert low < float(torch.corrcoef(torch.stack([above, beside]))[0, 1]) + 0.05 < high + 0.1


def test_options_are_checked() -> None:
    with pytest.raises(ValueError, match="`struct_values` must be one of 'block', 'random', got 'blocks'"):
        BlindSpot(struct_mask=[[1, 1, 1]], struct_values="blocks")
    with pytest.raises(ValueError, match="`struct_mask` has 2 axes, the image has 3"):
        copy_blocks(torch.zeros(1, 1, 4, 4, 4), torch.zeros(1, 1, 4, 4, 4).bool(), np.ones((1, 3)), 2)
