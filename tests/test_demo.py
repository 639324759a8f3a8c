"""The demo from simulation to report, very small."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import Any

import pytest

import monai_denoiseg.demo
from monai_denoiseg.cli import main
from monai_denoiseg.data import write_simulated
from monai_denoiseg.demo import run_demo

TINY = {
    "features": 4,
    "depth": 1,
    "patch_size": [16, 16],
    "batch_size": 4,
    "steps_per_epoch": 3,
    "max_epochs": 2,
    "val_interval": 1,
    "tta": False,
}


@pytest.fixture
def few_small_images(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """The demo simulates 72 images of 128 x 128: here they are 8 of 40 x 40."""
    asked: list[dict[str, Any]] = []

    def small(folder: Path, n_images: int, n_labelled: int, seed: int) -> Path:
        asked.append({"n_images": n_images, "n_labelled": n_labelled, "seed": seed})
        return write_simulated(folder, n_images=4, n_labelled=min(n_labelled, 4), shape=(40, 40), seed=seed)

    monkeypatch.setattr(monai_denoiseg.demo, "write_simulated", small)
    return asked


def test_demo(tmp_path: Path, few_small_images: list[dict[str, Any]], capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "demo").mkdir()
    report = run_demo(tmp_path / "demo", 5, TINY)
    assert report == tmp_path / "demo" / "report.html"
    text = report.read_text("utf-8")
    assert text.lstrip().lower().startswith("<!doctype html")
    assert "data:image/png;base64," in text
    assert few_small_images[0]["seed"] != few_small_images[1]["seed"], "tested on images not seen in training"
    assert few_small_images[1]["n_labelled"] == few_small_images[1]["n_images"]
    run = tmp_path / "demo" / "run"
    metrics = json.loads((run / "evaluation" / "metrics.json").read_text())
    assert metrics["n_images"] == 4
    assert len(list((run / "predictions").glob("*_instances.tif"))) == 4
    settings = json.loads((run / "settings.json").read_text())["settings"]
    assert (settings["seed"], settings["max_epochs"]) == (5, 2)
    out = capsys.readouterr().out
    assert f"AP {metrics['ap']:.3f}" in out
    assert f"PSNR {metrics['psnr_input']:.1f} dB -> {metrics['psnr']:.1f} dB" in out
    assert str(report) in out


@pytest.mark.parametrize("kind", ["folder", "file", "results of version 0.1.0"])
def test_a_foreign_folder_is_not_touched(
    tmp_path: Path, few_small_images: list[dict[str, Any]], kind: str, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "mine"
    mine = {"folder": output / "thesis.txt", "file": output}.get(kind, output / "report.html")
    mine.parent.mkdir(exist_ok=True)
    mine.write_text("mine")
    assert main(["demo", "--output", str(output)]) == 1
    said = capsys.readouterr().err
    assert ("is a file" if kind == "file" else f"holds {mine.name}, which is not of an earlier demo") in said
    assert mine.read_text() == "mine" and few_small_images == []
    assert set(tmp_path.rglob("*")) == {output, mine}


def test_an_earlier_demo_is_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def run(output: Path, seed: int, *_: Any) -> Path:
        (output / "run").mkdir(parents=True)
        (output / "run" / f"{seed}.txt").write_text("x")
        if seed == 1:
            raise KeyboardInterrupt
        return output

    monkeypatch.setattr(monai_denoiseg.demo, "_run", run)
    for seed in (0, 1, 2):
        with pytest.raises(KeyboardInterrupt) if seed == 1 else contextlib.nullcontext():
            run_demo(tmp_path / "demo", seed)
        assert [path.name for path in (tmp_path / "demo" / "run").iterdir()] == [f"{seed}.txt"]


def test_small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[Any, ...]] = []
    monkeypatch.setattr(monai_denoiseg.demo, "_run", lambda *arguments: asked.append(arguments))
    for words in (["--small"], []):
        assert main(["demo", "--output", str(tmp_path / "demo"), "--seed", "3", "--max_epochs", "2", *words]) == 0
    (_, seed, few, *images), (_, _, usual, *many) = asked
    assert (seed, images, many) == (3, [12, 3], [60, 12])
    assert few["max_epochs"] == usual["max_epochs"] == 2 and few["steps_per_epoch"] < usual["steps_per_epoch"]
