"""The benchmark on real microscope noise: its parts, and one small run of it."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import tifffile
from scipy import ndimage

BENCHMARKS = Path(__file__).parent.parent / "benchmarks"

pytestmark = pytest.mark.skipif(not BENCHMARKS.is_dir(), reason="runs in a checkout of the project only")


@pytest.fixture(scope="module")
def fmd() -> ModuleType:
    sys.path.insert(0, str(BENCHMARKS))
    try:
        import denoising_fmd
    finally:
        sys.path.remove(str(BENCHMARKS))
    return denoising_fmd  # type: ignore[no-any-return]


def write_kind(folder: Path, kind: str, blur: float = 0.0) -> None:
    rng = np.random.default_rng(0)
    clean = 120 + 60 * np.sin(np.arange(48) / 6)[:, None] * np.ones((48, 52))
    noise = rng.normal(0, 1, (4, 48, 52))
    noise = ndimage.gaussian_filter(noise, (0, 0, blur)) if blur else noise
    folder.mkdir(exist_ok=True)
    tifffile.imwrite(folder / f"{kind}_raw.tif", (clean + 15 * noise / noise.std()).clip(0, 255).round().astype(np.uint8))
    tifffile.imwrite(folder / f"{kind}_gt.tif", clean)


def test_the_mask_follows_the_noise(fmd: ModuleType) -> None:
    rng = np.random.default_rng(0)
    scene = 50 * rng.normal(size=(100, 110)).cumsum(0)  # one scene in all frames, however correlated, does not count
    white = rng.normal(0, 20, (4, 100, 110))
    assert fmd.struct_mask(fmd.noise_correlation(scene + white), 0.2) is None
    lines = ndimage.uniform_filter1d(white, 3, axis=2)
    correlation = fmd.noise_correlation(scene + lines)
    assert correlation[4, 3:8] == pytest.approx([2 / 3, 1, 2 / 3, 1 / 3, 0], abs=0.05)
    assert fmd.struct_mask(correlation, 0.2) == [[1, 1, 1, 1, 1]]
    assert fmd.struct_mask(correlation, 0.5) == [[1, 1, 1]]
    assert fmd.struct_mask(fmd.noise_correlation(ndimage.uniform_filter(white, (0, 3, 3))), 0.4) == [[1, 1, 1]] * 3
    crossed = np.zeros((9, 9))
    crossed[4, 4], crossed[2, 4], crossed[4, 5] = 1, 0.3, 0.3
    assert fmd.struct_mask(crossed, 0.2) == [[0, 1, 0], [0, 0, 0], [1, 1, 1], [0, 0, 0], [0, 1, 0]]


def test_table(fmd: ModuleType) -> None:
    results = [
        {"kind": "A", "method": "raw", "psnr": 20.0},
        {"kind": "A", "method": "n2v", "left_out": "..."},
        {"kind": "Long", "method": "raw", "psnr": 31.246},
    ]
    rows = [line.split() for line in fmd.table(results).splitlines()]
    assert rows == [["psnr", "raw", "n2v"], ["A", "20.00", "-"], ["Long", "31.25"]]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--kinds", "Confocl"], "--kinds Confocl: no such kind; there are Confocal_X, WideField_X"),
        (["--steps", "0"], "--steps must be positive"),
        (["--data", "nowhere"], "--data nowhere: no file"),
        (["--methods", "n2w"], "invalid choice"),
    ],
)
def test_what_is_wrong_is_said(fmd: ModuleType, words: list[str], message: str, tmp_path: Path, capsys: Any) -> None:
    for kind in ("Confocal_X", "WideField_X"):
        write_kind(tmp_path, kind)
    assert fmd.parse(["--data", str(tmp_path), "--kinds", "Wide"]).kinds == ["WideField_X"]
    with pytest.raises(SystemExit):
        fmd.parse(["--data", str(tmp_path), *words])
    assert message in capsys.readouterr().err


def test_budget(fmd: ModuleType, tmp_path: Path) -> None:
    write_kind(tmp_path, "A")
    for steps, epochs, each in ((4000, 40, 100), (3, 1, 3), (150, 2, 75)):
        settings = fmd.training_settings(fmd.parse(["--data", str(tmp_path), "--steps", str(steps), "--set", "depth=1"]))
        assert (settings["max_epochs"], settings["steps_per_epoch"], settings["depth"]) == (epochs, each, "1")


def test_a_small_run_and_going_on(benchmark: Callable[[str], ModuleType], tmp_path: Path, capsys: Any) -> None:
    fmd = benchmark("denoising_fmd")
    write_kind(tmp_path / "data", "WideField_X", blur=1.0)
    tiny = ["--steps", "2", "--set", "depth=1", "features=4", "batch_size=2", "patch_size=[16, 16]", "tta=False"]
    places = [word for name in ("data", "work", "results") for word in (f"--{name}", str(tmp_path / name))]

    def run(*methods: str) -> dict[str, dict[str, Any]]:
        fmd.main([*places, *tiny, "--methods", *methods])
        summary = json.loads(capsys.readouterr().out.splitlines()[-1])
        return {result["method"]: result for result in summary["runs"]}

    first = run("raw", "median", "nlm")
    assert first["raw"]["psnr"] + 1 < first["median"]["psnr"] < first["nlm"]["psnr"]
    kept = tmp_path / "work" / "fmd" / "WideField_X" / "median.json"
    kept.write_text(kept.read_text().replace('"psnr":', '"psnr": 99.0, "was":'))
    found = run("raw", "median", "structn2v")
    assert found["median"]["psnr"] == 99.0, "what is done is not done again"
    mask = found["structn2v"]["settings"]["struct_mask"]
    assert len(mask) == 1
    assert len(mask[0]) >= 3
    denoised = tifffile.imread(tmp_path / "work" / "fmd" / "WideField_X" / "structn2v_s0.tif")
    assert denoised.shape == (4, 48, 52)
    assert np.isfinite(found["structn2v"]["psnr"])
    recorded = json.loads((tmp_path / "results" / "denoising_fmd.json").read_text())
    assert {result["method"]: result for result in recorded["runs"]} == found
    assert recorded["machine"]["versions"]["torch"]


def test_white_noise_has_no_mask_and_is_left_out(fmd: ModuleType, tmp_path: Path, capsys: Any) -> None:
    write_kind(tmp_path / "data", "Confocal_X")
    places = [word for name in ("data", "work", "results") for word in (f"--{name}", str(tmp_path / name))]
    fmd.main([*places, "--methods", "structn2v"])
    result = json.loads(capsys.readouterr().out.splitlines()[-1])["runs"][0]
    assert "not correlated" in result["left_out"]
