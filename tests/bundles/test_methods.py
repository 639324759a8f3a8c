"""Every method of the papers from training to results; one of them through ``python -m monai.bundle run``."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
import torch

from monai_denoiseg.bundle.folders import bundle_folder
from monai_denoiseg.bundle.run import methods, run_bundle
from monai_denoiseg.cli import main
from monai_denoiseg.data import write_simulated
from monai_denoiseg.engines import first_cause
from monai_denoiseg.networks import DenoiSegNet, SequentialNet, load_network

from .conftest import TINY, results, run_program, words

WITH_TARGETS = ("supervised", "noise2noise")
DENOISERS = ("noise2void", "n2v2", "structn2v", "supervised", "noise2noise")
SEGMENTERS = ("baseline", "finetune", "stardist")
BOTH = ("sequential", "finetune_sequential", "stardist_sequential", "denoiseg_stardist")
METHODS = (*DENOISERS, *SEGMENTERS, *BOTH)
FIRST_STAGE = ("sequential", "finetune", "finetune_sequential", "stardist_sequential")
TYPED = "sequential"
"""The method that is trained by the command a user types: overlay, first stage and paths relative to the working directory."""


@pytest.fixture(scope="module")
def cells(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight images, four of them annotated, with clean and second noisy ones."""
    folder = Path(write_simulated(tmp_path_factory.mktemp("data") / "cells", n_images=8, n_labelled=4, shape=(40, 48)))
    (folder / "second").mkdir()
    for path in (folder / "clean").iterdir():
        clean = tifffile.imread(path).astype(np.float32)
        noise = np.random.default_rng(1).normal(0, 20, clean.shape)
        tifffile.imwrite(folder / "second" / path.name, (clean + noise).astype(np.float32))
    return folder


@pytest.fixture(scope="module")
def volumes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = Path(
        write_simulated(tmp_path_factory.mktemp("data") / "volumes", n_images=3, n_labelled=2, shape=(5, 16, 18), seed=1)
    )
    (folder / "second").symlink_to(folder / "images")
    return folder


