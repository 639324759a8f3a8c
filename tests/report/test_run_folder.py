"""What is read of a run's folder, and what is noted of the rest."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from monai_denoiseg.report.run_folder import RunFolder, class_names, column, number, read_run

from .conftest import METRICS, SETTINGS, WEIRD


def test_every_part_is_read(run_dir: Path) -> None:
    run = read_run(run_dir)
    assert (run.about, run.metrics, run.unreadable) == (SETTINGS, METRICS, [])
    assert [row["loss"] for row in run.training] == ["0.9", "0.5"]
    np.testing.assert_array_equal(column(run.validation, "ap"), [np.nan, 0.61])
    assert [row["image"] for row in run.images] == [f"{WEIRD}.tif", "second"]
    assert [(example.rank, example.name) for example in run.examples] == [
        ("best", WEIRD),
        ("median", "second"),
        ("worst", "second"),
    ]
    assert {"input", "denoised", "truth"} <= run.examples[0].arrays.keys()
    assert not run.examples[0].strip, "a ready-made picture is read only where there are no arrays"


def test_missing_parts_are_empty_and_not_complained_of(run_dir: Path) -> None:
    shutil.rmtree(run_dir / "evaluation")
    (run_dir / "train_log.csv").unlink()
    run = read_run(str(run_dir))
    assert (run.training, run.metrics, run.images, run.examples, run.unreadable) == ([], {}, [], [], [])
    assert len(run.validation) == 2


def test_what_cannot_be_read_is_noted_and_the_rest_kept(run_dir: Path) -> None:
    (run_dir / "settings.json").write_text("[1]")
    (run_dir / "evaluation" / "arrays" / f"best_{WEIRD}.npz").write_bytes(b"PK broken")
    np.savez(run_dir / "evaluation" / "arrays" / "median_second.npz", input=np.zeros((8, 8)))
    run = read_run(run_dir)
    assert run.about == {}
    named = [line.partition(": ")[0] for line in run.unreadable]
    assert named == ["settings.json", f"evaluation/arrays/best_{WEIRD}.npz", "evaluation/arrays/median_second.npz"]
    assert "no array `input`" in run.unreadable[2]
    assert [bool(example.arrays) for example in run.examples] == [False, False, True]
    assert all(example.arrays or example.strip.startswith(b"\x89PNG") for example in run.examples), "the picture stands in"


@pytest.mark.parametrize(
    ("metrics", "settings", "expected"),
    [
        ({"classes": ["background", "liver"]}, {"classes": ["a", "b"]}, ["background", "liver"]),
        ({}, {"classes": ["background", "spleen"]}, ["background", "spleen"]),
        ({"classes": None}, {"classes": None}, []),
        ({}, None, []),
    ],
)
def test_names_of_the_classes(metrics: dict, settings: object, expected: list[str]) -> None:
    assert class_names(RunFolder(Path("run"), about={"settings": settings}, metrics=metrics)) == expected


def test_whatever_is_no_number_is_nan() -> None:
    assert [number(value) for value in (3, "2.5", "1e-3")] == [3, 2.5, 0.001]
    assert np.isnan([number(value) for value in ("", None, "much", [1], {})]).all()
