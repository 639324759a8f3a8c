"""The folders of a comparison: split, noise, nothing copied in vain."""

from __future__ import annotations

import sys
from pathlib import Path

import nibabel
import numpy as np
import pytest
import tifffile

from monai_denoiseg.data import folder_datalist, write_simulated

ROOT = Path(__file__).parents[1]
BENCHMARKS = ROOT / "benchmarks"

pytestmark = pytest.mark.skipif(not BENCHMARKS.is_dir(), reason="runs in a checkout of the project only")
sys.path.insert(0, str(BENCHMARKS))

import compare_data  # noqa: E402


def test_split_is_fixed_and_by_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = write_simulated(tmp_path / "data", n_images=7, n_labelled=5, shape=(20, 31))
    folders = compare_data.prepare_folders(data, None, tmp_path / "out", test_fraction=0.4)
    parts = [{path.name for path in (folder / "images").iterdir()} for folder in (folders.train, folders.test)]
    assert (len(parts[0]), len(parts[1])) == (5, 2)
    assert not parts[0] & parts[1]
    assert all(name in capsys.readouterr().out for name in [*parts[1]][:1])
    assert len(folder_datalist(folders.test)) == 2
    assert all({"label", "clean"} <= item.keys() for item in folder_datalist(folders.test))
    again = compare_data.prepare_folders(data, None, tmp_path / "again", test_fraction=0.4)
    assert {path.name for path in (again.test / "images").iterdir()} == parts[1]


def test_nothing_is_copied_where_folders_serve(tmp_path: Path) -> None:
    data = write_simulated(tmp_path / "data", n_images=2, n_labelled=0, shape=(16, 16))
    assert compare_data.prepare_folders(data, data, tmp_path / "out") == (data, data, None)
    assert not (tmp_path / "out").exists()
    with pytest.raises(ValueError, match="0 labelled image"):
        compare_data.prepare_folders(data, None, tmp_path / "out")


@pytest.mark.parametrize("channels", [1, 3])
def test_noise_is_added_once(tmp_path: Path, channels: int) -> None:
    data = write_simulated(tmp_path / "data", n_images=4, n_labelled=4, shape=(41, 52))
    if channels == 3:
        for path in (data / "images").iterdir():
            tifffile.imwrite(path, np.stack([tifffile.imread(path)] * 3), metadata={"axes": "CYX"})
    folders = compare_data.prepare_folders(data, data, tmp_path / "out", 20.0)
    items = folder_datalist(folders.test, target="second")
    assert len(items) == 4
    assert all({"label", "clean", "target"} <= item.keys() for item in items)
    before = tifffile.imread(data / "images" / f"{Path(items[0]['image']).stem.removesuffix('_n20')}.tif")
    noisy, clean, second = (tifffile.imread(items[0][key]) for key in ("image", "clean", "target"))
    np.testing.assert_array_equal(clean, before)
    assert abs((noisy - clean).std() - 20) < 2
    assert abs(np.corrcoef((noisy - clean).ravel(), (second - clean).ravel())[0, 1]) < 0.1
    again = compare_data.prepare_folders(data, data, tmp_path / "again", 20.0)
    np.testing.assert_array_equal(tifffile.imread(again.test / "images" / Path(items[0]["image"]).name), noisy)


def test_noise_keeps_the_geometry_of_nifti(tmp_path: Path) -> None:
    affine = np.diag([0.5, 0.6, 2.0, 1.0])
    (tmp_path / "data" / "images").mkdir(parents=True)
    nibabel.save(nibabel.Nifti1Image(np.zeros((9, 8, 5), np.int16), affine), tmp_path / "data" / "images" / "a.nii.gz")
    folders = compare_data.prepare_folders(tmp_path / "data", tmp_path / "data", tmp_path / "out", 3.0, spatial_dims=3)
    noisy = nibabel.load(folders.train / "images" / "a_n3.nii.gz")
    np.testing.assert_allclose(noisy.affine, affine)
    assert abs(noisy.get_fdata().std() - 3) < 0.7


def test_time_series_get_no_noise(tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    tifffile.imwrite(tmp_path / "images" / "a.tif", np.zeros((3, 8, 9), np.uint8), metadata={"axes": "TYX"})
    with pytest.raises(ValueError, match="time series"):
        compare_data.add_noise([{"image": str(tmp_path / "images" / "a.tif"), "frame": 0}], tmp_path / "out", 1.0)