@pytest.fixture(scope="module")
def trained(cells: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """One training by each method."""
    folder = tmp_path_factory.mktemp("runs")
    for method in METHODS:
        if method == TYPED:
            configs = bundle_folder("denoiseg_2d") / "configs"
            overlay = f"['{configs}/train.json','{configs}/train/{method}.json']"
            options = {"dataset_dir": cells, "output_dir": method, "ckpt_dir": f"{method}/models", **TINY}
            done = run_program(["-m", "monai.bundle", "run", "--config_file", overlay, *words(**options)], folder)
            assert done.code == 0, f"{done.out[-2000:]}\n{done.err[-3000:]}"
        else:
            place = {"output_dir": str(folder / method), "ckpt_dir": str(folder / method / "models")}
            run_bundle("train", "denoiseg_2d", method, dataset_dir=str(cells), **place, **TINY)
    return {method: folder / method for method in METHODS}


def predict_and_check(bundle: str, method: str, run: Path, data: Path, out: Path) -> None:
    """Infer and evaluate with the plain configurations; the model file says what it is."""
    place = {"model_file": str(run / "models" / "model.pt"), "dataset_dir": str(data), "amp": "off"}
    run_bundle("infer", bundle, output_dir=str(out / "results"), **place)
    image = next((data / "images").iterdir())
    kinds = {path.name.removeprefix(f"{image.stem}_") for path in (out / "results").glob(f"{image.stem}_*")}
    wanted = set() if method in SEGMENTERS else {"denoised.tif"}
    assert kinds == wanted | (set() if method in DENOISERS else {"instances.tif"})
    for path in results(out / "results"):
        found = tifffile.imread(path)
        assert found.shape == tifffile.imread(image).shape
        assert np.isfinite(found).all()

    if bundle == "denoiseg_2d":  # in 3D it is the same wiring
        place["dataset_dir"] = str(image)
        run_bundle("infer", bundle, output_dir=str(out / "plain"), refine="false", **place)
        for path in results(out / "plain"):
            same = np.array_equal(tifffile.imread(path), tifffile.imread(out / "results" / path.name))
            assert same == (path.stem.endswith("instances") or method in WITH_TARGETS)
        place["dataset_dir"] = str(data)

    run_bundle("evaluate", bundle, output_dir=str(out / "evaluation"), **place)
    metrics = json.loads((out / "evaluation" / "metrics.json").read_text())
    assert ("psnr" in metrics) == (method not in SEGMENTERS)
    assert ("ap" in metrics) == (method not in DENOISERS)
    assert len(list((out / "evaluation" / "panels").iterdir())) >= 1


def test_the_overlays_are_the_methods() -> None:
    for bundle in ("denoiseg_2d", "denoiseg_3d"):
        assert methods("train", bundle) == sorted(METHODS)


@pytest.mark.parametrize("method", METHODS)
def test_2d(method: str, trained: dict[str, Path], cells: Path, tmp_path: Path) -> None:
    with (trained[method] / "train_log.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == TINY["max_epochs"]
    assert all(np.isfinite(float(row["loss"])) for row in rows)
    network = load_network(trained[method] / "models" / "model.pt")
    assert bool(network.blind) == (method not in WITH_TARGETS)
    assert isinstance(network, SequentialNet) == ("sequential" in method)
    assert network.head.kind == ("none" if method in DENOISERS else "stardist" if "stardist" in method else "border")
    assert (trained[method] / "models" / "first_stage" / "model.pt").is_file() == (method in FIRST_STAGE)
    predict_and_check("denoiseg_2d", method, trained[method], cells, tmp_path)


@pytest.mark.parametrize("method", METHODS)
def test_3d(method: str, volumes: Path, tmp_path: Path) -> None:
    tiny = TINY | {"patch_size": [4, 16, 16], "max_epochs": 1, "steps_per_epoch": 2, "batch_size": 2, "min_size": 1}
    place = {"dataset_dir": str(volumes), "output_dir": str(tmp_path), "ckpt_dir": str(tmp_path / "models")}
    if "stardist" in method:
        tiny["n_rays"] = 6  # an untrained network sees objects everywhere: many candidates
    run_bundle("train", "denoiseg_3d", method, **place, **tiny)
    predict_and_check("denoiseg_3d", method, tmp_path, volumes, tmp_path / "out")


def test_two_stages_share_what_a_denoiser_learnt(trained: dict[str, Path]) -> None:
    """The joined network holds the first stage's weights; fine-tuning starts from them."""
    run = trained["finetune_sequential"]
    first = torch.load(run / "models" / "first_stage" / "model.pt")
    both = torch.load(run / "models" / "model.pt")
    assert all(torch.equal(both[f"denoiser.{key}"], value) for key, value in first.items())
    record, stage = (json.loads((folder / "settings.json").read_text()) for folder in (run, run / "models" / "first_stage"))
    assert stage["data"]["train"] > record["data"]["train"] == record["data"]["train_labelled"], "all images; the labelled ones"
    assert (record["data"]["train_labelled"] > 0, stage["data"]["train_labelled"]) == (True, 0)
    own = load_network(run / "models" / "model.pt")
    assert isinstance(own, SequentialNet)
    assert float(own.segmenter.std) != float(own.denoiser.std), "statistics are taken again, of denoised images"
    shallow = torch.load(trained["sequential"] / "models" / "model.pt")
    assert not torch.equal(shallow["segmenter.unet.middle.0.weight"], both["segmenter.unet.middle.0.weight"])


def test_a_scheme_started_again_reuses_its_first_stage(
    trained: dict[str, Path], cells: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    stage = trained["sequential"] / "models" / "first_stage"
    before = (stage / "model.pt").stat().st_mtime_ns
    place = {"dataset_dir": str(cells), "output_dir": str(tmp_path), "ckpt_dir": str(tmp_path / "models")}
    with caplog.at_level("INFO"):
        run_bundle("train", "denoiseg_2d", "finetune", first_stage_dir=str(stage), **place, **TINY)
    assert (stage / "model.pt").stat().st_mtime_ns == before
    assert not (tmp_path / "models" / "first_stage").exists()


@pytest.fixture
def train_method(cells: Path, tmp_path: Path) -> Callable[..., Path]:
    def call(method: str, **options: Any) -> Path:
        place = {"dataset_dir": str(cells), "output_dir": str(tmp_path / "out"), "ckpt_dir": str(tmp_path / "out" / "models")}
        run_bundle("train", "denoiseg_2d", method, **place, **(TINY | options))
        return tmp_path / "out"

    return call


def test_struct_mask_keeps_quarter_turns_away(train_method: Callable[..., Path]) -> None:
    network = load_network(train_method("structn2v", max_epochs=1) / "models" / "model.pt")
    assert isinstance(network, DenoiSegNet)
    assert not network.square(), "test-time augmentation must not turn striped noise"


def test_a_missing_target_folder_is_said(train_method: Callable[..., Path]) -> None:
    with pytest.raises(Exception, match="Failed") as caught:
        train_method("supervised", target="cleen")
    assert "cleen does not exist" in str(first_cause(caught.value))


def test_an_unknown_method_is_said() -> None:
    with pytest.raises(ValueError, match=r"`method` must be one of 'baseline', .* got 'n2v'"):
        run_bundle("train", method="n2v")


@pytest.mark.parametrize("method", ["noise2void", "baseline", "sequential"])
def test_streamed_as_in_memory(method: str, trained: dict[str, Path], cells: Path, tmp_path: Path) -> None:
    place = {"model_file": str(trained[method] / "models" / "model.pt"), "dataset_dir": str(cells), "amp": "off", "tta": False}
    for stream in ("never", "always"):
        run_bundle("infer", output_dir=str(tmp_path / stream), stream=stream, tile_size=16, min_size=1, **place)
    files = sorted(path.name for path in results(tmp_path / "never"))
    assert files == sorted(path.name for path in results(tmp_path / "always"))
    assert len(files) == 8 * (2 if method == "sequential" else 1)
    for name in files:
        one, other = (tifffile.imread(tmp_path / stream / name) for stream in ("never", "always"))
        if name.endswith("_denoised.tif"):
            np.testing.assert_allclose(one, other, atol=2e-3 * float(np.ptp(one)) + 1e-3)
        else:
            assert (one.max(), one.shape) == (other.max(), other.shape)


def test_stardist_is_not_streamed(trained: dict[str, Path], cells: Path, tmp_path: Path) -> None:
    place = {"model_file": str(trained["stardist"] / "models" / "model.pt"), "dataset_dir": str(cells)}
    with pytest.raises(RuntimeError) as caught:
        run_bundle("infer", output_dir=str(tmp_path), stream="always", **place)
    assert "a StarDist network cannot be streamed" in str(first_cause(caught.value))


def test_segmentation_alone_reads_the_labelled_images_only(trained: dict[str, Path]) -> None:
    names = ("baseline", "noise2void")
    counts = {name: json.loads((trained[name] / "settings.json").read_text())["data"] for name in names}
    assert counts["baseline"]["train"] == counts["baseline"]["train_labelled"] < counts["noise2void"]["train"]


def test_nothing_to_segment_from_is_said(cells: Path, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "images").symlink_to(cells / "images")
    place = {"dataset_dir": str(tmp_path / "data"), "output_dir": str(tmp_path / "out"), "ckpt_dir": str(tmp_path / "out")}
    with pytest.raises(Exception, match="Failed") as caught:
        run_bundle("train", method="baseline", **place, **TINY)
    assert "is labelled, and only the segmentation is trained" in str(first_cause(caught.value))


def test_striped_noise_is_warned_of_before_the_first_step(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    random, images = np.random.default_rng(0), tmp_path / "data" / "images"
    images.mkdir(parents=True)
    for number in range(3):
        noise = random.normal(0, 10, (64, 65))
        tifffile.imwrite(images / f"{number}.tif", (100 + noise[:, 1:] + noise[:, :-1]).astype(np.float32))
    for name, method in (("plain", "noise2void"), ("s", "structn2v")):
        place = {"dataset_dir": images.parent, "output_dir": tmp_path / name, "ckpt_dir": tmp_path / name}
        capfd.readouterr()
        assert main(["train", "--method", method, *words(**place, **TINY | {"max_epochs": 1})]) == 0
        warned = "configs/train/structn2v.json (--method structn2v) with a mask of 3 along X voxels" in "".join(
            capfd.readouterr()
        )
        assert warned == (name == "plain")
    plain, struct = (json.loads((tmp_path / name / "settings.json").read_text())["noise"] for name in ("plain", "s"))
    assert plain["correlated"] == struct["correlated"] == ["X"]
    assert (plain["uncovered"], struct["uncovered"]) == (["X"], [])
