"""The benchmarks on single images: their parts, and one small run of each."""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import tifffile
import torch

from monai_denoiseg.data import simulate_nuclei

BENCHMARKS = Path(__file__).parent.parent / "benchmarks"

pytestmark = pytest.mark.skipif(not BENCHMARKS.is_dir(), reason="runs in a checkout of the project only")


def load(name: str, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    module = importlib.import_module(name)
    # Noise2Fast on whole images would take most of the time of these tests.
    monkeypatch.setattr(module, "denoise_noise2fast", lambda image, **_: torch.as_tensor(image) * 0.5)
    return module


@pytest.fixture
def nuclei(tmp_path: Path) -> Path:
    for split, count in (("dev-train", 2), ("dev-test", 3)):
        for sub in ("images", "masks"):
            (tmp_path / split / sub).mkdir(parents=True)
        for i in range(count):
            sample = simulate_nuclei((140, 150), seed=i)
            tifffile.imwrite(tmp_path / split / "images" / f"{i}.tif", sample.clean.clip(0, 255).astype(np.uint8))
            tifffile.imwrite(tmp_path / split / "masks" / f"{i}.tif", sample.label.astype(np.uint16))
    return tmp_path


def test_nuclei(nuclei: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    dsb = load("self2seg_dsb2018", monkeypatch)
    words = ["--data", str(nuclei), "--images", "2", "--tune", "1", "--noise", "10", "--methods", "chan_vese", "sequential"]
    words += ["--lambdas", "0.015", "0.04", "--work", str(tmp_path / "work"), "--results", str(tmp_path / "results")]
    dsb.main(words)
    result = json.loads((tmp_path / "results" / "self2seg_dsb2018.json").read_text())
    assert [row["method"] for row in result["rows"]] == ["chan_vese", "sequential"]
    for row in result["rows"]:
        assert 0.5 < row["fixed"] <= row["oracle"] <= 1
        assert row["lambda"] in (0.015, 0.04)
        assert row["published_oracle"] == dsb.PUBLISHED[row["method"]][10]
    assert result["machine"]["versions"]["torch"]

    def again(*_: Any) -> None:
        raise AssertionError("what is kept was computed again")

    monkeypatch.setattr(dsb, "one", again)
    dsb.main(words)
    with pytest.raises(AssertionError, match="computed again"):
        dsb.main([*words, "--seed", "1"])


def test_fixed_lambda_comes_from_the_tuning_crops(monkeypatch: pytest.MonkeyPatch) -> None:
    dsb = load("self2seg_dsb2018", monkeypatch)
    rest = {"psnr": [20.0] * 8, "rule": 0.5, "seconds": 1.0}
    tune = [{"dice": [0, 0, 0.9, 0, 0, 0, 0, 0], **rest}]
    test = [{"dice": [1, 0, 0.4, 0, 0, 0, 0, 0], **rest}, {"dice": [0, 0, 0.6, 0.8, 0, 0, 0, 0], **rest}]
    found = dsb.summary(tune, test, dsb.LAMBDAS)
    assert (found["lambda"], found["fixed"], found["oracle"]) == (dsb.LAMBDAS[2], 0.5, pytest.approx(0.9))
    assert found["sem"] == pytest.approx(0.1)


def test_a_crop_shows_most_foreground(nuclei: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    dsb = load("self2seg_dsb2018", monkeypatch)
    (_, clean, truth), *_ = dsb.crops(nuclei / "dev-test", 1)
    masks = tifffile.imread(nuclei / "dev-test" / "masks" / "0.tif") > 0
    assert clean.shape == truth.shape == (128, 128)
    assert truth.mean() == max(masks[y : y + 128, x : x + 128].mean() for y, x in ((0, 0), (0, 22), (12, 0), (12, 22), (6, 11)))


def test_missing_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    for name, message in (
        ("self2seg_dsb2018", "no folder dev-train/images"),
        ("self2seg_mosaics", "no NAME.tif with a NAME_mask.tif"),
        ("noise2fast_fig5", "no images/*.tif"),
    ):
        with pytest.raises(SystemExit):
            load(name, monkeypatch).main(["--data", str(tmp_path)])
        assert message in capsys.readouterr().err


def test_mosaics(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mosaics = load("self2seg_mosaics", monkeypatch)
    y, x = np.mgrid[:220, :240]
    mask = x >= 120
    image = 128 + 60 * np.sin(2 * np.pi * np.where(mask, x + y, x - y) / 11)
    tifffile.imwrite(tmp_path / "stripes.tif", image.astype(np.uint8))
    tifffile.imwrite(tmp_path / "stripes_mask.tif", mask.astype(np.uint8))
    words = ["--data", str(tmp_path), "--methods", "chan_vese", "linear", "--lambdas", "0.02", "--results", str(tmp_path / "r")]
    mosaics.main(words)
    (row,) = json.loads((tmp_path / "r" / "self2seg_mosaics.json").read_text())["images"]
    assert row["methods"]["linear"]["dice"][0] > 0.97 > 0.8 > row["methods"]["chan_vese"]["dice"][0]
    assert row["methods"]["linear"]["psnr"][0] > row["psnr_noisy"] + 5
    assert (tmp_path / "r" / "self2seg_mosaics.png").is_file()


def test_boxes_lie_in_their_regions(monkeypatch: pytest.MonkeyPatch) -> None:
    mosaics = load("self2seg_mosaics", monkeypatch)
    y, x = np.mgrid[:512, :512]
    mask = (y - 256) ** 2 + (x - 256) ** 2 < 150**2
    (first,), (second,) = mosaics.boxes(mask)
    assert not mask[first[0] : first[1], first[2] : first[3]].any()
    assert mask[second[0] : second[1], second[2] : second[3]].all()


def test_single_noisy_images(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fig5 = load("noise2fast_fig5", monkeypatch)
    monkeypatch.setattr(fig5, "SHOWN", 40)
    for sub in ("images", "masks"):
        (tmp_path / sub).mkdir()
    for i in range(3):
        sample = simulate_nuclei((64, 72), seed=i)
        tifffile.imwrite(tmp_path / "images" / f"{i}.tif", sample.image.astype(np.float32))
        tifffile.imwrite(tmp_path / "masks" / f"{i}.tif", sample.label.astype(np.uint16))
    fig5.main(["--data", str(tmp_path), "--results", str(tmp_path / "r"), "--images", "2", "--shown", "2"])
    result = json.loads((tmp_path / "r" / "noise2fast_fig5.json").read_text())
    assert [row["image"] for row in result["images"]] == ["0", "2"]
    for row in result["images"]:
        assert row["dice"]["noise2fast"] == row["dice"]["noisy"], "half of every grey level has the same threshold"
        assert row["noise"]["noise2fast"] == pytest.approx(row["noise"]["noisy"] / 2, rel=1e-3)
    assert sys.modules["noise2fast_fig5"].Image.open(tmp_path / "r" / "noise2fast_fig5.png").size == (80, 80)


def test_times(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    timing = load("self2seg_time", monkeypatch)
    timing.main(["--size", "40", "--repeat", "1", "--methods", "constant and linear", "noise2fast", "--results", str(tmp_path)])
    rows = json.loads((tmp_path / "self2seg_time.json").read_text())["methods"]
    assert rows["constant and linear"]["dice"] > 0.5
    assert rows["noise2fast"]["dice"] is None
