"""The strategies called directly; their statistics are tested through BlindSpot in test_blindspot.py."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from monai_denoiseg.transforms.blindspot.replacement import STRATEGIES


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("size", [(5, 7), (3, 4, 5)])
def test_a_place_given_for_all_channels_reads_each_channel(strategy: str, size: tuple[int, ...]) -> None:
    flat = torch.stack([torch.full((int(np.prod(size)),), value) for value in (2.0, 30.0)]).expand(3, 2, -1)
    index = torch.randint(flat.shape[2], (3, 1, 11), generator=torch.Generator().manual_seed(0))
    values = STRATEGIES[strategy](flat, index, list(size), 2, torch.Generator().manual_seed(0))
    assert values.shape == (3, 2, 11)
    assert torch.equal(values, flat[:, :, :11])  # constant images: any rule returns the constant of the channel


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_voxel_without_neighbours_stays(strategy: str) -> None:
    flat = torch.tensor([[[7.0]]])
    assert STRATEGIES[strategy](flat, torch.zeros(1, 1, 1, dtype=torch.long), [1, 1], 3, None).tolist() == [[[7.0]]]


@pytest.mark.parametrize(
    ("strategy", "expected"),
    [("identity", 4.0), ("median", 4.5), ("mean", (0 + 1 + 2 + 3 + 50 + 6 + 7 + 8) / 8)],
)
def test_rules_that_draw_nothing(strategy: str, expected: float) -> None:
    image = torch.tensor([[0.0, 1, 2], [3, 4, 50], [6, 7, 8]])
    found = STRATEGIES[strategy](image.reshape(1, 1, 9), torch.tensor([[[4]]]), [3, 3], 1, None)
    assert found.item() == pytest.approx(expected)
