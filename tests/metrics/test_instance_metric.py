from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from ignite.engine import Engine
from monai.data import MetaTensor
from monai.handlers import IgniteMetricHandler, from_engine

from monai_denoiseg.metrics import InstanceMetric, PSNRMetric, average_precision, precision_recall_f1, seg_score

SCORES = ("ap", "seg", "precision", "recall", "f1")


def images(shape: tuple[int, ...], n: int = 6) -> tuple[torch.Tensor, torch.Tensor]:
    """Instance batches (n, 1, ...): image 0 is empty on both sides, 1 has truth only, 2 has predictions only."""
    rng = np.random.default_rng(0)
    coarse = rng.integers(0, 6, (n, 1, *[size // 4 for size in shape]))
    truth = torch.from_numpy(np.kron(coarse, np.ones((1, 1, *[4] * len(shape)), int)))
    prediction = torch.roll(truth, 1, -1) * torch.from_numpy(rng.integers(0, 10, truth.shape) > 1)
    truth[0], prediction[0], prediction[1], truth[2] = 0, 0, 0, 0
    return truth, prediction


def slow(truth: torch.Tensor, prediction: torch.Tensor, empty: str) -> list[dict[str, float]]:
    rows = []
    for t, p in zip(truth, prediction, strict=True):
        detection = precision_recall_f1(t, p, empty=empty)._asdict()
        rows.append({"ap": average_precision(t, p, empty=empty), "seg": seg_score(t, p, empty=empty), **detection})
    return rows


@pytest.mark.parametrize("shape", [(16, 20), (8, 8, 12)])
@pytest.mark.parametrize("empty", ["skip", "zero"])
def test_mean_over_images(shape: tuple[int, ...], empty: str) -> None:
    truth, prediction = images(shape)
    metric = InstanceMetric(empty=empty)
    metric(prediction[:4], truth[:4])
    metric(list(prediction[4:]), list(truth[4:]))
    expected = slow(truth, prediction, empty)
    result = metric.aggregate()
    for name in SCORES:
        assert result[name] == pytest.approx(np.nanmean([row[name] for row in expected]))
        assert [row[name] for row in metric.rows()] == pytest.approx([row[name] for row in expected], nan_ok=True)
    skipped = 2 if empty == "skip" else 1
    assert (result["n_images"], result["n_skipped"]) == (6 - skipped, skipped)
    falsely = len(prediction[2].unique()) - 1
    assert falsely > 0
    assert result["skipped_false_positives"] == (falsely if empty == "skip" else 0)
    assert result["n_objects"] == sum(len(t.unique()) - (0 in t) for t in truth)


@pytest.mark.parametrize("empty", ["skip", "zero"])
def test_pooled(empty: str) -> None:
    truth, prediction = images((16, 20))
    metric = InstanceMetric(empty=empty, reduction="pooled")
    metric(prediction, truth)
    kept = [row for row in metric.rows() if not math.isnan(row["ap"])]
    tp, fp, fn = (sum(row[name] for row in kept) for name in ("tp", "fp", "fn"))
    result = metric.aggregate()
    assert result["ap"] == tp / (tp + fp + fn)
    assert result["precision"] == tp / (tp + fp)
    assert result["recall"] == tp / (tp + fn)
    weights = [row["n_objects"] for row in kept]
    assert result["seg"] == pytest.approx(np.average([row["seg"] for row in kept], weights=weights), abs=1e-6)
    by_image = InstanceMetric(empty=empty)
    by_image(prediction, truth)
    assert result["ap"] != pytest.approx(by_image.aggregate()["ap"])
    without = InstanceMetric(reduction="pooled")
    without(prediction[[1, 3, 4, 5]], truth[[1, 3, 4, 5]])
    assert (result["ap"] == without.aggregate()["ap"]) == (empty == "skip")


def test_several_thresholds() -> None:
    truth, prediction = images((16, 20))
    metric = InstanceMetric(threshold=[0.6, 0.3])
    metric(prediction, truth)
    result = metric.aggregate()
    each = {
        level: np.nanmean([average_precision(t, p, level) for t, p in zip(truth, prediction, strict=True)])
        for level in (0.6, 0.3)
    }
    assert result["ap"] == result["ap_0.6"] == pytest.approx(each[0.6])
    assert result["ap_0.3"] == pytest.approx(each[0.3])
    assert result["ap_0.3"] > result["ap_0.6"]
    assert {"ap_0.6", "ap_0.3"} < set(metric.rows()[0])
    other = InstanceMetric(threshold=[0.6, 0.3], value="ap_0.3")
    other(prediction, truth)
    assert other.aggregate() == result["ap_0.3"]


def test_images_of_different_sizes_and_metatensors() -> None:
    (truth, prediction), (wide_truth, wide_prediction) = images((16, 20)), images((12, 28))
    pairs = [(truth[3], prediction[3]), (wide_truth[3], wide_prediction[3])]
    metric = InstanceMetric()
    metric([MetaTensor(p) for _, p in pairs], [MetaTensor(t) for t, _ in pairs])
    assert metric.aggregate()["ap"] == pytest.approx(np.mean([average_precision(t, p) for t, p in pairs]))
    batch = InstanceMetric()
    batch(MetaTensor(prediction), MetaTensor(truth))
    assert len(batch.rows()) == 6


def test_unannotated_images_are_skipped() -> None:
    truth, prediction = images((16, 20))
    truth[3] = -1
    metric = InstanceMetric(empty="zero")
    metric(prediction, truth)
    assert math.isnan(metric.rows()[3]["ap"])
    assert metric.rows()[3]["n_predicted"] == 0


def test_nothing_to_score_and_reset() -> None:
    truth, prediction = images((16, 20))
    for metric in (InstanceMetric(), InstanceMetric(reduction="pooled")):
        assert math.isnan(metric.aggregate()["ap"])
        assert metric.aggregate()["n_images"] == 0
        assert metric.rows() == []
        metric(prediction[:1], truth[:1])
        assert math.isnan(metric.aggregate()["seg"])
        assert metric.aggregate()["n_skipped"] == 1
        metric(prediction, truth)
        metric.reset()
        assert metric.rows() == []


def test_in_an_engine_as_a_key_metric() -> None:
    truth, prediction = images((16, 20))
    batches = [{"pred": prediction[i : i + 2], "label": truth[i : i + 2]} for i in range(0, 6, 2)]
    engine = Engine(lambda _, batch: [{key: batch[key][i] for key in batch} for i in range(2)])
    pick = from_engine(["pred", "label"])
    IgniteMetricHandler(InstanceMetric(value="ap"), output_transform=pick).attach(engine, "val_ap")
    IgniteMetricHandler(InstanceMetric(), output_transform=pick).attach(engine, "all")
    IgniteMetricHandler(PSNRMetric(data_range=9.0), output_transform=pick).attach(engine, "psnr")
    for _ in range(2):  # the second run starts afresh
        engine.run(batches)
        expected = np.nanmean([average_precision(t, p) for t, p in zip(truth, prediction, strict=True)])
        assert engine.state.metrics["val_ap"] == pytest.approx(expected)
        assert engine.state.metrics["ap"] == pytest.approx(expected)  # ignite spreads a dictionary
        assert engine.state.metrics["n_images"] == 4
        assert engine.state.metric_details["val_ap"].shape[0] == 6
        assert isinstance(engine.state.metrics["psnr"], float)


def _one_process(rank: int, folder: str) -> None:
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{folder}/store", rank=rank, world_size=2)
    truth, prediction = images((16, 20))
    part = slice(0, 4) if rank == 0 else slice(4, 6)  # unequal shares
    metric, noise = InstanceMetric(reduction="pooled"), PSNRMetric(data_range=9.0)
    metric(prediction[part], truth[part])
    noise(prediction[part].float(), truth[part].float() + 1)
    torch.save({**metric.aggregate(), "rows": len(metric.rows()), "psnr": noise.aggregate()}, f"{folder}/{rank}.pt")
    dist.destroy_process_group()


def test_two_processes_reduce_to_the_whole(tmp_path: Path) -> None:
    # fork: the children need not import everything again; they use one thread and touch no state of the parent
    mp.start_processes(_one_process, args=(str(tmp_path),), nprocs=2, start_method="fork")
    truth, prediction = images((16, 20))
    metric, noise = InstanceMetric(reduction="pooled"), PSNRMetric(data_range=9.0)
    metric(prediction, truth)
    noise(prediction.float(), truth.float() + 1)
    expected = {**metric.aggregate(), "rows": 6, "psnr": noise.aggregate()}
    for rank in range(2):
        assert torch.load(tmp_path / f"{rank}.pt") == pytest.approx(expected)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"threshold": 1.5}, r"`threshold` must be in \[0, 1\], got 1.5"),
        ({"threshold": []}, "`threshold` needs at least one value"),
        ({"empty": "sikp"}, "did you mean 'skip'"),
        ({"reduction": "mean"}, "`reduction` must be one of 'image_mean', 'pooled'"),
        ({"value": "AP"}, "`value` must be one of 'ap', 'seg'"),
    ],
)
def test_wrong_arguments(arguments: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        InstanceMetric(**arguments)
    with pytest.raises(ValueError, match="`y`, the true instances, is missing"):
        InstanceMetric()(torch.zeros(1, 1, 4, 4))
