"""What a bundle's configuration calls."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
import torch
from monai.bundle import ConfigParser

from monai_denoiseg.data import write_simulated
from monai_denoiseg.engines import (
    BlindSpotBatch,
    DenoiSegEvaluator,
    DenoiSegInferer,
    calibrate,
    count_data,
    decision_threshold,
    explain_errors,
    load_weights,
    training_data,
    user_settings,
)
from monai_denoiseg.handlers import ThresholdSearch
from monai_denoiseg.networks import DenoiSegNet
from monai_denoiseg.transforms import BlindSpot, ProbabilitiesToInstances


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    (tmp_path / "configs").mkdir()
    common = {"imports": ["$import monai_denoiseg as md"], "settings": f"$md.engines.user_settings({str(tmp_path)!r})"}
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


def test_training_data(tmp_path: Path) -> None:
    folder = write_simulated(tmp_path / "data", n_images=10, n_labelled=6, shape=(24, 24))
    parts = training_data(folder, tmp_path, validation_fraction=0.3, seed=1)
    assert count_data(**parts) == {"train": 7, "train_labelled": 4, "validation": 3, "validation_labelled": 2}
    assert not {item["image"] for item in parts["training"]} & {item["image"] for item in parts["validation"]}
    assert training_data(folder, tmp_path, validation_fraction=0.3, seed=1) == parts
    few = training_data(folder, tmp_path, validation_fraction=0.3, n_labels=1, seed=1)
    assert count_data(**few)["train_labelled"] == 1
    assert few["validation"] == parts["validation"]


def test_a_validation_folder_of_its_own(tmp_path: Path) -> None:
    train = write_simulated(tmp_path / "a", n_images=3, n_labelled=1, shape=(24, 24))
    other = write_simulated(tmp_path / "b", n_images=2, n_labelled=2, shape=(24, 24))
    parts = training_data(train, tmp_path, validation_dir=other)
    assert count_data(**parts) == {"train": 3, "train_labelled": 1, "validation": 2, "validation_labelled": 2}


@pytest.mark.parametrize(("spatial_dims", "shape"), [(2, (128, 128)), (3, (16, 96, 96))])
def test_simulated_data_without_a_folder(
    tmp_path: Path, spatial_dims: int, shape: tuple[int, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: dict[str, Any] = {}

    def small(folder: Path, **options: Any) -> Path:
        asked.update(options)
        return write_simulated(folder, **options | {"n_images": 10, "shape": (8,) * spatial_dims})

    monkeypatch.setattr("monai_denoiseg.engines.bundle.write_simulated", small)
    parts = training_data("simulated", tmp_path, spatial_dims=spatial_dims, seed=4)
    assert (asked["shape"], asked["n_images"], asked["n_labelled"], asked["seed"]) == (shape, 60, 8, 4)
    assert sum(map(len, parts.values())) == 10
    assert parts["training"][0]["image"].startswith(str(tmp_path / "simulated"))


def test_axes_reach_the_shape_check(tmp_path: Path) -> None:
    """Three pages of 8 x 8 are channels or a volume: the label of 8 x 8 fits the first only."""
    for sub in ("images", "labels"):
        (tmp_path / sub).mkdir()
    for name in "ab":
        tifffile.imwrite(tmp_path / "images" / f"{name}.tif", np.zeros((5, 8, 8), np.uint8), photometric="minisblack")
        tifffile.imwrite(tmp_path / "labels" / f"{name}.tif", np.zeros((8, 8), np.uint8))
    with pytest.raises(ValueError, match="has shape"):
        training_data(tmp_path, tmp_path)
    assert count_data(**training_data(tmp_path, tmp_path, axes="CYX"))["train"] == 1


def test_no_image_left_to_validate(tmp_path: Path) -> None:
    folder = write_simulated(tmp_path / "data", n_images=1, n_labelled=1, shape=(24, 24))
    with pytest.raises(ValueError, match="no image is left for validation; give more images, `validation_fraction` > 0"):
        training_data(folder, tmp_path)


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
    assert set(metrics) == {"ap", "seg", "threshold"}
    stored = torch.load(tmp_path / "model.pt")
    assert torch.equal(stored["unet.head.weight"], best.unet.head.weight)
    assert float(stored["threshold"][0]) == pytest.approx(metrics["threshold"])
    assert metrics["threshold"] in (0.01, 0.99)
