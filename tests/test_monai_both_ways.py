"""MONAI's engines, handlers, inferers and data sets with our parts, and our parts with networks and engines of others."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from ignite.engine import Events
from monai.data import CacheDataset, MetaTensor, ThreadDataLoader, decollate_batch
from monai.engines import SupervisedEvaluator, SupervisedTrainer
from monai.handlers import (
    CheckpointLoader,
    CheckpointSaver,
    EarlyStopHandler,
    MeanDice,
    StatsHandler,
    ValidationHandler,
    from_engine,
    stopping_fn_from_metric,
)
from monai.inferers import SlidingWindowInferer
from monai.networks.nets import UNet
from monai.transforms import AsDiscreted, Compose, EnsureTyped, Lambdad, RandFlipd, RandSpatialCropd

from monai_denoiseg.data import intensity_statistics, simulate_nuclei
from monai_denoiseg.engines import BlindSpotBatch, DenoiSegEvaluator, DenoiSegInferer, DenoiSegTrainer
from monai_denoiseg.handlers import BestCheckpoint, CSVLog, ImagePanels, ThresholdSearch
from monai_denoiseg.heads import rule_of
from monai_denoiseg.losses import DenoiSegLoss
from monai_denoiseg.metrics import InstanceMetric, average_precision
from monai_denoiseg.networks import DenoiSegNet, load_network
from monai_denoiseg.transforms import (
    BlindSpot,
    BorderLabeld,
    FixedBlindSpotd,
    ProbabilitiesToInstancesd,
    RandBlindSpotd,
    SplitPredictiond,
)

SIZE = {2: (48, 40), 3: (16, 24, 32)}
UNET = {"_target_": "UNet", "channels": [4, 8], "strides": [2], "norm": "batch"}
CPU = torch.device("cpu")


def items(dims: int, n: int = 4) -> list[dict[str, Any]]:
    found = [simulate_nuclei(SIZE[dims], seed=seed) for seed in range(n)]
    cases = [{"image": one.image[None].astype("float32"), "label": one.label[None].astype("int64")} for one in found]
    for case in cases[: n // 2]:
        case["label"] = case["label"] * 0 - 1
    return cases


def network(dims: int, **options: Any) -> DenoiSegNet:
    torch.manual_seed(0)
    net = DenoiSegNet(dims, **{"depth": 1, "features": 4, **options})
    net.set_statistics(*intensity_statistics(items(dims)))
    return net


def loader(dims: int, chain: list[Any], cases: list[dict[str, Any]], size: int) -> ThreadDataLoader:
    fixed = [EnsureTyped(["image", "label"]), BorderLabeld("label")]
    return ThreadDataLoader(CacheDataset(cases, Compose([*fixed, *chain]), progress=False), batch_size=size)


@pytest.mark.parametrize("dims", [2, 3])
def test_all_of_monai_around_our_parts(dims: int, tmp_path: Path) -> None:
    both = ["image", "label"]
    drawn = [RandSpatialCropd(both, [16] * dims, random_size=False), RandFlipd(both, 0.5), RandBlindSpotd("image")]
    net = network(dims)
    stop = EarlyStopHandler(patience=1, score_function=stopping_fn_from_metric("dice"), min_delta=10.0)
    saver = CheckpointSaver(str(tmp_path), {"net": net}, save_key_metric=True, key_metric_filename="model.pt")
    discrete = AsDiscreted(["pred", "label"], argmax=[True, False], to_onehot=[3, 3])
    evaluator = SupervisedEvaluator(
        CPU,
        loader(dims, [], items(dims)[2:], 1),
        net,
        inferer=SlidingWindowInferer([16] * dims, 4, overlap=0.5),
        postprocessing=Compose([SplitPredictiond("pred"), discrete]),
        key_val_metric={"dice": MeanDice(include_background=False, output_transform=from_engine(["pred", "label"]))},
        val_handlers=[StatsHandler(iteration_log=False), saver, stop],
    )
    trainer = SupervisedTrainer(
        CPU,
        9,
        loader(dims, drawn, items(dims), 2),
        net,
        torch.optim.Adam(net.parameters(), 1e-3),
        DenoiSegLoss(),
        prepare_batch=BlindSpotBatch(),
        decollate=False,
        train_handlers=[ValidationHandler(1, evaluator)],
    )
    stop.set_trainer(trainer)
    trainer.run()
    assert trainer.state.epoch == 2, "no epoch is better by 10: the second is the last"
    assert 0 < evaluator.state.metrics["dice"] <= 1
    best = load_network(tmp_path / "model.pt")
    again = network(dims)
    CheckpointLoader(str(tmp_path / "model.pt"), {"net": again}).attach(trainer)
    image = torch.rand(1, 1, *SIZE[dims]) * 300
    trainer.fire_event(Events.STARTED)
    assert torch.equal(again.eval()(image), best.eval()(image))


@pytest.mark.parametrize("dims", [2, 3])
def test_sliding_windows_give_the_logits_of_the_whole(dims: int) -> None:
    """Where a window sees as much as the receptive field, MONAI's inferer and ours agree away from the windows' edges."""
    net = network(dims, normalisation="image").eval()
    image = torch.rand(1, 1, *SIZE[dims]) * 300
    intensity = net.intensity(image)
    wanted = DenoiSegInferer()(image, net)
    window = [32] * dims
    with torch.no_grad():
        found = net.activate(SlidingWindowInferer(window, 1, overlap=0.75, mode="gaussian")(image, net, intensity=intensity))
        alone = net.activate(SlidingWindowInferer(window, 1, overlap=0.75, mode="gaussian")(image, net))
    assert float((found - wanted)[:, :3].abs().mean()) < 0.02
    assert float((found - wanted).abs().mean()) < float((alone - wanted).abs().mean()), "each window by its own numbers is worse"


@pytest.mark.parametrize("dims", [2, 3])
def test_our_inferer_in_monais_evaluator_with_a_foreign_network(dims: int) -> None:
    net = network(dims, backbone=UNET).eval()
    metric, objects = InstanceMetric(), items(dims)[2:]
    chain = Compose([SplitPredictiond("pred"), ProbabilitiesToInstancesd("pred", min_size=0)])
    data = [{key: torch.from_numpy(value)[None] for key, value in one.items()} for one in objects]
    evaluator = SupervisedEvaluator(CPU, data, net, inferer=DenoiSegInferer([16] * dims, tta=dims == 2), postprocessing=chain)
    evaluator.run()
    for one in evaluator.state.output:
        assert isinstance(one["denoised"], torch.Tensor) and not isinstance(one["pred"], MetaTensor)
        metric(one["pred"][None], one["label"][None])
    truth, found = objects[-1]["label"][0], evaluator.state.output[0]["pred"][0]
    prediction = DenoiSegInferer([16] * dims, tta=dims == 2)(data[-1]["image"], net)[0]
    rule = rule_of(net, threshold=0.5, min_size=0)
    assert torch.equal(rule(prediction)[0], found)
    assert 0 <= average_precision(truth, found) <= 1


@pytest.mark.parametrize("dims", [2, 3])
def test_our_engines_and_handlers_with_a_foreign_network(dims: int, tmp_path: Path) -> None:
    net = network(dims, backbone=UNET)
    optimizer = torch.optim.Adam(net.parameters(), 1e-3)
    cases = items(dims)
    for case in cases:
        case["instances"] = case["label"]
    chain = [FixedBlindSpotd("image", BlindSpot()), Lambdad("instances", torch.as_tensor)]
    search = ThresholdSearch(net, rule_of(net, min_size=0))
    validator = DenoiSegEvaluator(
        "cpu",
        loader(dims, chain, cases[2:], 1),
        net,
        DenoiSegInferer([16] * dims),
        BlindSpotBatch(),
        DenoiSegLoss(),
        val_handlers=[
            search,
            CSVLog(tmp_path / "log.csv", ["loss", "ap"]),
            ImagePanels(tmp_path / "panels", rule_of(net), net),
            BestCheckpoint(tmp_path / "model.pt", net),
        ],
        amp="off",
    )
    trainer = DenoiSegTrainer(
        "cpu",
        2,
        loader(dims, [], cases, 2),
        net,
        optimizer,
        DenoiSegLoss(),
        BlindSpotBatch(),
        train_handlers=[ValidationHandler(1, validator), StatsHandler(iteration_log=False, name="train")],
        amp="off",
    )
    trainer.run()
    assert {"loss", "ap"} <= set(validator.state.metrics)
    assert len((tmp_path / "log.csv").read_text().splitlines()) == 3
    assert list((tmp_path / "panels").glob("*.png"))
    assert type(load_network(tmp_path / "model.pt").unet.module).__name__ == "UNet"


def test_a_network_that_is_not_wrapped_is_refused() -> None:
    plain = UNet(2, 1, 4, [4, 8], [2])
    batch = {"image": torch.rand(1, 1, 16, 16), "label": torch.zeros(1, 1, 16, 16, dtype=torch.int64)}
    wanted = r"a UNet has no normalisation, head and thresholds: put it into DenoiSegNet\(spatial_dims, backbone=network\)"
    with pytest.raises(TypeError, match=wanted):
        DenoiSegInferer()(batch["image"], plain)
    with pytest.raises(TypeError, match=wanted):
        DenoiSegEvaluator("cpu", [batch], plain, DenoiSegInferer(), BlindSpotBatch()).run()
    net = DenoiSegNet(2, backbone=plain).eval()
    assert DenoiSegInferer()(batch["image"], net).shape == (1, 4, 16, 16)


def test_a_batch_of_results_can_be_taken_apart() -> None:
    net = network(2).eval()
    result = {"pred": DenoiSegInferer()(torch.rand(2, 1, 16, 16), net), "name": ["a", "b"]}
    assert [one["pred"].shape for one in decollate_batch(result)] == [(4, 16, 16)] * 2
