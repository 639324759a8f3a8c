"""An evaluation without a network, and what it leaves."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import torch
from ignite.engine import Engine

from monai_denoiseg.handlers import EvaluationWriter
from monai_denoiseg.transforms import ProbabilitiesToInstances

INSTANCES = ProbabilitiesToInstances(rule="paper", min_size=0, split_neck=0)


def case(seed: int, shape: tuple[int, ...], n_found: int, labelled: bool = True, clean: bool = True) -> dict[str, Any]:
    """Three true objects, the first ``n_found`` of which are predicted."""
    generator = torch.Generator().manual_seed(seed)
    truth = torch.zeros(1, *shape, dtype=torch.int32)
    foreground = torch.full((1, *shape), 0.1)
    for i in range(3):
        truth[..., 2:8, 6 * i + 1 : 6 * i + 5] = i + 1
        foreground[..., 2 : 8 - i, 6 * i + 1 : 6 * i + 5] = 0.8 if i < n_found else 0.3
    image = torch.rand((1, *shape), generator=generator)
    denoised = image + 0.05 * torch.rand((1, *shape), generator=generator)
    item = {"image": image, "pred": torch.cat([1 - foreground, foreground, 0 * foreground, denoised])}
    item |= {"instances": truth} if labelled else {}
    item |= {"clean": torch.rand((1, *shape), generator=generator) + image} if clean else {}
    return item


def run(folder: Path, cases: list[dict[str, Any]], threshold: float = 0.5, **options: Any) -> Any:
    items = [{"image": f"some/where/{chr(97 + i)}.ome.tif"} for i in range(len(cases))]
    engine = Engine(lambda engine, batch: [{"image": batch[0]["image"], "pred": batch[0]["pred"]}])
    EvaluationWriter(folder, items, INSTANCES, threshold, **options).attach(engine)
    return engine.run([[case] for case in cases])


def without_residual(values: dict[str, Any]) -> dict[str, Any]:
    """Nor what is told of every evaluation: how many images are scored, and how certain the scores are."""
    always = ("n_scored", "intervals", "pixels")
    return {key: value for key, value in values.items() if not key.startswith("residual_") and key not in always}


def rows(folder: Path) -> list[dict[str, str]]:
    with (folder / "per_image.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def everything(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
