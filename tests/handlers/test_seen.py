"""Images of the training do not flatter an evaluation."""

from __future__ import annotations

import json
import logging
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
import torch
from ignite.engine import Engine

from monai_denoiseg.bundle import run_bundle
from monai_denoiseg.data import write_simulated
from monai_denoiseg.data.digest import content_digest
from monai_denoiseg.handlers import EvaluationWriter, seen_images
from monai_denoiseg.networks import DenoiSegNet
from monai_denoiseg.report import write_report

from .evaluation_helpers import INSTANCES, case, rows, run

SHAPES = [(16, 24), (3, 16, 24)]


def evaluate(folder: Path, paths: list[Path], cases: list[dict[str, Any]], **options: Any) -> dict[str, Any]:
    engine = Engine(lambda engine, batch: [{"image": batch[0]["image"], "pred": batch[0]["pred"]}])
    EvaluationWriter(folder, [{"image": str(path)} for path in paths], INSTANCES, 0.5, **options).attach(engine)
    engine.run([[one] for one in cases])
    found: dict[str, Any] = json.loads((folder / "metrics.json").read_text())
    return found


@pytest.fixture
def images(tmp_path: Path) -> list[Path]:
    for number in range(5):
        tifffile.imwrite(tmp_path / f"{number}.tif", np.full((4, 4), number, np.uint8))
    return [tmp_path / f"{number}.tif" for number in range(5)]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("reduction", ["image_mean", "pooled"])
def test_the_headline_is_that_of_new_images(
    shape: tuple[int, ...], reduction: str, images: list[Path], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    shutil.copy(images[0], tmp_path / "another_name.tif")
    paths = [tmp_path / "another_name.tif", *images[1:]]
    seen = {"trained": [content_digest(images[0])], "validated": [content_digest(images[1])]}
    cases = [case(number, shape, found) for number, found in enumerate((3, 3, 1, 2, 0))]
    with caplog.at_level(logging.WARNING):
        metrics = evaluate(tmp_path / "out", paths, cases, seen=seen, reduction=reduction)
    alone = evaluate(tmp_path / "new", paths[2:], cases[2:], reduction=reduction)
    known = evaluate(tmp_path / "known", paths[:2], cases[:2], reduction=reduction)
    for name in ("ap", "seg", "dice", "psnr", "n_objects", "intervals", "residual_std"):
        assert metrics[name] == alone[name]
        assert metrics["seen"][name] == known[name]
    assert metrics["seen"]["ap"] > metrics["ap"]
    counted = {key: metrics[key] for key in ("n_images", "n_scored", "n_trained", "n_validated", "headline")}
    assert counted == {"n_images": 5, "n_scored": 3, "n_trained": 1, "n_validated": 1, "headline": "new images"}
    assert "1 of the 5 scored images were trained on, 1 chose the threshold" in caplog.text
    assert [row["seen"] for row in rows(tmp_path / "out")] == ["trained", "validated", "", "", ""]
    assert ("ap" in metrics["intervals"]) == (reduction == "image_mean")
    assert "psnr" in metrics["intervals"]


def test_nothing_but_images_of_the_training(images: list[Path], tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    seen = {"trained": [content_digest(path) for path in images]}
    with caplog.at_level(logging.WARNING):
        metrics = evaluate(tmp_path / "out", images[:2], [case(0, (16, 24), 3), case(1, (16, 24), 2)], seen=seen)
    assert (metrics["headline"], metrics["n_scored"], metrics["n_trained"]) == ("images of the training", 2, 2)
    assert "no other is scored, so the scores say nothing of new images" in caplog.text


@pytest.mark.parametrize("shape", SHAPES)
def test_new_images_without_labels_do_not_take_the_headline(shape: tuple[int, ...], images: list[Path], tmp_path: Path) -> None:
    """A clean reference gives them a PSNR, but the labels were scored on images of the training."""
    cases = [case(0, shape, 3), *(case(i, shape, 2, labelled=False) for i in (1, 2))]
    metrics = evaluate(tmp_path / "out", images[:3], cases, seen={"trained": [content_digest(images[0])]})
    assert (metrics["headline"], metrics["n_scored"]) == ("images of the training", 1)
    assert metrics["ap"] == metrics["seen"]["ap"]
    assert "psnr" in metrics


def test_unlabelled_images_are_not_scored(images: list[Path], tmp_path: Path) -> None:
    cases = [case(0, (16, 24), 3), *(case(i, (16, 24), 2, labelled=False, clean=False) for i in (1, 2))]
    metrics = evaluate(tmp_path / "out", images[:3], cases, seen={"validated": [content_digest(images[4])]})
    assert (metrics["n_images"], metrics["n_scored"], metrics["intervals"]) == (3, 1, {})
    assert "headline" not in metrics


def test_intervals_are_there_without_anything_known(tmp_path: Path) -> None:
    run(tmp_path, [case(i, (16, 24), i % 4) for i in range(6)])
    metrics = json.loads((tmp_path / "metrics.json").read_text())
    low, high = metrics["intervals"]["ap"]
    assert low < metrics["ap"] < high
    assert "seen" not in rows(tmp_path)[0]


def test_what_a_network_tells() -> None:
    network = DenoiSegNet(2, depth=1, features=4)
    assert seen_images(network) == seen_images(torch.nn.ReLU()) == {}
    network.training_info = {"data": {"train": 2, "trained": ["a"], "validated": []}}
    assert seen_images(network) == {"trained": ["a"]}


def test_through_the_bundle_and_the_report(tmp_path: Path) -> None:
    """A network evaluated on the folder it was trained on, under other names, with new images among them."""
    data, other = write_simulated(tmp_path / "data", n_images=6, n_labelled=4, shape=(32, 32)), tmp_path / "other"
    tiny = {
        "features": 4,
        "depth": 1,
        "patch_size": [16, 16],
        "batch_size": 4,
        "steps_per_epoch": 2,
        "max_epochs": 1,
        "amp": "off",
    }
    run_bundle("train", dataset_dir=str(data), output_dir=str(tmp_path / "run"), validation_fraction=0.5, **tiny)
    options = {"run": str(tmp_path / "run"), "output_dir": str(tmp_path / "run" / "evaluation"), "tta": False, "amp": "off"}
    for part, source in (("images", "images"), ("labels", "truth")):
        (other / part).mkdir(parents=True)
        for path in (data / source).iterdir():
            shutil.copy(path, other / part / f"renamed_{path.name}")
    run_bundle("evaluate", dataset_dir=str(other), **options)
    metrics = json.loads((tmp_path / "run" / "evaluation" / "metrics.json").read_text())
    known = [row["seen"] for row in rows(tmp_path / "run" / "evaluation")]
    assert (metrics["n_images"], metrics["n_scored"]) == (6, known.count(""))
    assert (metrics["n_trained"], metrics["n_validated"]) == (known.count("trained"), known.count("validated"))
    assert metrics["n_trained"] >= 1
    assert metrics["n_validated"] >= 1
    assert metrics["headline"] == "new images"
    page = Path(write_report(tmp_path / "run")).read_text()
    assert f"Of the evaluated images {metrics['n_trained']} were trained on" in page
