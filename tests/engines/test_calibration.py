"""The last step of a training: thresholds for the best network, as inference will run it."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from monai_denoiseg.engines import BlindSpotBatch, DenoiSegEvaluator, DenoiSegInferer, calibrate
from monai_denoiseg.handlers import ThresholdSearch, validation_score
from monai_denoiseg.heads import label_rule
from monai_denoiseg.networks import DenoiSegNet, decision_threshold
from monai_denoiseg.transforms import BlindSpot, ProbabilitiesToInstances


def test_calibrate_takes_the_best_network_and_stores_its_thresholds(tmp_path: Path) -> None:
    best, last = DenoiSegNet(2, depth=1, features=4), DenoiSegNet(2, depth=1, features=4)
    torch.save(best.state_dict(), tmp_path / "model.pt")
    truth = torch.zeros(1, 1, 16, 16, dtype=torch.int32)
    batch = {"image": torch.rand(1, 1, 16, 16), "label": truth, "instances": truth + 1}
    search = ThresholdSearch(last, ProbabilitiesToInstances(min_size=0, split_neck=0), thresholds=[0.01, 0.99])
    evaluator = DenoiSegEvaluator(
        "cpu", [batch], last, DenoiSegInferer(tta=True), BlindSpotBatch(BlindSpot()), val_handlers=[search]
    )
    metrics = calibrate(last, tmp_path / "model.pt", evaluator)
    assert set(metrics) == {"ap", "ap_error", "seg", "threshold"}
    stored = torch.load(tmp_path / "model.pt")
    assert torch.equal(stored["unet.head.weight"], best.unet.head.weight)
    assert float(stored["threshold"][0]) == pytest.approx(metrics["threshold"])
    assert metrics["threshold"] in (0.01, 0.99)


@pytest.mark.parametrize("spatial_dims", [2, 3])
def test_calibrate_semantic_classes(tmp_path: Path, spatial_dims: int) -> None:
    """There is no threshold to search: the best network is measured as inference will run it, and stays as it is."""
    classes = ["background", "liver", "spleen"]
    best, last = (DenoiSegNet(spatial_dims, depth=1, features=4, classes=classes) for _ in range(2))
    torch.save(best.state_dict(), tmp_path / "model.pt")
    truth = torch.randint(-1, 3, (1, 1, *[8] * spatial_dims))
    batch = {"image": torch.rand(truth.shape), "label": truth, "instances": truth}
    score = validation_score(last, label_rule(classes))
    evaluator = DenoiSegEvaluator(
        "cpu", [batch], last, DenoiSegInferer(tta=True), BlindSpotBatch(BlindSpot()), val_handlers=[score]
    )
    metrics = calibrate(last, tmp_path / "model.pt", evaluator)
    assert set(metrics) == {"dice", "dice_liver", "dice_spleen"}
    stored = torch.load(tmp_path / "model.pt")
    assert all(torch.equal(stored[name], value) for name, value in best.state_dict().items() if name != "description")
    assert decision_threshold(last) == 0.5
