"""``predict`` gives what ``infer`` writes (N4)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
import torch

import monai_denoiseg as md
from monai_denoiseg import predict
from monai_denoiseg.bundle import run_bundle
from monai_denoiseg.data import simulate_nuclei
from monai_denoiseg.heads import ClassHead, NoHead, StarHead
from monai_denoiseg.networks import DenoiSegNet
from monai_denoiseg.transforms import star_rays


def test_two_lines_give_what_infer_gives(tmp_path: Path) -> None:
    image = simulate_nuclei((96, 80), seed=4).image.clip(0, 65535).astype(np.uint16)
    tifffile.imwrite(tmp_path / "a.tif", image)
    run_bundle("infer", dataset_dir=str(tmp_path / "a.tif"), output_dir=str(tmp_path / "out"), amp="off")
    labels, denoised, _ = predict(image)
    np.testing.assert_array_equal(labels, tifffile.imread(tmp_path / "out" / "a_instances.tif"))
    np.testing.assert_array_equal(denoised, tifffile.imread(tmp_path / "out" / "a_denoised.tif"))
    assert labels is not None and labels.max() > 1


@pytest.mark.parametrize("dims", [2, 3])
@pytest.mark.parametrize("kind", ["border", "classes", "stars", "none"])
def test_heads_files_and_options(dims: int, kind: str, tmp_path: Path) -> None:
    heads = {"classes": ClassHead(["background", "a"]), "stars": StarHead(star_rays(8, dims)), "none": NoHead(), "border": None}
    net = DenoiSegNet(dims, 2, depth=1, features=4, head=heads[kind]).eval()
    (tmp_path / "models").mkdir()
    torch.save(net.state_dict(), tmp_path / "models" / "model.pt")
    image = np.random.default_rng(0).integers(0, 255, (2, *[17, 14, 12][:dims]), dtype=np.uint8)
    results = [predict(image, place, tta=False) for place in (net, tmp_path, str(tmp_path / "models" / "model.pt"))]
    for found in results:
        assert (found.labels is None) == (kind == "none")
        assert found.labels is None or found.labels.shape == image.shape[1:]
        assert found.denoised is not None and found.denoised.shape == image.shape
        np.testing.assert_array_equal(found.denoised, results[0].denoised)
    if kind == "border":
        assert predict(image, net, threshold=1.0, tta=False).labels.max() == 0  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (np.zeros((3, 8, 8)), r"must be numbers \(H, W\) for this network, got float64 \(3, 8, 8\)"),
        (np.zeros(8), r"must be numbers \(H, W\)"),
        (np.full((8, 8), np.nan), "NaN or infinite"),
        (np.array([["a"]]), "must be numbers"),
    ],
)
def test_what_is_no_image(image: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        predict(image)


def test_no_network() -> None:
    with pytest.raises(FileNotFoundError, match=r"no trained network nope\.pt"):
        predict(np.zeros((8, 8)), "nope.pt")
    assert "predict" in dir(md)


def test_an_image_unlike_the_training_is_warned_of(caplog: pytest.LogCaptureFixture) -> None:
    image = simulate_nuclei((96, 96), seed=1).image
    predict(image, tta=False)
    assert "unlike those the network was trained on" not in caplog.text
    predict(image.max() - image, tta=False)
    assert "1 of 1 images are unlike those the network was trained on" in caplog.text
