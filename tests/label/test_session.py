"""The benchmark of a simulated annotation session runs; its figures are not tested here."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from monai_denoiseg.data import write_simulated

BENCHMARK = Path(__file__).parents[2] / "benchmarks" / "label_session.py"

pytestmark = pytest.mark.skipif(not BENCHMARK.is_file(), reason="runs in a checkout of the project only")


def run(*arguments: str) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-W", "ignore", str(BENCHMARK), *arguments], capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return result


@pytest.mark.slow  # half a minute of processes
def test_session(tmp_path: Path) -> None:
    for part, seed in (("dev-train", 0), ("dev-test", 1)):
        folder = write_simulated(tmp_path / "data" / part, n_images=4, n_labelled=4, shape=(130, 140), seed=seed)
        (folder / "labels").rename(folder / "masks")
    options = ["--rounds", "1", "--seconds", "0.5", "--steps", "1", "--strategies", "uncertainty", "--test_images", "1"]
    options += ["--set", "depth=1", "features=4", "batch_size=2", "patch_size=[16, 16]"]
    folders = ["--data", str(tmp_path / "data"), "--work", str(tmp_path / "work"), "--results", str(tmp_path / "results")]
    result = run(*folders, *options)
    assert all([row["labels"] for row in rows] == [1, 2] for rows in result["strategies"].values())
    assert result["epochs"] >= 1
    recorded = json.loads((tmp_path / "results" / "label_session_n20.json").read_text())
    assert recorded["machine"]["versions"]["torch"]
    assert len({entry["picked"] for entry in recorded["sessions"]["uncertainty"][0]}) == 2
    ElementTree.parse(tmp_path / "results" / "label_session_n20.svg")
