from __future__ import annotations

from pathlib import Path

import nibabel
import numpy as np
import pytest
import tifffile
import torch
from monai.data import MetaTensor

from monai_denoiseg.data import LoadItemd, SavePredictiond, TiffReader, smallest_label_type


def item_from(path: Path, **entries: torch.Tensor) -> dict[str, object]:
    return {**LoadItemd()({"image": str(path)}), **entries}


@pytest.mark.parametrize(("largest", "expected"), [(0, "uint16"), (65535, "uint16"), (65536, "uint32")])
def test_label_type_is_the_smallest_that_holds_all(largest: int, expected: str) -> None:
    assert smallest_label_type(np.array([0, largest])).name == expected


@pytest.mark.parametrize("shape", [(5, 7), (3, 5, 7)])
def test_tiff_keeps_voxel_size_and_type(tmp_path: Path, shape: tuple[int, ...]) -> None:
    metadata = {"axes": "YX" if len(shape) == 2 else "ZYX", "unit": "um"} | ({"spacing": 2.5} if len(shape) == 3 else {})
    tifffile.imwrite(tmp_path / "a.tif", np.ones(shape, np.uint16), imagej=True, resolution=(4, 2), metadata=metadata)
    labels = torch.arange(int(np.prod(shape))).reshape(1, *shape)
    denoised = torch.rand(1, *shape) * 1000
    save = SavePredictiond(tmp_path / "out", {"pred": "instances", "denoised": "denoised"}, label_keys=("pred",))
    save(item_from(tmp_path / "a.tif", pred=labels, denoised=denoised))
    stored = tifffile.imread(tmp_path / "out" / "a_instances.tif")
    assert stored.dtype == np.uint16
    np.testing.assert_array_equal(stored, labels[0])
    np.testing.assert_array_equal(tifffile.imread(tmp_path / "out" / "a_denoised.tif"), denoised[0])
    for name in ("a_instances", "a_denoised"):
        written = TiffReader().read(str(tmp_path / "out" / f"{name}.tif"))
        assert written.meta["spacing"] == TiffReader().read(str(tmp_path / "a.tif")).meta["spacing"]


def test_nifti_keeps_affine_and_channels(tmp_path: Path) -> None:
    affine = np.array([[0, 2, 0, 5], [-1, 0, 0, 6], [0, 0, 3, 7], [0, 0, 0, 1]], float)
    nibabel.save(nibabel.Nifti1Image(np.ones((4, 5, 6), np.int16), affine), tmp_path / "v.nii.gz")
    probabilities = torch.rand(3, 4, 5, 6)
    SavePredictiond(tmp_path, {"p": "probabilities"}, label_keys=())(item_from(tmp_path / "v.nii.gz", p=probabilities))
    written = nibabel.load(tmp_path / "v_probabilities.nii.gz")
    np.testing.assert_array_equal(written.affine, affine)
    assert written.shape == (4, 5, 6, 3)
    np.testing.assert_allclose(np.moveaxis(written.get_fdata(), -1, 0), probabilities, rtol=1e-6)


def test_two_inputs_of_one_name_are_refused(tmp_path: Path) -> None:
    save = SavePredictiond(tmp_path, {"image": "denoised"}, label_keys=())
    for number, folder in enumerate(("a", "b")):
        image = MetaTensor(torch.full((1, 4, 4), float(number)), meta={"filename_or_obj": f"{folder}/cell.tif"})
        if number == 0:
            save({"image": image})
        else:
            with pytest.raises(FileExistsError, match=r"a/cell\.tif"):
                save({"image": image})
    assert tifffile.imread(tmp_path / "cell_denoised.tif").max() == 0


def test_a_value_that_does_not_fit_leaves_nothing_behind(tmp_path: Path) -> None:
    image = MetaTensor(torch.zeros(1, 4, 4), meta={"filename_or_obj": "cell.tif"})
    item = {"image": image, "denoised": torch.ones(1, 4, 4), "pred": torch.full((1, 4, 4), -2)}
    with pytest.raises(ValueError, match="do not fit"):
        SavePredictiond(tmp_path / "out", {"denoised": "denoised", "pred": "instances"}, label_keys=("pred",))(item)
    assert not list(tmp_path.rglob("*.tif"))
