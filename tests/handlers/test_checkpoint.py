"""model.pt is the best network, last.pt is everything needed to go on."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from ignite.engine import Engine, Events
from torch import nn

from monai_denoiseg.handlers import BestCheckpoint, LastCheckpoint, restore_rng, rng_state, selection_score
from monai_denoiseg.networks import DenoiSegNet

NAN = float("nan")


@pytest.mark.parametrize(
    ("metrics", "wanted"),
    [
        ({"ap": 0.7, "denoising": 0.2, "loss": 1.0}, ("ap", 0.7)),
        ({"ap": 0.0, "denoising": 0.2}, ("ap", 0.0)),
        ({"ap": NAN, "denoising": 0.2, "loss": 1.0}, ("denoising", -0.2)),
        ({"denoising": 0.2, "loss": 1.0}, ("denoising", -0.2)),
        ({"ap": NAN, "loss": 1.0}, ("loss", -1.0)),
    ],
)
def test_the_rule(metrics: dict[str, float], wanted: tuple[str, float]) -> None:
    assert selection_score(metrics) == wanted


def test_nothing_to_select_by() -> None:
    with pytest.raises(KeyError, match=r"neither 'ap', .* attach a ThresholdSearch .* or give a loss"):
        selection_score({"seg": 0.5})


def test_another_score() -> None:
    measured = {"ap": 0.7, "dice": 0.4, "denoising": 0.2}
    assert selection_score(measured, "dice") == ("dice", 0.4)
    assert selection_score({**measured, "dice": NAN}, "dice") == ("denoising", -0.2)
    with pytest.raises(KeyError, match="neither 'dice'"):
        selection_score({"ap": 0.7}, "dice")


@pytest.mark.parametrize(("classes", "metric", "used"), [([], None, "ap"), (["a", "b"], None, "dice"), (["a", "b"], "ap", "ap")])
def test_the_score_follows_the_network(tmp_path: Path, classes: list[str], metric: str | None, used: str) -> None:
    network = DenoiSegNet(2, depth=1, features=4, classes=classes)
    best = BestCheckpoint(tmp_path / "model.pt", network, tolerance=0.02, metric=metric)
    other = {"ap": "dice", "dice": "ap"}[used]
    values = [(0.5, 0.3), (0.49, 0.2), (0.4, 0.1), (0.6, 0.3)]  # the second is as good and denoises better
    updates = [best.update({used: score, other: -score, "denoising": d}) for score, d in values]
    assert updates == [True, True, False, True]
    assert best.best is not None
    assert (best.best.name, best.best.score) == (used, 0.6)


@pytest.mark.parametrize(
    ("metric", "values", "kept"),
    [
        ("ap", [0.5, 0.5, 0.4, 0.6], 3),
        ("ap", [0.5, 0.5], 0),  # a tie keeps the earlier
        ("denoising", [0.5, 0.3, 0.4], 1),
        ("denoising", [NAN, 0.3, NAN], 1),  # a NaN never stands in the way
    ],
)
def test_best_checkpoint_keeps_the_best(tmp_path: Path, metric: str, values: list[float], kept: int) -> None:
    network = nn.Linear(1, 1)
    best = BestCheckpoint(tmp_path / "model.pt", network)
    numbers = iter(range(len(values)))

    def validate(engine: Engine, batch: Any) -> None:
        nn.init.constant_(network.bias, next(numbers))

    engine = Engine(validate)
    engine.add_event_handler(Events.EPOCH_COMPLETED, lambda e: e.state.metrics.update({metric: values[e.state.epoch - 1]}))
    best.attach(engine)
    engine.run([0], max_epochs=len(values))
    assert float(torch.load(tmp_path / "model.pt")["bias"]) == kept
    assert [path.name for path in tmp_path.iterdir()] == ["model.pt"]


def test_model_of_an_earlier_run_is_set_aside_once(tmp_path: Path) -> None:
    (tmp_path / "model.pt").write_text("earlier")
    best = BestCheckpoint(tmp_path / "model.pt", nn.Linear(1, 1))
    assert [best.update({"ap": value}) for value in (0.1, 0.2)] == [True, True]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["model.1.pt", "model.pt"]
    assert (tmp_path / "model.1.pt").read_text() == "earlier"


def test_a_distributed_wrapper_is_taken_off(tmp_path: Path) -> None:
    wrapper = nn.Module()
    wrapper.module = nn.Linear(1, 1)
    BestCheckpoint(tmp_path / "model.pt", wrapper).update({"ap": 0.5})
    assert set(torch.load(tmp_path / "model.pt")) == {"weight", "bias"}


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


@pytest.mark.parametrize(
    ("tolerance", "kept"),
    [(0.02, 3), (0.0, 0), (0.01, 2)],
)
def test_within_the_tolerance_the_better_denoiser_is_kept(tmp_path: Path, tolerance: float, kept: int) -> None:
    """A slow rule over all validations at once: among those near the top, the lowest denoising loss."""
    rows = [(0.740, 0.563), (0.713, 0.559), (0.735, 0.558), (0.722, 0.556), (0.690, 0.550)]
    near = [i for i, (ap, _) in enumerate(rows) if ap >= 0.740 - tolerance]
    assert min(near, key=lambda i: rows[i][1]) == kept
    network = nn.Linear(1, 1)
    best = BestCheckpoint(tmp_path / "model.pt", network, tolerance=tolerance)
    for number, (ap, denoising) in enumerate(rows):
        nn.init.constant_(network.bias, number)
        best.update({"ap": ap, "denoising": denoising})
    assert float(torch.load(tmp_path / "model.pt")["bias"]) == kept


@pytest.mark.parametrize(("error", "tolerance", "kept"), [(0.005, 0.02, 0), (0.025, 0.02, 2), (0.1, 0.02, 3), (0.1, 0.0, 0)])
def test_within_two_standard_errors_the_better_denoiser_is_kept(
    tmp_path: Path, error: float, tolerance: float, kept: int
) -> None:
    """Few validation objects: what is no further from the top than two of the top's standard errors is no worse."""
    rows = [(0.825, 0.579), (0.70, 0.578), (0.783, 0.576), (0.64, 0.575)]
    best = BestCheckpoint(tmp_path / "model.pt", network := nn.Linear(1, 1), tolerance=tolerance)
    for number, (ap, denoising) in enumerate(rows):
        nn.init.constant_(network.bias, number)
        best.update({"ap": ap, "denoising": denoising, "ap_error": error if ap == 0.825 else 0.5})
    assert float(torch.load(tmp_path / "model.pt")["bias"]) == kept


