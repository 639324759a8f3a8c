"""Planes stored as volumes of one column, row or slice."""

from __future__ import annotations

import nibabel
import numpy as np
import pytest

from monai_denoiseg.data.nifti import read_nifti, write_nifti


@pytest.mark.parametrize("flat", [0, 1, 2])
def test_a_plane_across_any_axis_is_read_and_written_back(tmp_path, flat):
    shape = [7, 6, 5]
    shape[flat] = 1
    stored = np.arange(np.prod(shape), dtype="int16").reshape(shape)
    affine = np.array([[0, 0.5, 0, 1], [0.75, 0, 0, 2], [0, 0, 3, 3], [0, 0, 0, 1.0]])
    nibabel.save(nibabel.Nifti1Image(stored, affine), tmp_path / "a.nii.gz")
    image = read_nifti(tmp_path / "a.nii.gz", spatial_dims=2)
    np.testing.assert_array_equal(image.array, stored.squeeze(flat).T)
    kept = [i for i in range(3) if i != flat][::-1]
    np.testing.assert_array_equal(image.meta["affine"][:, :2], affine[:, kept])
    np.testing.assert_allclose(image.meta["spacing"], np.array([0.75, 0.5, 3])[kept])
    write_nifti(image.array[None], tmp_path / "a.nii.gz", tmp_path / "b.nii.gz")
    written = nibabel.load(tmp_path / "b.nii.gz")
    np.testing.assert_array_equal(written.dataobj, stored)
    np.testing.assert_array_equal(written.affine, affine)
    with pytest.raises(ValueError, match="is not that of"):
        write_nifti(image.array[None, :-1], tmp_path / "a.nii.gz", tmp_path / "c.nii.gz")
