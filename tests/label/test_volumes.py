"""A thick scan through the app: the same model and voxel size as the bundle's own inference."""

from __future__ import annotations

import shutil
from pathlib import Path

import nibabel
import numpy as np
import pytest
import torch

from monai_denoiseg.bundle.folders import bundle_folder
from monai_denoiseg.engines import DenoiSegInferer
from monai_denoiseg.label import predict_file
from monai_denoiseg.label.predict import load_for
from monai_denoiseg.networks import DenoiSegNet

pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.mark.parametrize("slices", [1.0, 3.0])
def test_a_scan_of_another_voxel_size(tmp_path: Path, slices: float) -> None:
    bundle = tmp_path / "denoiseg_3d"
    shutil.copytree(bundle_folder("denoiseg_3d") / "configs", bundle / "configs")
    torch.manual_seed(0)
    net = DenoiSegNet(3, depth=1, features=4, classes=["background", "liver"], denoises=False, target_spacing=[1.0] * 3).eval()
    (bundle / "models").mkdir()
    torch.save(net.state_dict(), bundle / "models" / "model.pt")
    array = np.random.default_rng(0).normal(size=(14, 12, 6)).astype("f4")
    affine = np.diag([1.0, 1.0, slices, 1.0])
    nibabel.save(nibabel.Nifti1Image(array, affine), tmp_path / "scan.nii.gz")
    settings = {"tta": False, "amp": "off", "device": "cpu"}
    found = nibabel.load(predict_file(bundle, tmp_path / "scan.nii.gz", tmp_path / "out", **settings)["classes"])
    image = torch.from_numpy(array.T.copy())[None, None]
    wanted = DenoiSegInferer()(image, net, spacing=[slices, 1.0, 1.0])[0]
    assert np.array_equal(found.affine, affine)
    np.testing.assert_array_equal(np.asarray(found.dataobj).T, wanted.argmax(0).numpy())
    measured = load_for(bundle, tmp_path / "scan.nii.gz", settings).probabilities()
    torch.testing.assert_close(measured, wanted)
    assert torch.equal(wanted, DenoiSegInferer()(image, net)[0]) == (slices == 1)
