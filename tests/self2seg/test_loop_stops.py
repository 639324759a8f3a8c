from __future__ import annotations

import logging
import math
import time
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor

from monai_denoiseg.self2seg.linear_expert import LinearExpert
from monai_denoiseg.self2seg.loop import Self2Seg
from monai_denoiseg.self2seg.result import EnergyRecord
from monai_denoiseg.self2seg.watch import Watch

from .shapes import TWO, noisy, square

HALF: dict[str, Any] = {"start": "threshold", "start_threshold": 0.5}


def dice(one: Tensor, other: Tensor) -> float:
    return float(2 * (one & other).sum() / (one.sum() + other.sum()))


class Restless:
    """Never says the same twice."""

    soft, penalty = True, 0.0

    def __init__(self) -> None:
        self.calls = 0

    def fit(self, image: Tensor, weights: Tensor, watch: Watch) -> Tensor:
        self.calls += 1
        return torch.full_like(image, 1.0 + self.calls % 2)


class Slow(Restless):
    """Uses up the time at its second fit."""

    def fit(self, image: Tensor, weights: Tensor, watch: Watch) -> Tensor:
        if self.calls:
            while not watch.over:
                time.sleep(0.01)
        return super().fit(image, weights, watch) * (1 if self.calls == 1 else 100)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("lam", -1.0),
        ("lam", math.nan),
        ("lam", "0.1"),
        ("lam_path", []),
        ("tv", "isotropc"),
        ("mu", -1.0),
        ("residual_box", 2),
        ("residual_box", 0),
        ("start", "boxs"),
        ("max_outer", 0),
        ("energy_tolerance", 2.0),
        ("mask_tolerance", -0.1),
        ("time_budget", 0),
        ("seed", -1),
        ("experts", ["constant"]),
    ],
)
def test_wrong_settings_are_refused_at_once(name: str, value: Any) -> None:
    with pytest.raises(ValueError, match="lambda" if name.startswith("lam") else f"`{name}`"):
        Self2Seg(**{"experts": TWO, **{name: value}})


def test_a_misspelt_setting_is_refused() -> None:
    with pytest.raises(TypeError, match="`lamda`"):
        Self2Seg(TWO, lamda=0.3)


def test_it_stops_for_the_mask() -> None:
    result = Self2Seg(TWO, energy_tolerance=0, **HALF)(noisy(square(), 0.2))
    assert result.stopped == "mask"
    assert result.records[-1].changed < 0.005 <= max(record.changed for record in result.records)


def test_it_stops_for_the_energy() -> None:
    result = Self2Seg(TWO, **HALF, lam=0.001, mask_tolerance=0, energy_tolerance=0.15)(noisy(square(), 1.0))
    assert result.stopped == "energy"
    assert result.records[-1].changed > 0
    before, last = result.records[-2:]
    assert abs(before.energy - last.energy) < 0.15 * before.energy


@pytest.mark.parametrize(("lams", "reason"), [((0.1, 0.1), "energy"), ((0.1, 0.2), None)])
def test_energies_of_different_weights_are_not_compared(lams: tuple[float, float], reason: str | None) -> None:
    records = [EnergyRecord(step, lam, 5.0, 1.0, 1.0, 0.0, 1, 0.5, 0.0) for step, lam in enumerate(lams, 1)]
    run: Any = SimpleNamespace(has_empty_region=lambda: False, watch=Watch(), records=records)
    assert Self2Seg(TWO)._reason_to_stop(run) == reason


def test_it_stops_after_the_last_round() -> None:
    result = Self2Seg(["constant", Restless()], **HALF, lam=0.001, max_outer=4, energy_tolerance=0, mask_tolerance=0)(
        noisy(square(), 0.2)
    )
    assert (result.stopped, len(result.records)) == ("max_outer", 4)


def test_it_stops_when_a_region_has_vanished(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        result = Self2Seg(TWO, lam=100.0, **HALF)(noisy(square(), 0.2))
    assert (result.stopped, len(result.records)) == ("empty", 1)
    assert "smaller lambda" in caplog.text
    assert bool(result.denoised.isfinite().all())


def test_it_stops_when_the_time_is_over_and_keeps_the_best() -> None:
    image = noisy(square(), 0.2)
    method = Self2Seg(
        ["constant", Slow()], lam=0.02, lam_path=[0.02, 0.1], start="threshold", start_threshold=0.6, time_budget=0.5
    )
    result = method(image)
    assert (result.stopped, len(result.records)) == ("time", 1)
    assert float(result.predictions[1].mean()) == 2.0  # what was learnt at the end is not used
    assert result.path is not None
    assert torch.equal(result.path.labels[0], result.labels)


@pytest.mark.parametrize("lam", [0.05, None])
@pytest.mark.parametrize("experts", [("noise2fast", "noise2fast"), ("linear", "linear")])
def test_a_short_budget_returns_soon_with_a_result(experts: tuple[str, ...], lam: float | None) -> None:
    image = torch.rand(1, 128, 128, generator=torch.Generator().manual_seed(0))
    begun = time.monotonic()
    result = Self2Seg(experts, lam=lam, time_budget=0.2, **HALF)(image)
    assert time.monotonic() - begun < 5
    assert result.stopped == "time"
    assert result.labels.shape == (128, 128)
    assert bool(result.denoised.isfinite().all())


def test_no_lambda_takes_one_from_the_path() -> None:
    labels = square(32)
    image = noisy(labels, 0.7)
    result = Self2Seg(TWO, **HALF, lam=None, lam_path=[1e-4, 0.03, 5.0])(image)
    assert result.path is not None
    assert (result.lam, result.path.chosen) == (0.03, 1)
    assert torch.equal(result.path.labels[1], result.labels)
    assert dice(result.labels == 1, labels == 1) > 0.9
    assert len(Self2Seg(TWO, lam=None).rules.lam_path or []) > 3


def test_a_path_beside_a_lambda() -> None:
    result = Self2Seg(TWO, **HALF, lam=0.05, lam_path=[5.0, 0.05, 0.001])(noisy(square(), 0.5))
    assert result.path is not None
    assert result.path.lams == [0.001, 0.05, 5.0]
    assert result.lam == 0.05  # the path does not choose
    assert torch.equal(result.path.labels[1], result.labels)


def test_a_sweep_is_a_run_for_each_weight() -> None:
    image = noisy(square(), 0.5)
    method = Self2Seg([LinearExpert(1), "constant"], **HALF, lam=0.5)
    lams = [0.01, 0.05]
    for lam, result in zip(lams, method.sweep(image, lams[::-1]), strict=True):
        alone = Self2Seg([LinearExpert(1), "constant"], **HALF, lam=lam)(image)
        assert (result.lam, result.stopped) == (lam, alone.stopped)
        assert torch.equal(result.labels, alone.labels)
        assert [r.energy for r in result.records] == pytest.approx([r.energy for r in alone.records])
