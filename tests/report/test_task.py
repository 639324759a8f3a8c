"""A report says only what the network does."""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from monai_denoiseg.heads import NoHead, build_head
from monai_denoiseg.report import write_report
from monai_denoiseg.report.run_folder import RunFolder
from monai_denoiseg.report.task import Task, learned, task_of, title


def denoising_run(folder: Path, size: tuple[int, ...], clean: bool, **settings: Any) -> str:
    rng, evaluation = np.random.default_rng(0), folder / "evaluation"
    (evaluation / "arrays").mkdir(parents=True)
    image = rng.normal(100, 20, (1, *size)).astype(np.float32)
    arrays = {"input": image, "denoised": np.full_like(image, 100)} | ({"clean": np.full_like(image, 100)} if clean else {})
    np.savez(evaluation / "arrays" / "best_a.npz", **arrays)  # type: ignore[arg-type]
    scores = {"psnr": 33.3, "psnr_input": 22.2, "ssim": 0.9} if clean else {}
    removed = {"residual_mean": 0.1, "residual_std": 20.04, "residual_autocorrelation_x": 0.021}
    (evaluation / "metrics.json").write_text(json.dumps({"head": "none", "n_images": 1} | scores | removed))
    with (evaluation / "per_image.csv").open("w") as file:
        writer = csv.DictWriter(file, ["image", *scores, *removed])
        writer.writeheader()
        writer.writerow({"image": "a.tif"} | scores | removed)
    data = {"train": 7, "train_labelled": 0, "validation": 2, "validation_labelled": 0}
    (folder / "settings.json").write_text(json.dumps({"settings": {"head": "none"} | settings, "data": data}))
    (folder / "train_log.csv").write_text("epoch,loss,denoising,segmentation\n1,1,1,0\n2,0.9,0.9,0\n")
    (folder / "validation_log.csv").write_text("epoch,loss,denoising,segmentation,ap,seg\n1,1,1,0,,\n2,0.9,0.9,0,,\n")
    return write_report(folder).read_text("utf-8")


@pytest.mark.parametrize("size", [(24, 30), (6, 14, 18)])
@pytest.mark.parametrize("clean", [True, False])
def test_denoising_only(tmp_path: Path, size: tuple[int, ...], clean: bool) -> None:
    html = denoising_run(tmp_path, size, clean).partition("Settings and versions")[0]
    assert "<h1>Denoising</h1>" in html
    assert "learned from <b>9 images</b> to remove noise from images. Denoising needed no clean images" in html
    assert "to choose the best network." in html
    assert html.count("<svg") == 1
    assert "Lower is better.<" in html
    assert ("PSNR 33.3 dB" in html) == ("22.2 →" in html) == ("Clean reference" in html) == clean
    assert ("image by PSNR" in html) == clean
    assert ("image by how little neighbouring values of what was removed are correlated" in html) != clean
    assert "Removed: mean" in html
    assert "+0.02" in html or "0.021" in html
    assert ">20<" in html
    assert html.count("<img") == 3 + clean
    assert "Input minus denoised</b>: what was removed" in html
    assert "Is what was removed just noise?" in html
    text = re.sub('"data:[^"]*"', "", html.partition("<main>")[2])
    for word in ("annotated", "objects", "AP", "Class probabilities", "Dice", "threshold", "segmentation", "Objects found"):
        assert not re.search(rf"\b{word}\b", text), word


def test_psnr_of_the_validation_is_drawn_where_it_was_measured(tmp_path: Path) -> None:
    denoising_run(tmp_path, (24, 30), True)
    (tmp_path / "validation_log.csv").write_text("epoch,loss,denoising,psnr\n1,1,1,30\n2,0.9,0.9,31\n")
    html = write_report(tmp_path).read_text("utf-8")
    assert html.count("<svg") == 2
    assert "The ring marks the best PSNR" in html


def test_what_denoising_learned_from(tmp_path: Path) -> None:
    html = denoising_run(tmp_path, (24, 30), True, target="second <exposure>")
    assert "learned from a second image of each place (folder “second &lt;exposure&gt;”)" in html
    assert "Noise2Void" not in html.partition("Settings and versions")[0]
    assert "independent from pixel to pixel.<" not in html.partition("Settings and versions")[0]
    assert "structN2V" in learned(RunFolder(tmp_path, about={"settings": {"struct_mask": [[1, 1, 1]]}}), "")


def test_segmentation_only(run_dir: Path) -> None:
    path = run_dir / "evaluation" / "metrics.json"
    metrics = {key: value for key, value in json.loads(path.read_text()).items() if "psnr" not in key}
    path.write_text(json.dumps(metrics | {"denoises": False}))
    for archive in (run_dir / "evaluation" / "arrays").glob("*.npz"):
        arrays = dict(np.load(archive))
        np.savez(archive, **{key: arrays[key] for key in arrays if key not in ("denoised", "clean")})
    html = write_report(run_dir).read_text("utf-8")
    assert "<h1>Segmentation</h1>" in html
    assert "One neural network learned from <b>60 images, 8 of them annotated</b> to find the objects in an image." in html
    assert html.count("<svg") == 2, "segmentation loss and scores"
    for word in ("Denoised", "just noise", "one scale", "Noise2Void", "Joint loss", "Denoising part"):
        assert word not in html


def test_a_stardist_run_shows_the_probability_of_an_object(run_dir: Path) -> None:
    path = run_dir / "evaluation" / "metrics.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"head": "stardist"}))
    for archive in (run_dir / "evaluation" / "arrays").glob("*.npz"):
        arrays = dict(np.load(archive))
        np.savez(archive, **arrays | {"probabilities": arrays["probabilities"][1:2]})
    html = write_report(run_dir).read_text("utf-8")
    assert "Probability</b> of an object" in html
    assert "Class probabilities" not in html
    assert "Left out" not in html


@pytest.mark.parametrize(
    ("settings", "metrics", "expected"),
    [
        (None, {}, Task()),
        ({}, {"head": "stardist"}, Task(build_head("stardist"))),
        ({"classes": ["background", "liver"]}, {}, Task(build_head("classes", ["background", "liver"]))),
        ({"head": "none", "struct_mask": [[1, 1, 1]]}, {}, Task(NoHead(), struct_mask=[[1, 1, 1]])),
        ({"denoises": False}, {}, Task(denoises=False)),
        ({"denoises": None, "target": None}, {}, Task()),
        ({"target": "clean"}, {"head": "none"}, Task(NoHead(), target="clean")),
        ("broken", {}, Task()),
    ],
)
def test_task(settings: Any, metrics: dict[str, Any], expected: Task) -> None:
    run = RunFolder(Path("run"), about={"settings": settings}, metrics=metrics)
    found = task_of(run)
    assert (found.head.state(), *found[1:]) == (expected.head.state(), *expected[1:])
    words = {(True, True): "Denoising and segmentation", (False, True): "Denoising", (True, False): "Segmentation"}
    assert title(run) == words[expected.segments, expected.denoises]
