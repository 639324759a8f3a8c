"""What MONAI Label's app for bundles is handed; its server is asked in tests/label/test_monaibundle.py."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
import torch
from monai.data import MetaTensor
from monai.transforms import SaveImaged

from monai_denoiseg.data import HandOverd, LoadItemd, SavePredictiond

KEYS = ["pred", "denoised"]


def request(path: Path | str, pred: torch.Tensor, **entries: Any) -> dict[Any, Any]:
    image = MetaTensor(torch.zeros(pred.shape), meta={"filename_or_obj": str(path)})
    return {"image": image, "pred": pred, "image_path": str(path), **entries}


def test_items_of_a_run_stay_as_they_are() -> None:
    item = request("a.tif", torch.ones(1, 4, 6).int())
    del item["image_path"]
    found = HandOverd(KEYS)(item)
    assert found.keys() == item.keys()
    assert all(found[key] is item[key] for key in item)


@pytest.mark.parametrize(("extension", "shape"), [(None, (6, 4)), (".png", (6, 4)), (".TIF", (6, 4)), (".nrrd", (6, 4, 1))])
def test_plane_in_formats_of_planes_and_of_volumes(extension: str | None, shape: tuple[int, ...]) -> None:
    pred = torch.arange(24).reshape(1, 4, 6)
    found = HandOverd(KEYS)(request("a.jpg", pred, result_extension=extension))
    np.testing.assert_array_equal(found["pred"].reshape(6, 4), pred[0].T.numpy())
    assert found["pred"].shape == shape
    assert found["result_extension"] == (extension or ".tif")
    assert found["image_meta_dict"] == {"original_affine": None}


@pytest.mark.parametrize("shape", [(6, 5, 4), (6, 5)])
def test_nifti_gets_the_affine_of_its_file(tmp_path: Path, shape: tuple[int, ...]) -> None:
    affine = np.array([[0, 2.0, 0, 5], [-0.5, 0, 0, 7], [0, 0, 3, -2], [0, 0, 0, 1]])
    values = np.arange(np.prod(shape), dtype=np.int16).reshape(shape)
    nibabel.save(nibabel.Nifti1Image(values, affine), tmp_path / "a.nii.gz")
    item = LoadItemd()({"image": str(tmp_path / "a.nii.gz"), "image_path": str(tmp_path / "a.nii.gz")})
    found = HandOverd(KEYS)({**item, "pred": item["image"].int()})
    np.testing.assert_array_equal(found["pred"], values.reshape(6, 5, -1))
    np.testing.assert_allclose(found["image_meta_dict"]["original_affine"], affine)


def test_denoised_image_where_there_are_no_labels() -> None:
    item = request("a.tif", torch.rand(1, 4, 6))
    item["denoised"] = item.pop("pred")
    found = HandOverd(KEYS)(item)
    assert found["pred"].dtype == np.float32
    np.testing.assert_array_equal(found["pred"], item["denoised"][0].T.numpy())


def test_several_channels_are_refused() -> None:
    with pytest.raises(ValueError, match="result of 3 channels"):
        HandOverd(KEYS)(request("a.tif", torch.ones(3, 4, 6).int()))


def test_files_are_left_to_the_server(tmp_path: Path) -> None:
    """MONAI Label leaves out what counts as ``SaveImaged``."""
    assert isinstance(SavePredictiond(tmp_path, {}), SaveImaged)
    assert not isinstance(HandOverd(KEYS), SaveImaged)
