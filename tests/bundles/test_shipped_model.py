"""The weights that come with the 2D bundle: on images of nuclei they work at once, with the plain inference.json."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import tifffile

from monai_denoiseg.bundle.run import run_bundle
from monai_denoiseg.data import simulate_nuclei
from monai_denoiseg.metrics import average_precision, psnr
from monai_denoiseg.networks import load_network

from .conftest import BUNDLES

BUNDLE = BUNDLES / "denoiseg_2d"
MODEL = BUNDLE / "models" / "model.pt"
RECORD = BUNDLES.parent / "benchmarks" / "results" / "nuclei_model.json"


def predict(images: Path, output: Path) -> None:
    """As a user does who has trained nothing: no option but the folders, and the network that comes with the bundle."""
    run_bundle("infer", dataset_dir=str(images), output_dir=str(output), model_file=str(MODEL))


def test_it_is_small_and_brings_its_own_normalisation() -> None:
    assert MODEL.stat().st_size < 8 << 20
    network = load_network(MODEL)
    assert bool(network.image_mode), "each image is normalised by itself: intensities of any camera"


def test_simulated_nuclei_of_any_intensity(tmp_path: Path) -> None:
    noisy, truth, clean = simulate_nuclei((160, 160), seed=3)
    (tmp_path / "images").mkdir()
    for factor in (1, 50):
        tifffile.imwrite(tmp_path / "images" / f"{factor}.tif", (factor * noisy).astype(np.float32))
    predict(tmp_path / "images", tmp_path / "out")
    for factor in (1, 50):
        found, denoised = (tifffile.imread(tmp_path / "out" / f"{factor}_{name}.tif") for name in ("instances", "denoised"))
        assert average_precision(truth.astype(np.int32), found.astype(np.int32)) > 0.6
        assert psnr(denoised / factor, clean) > psnr(noisy, clean) + 3


def test_real_nuclei(data_dir: Path, tmp_path: Path) -> None:
    """Unseen images, with noise added; the threshold for the mean is well below that of the card."""
    folder, random = data_dir / "dsb2018" / "dev-test", np.random.default_rng(5)
    names = sorted(path.name for path in (folder / "images").glob("*.tif"))[:3]
    (tmp_path / "images").mkdir()
    for name in names:
        image = tifffile.imread(folder / "images" / name).astype(np.float32)
        tifffile.imwrite(tmp_path / "images" / name, image + random.normal(0, 20, image.shape).astype(np.float32))
    predict(tmp_path / "images", tmp_path / "out")
    scores = []
    for name in names:
        truth = tifffile.imread(folder / "masks" / name).astype(np.int32)
        found = tifffile.imread(tmp_path / "out" / name.replace(".tif", "_instances.tif")).astype(np.int32)
        scores.append(average_precision(truth, found))
    assert np.mean(scores) > 0.6


def test_the_card_tells_the_recorded_scores() -> None:
    scores = json.loads(RECORD.read_text("utf-8"))["scores"]
    text = (BUNDLE / "docs" / "README.md").read_text("utf-8")
    for noise in (0, 10, 20, 40):
        found = scores[f"n{noise}"]
        ratios = f"{found['psnr_input']:.1f} | {found['psnr']:.1f}" if noise else "– | –"
        assert f"| {noise} | {found['ap']:.3f} | {found['seg']:.3f} | {ratios} |" in text
    metadata = json.loads((BUNDLE / "configs" / "metadata.json").read_text("utf-8"))
    assert metadata["eval_metrics"] == {f"ap_noise_{n}": round(scores[f"n{n}"]["ap"], 3) for n in (0, 10, 20, 40)}
