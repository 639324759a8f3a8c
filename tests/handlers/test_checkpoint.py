"""model.pt is the best network."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from ignite.engine import Engine, Events
from torch import nn

from monai_denoiseg.handlers import BestCheckpoint, selection_score
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
