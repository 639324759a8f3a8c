"""The benchmark scripts run and end with one JSON object; their figures are not tested here."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from monai_denoiseg.data import write_simulated

BENCHMARKS = Path(__file__).parent.parent / "benchmarks"


def run(script: str, *arguments: str) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-W", "ignore", str(BENCHMARKS / f"{script}.py"), *arguments],
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return result


def test_overhead(tmp_path: Path) -> None:
    options = ["--steps", "1", "--pairs", "1", "--features", "4", "--depth", "1", "--batch", "2", "--patch", "16", "16"]
    result = run("overhead", *options, "--results", str(tmp_path))
    assert result["ratio_engine"] > 0
    assert json.loads((tmp_path / "overhead_2d.json").read_text())["machine"]["versions"]["torch"]


def test_fewshot_dsb2018(tmp_path: Path) -> None:
    for part, seed in (("dev-train", 0), ("dev-test", 1)):
        folder = write_simulated(tmp_path / "data" / part, n_images=2, n_labelled=2, shape=(130, 140), seed=seed)
        (folder / "labels").rename(folder / "masks")
    options = ["--labels", "2", "--validation", "2", "--max_epochs", "1", "--features", "4"]
    options += ["--set", "steps_per_epoch=1", "depth=1", "batch_size=2", "tta=False"]
    folders = ["--data", str(tmp_path / "data"), "--work", str(tmp_path / "work"), "--results", str(tmp_path / "results")]
    result = run("fewshot_dsb2018", *folders, *options)
    assert {"ap", "seg", "psnr", "train_seconds", "settings"} <= result.keys()
    assert result["n_images"] == 2
    assert result["settings"]["n_labels"] == 2
    # Noise is added once, in grey levels, unclipped, and the patches are the paper's.
    assert abs(result["psnr_input"] - 22) < 8
    assert len(list((tmp_path / "work").glob("dsb2018*/train/images/*.tif"))) == 17
    assert len(list(tmp_path.glob("results/*.json"))) == 1


def test_missing_data_is_said(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, str(BENCHMARKS / "fewshot_dsb2018.py"), "--data", str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 2
    assert "no folder dev-train/images" in done.stderr
