"""What handlers pass on to the callable that makes labels."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from monai.data import MetaTensor

from monai_denoiseg.handlers import known_spacing, predicted_labels

NAN = float("nan")


@pytest.mark.parametrize(
    ("item", "wanted"),
    [
        ({"spacing": torch.tensor([5.0, 1.0, 1.0])}, [5, 1, 1]),
        ({"spacing": MetaTensor(torch.tensor([[2.0, 1.0]]))}, [2, 1]),
        ({"spacing": [2, 1]}, [2, 1]),
        ({"spacing": torch.tensor([NAN, NAN])}, None),
        ({"spacing": torch.tensor([NAN, 1.0])}, None),
        ({"image": 1}, None),
        (None, None),
        (0, None),
    ],
)
def test_known_spacing(item: Any, wanted: list[float] | None) -> None:
    found = known_spacing(item)
    assert (None if found is None else found.tolist()) == wanted


def test_the_callable_gets_all_it_may_need() -> None:
    asked: list[Any] = []

    def labels(probabilities: Any, threshold: float, spacing: Any = None) -> Any:
        asked.append((probabilities.dtype, threshold, spacing))
        return probabilities[:1].numpy() > threshold

    item = {"spacing": torch.tensor([NAN, NAN])}
    found = predicted_labels(labels, torch.tensor([[[0.25, 0.75]]], dtype=torch.bfloat16), 0.5, item)
    assert found.tolist() == [[[False, True]]]
    predicted_labels(labels, torch.zeros(3, 2, 2), 0.25, None)
    assert asked == [(torch.float32, 0.5, item["spacing"]), (torch.float32, 0.25, None)]
