"""Labels of DICOM series, drawn on the same grid as another program stores it."""

from __future__ import annotations

import itertools
from pathlib import Path

import nibabel
import numpy as np
import pytest

from monai_denoiseg.data import LoadItemd
from monai_denoiseg.data.dicom import simulate_series
from monai_denoiseg.data.volume_files import stored_directions

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
