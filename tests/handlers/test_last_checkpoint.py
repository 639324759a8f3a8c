"""last.pt is everything needed to go on."""

from __future__ import annotations

import math
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from ignite.engine import Engine, Events
from torch import nn

from monai_denoiseg.handlers import BestCheckpoint, LastCheckpoint, reschedule, restore_rng, rng_state

GLOBAL = np.random.mtrand._rand  # what MONAI and others draw from


def run(folder: Path, epochs: int, resume: bool = False, stop_after: int = 99) -> tuple[nn.Module, list[float]]:
    """A training whose steps depend on all sources of chance, on the optimizer's memory and on the schedule."""
    torch.manual_seed(0)
    GLOBAL.seed(0)
    random.seed(0)
    network = nn.Linear(3, 1)
    optimizer = torch.optim.Adam(network.parameters(), 0.1)
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 6)
    best = BestCheckpoint(folder / "model.pt", network)
    scores: list[float] = []

    def step(engine: Engine, batch: Any) -> None:
        noise = torch.rand(4, 3) + GLOBAL.rand() + random.random()
        optimizer.zero_grad()
        network(noise).square().mean().backward()
        optimizer.step()

    def finish(engine: Engine) -> None:
        scheduler.step()
        scores.append(float(network.bias.detach()))
        best.update({"ap": -abs(scores[-1])})

    engine = Engine(step)
    engine.add_event_handler(Events.EPOCH_COMPLETED, finish)
    LastCheckpoint(folder / "last.pt", network, optimizer, scheduler, best, resume).attach(engine)
    engine.add_event_handler(Events.EPOCH_COMPLETED(once=stop_after), lambda e: e.terminate())
    engine.run([0, 1], max_epochs=epochs)
    return network, scores


def test_resume_goes_on_exactly(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    whole, scores = run(tmp_path / "a", 6)
    run(tmp_path / "b", 6, stop_after=2)
    resumed, later = run(tmp_path / "b", 6, resume=True)
    assert later == scores[2:]
    assert torch.equal(resumed.weight, whole.weight)
    ours, theirs = (torch.load(tmp_path / name / "model.pt") for name in "ab")
    assert all(torch.equal(ours[key], theirs[key]) for key in ours)
    assert sorted(path.name for path in (tmp_path / "b").iterdir()) == ["last.pt", "model.pt"], "nothing is set aside"


def test_resume_of_a_finished_run_does_nothing(tmp_path: Path) -> None:
    network, _ = run(tmp_path, 3)
    again, scores = run(tmp_path, 3, resume=True)
    assert scores == []
    assert torch.equal(again.weight, network.weight)


def test_resume_without_a_checkpoint(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"`resume` is set, but there is no checkpoint .*last\.pt; train without"):
        run(tmp_path, 1, resume=True)


def test_a_new_run_sets_the_checkpoint_of_the_earlier_aside(tmp_path: Path) -> None:
    run(tmp_path, 2)
    run(tmp_path, 1)
    assert torch.load(tmp_path / "last.1.pt")["epoch"] == 2
    assert torch.load(tmp_path / "last.pt")["epoch"] == 1


def test_each_rank_gets_its_own_random_numbers_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run(tmp_path, 1)
    state = torch.load(tmp_path / "last.pt")
    torch.manual_seed(123)
    state["rng"] = [*state["rng"], rng_state()]
    wanted = torch.rand(3)
    torch.save(state, tmp_path / "last.pt")
    last = LastCheckpoint(tmp_path / "last.pt", nn.Linear(3, 1), torch.optim.Adam([torch.zeros(1)]), resume=True)
    monkeypatch.setattr(last, "_parts", lambda engine: {})
    monkeypatch.setattr(torch.distributed, "is_initialized", lambda: True)
    monkeypatch.setattr(torch.distributed, "get_rank", lambda: 1)
    engine = Engine(lambda engine, batch: None)
    engine.state.max_epochs = 1
    last._start(engine)
    assert torch.equal(torch.rand(3), wanted)


def test_random_numbers_of_every_source_come_back(tmp_path: Path) -> None:
    def draw() -> list[float]:
        return [
            float(torch.rand(1)),
            float(GLOBAL.rand()),
            float(GLOBAL.standard_normal()),
            random.random(),
            random.gauss(),
        ]

    GLOBAL.standard_normal()  # leaves a second number waiting inside numpy
    state = rng_state()
    torch.save(state, tmp_path / "rng.pt")
    wanted = draw()
    restore_rng(torch.load(tmp_path / "rng.pt", weights_only=True))
    assert draw() == wanted


@pytest.mark.parametrize("stopped_after", [2, 6])
def test_an_extended_run_goes_on_along_the_longer_cosine(tmp_path: Path, stopped_after: int) -> None:
    """The learning rate after an extension is that of a run planned for the new length from the start."""

    def train(epochs: int, resume: bool, stop: int = 99) -> list[float]:
        network = nn.Linear(1, 1)
        optimizer = torch.optim.Adam(network.parameters(), 0.1)
        scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, epochs, eta_min=0.002)
        rates: list[float] = []

        def step(engine: Engine, batch: Any) -> None:
            rates.append(optimizer.param_groups[0]["lr"])
            optimizer.step()

        engine = Engine(step)
        engine.add_event_handler(Events.EPOCH_COMPLETED, lambda _: scheduler.step())
        LastCheckpoint(tmp_path / "last.pt", network, optimizer, scheduler, resume=resume).attach(engine)
        engine.add_event_handler(Events.EPOCH_COMPLETED(once=stop), lambda e: e.terminate())
        engine.run([0], max_epochs=epochs)
        return rates

    train(6, resume=False, stop=stopped_after)
    later = train(10, resume=True)
    wanted = [0.002 + 0.098 * (1 + math.cos(math.pi * epoch / 10)) / 2 for epoch in range(stopped_after, 10)]
    assert later == pytest.approx(wanted)


def test_a_run_is_never_shortened(tmp_path: Path) -> None:
    run(tmp_path, 3)
    with pytest.raises(ValueError, match=r"`max_epochs` was 3 in .*last\.pt and is 2 now: a run can be extended, not shortened"):
        run(tmp_path, 2, resume=True)


def test_another_schedule_is_left_as_it_is(caplog: pytest.LogCaptureFixture) -> None:
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.3)
    reschedule(torch.optim.lr_scheduler.StepLR(optimizer, 2), 9)
    assert optimizer.param_groups[0]["lr"] == 0.3
    assert "StepLR is no cosine schedule" in caplog.text


def test_what_is_told_about_the_run_is_kept(tmp_path: Path) -> None:
    network = nn.Linear(1, 1)
    engine = Engine(lambda engine, batch: None)
    about = {"settings": {"alpha": 0.5, "patch_size": [64, 64]}, "split": {"training": ["images/a.tif"]}}
    LastCheckpoint(tmp_path / "last.pt", network, torch.optim.Adam(network.parameters()), about=about).attach(engine)
    engine.run([0], max_epochs=1)
    assert torch.load(tmp_path / "last.pt", weights_only=True)["about"] == about
