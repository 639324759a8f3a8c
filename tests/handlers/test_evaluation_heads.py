"""Evaluation of networks that only denoise, only segment, or have a StarDist head."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from ignite.engine import Engine

from monai_denoiseg.handlers import EvaluationWriter
from monai_denoiseg.heads import NoHead, StarHead
from monai_denoiseg.transforms import ProbabilitiesToInstances, star_rays

INSTANCES = ProbabilitiesToInstances(rule="paper", min_size=0, split_neck=0)


def case(seed: int, shape: tuple[int, ...], labelled: bool = True, clean: bool = True) -> dict[str, Any]:
    """Three objects, all of them predicted, and a prediction with three classes and a denoised image."""
    generator = torch.Generator().manual_seed(seed)
    truth = torch.zeros(1, *shape, dtype=torch.int32)
    for i in range(3):
        truth[..., 2:8, 6 * i + 1 : 6 * i + 5] = i + 1
    foreground = 0.1 + 0.7 * (truth > 0)
    image = torch.rand((1, *shape), generator=generator)
    denoised = image + 0.05 * torch.rand((1, *shape), generator=generator)
    item = {"image": image, "pred": torch.cat([1 - foreground, foreground, 0 * foreground, denoised])}
    item |= {"instances": truth} if labelled else {}
    return item | ({"clean": torch.rand((1, *shape), generator=generator) + image} if clean else {})


def rows(folder: Path) -> list[dict[str, str]]:
    with (folder / "per_image.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def without_residual(values: dict[str, Any]) -> dict[str, Any]:
    always = ("n_scored", "intervals", "pixels")
    return {key: value for key, value in values.items() if not key.startswith("residual_") and key not in always}


def run_head(folder: Path, cases: list[dict[str, Any]], instances: Any = None, **options: Any) -> None:
    engine = Engine(lambda engine, batch: [{"image": batch[0]["image"], "pred": batch[0]["pred"]}])
    items = [{"image": f"{chr(97 + i)}.tif"} for i in range(len(cases))]
    EvaluationWriter(folder, items, instances, 0.5, **options).attach(engine)
    engine.run([[case] for case in cases])


@pytest.mark.parametrize("shape", [(10, 20), (4, 10, 20)])
@pytest.mark.parametrize("clean", [True, False])
def test_a_network_that_only_denoises(tmp_path: Path, shape: tuple[int, ...], clean: bool) -> None:
    cases = [case(i, shape, labelled=i == 1, clean=clean) for i in range(3)]
    for item in cases:
        item["pred"] = item["pred"][3:]
    cases[2]["pred"] = cases[2]["image"] - torch.rand(1, *shape[:-1], 1)  # removed the same along X
    run_head(tmp_path, cases, head=NoHead())
    metrics, written = json.loads((tmp_path / "metrics.json").read_text()), rows(tmp_path)
    scores = {"psnr", "si_psnr", "ssim", "psnr_input"} if clean else set()
    assert set(without_residual(metrics)) == {"head", "n_images"} | scores
    assert set(without_residual(written[0])) == {"image"} | scores
    assert metrics["head"] == "none"
    if not clean:
        assert (tmp_path / "arrays" / "worst_c.npz").is_file(), "ranked by the correlation of what was removed"
    stem = next((tmp_path / "arrays").glob("best_*"))
    with np.load(stem) as stored:
        assert sorted(stored) == (["clean", "denoised", "input"] if clean else ["denoised", "input"])


@pytest.mark.parametrize("denoises", [True, False])
def test_a_stardist_head(tmp_path: Path, denoises: bool) -> None:
    asked = []

    def stars(channels: torch.Tensor, threshold: float, spacing: Any = None) -> torch.Tensor:
        asked.append((len(channels), threshold))
        return (channels[:1] > threshold).int()

    item = case(0, (10, 20))
    probability = item["pred"][1:2]
    item["pred"] = torch.cat([probability, torch.rand(8, 10, 20), *([item["pred"][3:]] if denoises else [])])
    run_head(tmp_path, [item], stars, head=StarHead(star_rays(8, 2)), denoises=denoises)
    assert asked == [(9, 0.5)]
    metrics, row = json.loads((tmp_path / "metrics.json").read_text()), rows(tmp_path)[0]
    assert float(row["ap"]) == metrics["ap"] == 0, "one object instead of three"
    assert (metrics["head"], metrics["threshold"], metrics.get("denoises")) == ("stardist", 0.5, None if denoises else False)
    assert ("psnr" in row) == ("residual_mean" in row) == ("psnr_input" in metrics) == denoises
    with np.load(tmp_path / "arrays" / "best_a.npz") as stored:
        np.testing.assert_array_equal(stored["probabilities"], probability)
        assert ("denoised" in stored) == ("clean" in stored) == denoises


def test_a_network_that_only_segments(tmp_path: Path) -> None:
    item = case(0, (10, 20))
    item["pred"] = item["pred"][:3]
    run_head(tmp_path, [item], INSTANCES, denoises=False)
    assert "psnr" not in rows(tmp_path)[0]
    assert float(rows(tmp_path)[0]["ap"]) > 0
    with np.load(tmp_path / "arrays" / "best_a.npz") as stored:
        assert sorted(stored) == ["input", "instances", "probabilities", "truth"]
