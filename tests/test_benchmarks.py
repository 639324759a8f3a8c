"""The benchmark scripts run and end with one JSON object; their figures are not tested here."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import nibabel
import numpy as np
import pytest
import tifffile

from monai_denoiseg.data import write_simulated

BENCHMARKS = Path(__file__).parent.parent / "benchmarks"
SCRIPTS = sorted(path.stem for path in BENCHMARKS.glob("*.py") if "__main__" in path.read_text("utf-8"))

Run = Callable[..., dict[str, Any]]


@pytest.mark.parametrize("name", SCRIPTS)
def test_help(
    name: str, benchmark: Callable[[str], ModuleType], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    module = benchmark(name)
    monkeypatch.setattr(sys, "argv", [f"{name}.py", "--help"])
    with pytest.raises(SystemExit) as stopped:
        module.main()
    assert stopped.value.code == 0
    assert "--results" in (text := capsys.readouterr().out) or "--output" in text


def test_overhead(tmp_path: Path, run_benchmark: Run) -> None:
    options = ["--steps", "1", "--pairs", "1", "--features", "4", "--depth", "1", "--batch", "2", "--patch", "16", "16"]
    assert run_benchmark("overhead", *options, "--results", tmp_path)["ratio_engine"] > 0
    assert json.loads((tmp_path / "overhead_2d.json").read_text())["machine"]["versions"]["torch"]


def test_measuring(tmp_path: Path, run_benchmark: Run) -> None:
    result = run_benchmark("measuring", "--objects", "60", "--few", "30", "--results", tmp_path)
    for case in result["cases"]:
        assert case["objects"] >= 60
        assert case["largest_difference"] < 1e-9
        assert case["matches_equal"]
        assert 0 < case["matches"][0] < case["few"]  # every tenth object is not predicted


PEER = """
import sys
sys.stderr.write("1/100 [>....] - loss: 0.3\\r")
options = dict(zip(sys.argv[2::2], sys.argv[3::2]))
print(f"\\n7 steps, 30.5 crops/s with {options['--threads']} threads (validation included)")
if options["--seed"] != "3":
    print(f"threshold 0.35 AP 0.4{options['--seed']} SEG 0.5000 PSNR 34.25")
