"""The digest of what a result depends on: equal for equal results only (tests/bundles compare it between programs)."""

from __future__ import annotations

import copy
import functools
from typing import Any

import numpy as np
import pytest
import torch
from monai.transforms import Compose

from monai_denoiseg.data import LoadItemd, SavePredictiond
from monai_denoiseg.engines import DenoiSegInferer
from monai_denoiseg.engines.depends import digest_of
from monai_denoiseg.networks import ClassicNet, DenoiSegNet
from monai_denoiseg.self2seg import Self2Seg, Self2Segd
from monai_denoiseg.transforms import ProbabilitiesToInstances


def closure(value: Any) -> Any:
    return lambda: value


def function(value: int = 0) -> int:
    return value


class Plain:
    def __init__(self, value: Any) -> None:
        self.value, self._hidden, self.device = value, 1, "cpu"

    def method(self) -> None:
        """Nothing."""


DIFFERENT = {
    "number": (1, 2),
    "type": (1, True),
    "text": ("1", 1),
    "order": ([1, 2], [2, 1]),
    "array": (np.arange(3), np.arange(3.0)),
    "tensor": (torch.zeros(2), torch.zeros(1, 2)),
    "bfloat16": (torch.zeros(2, dtype=torch.bfloat16), torch.ones(2, dtype=torch.bfloat16)),
    "option of an object": (Plain(1), Plain(2)),
    "method": (Plain(1).method, Plain(2).method),
    "partial": (functools.partial(function, 1), functools.partial(function, 2)),
    "closure": (closure(1), closure(2)),
    "classic network": (ClassicNet(2, denoise="median", size=3), ClassicNet(2, denoise="median", size=5)),
    "rule": (ProbabilitiesToInstances(min_size=3, split_neck=0), ProbabilitiesToInstances(min_size=4, split_neck=0)),
    "tile": (DenoiSegInferer(tile_size=16), DenoiSegInferer(tile_size=32)),
    "axes": (Compose([LoadItemd(axes="YX")]), Compose([LoadItemd()])),
    "suffix": (SavePredictiond("a", {"pred": "x"}), SavePredictiond("a", {"pred": "y"})),
    "self2seg": tuple(Self2Segd("image", Self2Seg(["constant", "linear"], lam=lam)) for lam in (0.1, 0.2)),
}


@pytest.mark.parametrize("kind", DIFFERENT)
def test_what_differs(kind: str) -> None:
    one, other = DIFFERENT[kind]
    assert digest_of(one) != digest_of(other)
    assert digest_of(one) == digest_of(one if callable(one) and not hasattr(one, "__dict__") else copy.deepcopy(one))


def test_every_weight_counts() -> None:
    net = DenoiSegNet(2, depth=1, features=4)
    before = digest_of(net)
    assert digest_of(copy.deepcopy(net)) == digest_of(net.eval()) == before
    for value in [*net.parameters(), *net.buffers()]:
        if value.numel():
            old = value.detach().clone()
            last = value.data.view(-1)[-1]
            last.copy_(~last if value.dtype == torch.bool else last + 1)
            assert digest_of(net) != before
            value.data.copy_(old)
    assert digest_of(net) == before


def test_place_and_device_do_not_count() -> None:
    assert digest_of(SavePredictiond("a", {"pred": "x"})) == digest_of(SavePredictiond("b", {"pred": "x"}))
    one, other = Plain(1), Plain(1)
    other.device = "cuda"
    assert digest_of(one) == digest_of(other)


def test_objects_that_hold_each_other() -> None:
    one, other = Plain(None), Plain(None)
    one.value, other.value = other, one
    assert digest_of(one) == digest_of(copy.deepcopy(one))
