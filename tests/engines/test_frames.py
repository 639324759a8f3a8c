"""Files of several frames that cannot be streamed: what trains on them infers on them, into one file of all frames."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
import tifffile
from monai.data import Dataset
from monai.transforms import Compose

from monai_denoiseg.data import LoadItemd, SavePredictiond, inference_datalist
from monai_denoiseg.engines import DenoiSegInferer, FilePredictor
from monai_denoiseg.networks import DenoiSegNet


def double(item: dict[str, Any]) -> dict[str, Any]:
    image = item["image"]
    return {**item, "labels": (image > 500).int()[:1], "twice": image * 2}


def predict(source: Path, out: Path, axes: str | None, dims: int, channels: int = 1) -> FilePredictor:
    save = SavePredictiond(out, {"labels": "instances", "twice": "twice"}, label_keys=["labels"])
    dataset = Dataset(inference_datalist(source), LoadItemd(axes=axes, spatial_dims=dims))
    network = DenoiSegNet(dims, depth=1, features=4, in_channels=channels)
    engine = FilePredictor("cpu", dataset, network, DenoiSegInferer(), Compose([double, save]), amp="off")
    engine.run()
    return engine


def values(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 999, shape).astype(np.uint16)


@pytest.mark.parametrize(("shape", "axes", "dims", "channels"), [
    ((4, 10, 8), "TYX", 2, 1), ((4, 2, 10, 8), "TCYX", 2, 2), ((3, 4, 10, 8), "TZYX", 3, 1), ((3, 4, 2, 10, 8), "TZCYX", 3, 2),
])  # fmt: skip
def test_tiff(tmp_path: Path, shape: tuple[int, ...], axes: str, dims: int, channels: int) -> None:
    movie = values(*shape)
    tifffile.imwrite(tmp_path / "m.tif", movie, imagej=True, metadata={"axes": axes}, resolution=(4, 2))
    predict(tmp_path / "m.tif", tmp_path / "out", None, dims, channels)
    assert sorted(path.name for path in (tmp_path / "out").glob("[!.]*")) == ["m_instances.tif", "m_twice.tif"]
    twice = tifffile.imread(tmp_path / "out" / "m_twice.tif")
    np.testing.assert_array_equal(twice, movie * 2.0)
    with tifffile.TiffFile(tmp_path / "out" / "m_instances.tif") as tif:
        assert tif.series[0].axes == axes.replace("C", "")
        first = movie if channels == 1 else movie.take(0, axes.index("C"))
        np.testing.assert_array_equal(tif.asarray(), first > 500)


@pytest.mark.parametrize("ending", ["nii", "nii.gz"])
def test_slices_of_a_nifti_volume(tmp_path: Path, ending: str) -> None:
    volume, affine = values(8, 10, 5).astype("int16"), np.diag([0.5, 0.5, 3, 1])
    nibabel.save(nibabel.Nifti1Image(volume, affine), tmp_path / f"v.{ending}")
    predict(tmp_path / f"v.{ending}", tmp_path / "out", "TYX", 2)
    written = nibabel.load(tmp_path / "out" / "v_instances.nii.gz")
    np.testing.assert_array_equal(written.dataobj, volume > 500)
    np.testing.assert_array_equal(written.affine, affine)


def test_volumes_of_a_nifti_series(tmp_path: Path) -> None:
    series = values(8, 10, 5, 3).astype("int16")
    nibabel.save(nibabel.Nifti1Image(series, np.diag([0.5, 0.5, 3, 1])), tmp_path / "v.nii.gz")
    predict(tmp_path / "v.nii.gz", tmp_path / "out", "TZYX", 3)
    np.testing.assert_array_equal(nibabel.load(tmp_path / "out" / "v_twice.nii.gz").dataobj, series * 2.0)


def test_a_frame_that_fails_leaves_nothing_and_the_next_file_is_done(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    bad = values(3, 10, 8).astype("float32")
    bad[2, 0, 0] = np.nan
    for name, movie in (("a.tif", bad), ("b.tif", values(3, 10, 8).astype("float32"))):
        tifffile.imwrite(tmp_path / "in" / name, movie, metadata={"axes": "TYX"})
    with pytest.raises(RuntimeError, match=r"1 of 2 files failed: .*a\.tif: .*NaN"):
        predict(tmp_path / "in", tmp_path / "out", None, 2)
    assert sorted(path.name for path in (tmp_path / "out").glob("[!.]*")) == ["b_instances.tif", "b_twice.tif"]
    assert tifffile.imread(tmp_path / "out" / "b_twice.tif").shape == (3, 10, 8)
    assert not list((tmp_path / "out").glob(".*.part"))