"""


def test_fewshot_tensorflow(tmp_path: Path, benchmark: Callable[[str], ModuleType]) -> None:
    (peer := tmp_path / "peer.py").write_text(PEER)
    (tmp_path / "site").mkdir()
    for name in ("denoiseg", "n2v", "tensorflow_cpu", "keras", "numpy"):
        (folder := tmp_path / "site" / f"{name}-1.5.dist-info").mkdir()
        (folder / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.5\n")
    (python := tmp_path / "python").write_text(f'#!/bin/sh\nPYTHONPATH={tmp_path / "site"} exec {sys.executable} -P "$@"\n')
    python.chmod(0o755)
    options = ["--data", str(tmp_path), "--python", str(python), "--peer", str(peer), "--work", str(tmp_path / "work")]
    script = benchmark("fewshot_tensorflow")
    command = [*options, "--results", str(tmp_path), "--minutes", "0.5", "--seeds"]
    for seeds in (["0"], ["0", "2"]):
        script.main([*command, *seeds])
        peer.write_text(peer.read_text().replace("0.4{", "0.8{"))  # what is there is not trained again
    kept = json.loads((tmp_path / "fewshot_tensorflow_n20_l10.json").read_text())
    assert [run["ap"] for run in kept["runs"]] == [0.40, 0.82]
    assert kept["runs"][0] | {"ap": 0} == {
        "seed": 0, "steps": 7, "crops_per_second": 30.5, "threads": 1, "threshold": 0.35, "ap": 0, "seg": 0.5, "psnr": 34.25,
    }  # fmt: skip
    assert kept["mean"] == {"ap": 0.61, "seg": 0.5, "psnr": 34.25}
    assert kept["peer_versions"]["denoiseg"] == "1.5"
    with pytest.raises((RuntimeError, SystemExit), match=r"peer\.py failed \(0\), the end of(.|\n)*7 steps"):
        script.main([*command, "3"])


TINY_3D = ["depth=1", "features=4", "steps_per_epoch=1", "max_epochs=1", "patch_size=[8, 16, 16]", "tta=False"]


def test_fewshot_bbbc050(tmp_path: Path, run_benchmark: Run) -> None:
    for part, embryos in (("dev-train", range(1, 5)), ("dev-test", range(5, 6))):
        folder = write_simulated(
            tmp_path / "data" / part, n_images=2 * len(embryos), n_labelled=2 * len(embryos), shape=(11, 20, 24)
        )
        (folder / "labels").rename(folder / "masks")
        names = [f"Emb{embryo:02d}_{time}.tif" for embryo in embryos for time in ("t301", "t501")]
        for sub in ("images", "masks"):
            for path, name in zip(sorted((folder / sub).glob("*.tif")), names, strict=True):
                path.rename(path.with_name(name))
    folders = ["--data", str(tmp_path / "data"), "--work", str(tmp_path / "work"), "--results", str(tmp_path / "results")]
    result = run_benchmark("fewshot_bbbc050", *folders, "--every_slice", "5", "--set", *TINY_3D)
    assert {"ap", "seg", "train_seconds"} <= result.keys()
    assert result["n_images"] == 2
    assert result["settings"]["spacing"] == [1.75, 0.8, 0.8]
    assert len(set(result["labelled"]) | set(result["validation"])) == 4
    names = [path.name for path in (tmp_path / "work").iterdir()]
    work = tmp_path / "work" / names[0] / "data" / "train"
    assert len(list((work / "images").iterdir())) == 8
    labels = [tifffile.imread(path) for path in (work / "labels").iterdir()]
    assert [[bool((plane >= 0).any()) for plane in label].index(True) for label in labels] == [2, 2]
    assert [sum(bool((plane >= 0).any()) for plane in label) for label in labels] == [2, 2]
    options = ["--names", *names, "--min_size", "0", "1000000", "--split_neck", "0.7", "--thresholds", "0.1", "0.3"]
    rules = run_benchmark("rules_bbbc050", *folders, *options)
    assert [(row["min_size"], row["volumes"]) for row in rules["rows"]] == [(0, 6), (1000000, 6)]
    assert rules["rows"][1]["ap"] == [0, 0], "nothing is that large"


def test_ct(tmp_path: Path, run_benchmark: Run) -> None:
    rng, folder = np.random.default_rng(0), tmp_path / "data" / "medical_ct_aorta"
    folder.mkdir(parents=True)
    affine = np.array([[-1.5, 0, 0, 10], [0, 1.4, 0.1, -3], [0, 0, 2.5, 7], [0, 0, 0, 1]])
    label = np.zeros((20, 22, 14), np.uint8)
    label[4:9, 5:9], label[12:17, 10:16, 2:12] = 1, 2
    nibabel.save(
        nibabel.Nifti1Image((100 * label + rng.normal(0, 20, label.shape)).astype(np.int16), affine), folder / "ct.nii.gz"
    )
    nibabel.save(nibabel.Nifti1Image(label, affine), folder / "seg_aorta1_T12_2.nii.gz")
    folders = ["--data", str(tmp_path / "data"), "--work", str(tmp_path / "work"), "--results", str(tmp_path / "results")]
    steps = ["--steps", "1", "--seeds", "3", "--slices", "3"]
    result = run_benchmark("ct", *folders, *steps, "--set", *TINY_3D)
    (run,) = result["runs"]
    assert run["same_geometry"] is True
    assert len(result["annotated"]) == 3
    assert {"dice", "dice_aorta", "dice_T12"} <= result.keys()
    assert run["outputs"] == ["ct_classes.nii.gz"]
    run_folder = next((tmp_path / "work").iterdir())
    train, test = (
        np.asarray(nibabel.load(run_folder / "data" / part / "labels" / "ct.nii.gz").dataobj) for part in ("train", "test")
    )
    assert not ((train != 255) & (test != 255)).any(), "no voxel is both trained on and scored"
    np.testing.assert_array_equal(np.where(train != 255, train, test), label)


def test_streaming(tmp_path: Path, run_benchmark: Run, benchmark: Callable[[str], ModuleType], monkeypatch: Any) -> None:
    """Kill and watch are left out: that a killed prediction goes on to the same result is tested where it is made."""
    script, made = benchmark("streaming"), []

    def predict_here(args: argparse.Namespace, out: Path, stop_after: int | None = None) -> dict[str, Any]:
        made.append((out.name, stop_after))
        if stop_after is None:
            args.worker = out
            script.predict(args)
            args.worker = None
        return {"seconds": 1.0, "peak_mib": 7.0, "tiles_done": stop_after or 4}

    monkeypatch.setattr(script, "run", predict_here)
    size = ["--shape", "16", "64", "64", "--tile_size", "16", "32", "32", "--overlap", "24"]
    network = ["--depth", "1", "--features", "4", "--steps", "4"]
    result = run_benchmark("streaming", *size, *network, "--work", tmp_path / "work", "--results", tmp_path / "results")
    assert made == [("resumed", 2), ("resumed", None), ("at_once", None)]
    assert result["identical_after_kill"] is True
    assert (result["tiles"], result["voxels"], result["peak_mib"]) == (4, 16 * 64 * 64, 7.0)
    assert (tmp_path / "results" / "streaming_16x64x64.json").is_file()
