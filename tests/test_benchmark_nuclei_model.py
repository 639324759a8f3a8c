"""The training of the network the 2D bundle ships: what it learns from, and what chooses and scores it."""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

sys.path.insert(0, str(Path(__file__).parents[1] / "benchmarks"))

import nuclei_model


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dsb")
    rng = np.random.default_rng(0)
    for part, count in (("dev-train", 34), ("dev-test", 2)):
        for kind in ("images", "masks"):
            (folder / part / kind).mkdir(parents=True)
        for number in range(count):
            mask = np.zeros((40, 40), np.uint16)
            mask[4:14, 4:14], mask[20:32, 22:34] = 1, 2
            image = (10 + 60 * (mask > 0) + rng.integers(0, 3, mask.shape)).astype(np.uint8)
            tifffile.imwrite(folder / part / "images" / f"im{number:02d}.tif", image)
            tifffile.imwrite(folder / part / "masks" / f"im{number:02d}.tif", mask)
    return folder


def names(folder: Path) -> list[tuple[str, str]]:
    return [(stem, level) for stem, _, level in (path.stem.partition("_n") for path in sorted((folder / "images").iterdir()))]


def test_no_image_is_in_two_parts_and_each_noise_level_is_there(data: Path, tmp_path: Path) -> None:
    root = nuclei_model.prepare(data, tmp_path)
    train, validation = names(root / "train"), names(root / "validation")
    assert {stem for stem, _ in validation} == {f"im{n:02d}" for n in range(0, 34, 8)}
    assert not {stem for stem, _ in train} & {stem for stem, _ in validation}
    assert set(Counter(stem for stem, _ in train).values()) == {4}
    assert set(Counter(stem for stem, _ in validation).values()) == {1}
    assert {level for _, level in train} == {level for _, level in validation} == {"0", "10", "20", "40"}
    stamp = (root / "done").stat().st_mtime_ns
    assert nuclei_model.prepare(data, tmp_path) == root
    assert (root / "done").stat().st_mtime_ns == stamp, "written once"


@pytest.mark.parametrize("sigma", nuclei_model.NOISE)
def test_the_noise_is_what_the_name_says(data: Path, tmp_path: Path, sigma: float) -> None:
    root = nuclei_model.prepare(data, tmp_path)
    noise = []
    for path in sorted((root / "train" / "images").glob(f"*_n{sigma:g}.tif")):
        clean = tifffile.imread(data / "dev-train" / "images" / f"{path.stem.partition('_n')[0]}.tif")
        noise.append(tifffile.imread(path) - clean.astype(np.float32))
    assert np.std(noise) == pytest.approx(sigma, rel=0.02)


def test_a_missing_folder_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "argv", ["nuclei_model.py", "--data", str(tmp_path)])
    with pytest.raises(SystemExit):
        nuclei_model.main()
    assert "no folder dev-train/images" in capsys.readouterr().err


def test_it_trains_scores_and_records(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, run_benchmark: Callable[..., dict[str, Any]]
) -> None:
    monkeypatch.setattr(nuclei_model, "NOISE", (0.0, 20.0))
    tiny = ["steps_per_epoch=2", "features=4", "depth=1", "batch_size=4", "patch_size=[16,16]", "tta=false"]
    place = ["--data", data, "--work", tmp_path / "work", "--results", tmp_path / "results"]
    scores = run_benchmark("nuclei_model", *place, "--max_epochs", "1", "--set", *tiny)
    assert list(scores) == ["n0", "n20"]
    assert {found["n_images"] for found in scores.values()} == {2}
    result = json.loads((tmp_path / "results" / "nuclei_model.json").read_text("utf-8"))
    assert (result["scores"], result["settings"]["normalisation"]) == (scores, "image")
