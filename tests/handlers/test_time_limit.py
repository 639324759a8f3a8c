"""A training planned by the clock ends, validated and with a low learning rate."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from ignite.engine import Engine, Events
from monai.engines import Evaluator

from monai_denoiseg.handlers import FullValidationHandler, TimeLimit, time_limit


class Clock:
    """Ten seconds a step."""

    now = 0.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(time_limit.time, "monotonic", clock.monotonic)
    return clock


def train(clock: Clock, minutes: float | None, epochs: int = 100) -> tuple[list[float], list[int], int]:
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, epochs, eta_min=0.1)
    rates: list[float] = []
    validated: list[int] = []

    def step(engine: Engine, batch: Any) -> None:
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        clock.now += 10

    engine = Engine(step)
    validator = Evaluator("cpu", [0], iteration_update=lambda _, __: validated.append(engine.state.epoch))
    FullValidationHandler(50, validator).attach(engine)
    engine.add_event_handler(Events.EPOCH_COMPLETED, lambda _: scheduler.step())
    TimeLimit(minutes, scheduler).attach(engine)
    engine.run([0, 1, 2], max_epochs=epochs)
    return rates, validated, engine.state.epoch


def test_it_ends_in_time_and_validates(clock: Clock) -> None:
    rates, validated, epoch = train(clock, 2)
    assert clock.now == 120
    assert validated == [epoch] == [4]
    wanted = [0.1 + 0.9 * (1 + math.cos(math.pi * share)) / 2 for share in (0, 0.25, 0.5, 0.75)]
    assert rates[::3] == pytest.approx(wanted)


def test_it_ends_within_an_epoch(clock: Clock) -> None:
    assert train(clock, 10 / 60)[1:] == ([1], 1)
    assert clock.now == 10


def test_without_a_limit_or_far_from_it_nothing_changes(clock: Clock) -> None:
    free = train(clock, None, epochs=4)
    assert train(clock, 1000, epochs=4) == free
    assert len(free[0]) == 12


@pytest.mark.parametrize("minutes", [0, -1, math.nan, math.inf, "5"])
def test_wrong_minutes(minutes: Any) -> None:
    with pytest.raises(ValueError, match="`max_minutes` must be in"):
        TimeLimit(minutes)
