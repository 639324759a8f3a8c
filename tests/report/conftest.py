"""A small run folder with every part that a report knows."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from monai_denoiseg.pictures import to_png_bytes

WEIRD = "plate 3 <b>&amp; 'well' äöü %20"

SETTINGS = {
    "settings": {"alpha": 0.5, "note": "<script>alert(1)</script>"},
    "versions": {"torch": "2.13.0"},
    "command": "monai-denoiseg demo",
    "device": "cpu",
    "seconds": 203.4,
    "n_parameters": 236419,
    "data": {"train": 51, "train_labelled": 6, "validation": 9, "validation_labelled": 2},
}
METRICS = {
    "ap": 0.7123,
    "seg": 0.681,
    "psnr": 32.51,
    "psnr_input": 22.14,
    "n_images": 2,
    "n_skipped": 1,
    "reduction": "image_mean",
}


def example_arrays(size: tuple[int, ...], seed: int = 0) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    clean = np.zeros((1, *size), np.float32)
    label = np.zeros(size, np.int16)
    label[tuple(slice(2, length // 2) for length in size)] = 1
    clean[0, label == 1] = 100
    image = clean + rng.normal(0, 20, clean.shape).astype(np.float32)
    probabilities = np.stack([label == 0, label == 1, np.zeros(size)]).astype(np.float32)
    return {"input": image, "denoised": clean, "clean": clean, "probabilities": probabilities, "instances": label, "truth": label}


@pytest.fixture(params=[(24, 30), (6, 14, 18)], ids=["2D", "3D"])
def run_dir(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    (tmp_path / "settings.json").write_text(json.dumps(SETTINGS))
    (tmp_path / "train_log.csv").write_text(
        "epoch,loss,denoising,segmentation,learning_rate,seconds\n1,0.9,1.0,0.8,0.0004,5\n2,0.5,0.6,0.4,0.0004,5\n"
    )
    (tmp_path / "validation_log.csv").write_text(
        "epoch,loss,denoising,segmentation,ap,seg,threshold\n1,0.95,1.0,0.9,nan,,\n2,0.6,0.7,0.5,0.61,0.6,0.4\n"
    )
    evaluation = tmp_path / "evaluation"
    (evaluation / "arrays").mkdir(parents=True)
    (evaluation / "panels").mkdir()
    (evaluation / "metrics.json").write_text(json.dumps(METRICS))
    (evaluation / "per_image.csv").write_text(
        f"image,ap,seg,precision,recall,f1,n_truth,n_predicted,psnr,psnr_input\n{WEIRD}.tif,0.9,0.8,1,0.9,0.95,10,9,33.0,22.1\n"
        "second,0.5,0.4,0.7,0.6,0.65,12,11,,\n"
    )
    for rank, name in (("best", WEIRD), ("median", "second"), ("worst", "second")):
        np.savez(evaluation / "arrays" / f"{rank}_{name}.npz", **example_arrays(request.param))
        (evaluation / "panels" / f"{rank}_{name}.png").write_bytes(to_png_bytes(np.zeros((2, 9, 3), np.uint8)))
    return tmp_path
