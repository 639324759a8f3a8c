"""The tables of an inference, through the bundles as a user runs them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pandas as pd
import pytest
import tifffile
import torch

from monai_denoiseg.bundle import run_bundle
from monai_denoiseg.cli import main
from monai_denoiseg.data import simulate_nuclei
from monai_denoiseg.heads import ClassHead
from monai_denoiseg.networks import DenoiSegNet


def model(folder: Path, dims: int, **options: Any) -> str:
    torch.manual_seed(0)
    network = DenoiSegNet(dims, depth=1, features=4, **options)
    network.set_statistics(torch.tensor([100.0]), torch.tensor([50.0]))
    torch.save(network.state_dict(), folder / f"model_{dims}.pt")
    return str(folder / f"model_{dims}.pt")


def write_images(folder: Path, shape: tuple[int, ...], names: str = "ab") -> Path:
    folder.mkdir()
    for seed, name in enumerate(names):
        image = simulate_nuclei(shape, seed=seed).image.clip(0, 65535).astype(np.uint16)
        about = {"axes": "ZYX"[-len(shape) :], "unit": "um"} | ({"spacing": 2.0} if len(shape) == 3 else {})
        tifffile.imwrite(folder / f"{name}.tif", image, imagej=True, metadata=about, resolution=(4, 2), resolutionunit=1)
    return folder


def infer(place: Path, out: str, dims: int, **options: Any) -> Path:
    usual = {"amp": "off", "tta": False, "min_size": 4, "threshold": 0.3, "model_file": str(place / f"model_{dims}.pt")}
    run_bundle("infer", f"denoiseg_{dims}d", dataset_dir=str(place / "in"), output_dir=str(place / out), **usual | options)
    return place / out


@pytest.mark.parametrize("shape", [(40, 48), (6, 24, 28)])
@pytest.mark.parametrize("stream", ["never", "always"])
def test_rows_are_those_of_the_files(shape: tuple[int, ...], stream: str, tmp_path: Path) -> None:
    dims = len(shape)
    model(tmp_path, dims)
    write_images(tmp_path / "in", shape)
    out = infer(tmp_path, "out", dims, stream=stream, export="geojson,roi,overlay")
    table, summary = pd.read_csv(out / "measurements.csv"), pd.read_csv(out / "summary.csv")
    assert summary["image"].tolist() == ["a.tif", "b.tif"]
    size, voxel = ("area", 0.5 * 0.25) if dims == 2 else ("volume", 2 * 0.5 * 0.25)
    for name in "ab":
        labels, denoised = (tifffile.imread(out / f"{name}_{kind}.tif") for kind in ("instances", "denoised"))
        raw, rows = tifffile.imread(tmp_path / "in" / f"{name}.tif"), table[table["image"] == f"{name}.tif"]
        assert rows["label"].tolist() == [n for n in np.unique(labels) if n]
        assert len(rows) > 0
        assert rows[size].tolist() == [(labels == n).sum() for n in rows["label"]]
        assert rows[f"{size}_um{dims}"].tolist() == pytest.approx([(labels == n).sum() * voxel for n in rows["label"]])
        assert rows["mean_raw"].tolist() == pytest.approx([raw[labels == n].mean() for n in rows["label"]], rel=1e-12)
        means = [denoised[labels == n].astype(float).mean() for n in rows["label"]]
        assert rows["mean_denoised"].tolist() == pytest.approx(means, rel=1e-6)
        assert summary.loc[summary["image"] == f"{name}.tif", "count"].tolist() == [len(rows)]
        features = json.loads((out / f"{name}.geojson").read_text())["features"]
        assert {int(feature["properties"]["name"]) for feature in features} == {*rows["label"]}
        assert (out / f"{name}_rois.zip").is_file()
        assert (out / f"{name}_overlay.png").read_bytes()[1:4] == b"PNG"


@pytest.mark.parametrize("shape", [(40, 48), (6, 24, 28)])
@pytest.mark.parametrize("stream", ["never", "always"])
def test_a_given_voxel_size_does_not_get_the_unit_of_the_file(shape: tuple[int, ...], stream: str, tmp_path: Path) -> None:
    dims = len(shape)
    model(tmp_path, dims)
    write_images(tmp_path / "in", shape, "a")
    own, quantity = (2.0, 0.5, 0.25)[-dims:], "area" if dims == 2 else "volume"
    for name, spacing, unit in [("same", [size * 1.004 for size in own], "um"), ("other", [size * 1000 for size in own], "unit")]:
        out = infer(tmp_path, name, dims, stream=stream, spacing=spacing)
        rows = pd.read_csv(out / "measurements.csv")
        assert set(rows["unit"]) == {unit}
        assert rows[f"{quantity}_{unit}{dims}"].tolist() == pytest.approx((rows[quantity] * np.prod(spacing)).tolist(), rel=1e-5)
        if stream == "always":
            with tifffile.TiffFile(out / "a_instances.tif") as tif:
                assert (tif.imagej_metadata or {})["unit"] == unit


def test_corrected_labels_are_measured_anew_without_predicting(tmp_path: Path) -> None:
    model(tmp_path, 2)
    write_images(tmp_path / "in", (40, 48))
    out = infer(tmp_path, "out", 2)
    before = pd.read_csv(out / "measurements.csv")
    labels = tifffile.imread(out / "a_instances.tif")
    labels[:] = 0
    labels[3:7, 4:9] = 5
    tifffile.imwrite(out / "a_instances.tif", labels)
    denoised = (out / "a_denoised.tif").stat().st_mtime_ns
    infer(tmp_path, "out", 2, existing="skip", export="geojson")
    after = pd.read_csv(out / "measurements.csv")
    assert (out / "a_denoised.tif").stat().st_mtime_ns == denoised
    assert after.loc[after["image"] == "a.tif", ["label", "area"]].to_numpy().tolist() == [[5, 20]]
    same = [frame[frame["image"] == "b.tif"].drop(columns="probability").reset_index(drop=True) for frame in (before, after)]
    pd.testing.assert_frame_equal(*same)
    assert (out / "b.geojson").is_file()


def test_rows_of_other_runs_into_the_folder_stay(tmp_path: Path) -> None:
    model(tmp_path, 2)
    write_images(tmp_path / "in", (32, 32))
    out = infer(tmp_path, "out", 2, pattern="a*", measure="size")
    infer(tmp_path, "out", 2, pattern="b*", measure="size,border")
    table = pd.read_csv(out / "measurements.csv")
    assert sorted({*table["image"]}) == ["a.tif", "b.tif"]
    assert list(table) == ["image", "label", "structure", "area", "area_um2", "unit", "touches_border"]


@pytest.mark.parametrize("dims", [2, 3])
def test_frames(dims: int, tmp_path: Path) -> None:
    model(tmp_path, dims)
    (tmp_path / "in").mkdir()
    shape = (20, 24) if dims == 2 else (4, 20, 24)
    movie = np.stack([simulate_nuclei(shape, seed=s).image.clip(0, 65535).astype(np.uint16) for s in range(3)])
    tifffile.imwrite(tmp_path / "in" / "m.tif", movie, imagej=True, metadata={"axes": "TYX" if dims == 2 else "TZYX"})
    out = infer(tmp_path, "out", dims, export="overlay,geojson")
    labels, table = tifffile.imread(out / "m_instances.tif"), pd.read_csv(out / "measurements.csv")
    size = "area" if dims == 2 else "volume"
    for frame in range(3):
        rows = table[table["frame"] == frame]
        assert rows[size].tolist() == [(labels[frame] == n).sum() for n in rows["label"]]
        assert (out / f"m_frame{frame:04d}_overlay.png").is_file()
    assert pd.read_csv(out / "summary.csv")["frame"].tolist() == [0, 1, 2]
    planes = [feature["geometry"]["plane"] for feature in json.loads((out / "m.geojson").read_text())["features"]]
    assert {plane["t"] for plane in planes} == {*table["frame"]}


@pytest.mark.parametrize("dims", [2, 3])
def test_classes_have_a_row_each(dims: int, tmp_path: Path) -> None:
    names = ["background", "liver", "spleen"]
    model(tmp_path, dims, head=ClassHead(names))
    (tmp_path / "in").mkdir()
    shape = (24, 20, 6)[:dims]
    nibabel.save(
        nibabel.Nifti1Image(np.random.default_rng(0).normal(100, 50, shape), np.diag([2.0, 2, 5, 1])), tmp_path / "in/a.nii.gz"
    )
    out = infer(tmp_path, "out", dims, export="geojson")
    labels, summary = np.asarray(nibabel.load(out / "a_classes.nii.gz").dataobj), pd.read_csv(out / "summary.csv")
    assert summary["structure"].tolist() == pd.read_csv(out / "measurements.csv")["structure"].tolist() == names[1:]
    if dims == 3:
        assert summary["volume_ml"].tolist() == pytest.approx([(labels == n).sum() * 0.02 for n in (1, 2)])
    else:
        assert summary["area_mm2"].tolist() == pytest.approx([(labels == n).sum() * 4 for n in (1, 2)])


def test_a_table_of_somebody_else_stops_the_run_before_work(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_images(tmp_path / "in", (32, 32))
    place = ["--dataset_dir", str(tmp_path / "in"), "--output_dir", str(tmp_path / "out")]
    words = ["infer", "--model_file", model(tmp_path, 2), *place]
    for name, more in (("measurements.csv", []), ("b.geojson", ["--export", "geojson", "--measure", "none"])):
        (tmp_path / "out").mkdir(exist_ok=True)
        (tmp_path / "out" / name).write_text("mine")
        assert main([*words, *more]) == 1
        assert f"{name} is there and is not overwritten" in capsys.readouterr().err
        assert [path.name for path in (tmp_path / "out").iterdir()] == [name]
        (tmp_path / "out" / name).unlink()


def test_networks_that_only_denoise_and_methods_without_training(tmp_path: Path) -> None:
    write_images(tmp_path / "in", (32, 32))
    words = ["--dataset_dir", str(tmp_path / "in"), "--output_dir", str(tmp_path / "out")]
    assert main(["infer", "--method", "median", *words]) == 0
    assert not (tmp_path / "out" / "measurements.csv").exists()
    summary = pd.read_csv(tmp_path / "out" / "summary.csv")
    assert list(summary) == ["image", "noise_raw", "noise_denoised"]
    assert (summary["noise_denoised"] < summary["noise_raw"]).all()


def test_none_and_wrong_words(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model(tmp_path, 2)
    write_images(tmp_path / "in", (32, 32))
    assert {path.name for path in infer(tmp_path, "out", 2, measure="none").glob("*.csv")} == set()
    assert main(["infer", "--dataset_dir", str(tmp_path / "in"), "--export", "geojsn"]) == 1
    assert "`export` must be one or several (with commas) of 'geojson', 'roi', 'overlay'" in capsys.readouterr().err


@pytest.mark.parametrize("shape", [(40, 48), (6, 24, 28)])
def test_what_shows_earlier_labels_is_told(shape: tuple[int, ...], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    dims = len(shape)
    model(tmp_path, dims)
    write_images(tmp_path / "in", shape)
    infer(tmp_path, "out", dims, export="geojson,roi,overlay")
    assert "of an earlier run" not in capsys.readouterr().out
    infer(tmp_path, "out", dims, threshold=0.5, export="geojson")
    assert "a_rois.zip shows labels of an earlier run (4 such files)" in capsys.readouterr().out
    infer(tmp_path, "out", dims, threshold=0.6, measure="none", export="geojson,roi,overlay")
    assert "measurements.csv shows labels of an earlier run (2 such files)" in capsys.readouterr().out


def test_a_dry_run_finds_a_table_in_the_way(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model(tmp_path, 2)
    write_images(tmp_path / "in", (24, 24))
    words = ["infer", "--dataset_dir", str(tmp_path / "in"), "--output_dir", str(tmp_path / "out")]
    words += ["--model_file", str(tmp_path / "model_2.pt"), "--dry_run"]
    assert main(words) == 0
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "summary.csv").write_text("mine")
    assert main(words) == 1
    assert "summary.csv" in capsys.readouterr().err
