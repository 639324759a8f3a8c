"""Labels made anew of stored probabilities equal those of a new prediction."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
import tifffile
import torch

from monai_denoiseg.bundle import run_bundle
from monai_denoiseg.cli import main
from monai_denoiseg.data import simulate_nuclei
from monai_denoiseg.data.reader import read_result
from monai_denoiseg.engines.errors import first_cause
from monai_denoiseg.engines.stored import StoredPredictions
from monai_denoiseg.heads import ClassHead, StarHead
from monai_denoiseg.networks import DenoiSegNet, load_network
from monai_denoiseg.transforms import star_rays


@pytest.fixture
def model(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    dims, head = request.param
    torch.manual_seed(0)
    made = {"classes": lambda: ClassHead(["background", "a", "b"]), "stars": lambda: StarHead(star_rays(8, dims))}
    network = DenoiSegNet(dims, depth=1, features=4, **({"head": made[head]()} if head in made else {}))
    network.set_statistics(torch.tensor([100.0]), torch.tensor([50.0]))
    torch.save(network.state_dict(), tmp_path / "model.pt")
    return tmp_path / "model.pt"


def infer(model: Path, dims: int, source: Path, out: Path, **options: Any) -> dict[str, np.ndarray]:
    usual = {"amp": "off", "tta": False, "min_size": 0, "model_file": str(model), "measure": "size"}
    run_bundle("infer", f"denoiseg_{dims}d", dataset_dir=str(source), output_dir=str(out), **usual | options)
    return {path.name: tifffile.imread(path) for path in out.glob("*_*.tif")}


@pytest.mark.parametrize("frames", [0, 3])
@pytest.mark.parametrize("model", [(2, "border"), (3, "border"), (2, "classes"), (2, "stars"), (3, "stars")], indirect=True)
def test_equals_a_prediction(model: Path, frames: int, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    dims, head = request.node.callspec.params["model"]
    shape = (24, 28) if dims == 2 else (6, 24, 28)
    (tmp_path / "in").mkdir()
    images = [simulate_nuclei(shape, seed=s).image.clip(0, 65535).astype(np.uint16) for s in range(max(1, frames))]
    axes = "T" * bool(frames) + "ZYX"[-dims:]
    tifffile.imwrite(tmp_path / "in" / "a.tif", np.stack(images) if frames else images[0], imagej=True, metadata={"axes": axes})
    first = infer(model, dims, tmp_path / "in", tmp_path / "first", threshold=0.6, save_probabilities=True)
    channel = 0 if head == "stars" else 1
    level = float(np.quantile(first["a_probabilities.tif"].take(channel, axis=-3), 0.9))  # that few are left, scattered
    again = infer(model, dims, tmp_path / "in", tmp_path / "again", threshold=level, from_probabilities=str(tmp_path / "first"))
    anew = infer(model, dims, tmp_path / "in", tmp_path / "anew", threshold=level)
    assert again.keys() == anew.keys()
    assert max(int(array.max()) for name, array in anew.items() if "denoised" not in name) > 0
    for name, array in anew.items():
        np.testing.assert_array_equal(again[name], array)
    assert (tmp_path / "again" / "measurements.csv").read_text() == (tmp_path / "anew" / "measurements.csv").read_text()


@pytest.mark.parametrize("model", [(2, "border")], indirect=True)
def test_what_is_missing_or_wrong_is_said(model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "in").mkdir()
    tifffile.imwrite(tmp_path / "in" / "a.tif", np.zeros((16, 20), np.uint16))
    infer(model, 2, tmp_path / "in", tmp_path / "first", save_probabilities=True)
    tifffile.imwrite(tmp_path / "in" / "b.tif", np.zeros((16, 20), np.uint16))
    words = ["infer", "--dataset_dir", str(tmp_path / "in"), "--model_file", str(model), "--output_dir", str(tmp_path / "out")]
    words += ["--from_probabilities", str(tmp_path / "first")]
    assert main(words) == 1
    assert "holds no b_probabilities of" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
    (tmp_path / "in" / "b.tif").unlink()
    tifffile.imwrite(tmp_path / "in" / "a.tif", np.zeros((16, 24), np.uint16))
    assert main(words) == 1
    assert "probabilities of another image than" in capsys.readouterr().err


@pytest.mark.parametrize("model", [(2, "border"), (3, "classes")], indirect=True)
def test_another_image_of_the_same_name_is_refused(model: Path, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    dims = request.node.callspec.params["model"][0]
    folder, shape = tmp_path / "in", (24, 24) if dims == 2 else (8, 16, 16)
    folder.mkdir()
    images = [simulate_nuclei(shape, seed=seed)[0].astype("f4") for seed in (0, 1)]
    tifffile.imwrite(folder / "a.tif", images[0])
    infer(model, dims, folder, tmp_path / "out", save_probabilities=True)
    again = {"from_probabilities": str(tmp_path / "out"), "threshold": 0.4}
    shutil.copy(folder / "a.tif", tmp_path / "copy.tif")
    shutil.move(tmp_path / "copy.tif", folder / "a.tif")  # another time, the same pixels
    infer(model, dims, folder, tmp_path / "new", **again)
    tifffile.imwrite(folder / "a.tif", images[1])
    with pytest.raises(Exception) as caught:
        infer(model, dims, folder, tmp_path / "newer", **again)
    assert f"probabilities of another image than {folder / 'a.tif'} is now" in str(first_cause(caught.value))
    assert not (tmp_path / "newer").exists()


@pytest.mark.parametrize("ending", [".nrrd", ".mha", ".nii.gz"])
@pytest.mark.parametrize("model", [(3, "classes")], indirect=True)
def test_results_in_the_format_of_the_image(model: Path, ending: str, tmp_path: Path) -> None:
    values = simulate_nuclei((8, 16, 16), seed=0)[0].astype("f4")
    (tmp_path / "in").mkdir()
    if ending == ".nii.gz":
        nibabel.save(nibabel.Nifti1Image(values, np.eye(4)), tmp_path / "in" / f"a{ending}")
    else:
        sitk = pytest.importorskip("SimpleITK")
        sitk.WriteImage(sitk.GetImageFromArray(values), str(tmp_path / "in" / f"a{ending}"))
    infer(model, 3, tmp_path / "in", tmp_path / "out", save_probabilities=True, measure="none")
    infer(model, 3, tmp_path / "in", tmp_path / "again", from_probabilities=str(tmp_path / "out"), measure="none")
    first, again = (tmp_path / place / f"a_classes{ending}" for place in ("out", "again"))
    np.testing.assert_array_equal(read_result(first, 3), read_result(again, 3))


@pytest.mark.parametrize("model", [(2, "border"), (3, "border")], indirect=True)
def test_the_newer_of_two_formats(model: Path, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    """Predicted in memory, then from disk to disk with other settings: the labels are those of the second."""
    dims = request.node.callspec.params["model"][0]
    (tmp_path / "in").mkdir()
    shape = (24, 24) if dims == 2 else (8, 16, 16)
    tifffile.imwrite(tmp_path / "in" / "a.tif", simulate_nuclei(shape, seed=0)[0].astype("f4"))
    infer(model, dims, tmp_path / "in", tmp_path / "out", save_probabilities=True)
    more = {"save_probabilities": True, "stream": "always", "output_format": "ome-zarr"}
    infer(model, dims, tmp_path / "in", tmp_path / "out", **more)
    stored = StoredPredictions(tmp_path / "out", load_network(model))
    assert str(stored._file(str(tmp_path / "in" / "a.tif"), None, "probabilities")).endswith(".ome.zarr")
