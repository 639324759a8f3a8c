"""Voxels of each class, drawn equally often."""

from __future__ import annotations

import pickle
from collections import Counter

import pytest
import torch

from monai_denoiseg.data.class_places import ClassPlaces


@pytest.mark.parametrize("dims", [2, 3])
def test_every_class_is_drawn_as_often(dims: int) -> None:
    torch.manual_seed(0)
    label = torch.zeros(1, *[16] * dims, dtype=torch.int64)
    label[..., 0] = -1
    label[(0, *[3] * dims)] = 1
    label[(0, *[8] * dims)] = 2
    places = ClassPlaces()
    drawn = Counter(int(label[(0, *(places.draw(label) or []))]) for _ in range(3000))
    assert drawn.keys() == {0, 1, 2}
    assert all(900 < count < 1100 for count in drawn.values())


def test_nothing_annotated() -> None:
    assert ClassPlaces().draw(torch.full((1, 4, 4), -1)) is None


def test_another_label_is_searched_anew_and_workers_begin_empty() -> None:
    places = ClassPlaces()
    for at in range(4):
        label = torch.full((1, 4, 4), -1)
        label[0, at, 1] = 1
        assert places.draw(label) == [at, 1]
    assert pickle.loads(pickle.dumps(places))._known == {}
