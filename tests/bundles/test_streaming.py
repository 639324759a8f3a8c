"""Inference from disk to disk through the bundles: the result is that of the whole image in memory."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tifffile
import torch
import zarr

from monai_denoiseg.cli import run_bundle
from monai_denoiseg.data import simulate_nuclei
from monai_denoiseg.networks import DenoiSegNet, load_weights, network_for_file

from .conftest import results


@pytest.fixture
def model(tmp_path: Path) -> str:
    torch.manual_seed(0)
    network = DenoiSegNet(3, depth=1, features=4, strides=[[1, 2, 2]])
    network.set_statistics(torch.tensor([100.0]), torch.tensor([50.0]))
    torch.save(network.state_dict(), tmp_path / "model.pt")
    return str(tmp_path / "model.pt")


def infer(folder: Path, source: Path, model: str, **options: object) -> Path:
    settings = {"amp": "off", "min_size": 4, "dataset_dir": str(source), "model_file": model}
    run_bundle("infer", "denoiseg_3d", output_dir=str(folder), **settings, **options)
    return folder


@pytest.mark.parametrize("tta", [False, True])
def test_streamed_equals_whole_in_3d(model: str, tmp_path: Path, tta: bool) -> None:
    image = simulate_nuclei((9, 30, 25), seed=1).image.clip(0, 65535).astype(np.uint16)
    tifffile.imwrite(tmp_path / "a.tif", image, metadata={"axes": "ZYX"})
    network = load_weights(network_for_file(model), model).eval()
    with torch.no_grad():
        foreground = network(torch.from_numpy(image.astype(np.float32))[None, None])[:, :3].softmax(1)[:, 1]
    options = {"tta": tta, "tile_size": [8, 16, 16], "threshold": float(foreground.quantile(0.9))}  # scattered objects
    whole = infer(tmp_path / "whole", tmp_path / "a.tif", model, **options, stream="never")
    streamed = infer(tmp_path / "streamed", tmp_path / "a.tif", model, **options, stream="always", overlap=24)
    names = ["a_denoised.tif", "a_instances.tif"]
    assert sorted(path.name for path in results(streamed)) == names
    np.testing.assert_allclose(*(tifffile.imread(folder / names[0]) for folder in (whole, streamed)), rtol=1e-4, atol=1e-2)
    found = [tifffile.imread(folder / names[1]) for folder in (whole, streamed)]
    assert found[0].max() > 1
    np.testing.assert_array_equal(*found)


def test_ome_zarr_in_and_out(model: str, tmp_path: Path) -> None:
    image = simulate_nuclei((9, 20, 24), seed=2).image.clip(0, 65535).astype(np.uint16)
    group = zarr.open_group(str(tmp_path / "big.ome.zarr"), mode="w", zarr_format=3)
    group.create_array("0", data=image, chunks=(4, 16, 16))
    axes = [{"name": name, "type": "space", "unit": "micrometer"} for name in "zyx"]
    scale = [{"type": "scale", "scale": [2.0, 0.5, 0.5]}]
    group.attrs["ome"] = {
        "version": "0.5",
        "multiscales": [{"axes": axes, "datasets": [{"path": "0", "coordinateTransformations": scale}]}],
    }
    folder = infer(tmp_path / "out", tmp_path / "big.ome.zarr", model, tta=False)
    assert sorted(path.name for path in results(folder)) == ["big_denoised.ome.zarr", "big_instances.ome.zarr"]
    result = zarr.open_group(str(folder / "big_denoised.ome.zarr"), mode="r")
    assert result["0"].shape == image.shape
    stored = result.attrs["ome"]["multiscales"][0]["datasets"][0]["coordinateTransformations"][0]["scale"]
    assert stored == [2.0, 0.5, 0.5]
    tiff = infer(tmp_path / "tiff", tmp_path / "big.ome.zarr", model, tta=False, output_format="tiff")
    np.testing.assert_array_equal(tifffile.imread(tiff / "big_denoised.tif"), result["0"][:])


def test_a_time_series_gives_a_time_series(tmp_path: Path) -> None:
    torch.manual_seed(0)
    torch.save(DenoiSegNet(2, depth=1, features=4).state_dict(), tmp_path / "model.pt")
    frames = np.stack([simulate_nuclei((21, 26), seed=i).image for i in range(3)]).clip(0, 65535).astype(np.uint16)
    tifffile.imwrite(tmp_path / "movie.tif", frames, imagej=True, metadata={"axes": "TYX"})
    tifffile.imwrite(tmp_path / "one.tif", frames[1])
    options = {"model_file": str(tmp_path / "model.pt"), "amp": "off", "tta": False, "min_size": 2}
    for name in ("movie", "one"):
        run_bundle("infer", "denoiseg_2d", dataset_dir=str(tmp_path / f"{name}.tif"), output_dir=str(tmp_path / "out"), **options)
    with tifffile.TiffFile(tmp_path / "out" / "movie_denoised.tif") as file:
        assert (file.series[0].axes, file.series[0].shape) == ("TYX", (3, 21, 26))
        movie = file.asarray()
    np.testing.assert_allclose(movie[1], tifffile.imread(tmp_path / "out" / "one_denoised.tif"), rtol=1e-4)
    labels = tifffile.imread(tmp_path / "out" / "movie_instances.tif")
    np.testing.assert_array_equal(labels[1], tifffile.imread(tmp_path / "out" / "one_instances.tif"))


def test_frames_are_separate_images_in_training(tmp_path: Path, dataset: Path) -> None:
    frames = np.stack([simulate_nuclei((21, 26), seed=i).image for i in range(3)]).clip(0, 65535).astype(np.uint16)
    (tmp_path / "data" / "images").mkdir(parents=True)
    for name in "ab":
        tifffile.imwrite(tmp_path / "data" / "images" / f"{name}.tif", frames, imagej=True, metadata={"axes": "TYX"})
    tiny = {
        "features": 4,
        "depth": 1,
        "patch_size": [16, 16],
        "batch_size": 2,
        "steps_per_epoch": 1,
        "max_epochs": 1,
        "tta": False,
    }
    place = {"dataset_dir": str(tmp_path / "data"), "output_dir": str(tmp_path / "run"), "ckpt_dir": str(tmp_path / "run")}
    run_bundle("train", **place, **tiny, validation_fraction=0.5)
    counts = (tmp_path / "run" / "settings.json").read_text()
    assert '"train": 3' in counts
    assert '"validation": 3' in counts