def test_a_new_top_leaves_a_saved_network_behind(tmp_path: Path) -> None:
    best = BestCheckpoint(tmp_path / "model.pt", nn.Linear(1, 1), tolerance=0.02)
    assert [best.update({"ap": ap, "denoising": d}) for ap, d in [(0.60, 0.5), (0.59, 0.4), (0.615, 0.6)]] == [True, True, True]
    with pytest.raises(ValueError, match="`ap_tolerance` must be in"):
        BestCheckpoint(tmp_path / "model.pt", nn.Linear(1, 1), tolerance=-1)


def test_resuming_a_training_of_another_length_is_refused(tmp_path: Path) -> None:
    """The learning-rate schedule of the file ends at its own last epoch."""
    network = nn.Linear(1, 1)
    optimizer = torch.optim.Adam(network.parameters())
    trainer = Engine(lambda engine, batch: None)
    LastCheckpoint(tmp_path / "last.pt", network, optimizer).attach(trainer)
    trainer.run([0], max_epochs=2)
    longer = Engine(lambda engine, batch: None)
    LastCheckpoint(tmp_path / "last.pt", network, optimizer, resume=True).attach(longer)
    with pytest.raises(ValueError, match="resume with `max_epochs` 2, got 5"):
        longer.run([0], max_epochs=5)
