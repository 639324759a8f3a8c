"""Labels of DICOM series, drawn on the same grid as another program stores it."""

from __future__ import annotations

import itertools
import logging
from pathlib import Path

import nibabel
import numpy as np
import pytest

from monai_denoiseg.data import FileReader, LoadItemd
from monai_denoiseg.data.dicom import simulate_series
from monai_denoiseg.data.volume_files import stored_directions, write_volume

pytest.importorskip("pydicom")

VALUES = np.arange(60, dtype=np.int16).reshape(3, 4, 5)


@pytest.mark.parametrize("flips", [*itertools.product((False, True), repeat=3)])
def test_flipped_labels_of_a_series_are_turned(tmp_path: Path, flips: tuple[bool, ...]) -> None:
    simulate_series(tmp_path / "scan", VALUES, spacing=(3, 2, 0.5), origin=(7, -8, 9))
    grid = nibabel.Nifti1Image(VALUES.T, np.array([[-0.5, 0, 0, -7], [0, -2, 0, 8], [0, 0, 3, 9], [0, 0, 0, 1.0]]))
    label = grid.as_reoriented([(axis, -1 if flip else 1) for axis, flip in enumerate(flips)])
    nibabel.save(label, tmp_path / "label.nii.gz")
    item = LoadItemd(spatial_dims=3, classes=60)({"image": str(tmp_path / "scan"), "label": str(tmp_path / "label.nii.gz")})
    np.testing.assert_array_equal(item["label"], item["image"])


def test_label_of_another_place_is_refused(tmp_path: Path) -> None:
    simulate_series(tmp_path / "scan", VALUES)
    nibabel.save(nibabel.Nifti1Image(VALUES.T, np.diag([-1, -1, 2.0, 1])), tmp_path / "label.nii.gz")
    with pytest.raises(ValueError, match="lies up to"):
        LoadItemd(spatial_dims=3, classes=60)({"image": str(tmp_path / "scan"), "label": str(tmp_path / "label.nii.gz")})


def test_directions(tmp_path: Path) -> None:
    simulate_series(tmp_path / "scan", VALUES)
    assert stored_directions(tmp_path / "scan") == "LPS"


def tilted_series(folder: Path, degrees: float) -> np.ndarray:
    """5 mm slices of 0.8 mm pixels under a tilted gantry; the volume of a voxel is 5 x 0.8 x 0.8 whatever the angle."""
    pydicom = pytest.importorskip("pydicom")
    for k, file in enumerate(simulate_series(folder, VALUES, spacing=(5, 0.8, 0.8))):
        plane = pydicom.dcmread(file)
        x, y, z = map(float, plane.ImagePositionPatient)
        plane.ImagePositionPatient = [f"{x:.6f}", f"{y + k * 5 * np.tan(np.deg2rad(degrees)):.6f}", f"{z:.6f}"]
        plane.save_as(file)
    return np.array([5, 0.8, 0.8])


@pytest.mark.parametrize("degrees", [0.0, 25.0])
def test_voxels_of_a_tilted_scan_have_their_volume(tmp_path: Path, degrees: float, caplog: pytest.LogCaptureFixture) -> None:
    wanted = tilted_series(tmp_path / "scan", degrees)
    with caplog.at_level(logging.WARNING):
        for _ in range(2):
            image = FileReader(spatial_dims=3).read(str(tmp_path / "scan"))[0]
    np.testing.assert_allclose(image.meta["spacing"], wanted, rtol=1e-5)
    assert np.prod(image.meta["spacing"]) == pytest.approx(abs(np.linalg.det(image.meta["affine"][:3, :3])), rel=1e-5)
    assert sum("not perpendicular" in record.message for record in caplog.records) == (degrees > 0)
    write_volume(VALUES[None], tmp_path / "scan", tmp_path / "result.nii.gz", label=True)
    result = nibabel.load(tmp_path / "result.nii.gz")
    assert (int(result.header["qform_code"]), int(result.header["sform_code"])) == (0 if degrees else 1, 1)
    np.testing.assert_allclose(result.affine[:, [2, 1, 0, 3]], image.meta["affine"], atol=1e-4)
    np.testing.assert_allclose(result.header.get_zooms(), wanted[::-1], rtol=1e-5)
    again = FileReader(spatial_dims=3).read(str(tmp_path / "result.nii.gz"))[0]  # what dcm2niix makes of such a scan is like it
    np.testing.assert_allclose(again.meta["spacing"], wanted, rtol=1e-5)


@pytest.mark.parametrize("dims", [2, 3])
def test_voxels_of_a_sheared_nifti_have_their_size(tmp_path: Path, dims: int) -> None:
    affine = np.diag([0.5, 2.0, 3.0, 1.0])
    affine[0, 1] = 1.5  # within the plane
    nibabel.save(nibabel.Nifti1Image(VALUES.T if dims == 3 else VALUES[0].T, affine), tmp_path / "a.nii.gz")
    spacing = FileReader(spatial_dims=dims).read(str(tmp_path / "a.nii.gz"))[0].meta["spacing"]
    assert np.prod(spacing) == pytest.approx(0.5 * 2 * (3 if dims == 3 else 1), rel=1e-5)
