"""The training-free overlays, as a user runs them: no model file, each alone and a denoiser before a segmentation."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import tifffile
from monai.bundle import ConfigWorkflow

from monai_denoiseg.cli import main
from monai_denoiseg.data import write_simulated
from monai_denoiseg.engines import first_cause
from monai_denoiseg.networks import ClassicNet, denoise_median, denoise_nlm

from .conftest import BUNDLES, results, words

METHODS = ("mean", "median", "nlm", "bm3d", "otsu", "chan_vese")
DENOISERS = METHODS[:4]


@pytest.fixture(scope="module", params=["denoiseg_2d", "denoiseg_3d"])
def data(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path]:
    """Bundle, and two simulated images with labels and clean references."""
    shape = (48, 40) if request.param == "denoiseg_2d" else (6, 32, 30)
    folder = tmp_path_factory.mktemp("classic") / "data"
    return request.param, write_simulated(folder, n_images=2, n_labelled=2, shape=shape)


def files(bundle: str, config: str, method: str) -> list[str]:
    return [str(BUNDLES / bundle / "configs" / f"{name}.json") for name in (config, f"predict/{method}")]


def run(bundle: str, config: str, method: str, **options: Any) -> None:
    workflow = ConfigWorkflow(files(bundle, config, method), workflow_type="infer", **options)
    workflow.initialize()
    workflow.run()
    workflow.finalize()


def evaluate(data: tuple[str, Path], folder: Path, method: str, **options: Any) -> dict[str, Any]:
    place = {"dataset_dir": str(data[1]), "output_dir": str(folder)}
    run(data[0], "evaluate", method, **place, **options)
    found: dict[str, Any] = json.loads((folder / "metrics.json").read_text())
    return found


def outputs(folder: Path) -> list[str]:
    return sorted(path.name for path in results(folder))


@pytest.mark.parametrize("method", ["mean", "median", "nlm"])
def test_denoisers(method: str, data: tuple[str, Path], tmp_path: Path) -> None:
    scores = evaluate(data, tmp_path, method)
    assert scores["psnr"] > scores["psnr_input"] + 0.5
    assert "ap" not in scores


@pytest.mark.parametrize("method", ["otsu", "chan_vese"])
def test_segmentations(method: str, data: tuple[str, Path], tmp_path: Path) -> None:
    scores = evaluate(data, tmp_path, method)
    assert scores["dice"] > 0.6
    assert "psnr" not in scores


def test_denoised_then_segmented(data: tuple[str, Path], tmp_path: Path) -> None:
    raw = evaluate(data, tmp_path / "raw", "otsu", split_neck=0.0)  # the rough outlines of noise have necks
    both = evaluate(data, tmp_path / "both", "otsu", denoiser="nlm", nlm_h=2.0, split_neck=0.0)
    assert both["psnr"] > both["psnr_input"] + 0.5
    assert both["ap"] >= raw["ap"]


def test_inference_writes_what_the_method_finds(data: tuple[str, Path], tmp_path: Path) -> None:
    bundle, folder = data
    for method, options in (("nlm", {"nlm_h": 2}), ("otsu", {}), ("median", {"segmenter": "otsu", "filter_size": 5})):
        run(bundle, "inference", method, dataset_dir=str(folder), output_dir=str(tmp_path / method), **options)
    noisy = tifffile.imread(folder / "images" / "nuclei_0001.tif").astype(float)
    np.testing.assert_allclose(tifffile.imread(tmp_path / "nlm" / "nuclei_0001_denoised.tif"), denoise_nlm(noisy, 2.0), rtol=1e-5)
    np.testing.assert_allclose(tifffile.imread(tmp_path / "median" / "nuclei_0001_denoised.tif"), denoise_median(noisy, 5))
    assert tifffile.imread(tmp_path / "median" / "nuclei_0001_instances.tif").max() > 0
    assert outputs(tmp_path / "nlm") == [f"nuclei_000{i}_denoised.tif" for i in range(2)]
    assert outputs(tmp_path / "otsu") == [f"nuclei_000{i}_instances.tif" for i in range(2)]


def test_streamed_result_is_the_same(tmp_path: Path) -> None:
    folder = write_simulated(tmp_path / "data", n_images=1, n_labelled=0, shape=(48, 40))
    for stream in ("never", "always"):
        place = {"dataset_dir": str(folder), "output_dir": str(tmp_path / stream)}
        run("denoiseg_2d", "inference", "nlm", segmenter="otsu", stream=stream, **place)
    for name in outputs(tmp_path / "never"):
        np.testing.assert_array_equal(*(tifffile.imread(tmp_path / stream / name) for stream in ("never", "always")))


def test_bm3d_by_the_users_package(data: tuple[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    name = {"denoiseg_2d": "bm3d", "denoiseg_3d": "bm4d"}[data[0]]
    monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(Exception) as caught:
        evaluate(data, tmp_path, "bm3d")
    assert f"`pip install {name}`" in str(first_cause(caught.value))
    package = ModuleType(name)
    setattr(package, name, lambda image, sigma: denoise_median(image))
    monkeypatch.setitem(sys.modules, name, package)
    scores = evaluate(data, tmp_path, "bm3d")
    assert scores["psnr"] > scores["psnr_input"] + 0.5


def test_from_the_command_line(tmp_path: Path) -> None:
    """A switch given as text, an inner key, settings of two files."""
    write_simulated(tmp_path / "data", n_images=1, n_labelled=1, shape=(40, 40))
    options = {"segmenter": "otsu", "dark_objects": "false", "network_def#h": 2.5}
    options |= {"dataset_dir": tmp_path / "data", "output_dir": tmp_path / "out"}
    assert main(["evaluate", "--method", "nlm", *words(**options)]) == 0
    scores = json.loads((tmp_path / "out" / "metrics.json").read_text())
    assert scores["psnr"] > scores["psnr_input"] + 0.5
    assert scores["dice"] > 0.6


@pytest.mark.parametrize(
    ("method", "options", "words"),
    [
        ("nlm", {"denoisr": "mean"}, "unknown key 'denoisr'; did you mean 'denoiser'?"),
        ("nlm", {"denoiser": "nml"}, "did you mean 'nlm'?"),
        ("nlm", {"nlm_h": -1}, "`nlm_h` must be"),
        ("otsu", {"segmenter": "none"}, "both 'none'"),
        ("otsu", {"dark_objects": "maybe"}, "`dark_objects` must be true or false"),
        ("otsu", {"in_channels": 2}, "2 channel"),
    ],
)
def test_what_is_wrong_is_said(method: str, options: dict[str, Any], words: str, tmp_path: Path) -> None:
    folder = write_simulated(tmp_path / "data", n_images=1, n_labelled=0, shape=(24, 24))
    with pytest.raises(Exception) as caught:
        run("denoiseg_2d", "inference", method, dataset_dir=str(folder), output_dir=str(tmp_path / "out"), **options)
    assert words in str(first_cause(caught.value))


@pytest.mark.parametrize("method", METHODS)
def test_the_overlays_say_what_is_true(method: str) -> None:
    two, three = (
        json.loads((BUNDLES / bundle / "configs" / "predict" / f"{method}.json").read_text())
        for bundle in ("denoiseg_2d", "denoiseg_3d")
    )
    assert two == three
    assert (two["denoiser"], two["segmenter"]) == ((method, "none") if method in DENOISERS else ("none", method))
    assert (two["tile_size"], two["tta"], two["model_file"]) == (None, False, None)
    given = {key: value for key, value in two["network_def"].items() if key != "_target_"}
    used = {value.removeprefix("@") for value in given.values()}
    assert used - {"spatial_dims", "in_channels"} == set(two) - {"tile_size", "tta", "model_file", "network_def", "network"}
    if method != "bm3d":
        net = ClassicNet(**{k: two.get(v.removeprefix("@"), {"spatial_dims": 2}.get(k, 1)) for k, v in given.items()})
        plain = ClassicNet(denoise=two["denoiser"], segment=two["segmenter"])
        assert repr(net) == repr(plain), "the defaults of the configuration are those of the class"
