"""A first segmentation without annotations."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
import tifffile

from monai_denoiseg.label.starting import read_scribbles, scribble_values, self2seg_file, self2seg_options, separate

from .conftest import AFFINE


def two_squares(shape: tuple[int, ...]) -> np.ndarray:
    label = np.zeros(shape, bool)
    label[..., 4:12, 4:12] = label[..., 18:26, 18:26] = True
    return label


def test_pieces_are_numbered_and_small_ones_left_out() -> None:
    label = two_squares((30, 30)).astype(int)
    label[0, 29] = 1
    assert separate(label).max() == 3
    assert np.unique(separate(label, 2)).tolist() == [0, 1, 2]


def test_plane(tmp_path: Path) -> None:
    truth = two_squares((32, 32))
    image = (np.random.default_rng(0).normal(0, 10, (32, 32)) + 100 * truth).astype(np.float32)
    tifffile.imwrite(tmp_path / "a.tif", image)
    found = tifffile.imread(self2seg_file(tmp_path / "a.tif", tmp_path / "out", experts="constant", lam="0.1"))
    assert found.max() == 2
    assert ((found > 0) == truth).mean() > 0.98
    whole = tifffile.imread(self2seg_file(tmp_path / "a.tif", tmp_path / "b", instances=False, experts="constant", lam=0.1))
    assert whole.max() == 1


def test_volume_keeps_its_place(tmp_path: Path) -> None:
    truth = two_squares((4, 30, 30))
    image = (np.random.default_rng(0).normal(0, 10, truth.shape) + 100 * truth).astype(np.float32)
    nibabel.save(nibabel.Nifti1Image(np.ascontiguousarray(image.T), AFFINE), tmp_path / "a.nii.gz")
    found = self2seg_file(tmp_path / "a.nii.gz", tmp_path, spatial_dims=3, experts="constant", lam=0.1)
    np.testing.assert_array_equal(nibabel.load(found).affine, AFFINE)


def test_scribbles_decide_what_is_foreground(tmp_path: Path) -> None:
    truth = two_squares((32, 32))
    image = (np.random.default_rng(0).normal(0, 10, (32, 32)) + 100 * truth).astype(np.float32)
    drawn = np.zeros((32, 32), np.uint8)
    drawn[5:11, 5:11], drawn[28:31, 2:9] = 2, 3  # the dark is the foreground here
    tifffile.imwrite(tmp_path / "a.tif", image)
    tifffile.imwrite(tmp_path / "s.tif", drawn)
    options: dict[str, Any] = {"scribbles": tmp_path / "s.tif", "instances": False, "experts": "constant", "lam": 0.1}
    found = tifffile.imread(self2seg_file(tmp_path / "a.tif", tmp_path / "out", **options))
    assert ((found == 0) == truth).mean() > 0.98


def test_mistakes() -> None:
    with pytest.raises(ValueError, match="no foreground is drawn"):
        read_scribbles(np.array([2, 2, 0]))
    with pytest.raises(ValueError, match="`lam` must be a number, got 'much'"):
        self2seg_options({"lam": "much"})
    with pytest.raises(ValueError, match=r"`lam` must be in"):
        self2seg_options({"lam": -1})
    with pytest.raises(ValueError, match=r"`time_budget` must be in"):
        self2seg_options({"time_budget": 0})


def test_scribbles_of_slicer_have_their_numbers_in_the_request() -> None:
    values = np.array([0, 1, 4, 5])
    info = [{"name": "object 1", "id": 1}, {"name": "background_scribbles", "id": 4}, {"name": "foreground_scribbles", "id": 5}]
    assert read_scribbles(values, scribble_values({"label_info": info})).tolist() == [-1, -1, 0, 1]
    assert scribble_values({"label_info": info[:2]}) == {2: 0, 3: 1}
