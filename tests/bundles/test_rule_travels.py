"""The rule of a training is in its model file: whoever predicts with the file finds the same objects, without being told."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
import torch

from monai_denoiseg.bundle.run import run_bundle
from monai_denoiseg.data import simulate_nuclei
from monai_denoiseg.engines import DenoiSegInferer
from monai_denoiseg.label.predict import predict_file
from monai_denoiseg.networks import load_network

BUNDLES = Path(__file__).parents[2] / "bundles"
RULE: dict[str, Any] = {"min_size": 200, "split_neck": 0, "instance_rule": "paper"}
BUNDLE_RULE: dict[str, Any] = {"min_size": 15, "split_neck": 0.7, "instance_rule": "grow"}
TINY = {
    **{"features": 4, "depth": 1, "patch_size": [16, 16], "batch_size": 4, "steps_per_epoch": 3, "max_epochs": 2},
    **{"val_interval": 1, "amp": "off"},
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """``models/model.pt`` of a tiny training with a rule of its own, beside the bundle's configurations, and images."""
    folder = tmp_path_factory.mktemp("rule")
    for sub in ("cells/images", "cells/labels"):
        (folder / sub).mkdir(parents=True)
    for i in range(6):
        sample = simulate_nuclei((96, 88), seed=i)
        tifffile.imwrite(folder / "cells" / "images" / f"{i}.tif", sample.image.clip(0, 65535).astype(np.uint16))
        if i % 2 == 0:
            tifffile.imwrite(folder / "cells" / "labels" / f"{i}.tif", sample.label.astype(np.uint16))
    place = {"dataset_dir": str(folder / "cells"), "output_dir": str(folder / "out"), "ckpt_dir": str(folder / "models")}
    run_bundle("train", **place, **TINY, **RULE)
    shutil.copytree(BUNDLES / "denoiseg_2d" / "configs", folder / "configs")
    network = load_network(folder / "models" / "model.pt")
    with torch.no_grad():  # so little trained, it finds objects at no usual threshold
        output = DenoiSegInferer(tta=True)(image(folder), network)
    network.threshold.fill_(float(output[0, 1].quantile(0.7)))
    torch.save(network.state_dict(), folder / "models" / "model.pt")
    return folder


def image(folder: Path) -> torch.Tensor:
    return torch.from_numpy(tifffile.imread(folder / "cells" / "images" / "3.tif").astype(np.float32))[None, None]


def infer(folder: Path, out: Path, **options: Any) -> np.ndarray:
    place = {"dataset_dir": str(folder / "cells" / "images" / "3.tif"), "output_dir": str(out)}
    run_bundle("infer", **place, model_file=str(folder / "models" / "model.pt"), amp="off", **options)
    return tifffile.imread(out / "3_instances.tif")


def test_the_file_holds_the_whole_rule(folder: Path) -> None:
    rule = load_network(folder / "models" / "model.pt").head.state()["rule"]
    assert rule == RULE | {"fill_holes": False, "units": "voxel", "max_grow": None, "connectivity": 1}


def test_inference_python_streaming_and_the_server_find_the_same_objects(folder: Path, tmp_path: Path) -> None:
    repeated = infer(folder, tmp_path / "repeated", **RULE)
    assert repeated.max() > 0
    assert np.bincount(repeated.ravel())[1:].min() >= 200

    np.testing.assert_array_equal(infer(folder, tmp_path / "plain"), repeated)
    np.testing.assert_array_equal(infer(folder, tmp_path / "streamed", stream="always", tile_size=32, overlap=88), repeated)
    network = load_network(folder / "models" / "model.pt")
    with torch.no_grad():
        prediction = DenoiSegInferer(tta=True)(image(folder), network)[0]
    np.testing.assert_array_equal(network.labels(prediction)[0], repeated)
    served = predict_file(folder, folder / "cells" / "images" / "3.tif", tmp_path / "served", amp="off")
    np.testing.assert_array_equal(tifffile.imread(served["instances"]), repeated)

    usual = infer(folder, tmp_path / "usual", **BUNDLE_RULE)
    assert usual.max() > repeated.max(), "the bundle's rule would find others"


def test_evaluation_scores_what_inference_writes(folder: Path, tmp_path: Path) -> None:
    scores = []
    for name, rule in (("plain", {}), ("repeated", RULE), ("usual", BUNDLE_RULE)):
        place = {"dataset_dir": str(folder / "cells"), "output_dir": str(tmp_path / name)}
        run_bundle("evaluate", **place, model_file=str(folder / "models" / "model.pt"), amp="off", pictures=False, **rule)
        scores.append((tmp_path / name / "per_image.csv").read_text())
    assert scores[0] == scores[1] != scores[2]


def test_what_the_user_says_wins_and_is_said_once(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = infer(folder, tmp_path, min_size=40, instance_rule="paper", threshold=0.01)
    assert found.max() > 0
    said = [line for line in capsys.readouterr().out.splitlines() if "model file" in line]
    assert len(said) == 1
    assert "min_size 40 instead of the model file's 200, threshold 0.01 instead of the model file's 0." in said[0]
    assert "instance_rule" not in said[0], "the same as in the file"
