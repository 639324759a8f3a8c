"""The report of a run with semantic classes, and of volumes with a voxel size."""

from __future__ import annotations

import base64
import io
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from monai_denoiseg.pictures import GAP, class_colours
from monai_denoiseg.report import write_report
from monai_denoiseg.report.classes import class_colour, class_legend

ORGANS = ["background", "liver", "left <kidney>", "spleen"]
HEAD = ",".join(f"dice_{name}" for name in ORGANS[1:])


def organ_arrays(size: tuple[int, ...], spacing: list[float] | None, partial: bool = False) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    label = np.zeros(size, np.int16)
    label[tuple(slice(2, length // 2) for length in size)] = 1
    label[tuple(slice(length // 2, length - 1) for length in size)] = 3
    truth = label.copy()
    if partial:
        truth[..., -1] = -1
    image = rng.normal(100 + 20 * label, 20, (1, *size)).astype(np.float32)
    probabilities = np.stack([label == k for k in range(4)]).astype(np.float32)
    arrays = {"input": image, "denoised": image / 2, "probabilities": probabilities, "classes": label, "truth": truth}
    return arrays | ({"spacing": np.array(spacing)} if spacing else {})


def organ_run(folder: Path, arrays: dict[str, np.ndarray]) -> Path:
    evaluation = folder / "evaluation"
    (evaluation / "arrays").mkdir(parents=True)
    metrics = {"classes": ORGANS, "dice": 0.7123, "dice_liver": 0.9123, "dice_left <kidney>": 0.5123, "dice_spleen": None}
    (evaluation / "metrics.json").write_text(json.dumps(metrics | {"n_images": 2}))
    (evaluation / "per_image.csv").write_text(f"image,dice,{HEAD}\na.nii.gz,0.8,0.93,0.67,nan\nb.nii.gz,0.6,0.87,0.33,nan\n")
    (folder / "validation_log.csv").write_text(f"epoch,loss,dice,{HEAD}\n1,0.9,0.4,0.5,0.3,\n2,0.5,0.6,0.7,0.5,\n")
    np.savez(evaluation / "arrays" / "best_a.nii.npz", **arrays)
    return folder


def pictures_of(html: str) -> list[np.ndarray]:
    parts = html.split('src="data:image/png;base64,')[1:]
    return [np.asarray(Image.open(io.BytesIO(base64.b64decode(part.partition('"')[0]))).convert("RGB")) for part in parts]


def test_dice_class_by_class(tmp_path: Path) -> None:
    html = write_report(organ_run(tmp_path, organ_arrays((24, 30), None))).read_text("utf-8")
    table = html.partition("Class by class")[2].partition("</section>")[0]
    rows = table.split("<tr>")[2:]
    assert len(rows) == 3
    assert "liver" in rows[0]
    for shown in (">0.912<", ">0.870<", ">0.930<", ">2<"):
        assert shown in rows[0]
    assert "left &lt;kidney&gt;" in rows[1]
    assert ">0.512<" in rows[1]
    assert rows[2].count("–") == 4, "nobody annotated a spleen"
    assert ">0<" in rows[2]
    assert "<kidney>" not in html
    assert "nan" not in html.partition("<main>")[2].partition("Settings and versions")[0]


def test_words_follow_the_task(tmp_path: Path) -> None:
    html = write_report(organ_run(tmp_path, organ_arrays((24, 30), None))).read_text("utf-8")
    assert "tell apart what is in it (liver, left &lt;kidney&gt;, spleen)" in html
    assert "by Dice. Grey values" in html
    assert "0.712" in html
    assert "Dice in the validation images" in html
    assert "The ring marks the best mean Dice" in html
    assert "left open (–) where the image has none of it" in html
    assert "Classes found" in html
    for word in ("objects in it", "Objects found", "border</span>", "AP and SEG", "Volumes are shown", "Hatched"):
        assert word not in html


@pytest.mark.parametrize("spacing", [None, [4.0, 2.0, 2.0], [float("nan")] * 3])
def test_planes_of_a_volume(tmp_path: Path, spacing: list[float] | None) -> None:
    html = write_report(organ_run(tmp_path, organ_arrays((6, 20, 30), spacing, partial=True))).read_text("utf-8")
    known = spacing == [4.0, 2.0, 2.0]
    assert "Planes through Z 4 of 6, Y " in html, "the slice with most annotation"
    assert ("voxels stretched Z × 2" in html) == known
    assert "Hatched parts are not annotated" in html
    pictures = pictures_of(html)
    factor, depth = 13, 12 if known else 6
    assert {picture.shape for picture in pictures} == {((20 + depth) * factor + GAP, (30 + depth) * factor + GAP, 3)}
    assert len(pictures) == 5 + 1, "and the residual, cut at the same place"


def test_colours_of_the_legend_are_those_of_the_pictures(tmp_path: Path) -> None:
    html = write_report(organ_run(tmp_path, organ_arrays((24, 30), None))).read_text("utf-8")
    probabilities = pictures_of(html)[3]
    for label in (1, 3):
        colour = np.round(255 * class_colours(4)[label]).astype(int)
        assert class_colour(label, 4) == f"rgb({', '.join(map(str, colour))})"
        assert (probabilities == colour).all(axis=-1).any()
        assert class_colour(label, 4) in class_legend(ORGANS)
    assert "background" not in class_legend(ORGANS)


def test_classes_from_the_settings_before_there_is_an_evaluation(tmp_path: Path) -> None:
    (tmp_path / "settings.json").write_text(json.dumps({"settings": {"classes": ORGANS}}))
    html = write_report(tmp_path).read_text("utf-8")
    assert "tell apart what is in it (liver" in html
    assert "Class by class" not in html


def test_instances_show_dice_as_one_figure(run_dir: Path) -> None:
    metrics = run_dir / "evaluation" / "metrics.json"
    metrics.write_text(json.dumps(json.loads(metrics.read_text()) | {"dice": 0.8765}))
    html = write_report(run_dir).read_text("utf-8")
    assert "0.876" in html
    assert "Class by class" not in html
    assert "find the objects in it" in html
