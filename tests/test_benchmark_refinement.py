"""The benchmark of the refinement: its figures are those of a plain computation, wrong folders are told."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
import torch

from monai_denoiseg.data import simulate_nuclei
from monai_denoiseg.networks import DenoiSegNet


@pytest.mark.parametrize("shot", [None, 4.0])
def test_on_two_small_images(tmp_path: Path, shot: float | None, run_benchmark: Callable[..., dict[str, Any]]) -> None:
    images, model = tmp_path / "data" / "dev-train" / "images", tmp_path / "runs" / "work" / "n20_l2_s0_paper_denoiseg" / "models"
    images.mkdir(parents=True)
    model.mkdir(parents=True)
    for seed in range(4):
        tifffile.imwrite(images / f"{seed}.tif", simulate_nuclei((40, 44), seed=seed).clean.astype(np.uint16))
    torch.manual_seed(0)
    network = DenoiSegNet(2, depth=1, features=4)
    network.set_statistics(torch.tensor([100.0]), torch.tensor([50.0]))
    torch.save(network.state_dict(), model / "model.pt")
    words = ("--data", tmp_path / "data", "--runs", tmp_path / "runs", "--networks", "n20_*", "--every", 2, "--results", tmp_path)
    run_benchmark("refinement", *words, *(["--shot", shot] if shot else []))
    (found,) = json.loads((tmp_path / "refinement.json").read_text())["results"]
    assert (found["network"], found["shot"], found["images"]) == ("n20_l2_s0_paper_denoiseg", shot, 2)
    assert found["gain"] == pytest.approx(found["refined"] - found["denoised"])
    assert found["gain"] >= found["least_gain"] > 0, "the noisy image is better than an untrained network"
    assert found["time_share"] > 0


def test_wrong_folders(tmp_path: Path, run_benchmark: Callable[..., dict[str, Any]], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        run_benchmark("refinement", "--data", tmp_path, "--runs", tmp_path)
    assert "no TIFF in dev-train/images" in capsys.readouterr().err
    (tmp_path / "dev-train" / "images").mkdir(parents=True)
    tifffile.imwrite(tmp_path / "dev-train" / "images" / "a.tif", np.zeros((8, 8), np.uint8))
    with pytest.raises(SystemExit):
        run_benchmark("refinement", "--data", tmp_path, "--runs", tmp_path)
    assert "no trained network in n*_l10_s*_paper_denoiseg" in capsys.readouterr().err
