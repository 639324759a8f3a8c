"""DiceScore against plain counts, and the choice between it and ThresholdSearch."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from ignite.engine import Engine
from torch import nn

from monai_denoiseg.engines import BlindSpotBatch, DenoiSegEvaluator, DenoiSegInferer
from monai_denoiseg.handlers import BestCheckpoint, DiceScore, ThresholdSearch, score_columns, validation_score
from monai_denoiseg.heads import label_rule
from monai_denoiseg.losses import DenoiSegLoss
from monai_denoiseg.networks import DenoiSegNet
from monai_denoiseg.transforms import BlindSpot

ORGANS = ["background", "liver", "spleen", "kidney"]


def network(spatial_dims: int = 2, classes: list[str] | None = ORGANS) -> DenoiSegNet:
    torch.manual_seed(0)
    return DenoiSegNet(spatial_dims, depth=1, features=4, classes=classes).eval()


def case(size: tuple[int, ...], seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    """A prediction (with a denoised channel) and a truth with unannotated voxels."""
    random = np.random.default_rng(seed)
    truth = random.integers(-1, 4, (1, *size))
    scores = random.random((5, *size)) + 0.7 * (np.arange(5).reshape(-1, *[1] * len(size)) == truth)
    return torch.tensor(scores), torch.tensor(truth)


def plain(cases: list[tuple[torch.Tensor, torch.Tensor]]) -> dict[str, float]:
    table = []
    for prediction, truth in cases:
        found, true = prediction[:4].numpy().argmax(0).ravel(), truth.numpy().ravel()
        found, true = found[true >= 0], true[true >= 0]
        table.append([2 * ((found == k) & (true == k)).sum() / ((found == k).sum() + (true == k).sum()) for k in (1, 2, 3)])
    means = np.mean(table, axis=0)
    return {"dice": means.mean(), "dice_liver": means[0], "dice_spleen": means[1], "dice_kidney": means[2]}


@pytest.mark.parametrize("size", [(9, 12), (4, 6, 5)])
def test_same_as_plain_counts(size: tuple[int, ...]) -> None:
    cases = [case(size, seed) for seed in range(3)]
    score = DiceScore(network(len(size)), label_rule(ORGANS))
    for prediction, truth in cases:
        score.add(prediction, truth)
    assert score.average() == pytest.approx(plain(cases))


def test_attached_it_skips_what_is_not_labelled_and_forgets_the_validation_before() -> None:
    cases = [case((8, 8), seed) for seed in range(2)]
    items = [{"instances": truth, "spacing": torch.ones(2)} for _, truth in cases] + [{}]
    predictions = [prediction for prediction, _ in cases] + [cases[0][0]]

    def process(engine: Engine, i: int) -> list[dict[str, Any]]:
        engine.state.batch = [items[i]]
        return [{"pred": predictions[i]}]

    engine = Engine(process)
    DiceScore(network(), label_rule(ORGANS)).attach(engine)
    for _ in range(2):
        engine.run([0, 1, 2])
        assert {k: engine.state.metrics[k] for k in plain(cases)} == pytest.approx(plain(cases))


def test_nothing_labelled_is_nan() -> None:
    score = DiceScore(network(), label_rule(ORGANS))
    assert all(np.isnan(value) for value in score.average().values())
    score.add(torch.rand(4, 5, 5), torch.full((1, 5, 5), -1))
    assert all(np.isnan(value) for value in score.average().values())


def test_images_of_all_processes_count(monkeypatch: pytest.MonkeyPatch) -> None:
    cases = [case((8, 8), seed) for seed in range(3)]
    here, there = DiceScore(network(), label_rule(ORGANS)), DiceScore(network(), label_rule(ORGANS))
    here.add(*cases[0])
    for pair in cases[1:]:
        there.add(*pair)
    monkeypatch.setattr("monai_denoiseg.handlers.dice_score.of_all_processes", lambda rows: [rows, there._rows, []])
    assert here.average() == pytest.approx(plain(cases))


def test_the_choice_follows_the_network() -> None:
    wrapper = nn.Module()
    wrapper.module = network()
    assert isinstance(validation_score(wrapper, label_rule(ORGANS), truth_key="t"), DiceScore)
    assert isinstance(validation_score(network(classes=None), label_rule()), ThresholdSearch)
    assert score_columns(wrapper) == ["dice", "dice_liver", "dice_spleen", "dice_kidney"]
    assert score_columns(network(classes=None)) == ["ap", "seg", "threshold"]
    with pytest.raises(ValueError, match="has no `classes`: it finds instances"):
        DiceScore(network(classes=None), label_rule())


@pytest.mark.parametrize("spatial_dims", [2, 3])
def test_a_whole_validation(tmp_path: Path, spatial_dims: int) -> None:
    net, rule = network(spatial_dims), label_rule(ORGANS)
    label = torch.randint(-1, 4, (1, 1, *[10] * spatial_dims), generator=torch.Generator().manual_seed(0))
    item = {"image": torch.rand(label.shape), "label": label, "instances": label}
    best = BestCheckpoint(tmp_path / "model.pt", net, tolerance=0.1)
    evaluator = DenoiSegEvaluator(
        *("cpu", [item], net, DenoiSegInferer(), BlindSpotBatch(BlindSpot()), DenoiSegLoss(classes=ORGANS)),
        val_handlers=[validation_score(net, rule), best],
        amp="off",
    )
    evaluator.run()
    prediction = DenoiSegInferer()(item["image"], net)[0]
    assert {k: evaluator.state.metrics[k] for k in ("dice", "dice_liver")} == pytest.approx(
        {k: v for k, v in plain([(prediction, label[0])]).items() if k in ("dice", "dice_liver")}
    )
    assert best.best is not None
    assert (best.best.name, best.best.score) == ("dice", evaluator.state.metrics["dice"])
