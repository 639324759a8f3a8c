"""What a bundle's configuration calls."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from monai.bundle import ConfigParser

from monai_denoiseg.bundle import user_settings
from monai_denoiseg.engines import BlindSpotBatch, DenoiSegEvaluator, DenoiSegInferer, calibrate, explain_errors
from monai_denoiseg.handlers import ThresholdSearch, validation_score
from monai_denoiseg.heads import label_rule
from monai_denoiseg.networks import DenoiSegNet, decision_threshold, load_weights
from monai_denoiseg.transforms import BlindSpot, ProbabilitiesToInstances


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    (tmp_path / "configs").mkdir()
    common = {"imports": ["$import monai_denoiseg as md"], "settings": f"$md.bundle.user_settings({str(tmp_path)!r})"}
    train = common | {"alpha": 0.5, "patch_size": [8, 8], "name": "a", "flag": None, "made": "$1 + 1", "part": {"x": 1}}
    (tmp_path / "configs" / "train.json").write_text(json.dumps(train))
    (tmp_path / "configs" / "inference.json").write_text(json.dumps(common | {"threshold": 0.5, "images": "$[]"}))
    return tmp_path


def settings(bundle: Path, file: str = "train", **overrides: Any) -> Any:
    config = json.loads((bundle / "configs" / f"{file}.json").read_text())
    return ConfigParser(config | overrides).get_parsed_content("settings")


def test_plain_settings_only(bundle: Path) -> None:
    assert settings(bundle, alpha=0.1) == {"alpha": 0.1, "patch_size": [8, 8], "name": "a", "flag": None}


def test_misspelt_and_foreign_keys(bundle: Path) -> None:
    with pytest.raises(RuntimeError) as error:
        settings(bundle, alhpa=0.1, _mine=3)
    assert "unknown key 'alhpa'; did you mean 'alpha'?" in str(error.value.__cause__)
    assert "_mine" not in str(error.value.__cause__)
    assert settings(bundle, "inference", threshold=0.3) == {"threshold": 0.3}
    with pytest.raises(RuntimeError) as error:
        settings(bundle, threshold=0.3)
    assert "unknown key 'threshold'" in str(error.value.__cause__), "it has no effect on a training"


def test_only_from_a_configuration() -> None:
    with pytest.raises(RuntimeError, match="can only be called from a bundle configuration"):
        user_settings(".")


def test_an_uncaught_error_ends_with_its_cause(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "excepthook", sys.__excepthook__)
    explain_errors()
    hook = sys.excepthook
    explain_errors()
    assert sys.excepthook is hook, "set once"
    outer = RuntimeError("Failed to evaluate")
    outer.__cause__ = ValueError("the reason")
    hook(RuntimeError, outer, None)
    assert capsys.readouterr().err.rstrip().endswith("ValueError: the reason")
    hook(ValueError, ValueError("alone"), None)
    assert capsys.readouterr().err.count("alone") == 1


def test_load_weights(tmp_path: Path) -> None:
    network = DenoiSegNet(2, depth=1, features=4)
    network.threshold.copy_(torch.tensor([0.3, 0.7]))
    torch.save(network.state_dict(), tmp_path / "model.pt")
    other = load_weights(DenoiSegNet(2, depth=1, features=4), tmp_path / "model.pt")
    assert all(torch.equal(value, network.state_dict()[name]) for name, value in other.state_dict().items())
    assert (decision_threshold(other), decision_threshold(other, metric="seg")) == pytest.approx((0.3, 0.7))
    assert decision_threshold(other, 0.9) == 0.9
    with pytest.raises(ValueError, match="`threshold_for` must be one of 'ap', 'seg', got 'dice'"):
        decision_threshold(other, metric="dice")
    with pytest.raises(FileNotFoundError, match=r"no trained network .*gone\.pt: train first"):
        load_weights(other, tmp_path / "gone.pt")


def test_calibrate_takes_the_best_network_and_stores_its_thresholds(tmp_path: Path) -> None:
    best, last = DenoiSegNet(2, depth=1, features=4), DenoiSegNet(2, depth=1, features=4)
    torch.save(best.state_dict(), tmp_path / "model.pt")
    truth = torch.zeros(1, 1, 16, 16, dtype=torch.int32)
    batch = {"image": torch.rand(1, 1, 16, 16), "label": truth, "instances": truth + 1}
    search = ThresholdSearch(last, ProbabilitiesToInstances(min_size=0), thresholds=[0.01, 0.99])
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
    stored, before = torch.load(tmp_path / "model.pt"), best.state_dict()
    assert [name for name, value in before.items() if not torch.equal(stored[name], value)] == ["description"]
    assert last.training_info == {"scores": metrics}
    assert decision_threshold(last) == 0.5
