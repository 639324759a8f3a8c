"""The bundles as they are, in MONAI Label's own app for bundles: what its server answers."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
import tifffile
from PIL import Image

from monai_denoiseg.bundle.folders import bundle_folder
from monai_denoiseg.label import predict_file
from monai_denoiseg.label.results import read_labels

from .conftest import WAY_OUT, Server, start_server, write_planes, write_volume

pytest.importorskip("monailabel", reason=WAY_OUT)
pytestmark = [pytest.mark.label, pytest.mark.filterwarnings("ignore")]


@pytest.fixture(scope="module")
def its_server(networks: list[Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """``monaibundle`` with copies of the bundles, unchanged but for small networks and a short training."""
    folder = tmp_path_factory.mktemp("monaibundle")
    app = folder / "monaibundle"
    shutil.copytree(Path(sys.prefix) / "monailabel" / "sample-apps" / "monaibundle", app)
    for dims, network in zip((2, 3), networks, strict=True):
        target = app / "model" / f"denoiseg_{dims}d"
        shutil.copytree(bundle_folder(f"denoiseg_{dims}d"), target, ignore=shutil.ignore_patterns("*.pt", "output"))
        shutil.copy(network, target / "models" / "model.pt")
        config = json.loads((target / "configs" / "train.json").read_text())
        small = {"depth": 1, "features": 4, "normalisation": "image", "patch_size": [16] * dims}
        config |= {**small, "steps_per_epoch": 2, "batch_size": 2}
        (target / "configs" / "train.json").write_text(json.dumps(config))
    study = write_planes(folder / "study")
    plane = tifffile.imread(study.folder / "plane3.tif")
    Image.fromarray((plane / plane.max() * 255).astype(np.uint8)).save(study.folder / "picture.jpg")
    write_volume(study.folder / "volume.nii.gz")
    volume = nibabel.load(study.folder / "volume.nii.gz")
    affine = volume.affine.copy()
    affine[:, 3] += affine[:, 2] * 4
    nibabel.save(nibabel.Nifti1Image(np.asarray(volume.dataobj)[:, :, 4:5], affine), study.folder / "slice.nii.gz")
    conf = {"models": "denoiseg_2d,denoiseg_3d", "zoo_source": "local", "preload": "false", "sam2": "false"}
    process, address = start_server(app, study.folder, folder / "server.log", **conf)
    yield Server(address, app, study, folder / "server.log")
    process.terminate()
    process.wait(30)


def answer(server: Server, bundle: str, image: str, target: Path, **params: Any) -> Path:
    path = f"/infer/{bundle}?image={image}&output=image"
    status, content = server.call("POST", path, params={"device": "cpu", **params})
    assert status == 200, server.log.read_text()[-3000:]
    target.write_bytes(content)
    return target


def own(server: Server, bundle: str, image: str, folder: Path) -> Path:
    """What the bundle's own inference writes."""
    path = server.app / "model" / bundle
    return predict_file(path, server.study.folder / image, folder / "own", device="cpu", amp="off")["instances"]


def test_labels_are_named_by_their_channels(its_server: Server) -> None:
    models = its_server.get("/info/")["models"]
    for dims in (2, 3):
        model = models[f"denoiseg_{dims}d"]
        assert model["labels"] == {"foreground": 1, "border": 2, "denoised": 3}
        assert model["dimension"] == dims


@pytest.mark.parametrize("image", ["plane3.tif", "picture.jpg"])
def test_plane_is_the_bundles_own(its_server: Server, tmp_path: Path, image: str) -> None:
    found = tifffile.imread(answer(its_server, "denoiseg_2d", image.split(".")[0], tmp_path / "answer.tif"))
    expected = read_labels(own(its_server, "denoiseg_2d", image, tmp_path))
    assert expected.max() > 0
    assert found.dtype == expected.dtype
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize(("bundle", "image"), [("denoiseg_3d", "volume"), ("denoiseg_2d", "slice")])
def test_nifti_is_the_bundles_own_in_its_place(its_server: Server, tmp_path: Path, bundle: str, image: str) -> None:
    found = nibabel.load(answer(its_server, bundle, image, tmp_path / "answer.nii.gz"))
    expected = nibabel.load(own(its_server, bundle, f"{image}.nii.gz", tmp_path))
    assert np.asarray(expected.dataobj).max() > 0
    np.testing.assert_array_equal(np.asarray(found.dataobj), np.asarray(expected.dataobj))
    np.testing.assert_allclose(found.affine, expected.affine, atol=1e-4)


def test_plane_for_a_viewer_of_volumes(its_server: Server, tmp_path: Path) -> None:
    import itk

    request = {"result_extension": ".nrrd", "result_dtype": "uint8"}  # as 3D Slicer asks
    found = itk.imread(str(answer(its_server, "denoiseg_2d", "plane3", tmp_path / "answer.nrrd", **request)))
    np.testing.assert_array_equal(np.asarray(found), read_labels(own(its_server, "denoiseg_2d", "plane3.tif", tmp_path))[None])


def test_its_training_runs_and_nothing_is_left_behind(its_server: Server) -> None:
    bundle = its_server.app / "model" / "denoiseg_2d"
    assert not (bundle / "output" / "predictions").exists()
    before = (bundle / "models" / "model.pt").read_bytes()
    request = {"max_epochs": 1, "val_split": 0.5, "device": "cpu", "pretrained": True}
    status, _ = its_server.call("POST", "/train/denoiseg_2d?run_sync=true", request)
    assert status == 200, its_server.log.read_text()[-3000:]
    assert (bundle / "models" / "model.pt").read_bytes() != before
