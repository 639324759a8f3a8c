"""The table of classes, and the files of an evaluation that hold it."""

from __future__ import annotations

import csv
import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from ignite.engine import Engine
from monai.data import MetaTensor

from monai_denoiseg.handlers import EvaluationWriter
from monai_denoiseg.handlers.checkpoint import score_tolerance
from monai_denoiseg.handlers.class_table import ClassTable
from monai_denoiseg.heads import as_head
from monai_denoiseg.open_classes import open_value

ORGANS = ["background", "liver", "spleen", "kidney"]


def cases(shape: tuple[int, ...]) -> list[tuple[torch.Tensor, torch.Tensor]]:
    """No kidney in any truth; the spleen is missed in the second case and nowhere in the third."""
    made = []
    for index in range(3):
        truth = torch.zeros(1, *shape, dtype=torch.int32)
        truth[0, 1:5, 1:5] = 1
        truth[0, 6:9, 5:8] = 2 if index < 2 else 0
        found = truth.roll(index, 1)
        found[found == 2] = 2 if index != 1 else 0
        made.append((found, truth))
    made[0][0][0, 10, 10] = 3
    return made


@pytest.mark.parametrize("shape", [(12, 12), (12, 12, 6)])
def test_means_counts_and_intervals(shape: tuple[int, ...]) -> None:
    table = ClassTable(ORGANS)
    for index, (found, truth) in enumerate(cases(shape)):
        table.add(f"{index}.nii.gz", found, truth, [2.0, 1.0, 1.0][: len(shape)], "mm")
    assert len(table.rows) == 9
    found = table.metrics()
    rows = {(row["image"][0], row["class"]): row for row in table.rows}
    assert [rows[str(i), "liver"]["hd95"] for i in range(3)] == [0.0, 2.0, 4.0]
    assert found["hd95_liver"] == 2.0
    assert rows["1", "spleen"]["surface_dice"] == 0
    assert math.isnan(rows["2", "spleen"]["dice"])
    assert rows["0", "kidney"]["dice"] == 0
    assert (found["both_empty_images_spleen"], found["both_empty_images_kidney"], found["both_empty_images_liver"]) == (1, 2, 0)
    assert [found[f"missed_images_{name}"] for name in ("liver", "spleen", "kidney")] == [0, 1, 0]
    assert found["surface_dice"] == pytest.approx((found["surface_dice_liver"] + found["surface_dice_spleen"]) / 2)
    low, high = found["intervals"]["dice_liver"]
    assert low <= np.mean([rows[str(i), "liver"]["dice"] for i in range(3)]) <= high
    assert "dice_kidney" not in found["intervals"]
    assert ("volume_error_ml" in found) == (len(shape) == 3)


def test_one_image_has_no_interval() -> None:
    table = ClassTable(ORGANS)
    table.add("a", *cases((12, 12))[0])
    assert set(table.metrics()["intervals"].values()) == {None}
    assert table.rows[0]["length"] == "voxels"
    assert ClassTable(ORGANS).metrics() == {}


