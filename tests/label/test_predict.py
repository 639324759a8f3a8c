"""Prediction of one file and what a client is handed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
import torch

from monai_denoiseg.bundle.run import run_bundle
from monai_denoiseg.label import predict_file
from monai_denoiseg.label.bundles import class_names, label_names, model_file
from monai_denoiseg.label.options import checked_device, infer_settings
from monai_denoiseg.label.predict import load_for, predict_to
from monai_denoiseg.label.results import cast_to, convert, read_labels, served_bundles, value_names
from monai_denoiseg.networks import DenoiSegNet

from .conftest import Study, write_volume

pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.mark.parametrize("dims", [2, 3])
def test_as_the_bundle_does(app: Path, study: Study, tmp_path: Path, dims: int) -> None:
    bundle = app / "model" / f"denoiseg_{dims}d"
    image = study.folder / "plane2.tif" if dims == 2 else write_volume(tmp_path / "volume.nii.gz")
    found = predict_file(bundle, image, tmp_path / "found")
    place = {"dataset_dir": str(image), "output_dir": str(tmp_path / "own"), "model_file": str(model_file(bundle))}
    run_bundle("infer", bundle.name, **place)
    assert found.keys() == {"instances", "denoised"}
    assert read_labels(found["instances"]).max() > 0
    for path in found.values():
        assert path.read_bytes() == (tmp_path / "own" / path.name).read_bytes()


def test_settings_count(app: Path, study: Study, tmp_path: Path) -> None:
    bundle, image = app / "model" / "denoiseg_2d", study.folder / "plane2.tif"
    all_ = read_labels(predict_to(tmp_path / "a", "labels", bundle, image, min_size=0))
    none = read_labels(predict_to(tmp_path / "b", "labels", bundle, image, threshold=1.0))
    assert all_.max() > none.max() == 0
    with pytest.raises(ValueError, match="unknown key 'minsize'; did you mean 'min_size'"):
        try:
            predict_to(tmp_path / "c", "labels", bundle, image, minsize=3)
        except Exception as error:
            raise _root(error) from None


def _root(error: BaseException) -> BaseException:
    while error.__cause__ is not None:
        error = error.__cause__
    return error


def test_what_goes_wrong_is_said(app: Path, study: Study, tmp_path: Path) -> None:
    bundle = app / "model" / "denoiseg_2d"
    tifffile.imwrite(tmp_path / "nan.tif", np.full((16, 16), np.nan, "f4"))
    with pytest.raises(ValueError, match=r"nan\.tif: .*NaN or infinite"):
        predict_file(bundle, tmp_path / "nan.tif", tmp_path / "out")
    torch.save(DenoiSegNet(2, depth=1, features=4, denoises=False).state_dict(), model_file(bundle))
    with pytest.raises(ValueError, match="gives no denoised, only instances"):
        predict_to(tmp_path / "d", "denoised", bundle, study.folder / "plane2.tif")
    model_file(bundle).unlink()
    with pytest.raises(FileNotFoundError, match="denoiseg_2d is not trained yet"):
        predict_file(bundle, study.folder / "plane2.tif", tmp_path / "out")


def test_names_with_brackets(app: Path, study: Study, tmp_path: Path) -> None:
    image = (study.folder / "plane2.tif").rename(study.folder / "a[1].tif")
    assert predict_to(tmp_path / "a", "labels", app / "model" / "denoiseg_2d", image).is_file()


def test_probabilities(app: Path, study: Study) -> None:
    probabilities = load_for(app / "model" / "denoiseg_2d", study.folder / "plane2.tif").probabilities()
    assert probabilities.shape == (3, 48, 40)
    torch.testing.assert_close(probabilities.sum(0), torch.ones(48, 40), atol=1e-3, rtol=0)


def test_classes_by_the_network_else_by_the_settings(app: Path, study: Study, tmp_path: Path) -> None:
    bundle = app / "model" / "denoiseg_2d"
    assert label_names(bundle) == {"object": 1}
    classes = ["background", "liver", "spleen"]
    torch.save(DenoiSegNet(2, depth=1, features=4, classes=classes).state_dict(), model_file(bundle))
    assert label_names(bundle) == {"liver": 1, "spleen": 2}
    found = predict_file(bundle, study.folder / "plane2.tif", tmp_path)
    assert found.keys() == {"classes", "denoised"}
    model_file(bundle).unlink()
    config = bundle / "configs" / "train.json"
    config.write_text(config.read_text().replace('"classes": null', '"classes": ["background", "kidney"]', 1))
    assert class_names(bundle) == ["background", "kidney"]


def test_each_object_has_a_name(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", np.array([[0, 1, 3]], np.uint16))
    assert value_names({"object": 1}, tmp_path / "a.tif") == {"object 1": 1, "object 2": 2, "object 3": 3}


@pytest.mark.parametrize(
    ("request_", "message"),
    [({"tta": "perhaps"}, "`tta` must be true or false"), ({"min_size": "a"}, "`min_size` must be a number, got 'a'")],
)
def test_bad_settings(request_: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        infer_settings(request_)


def test_devices() -> None:
    with pytest.raises(ValueError, match="is none that torch knows"):
        checked_device("tape")
    with pytest.raises(ValueError, match="is not there"):
        checked_device(f"cuda:{torch.cuda.device_count()}")


def test_labels_never_run_over() -> None:
    """3D Slicer asks for uint8 whatever the number of objects."""
    many = np.arange(70000)
    for count, name in ((256, "uint8"), (257, "uint16"), (70000, "uint32")):
        cast = cast_to(many[:count], "uint8")
        assert cast.dtype.name == name
        np.testing.assert_array_equal(cast, many[:count])
    with pytest.raises(ValueError, match="cannot hold a denoised image"):
        cast_to(np.zeros(3, np.float32), "uint8")
    with pytest.raises(ValueError, match="is no data type"):
        cast_to(many, "uint7")


def test_other_formats(app: Path, tmp_path: Path) -> None:
    itk = pytest.importorskip("itk", reason="ITK comes with MONAI Label: make label-env")
    values = np.arange(12, dtype=np.uint16).reshape(3, 4)
    tifffile.imwrite(tmp_path / "a.tif", values)
    changed = convert(tmp_path / "a.tif", "nii.gz", "int16")
    assert changed.name == "a.nii.gz"
    assert not (tmp_path / "a.tif").exists()
    np.testing.assert_array_equal(read_labels(changed), values)
    volume = write_volume(tmp_path / "volume.nii.gz")
    before = itk.imread(str(volume))
    after = itk.imread(str(convert(volume, ".nrrd")))
    np.testing.assert_array_equal(np.asarray(after), np.asarray(before))
    assert list(after.GetOrigin()) == pytest.approx(list(before.GetOrigin()))
    assert np.asarray(after.GetDirection()) == pytest.approx(np.asarray(before.GetDirection()))
    assert list(served_bundles(app / "model"))