@pytest.mark.parametrize("shape", [(12, 12), (12, 12, 6)])
def test_files_of_an_evaluation(tmp_path: Path, shape: tuple[int, ...]) -> None:
    head = as_head(classes=ORGANS)
    batches = []
    for number, (found, truth) in enumerate(cases(shape)):
        own = 1.0 if number < 2 else 0.1
        image = MetaTensor(torch.zeros(1, *shape), meta={"unit": "mm", "spacing": (2.0 * own, own, own)[: len(shape)]})
        pred = torch.stack([found[0] == value for value in range(4)]).float()
        item = {"image": image, "instances": truth, "spacing": torch.tensor([2.0, 1.0, 1.0][: len(shape)])}
        batches.append([(item, {"image": image, "pred": pred})])
    engine = Engine(lambda engine, batch: [output for _, output in batch])
    items = [{"image": f"{i}.nii.gz"} for i in range(3)]
    writer = EvaluationWriter(tmp_path, items, head.rule, 0.5, head=head, denoises=False, pictures=False)
    writer.attach(engine)

    def items_only(engine: Engine) -> None:
        engine.state.batch = [item for item, _ in engine.state.batch]

    writer_collect = writer._collect
    writer._collect = lambda engine: (items_only(engine), writer_collect(engine))  # type: ignore[method-assign]
    engine = Engine(lambda engine, batch: [output for _, output in batch])
    writer.attach(engine)
    engine.run(batches)
    with (tmp_path / "per_class.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [(row["image"], row["class"]) for row in rows[:2]] == [("0.nii.gz", "liver"), ("0.nii.gz", "spleen")]
    assert float(rows[3]["hd95"]) == 2.0
    assert {row["length"] for row in rows if row["image"] != "2.nii.gz"} == {"mm"}
    assert {row["length"] for row in rows if row["image"] == "2.nii.gz"} == {"unit of the voxel size"}, (
        "it was given another size"
    )
    metrics = json.loads((tmp_path / "metrics.json").read_text())
    assert (metrics["hd95_liver"], metrics["surface_unit"]) == (1.0, "mm"), "without that one"
    assert metrics["false_positive_images_kidney"] == 1
    assert "dice_kidney" not in metrics["intervals"], "no image has one"
    low, high = metrics["intervals"]["dice"]
    assert low <= metrics["dice"] <= high


def test_the_best_dice_is_kept_whatever_the_tolerance() -> None:
    assert score_tolerance(0.02, 0.5, as_head(classes=ORGANS)) == 0
    assert score_tolerance(0.02, 0.5, as_head()) == 0.02


@pytest.mark.parametrize("shape", [(32, 32), (8, 16, 16)])
def test_lengths_of_several_units(shape: tuple[int, ...], caplog: pytest.LogCaptureFixture) -> None:
    """One picture told in mm and in um has one distance; told in voxels it has no length, and is left out of the means."""
    truth = torch.zeros(1, *shape, dtype=torch.int32)
    truth[(0, *[slice(2, 6)] * len(shape))] = 1
    found, table = truth.roll(2, -1), ClassTable(["background", "liver"])
    table.add("a", found, truth, [0.5] * len(shape), "mm")
    table.add("b", found, truth, [500.0] * len(shape), "um")
    table.add("c", found, truth)
    metrics = table.metrics()
    first, second, third = table.rows
    assert {key: value for key, value in first.items() if key != "image"} == pytest.approx(
        {key: value for key, value in second.items() if key != "image"}, nan_ok=True
    )
    assert (first["hd95"], third["hd95"], metrics["hd95_liver"]) == (1.0, 2.0, 1.0)
    assert (metrics["surface_dice_liver"], metrics["surface_unit"]) == (first["surface_dice"], "mm")
    assert "1 of 3 images are not measured in mm" in caplog.text


@pytest.mark.parametrize("shape", [(16, 16), (8, 12, 12)])
def test_a_scan_that_says_nothing_of_a_class_does_not_count(shape: tuple[int, ...]) -> None:
    truth = torch.zeros(1, *shape, dtype=torch.int32)
    truth[(0, *[slice(2, 6)] * len(shape))] = 1
    found = truth.clone()
    found[0, -2:] = 2
    only_liver = torch.where(truth == 0, open_value([2]), truth)
    table = ClassTable(ORGANS[:3])
    for name, label in zip("abc", (truth, only_liver, only_liver), strict=True):
        table.add(name, found, label, [10.0] * len(shape), "mm")
    metrics = table.metrics()
    assert metrics["both_empty_images_spleen"] == metrics["missed_images_spleen"] == 0
    assert math.isnan(table.rows[3]["voxels_truth"])
    if len(shape) == 3:
        assert metrics["volume_error_ml_spleen"] == pytest.approx(2 * shape[1] * shape[2])
