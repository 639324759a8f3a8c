"""The 3D bundle as a user runs it, on NIfTI and TIFF volumes, whole and partly annotated, objects and classes."""

from __future__ import annotations

import csv
import json
import math
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
import tifffile
import torch
from monai.bundle import ConfigWorkflow, ckpt_export, verify_net_in_out

from monai_denoiseg.cli import run_bundle
from monai_denoiseg.data import simulate_nuclei
from monai_denoiseg.engines import first_cause
from monai_denoiseg.networks import load_weights, network_for_file

from .conftest import BUNDLES, results

CONFIGS = BUNDLES / "denoiseg_3d" / "configs"
FILES = {"meta_file": str(CONFIGS / "metadata.json"), "config_file": str(CONFIGS / "inference.json")}
OBLIQUE = nibabel.affines.from_matvec(
    nibabel.eulerangles.euler2mat(0.2, -0.1, 0.3) @ np.diag([-0.8, 0.8, 5.0]), [12.5, -30.25, 7.0]
)
TINY: dict[str, Any] = {
    "features": 4,
    "depth": 2,
    "patch_size": [8, 16, 16],
    "steps_per_epoch": 2,
    "max_epochs": 2,
    "val_interval": 1,
    "amp": "off",
    "tta": False,
}
NOT_ANNOTATED = 255


def save_nifti(array: np.ndarray, path: Path) -> None:
    """(Z)YX in memory is stored X, Y, Z; the header has entries of a scanner's file."""
    image = nibabel.Nifti1Image(np.ascontiguousarray(array.T), OBLIQUE)
    image.set_sform(OBLIQUE, 1)
    image.set_qform(OBLIQUE, 1)
    image.header["descrip"], image.header["xyzt_units"] = b"TE=12", 10
    path.parent.mkdir(parents=True, exist_ok=True)
    nibabel.save(image, path)


def write_volumes(folder: Path, classes: bool = False) -> Path:
    """Two NIfTI and two TIFF volumes, 11 x 23 x 26; one of each kind is annotated, the NIfTI one in three slices only."""
    for sub in ("images", "labels"):
        (folder / sub).mkdir(parents=True)
    for i, name in enumerate(["n0", "n1", "t0", "t1"]):
        sample = simulate_nuclei((11, 23, 26), seed=i)
        image = sample.image.clip(0, 30000).astype(np.int16)
        label = (2 * (sample.label > 0) if classes else sample.label).astype(np.uint8)
        if name[0] == "n":
            save_nifti(image, folder / "images" / f"{name}.nii.gz")
            sparse = np.full_like(label, NOT_ANNOTATED)
            sparse[2::4] = label[2::4]
            if name == "n0":
                save_nifti(sparse, folder / "labels" / f"{name}.nii.gz")
        else:
            options = {
                "imagej": True,
                "resolution": (1 / 0.8, 1 / 0.8),
                "metadata": {"unit": "um", "axes": "ZYX", "spacing": 5.0},
            }
            tifffile.imwrite(folder / "images" / f"{name}.tif", image.astype(np.uint16), **options)
            if name == "t0":
                tifffile.imwrite(folder / "labels" / f"{name}.tif", label)
    return folder


def train(folder: Path, data: Path, **options: Any) -> Path:
    place = {"dataset_dir": str(data), "output_dir": str(folder), "ckpt_dir": str(folder / "models")}
    run_bundle("train", "denoiseg_3d", **place, **{**TINY, **options})
    return folder / "models" / "model.pt"


@pytest.fixture(scope="module")
def volumes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_volumes(tmp_path_factory.mktemp("volumes") / "data")


@pytest.fixture(scope="module")
def model(volumes: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return train(tmp_path_factory.mktemp("run3d"), volumes)


def test_the_network_suits_the_voxel_size(model: Path) -> None:
    network = network_for_file(model)
    assert network.unet.strides == [(1, 2, 2), (1, 2, 2)]
    assert network.unet.kernels == [(1, 3, 3), (1, 3, 3), (3, 3, 3)]


def test_outputs_have_the_geometry_of_the_input(volumes: Path, model: Path, tmp_path: Path) -> None:
    run_bundle("infer", "denoiseg_3d", dataset_dir=str(volumes), model_file=str(model), output_dir=str(tmp_path), tta=False)
    source = nibabel.load(volumes / "images" / "n1.nii.gz")
    for kind, dtype in (("denoised", np.float32), ("instances", np.uint16)):
        result = nibabel.load(tmp_path / f"n1_{kind}.nii.gz")
        assert (result.shape, result.get_data_dtype()) == (source.shape, dtype)
        assert np.array_equal(result.affine, source.affine)
        for field in (
            "pixdim",
            "qform_code",
            "sform_code",
            "srow_x",
            "srow_z",
            "quatern_c",
            "qoffset_y",
            "xyzt_units",
            "descrip",
        ):
            assert np.array_equal(result.header[field], source.header[field]), field
        with tifffile.TiffFile(tmp_path / f"t1_{kind}.tif") as file:
            assert (file.series[0].axes, file.series[0].shape, file.series[0].dtype) == ("ZYX", (11, 23, 26), dtype)
            assert file.imagej_metadata["spacing"] == 5.0
    denoised = np.asarray(nibabel.load(tmp_path / "n1_denoised.nii.gz").dataobj)
    assert 0.3 < denoised.mean() / np.asarray(source.dataobj).mean() < 3, "raw intensities"


def test_evaluation_leaves_out_what_is_not_annotated(volumes: Path, model: Path, tmp_path: Path) -> None:
    run_bundle("evaluate", "denoiseg_3d", dataset_dir=str(volumes), model_file=str(model), output_dir=str(tmp_path), tta=False)
    metrics = json.loads((tmp_path / "metrics.json").read_text())
    assert {"ap", "seg", "dice"} <= metrics.keys()
    with np.load(next((tmp_path / "arrays").glob("*_n0.*.npz"), None) or next((tmp_path / "arrays").glob("*n0*"))) as arrays:
        annotated = (arrays["truth"] >= 0).any((1, 2))
        assert arrays["spacing"].tolist() == pytest.approx([5.0, 0.8, 0.8])
    assert np.flatnonzero(annotated).tolist() == [2, 6, 10]


def test_five_slices_of_one_volume_are_enough_to_train(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    sample = simulate_nuclei((15, 24, 24), seed=3)
    label = np.full(sample.label.shape, -1, np.int16)
    label[1::3] = sample.label[1::3]
    for sub, array in (("images", sample.image.astype(np.uint16)), ("labels", label)):
        (tmp_path / "one" / sub).mkdir(parents=True)
        tifffile.imwrite(tmp_path / "one" / sub / "a.tif", array)
    assert train(tmp_path / "run", tmp_path / "one").is_file()
    assert "checkpoint and threshold come from 1 training images too" in capfd.readouterr().out
    rows = (tmp_path / "run" / "validation_log.csv").read_text().splitlines()
    assert rows[0].split(",") == ["epoch", "loss", "denoising", "segmentation", "ap", "seg", "threshold"]
    assert all(np.isfinite(float(value)) for row in rows[1:] for value in row.split(","))


@pytest.mark.parametrize(("bundle", "alpha"), [("denoiseg_2d", 0.5), ("denoiseg_3d", 0.5), ("denoiseg_3d", "auto")])
def test_semantic_classes(bundle: str, alpha: float | str, tmp_path: Path) -> None:
    """With classes a denoised image is there if it is asked for."""
    names = ["background", "liver", "spleen"]
    three = bundle == "denoiseg_3d"
    for i, name in enumerate("abc"):
        sample = simulate_nuclei((9, 20, 22) if three else (20, 22), seed=i)
        save_nifti(sample.image.astype(np.int16), tmp_path / "data" / "images" / f"{name}.nii.gz")
        if name != "c":
            save_nifti((sample.label % 3).astype(np.uint8), tmp_path / "data" / "labels" / f"{name}.nii.gz")
    data = tmp_path / "data"
    options = {**TINY, "patch_size": [8, 16, 16] if three else [16, 16], "batch_size": 2}
    place = {"dataset_dir": str(data), "output_dir": str(tmp_path / "run"), "ckpt_dir": str(tmp_path / "run" / "models")}
    run_bundle("train", bundle, **place, **options, classes=names, alpha=alpha)
    header = (tmp_path / "run" / "validation_log.csv").read_text().splitlines()[0]
    assert header == "epoch,loss,denoising,segmentation,dice,dice_liver,dice_spleen"

    model = {"model_file": str(tmp_path / "run" / "models" / "model.pt"), "dataset_dir": str(data), "tta": False}
    run_bundle("evaluate", bundle, output_dir=str(tmp_path / "scores"), **model)
    metrics = json.loads((tmp_path / "scores" / "metrics.json").read_text())
    assert {"dice", "dice_liver", "dice_spleen"} <= metrics.keys()
    assert "ap" not in metrics
    run_bundle("infer", bundle, output_dir=str(tmp_path / "results"), save_probabilities=True, **model)
    assert len(list(results(tmp_path / "results"))) == (6 if alpha == "auto" else 9)
    classes = nibabel.load(tmp_path / "results" / "c_classes.nii.gz")
    probabilities = np.asarray(nibabel.load(tmp_path / "results" / "c_probabilities.nii.gz").dataobj)
    found = np.asarray(classes.dataobj)
    np.testing.assert_array_equal(found, probabilities.argmax(-1).reshape(found.shape))
    network = network_for_file(model["model_file"])
    assert (network.classes, network.n_classes) == (names, 3)


@pytest.mark.parametrize("bundle", ["denoiseg_2d", "denoiseg_3d"])
def test_one_class_annotated_in_each_image(bundle: str, tmp_path: Path) -> None:
    """What is no annotated class is not taught as background, and a class is scored where it was annotated."""
    names, entries = ["background", "liver", "spleen"], []
    for i, only in enumerate((1, 2)):
        sample = simulate_nuclei((9, 20, 22) if bundle == "denoiseg_3d" else (20, 22), seed=i)
        label = sample.label % 3
        save_nifti(sample.image.astype(np.int16), tmp_path / "images" / f"{i}.nii.gz")
        save_nifti(np.where(label == only, label, 0).astype(np.uint8), tmp_path / "labels" / f"{i}.nii.gz")
        entries.append({"image": f"images/{i}.nii.gz", "label": f"labels/{i}.nii.gz", "annotated": [names[only]]})
    (tmp_path / "data.json").write_text(json.dumps({"training": entries, "validation": entries}))
    place = {"dataset_dir": str(tmp_path / "data.json"), "output_dir": str(tmp_path / "run")}
    options = TINY | {"patch_size": [8, 16, 16] if bundle == "denoiseg_3d" else [16, 16], "batch_size": 2}
    run_bundle("train", bundle, **place, ckpt_dir=str(tmp_path / "run" / "models"), **options, classes=names)
    model = {"model_file": str(tmp_path / "run" / "models" / "model.pt"), "dataset_dir": str(tmp_path / "data.json")}
    run_bundle("evaluate", bundle, output_dir=str(tmp_path / "scores"), tta=False, **model)
    with (tmp_path / "scores" / "per_image.csv").open() as file:
        rows = list(csv.DictReader(file))
    scored = [[math.isfinite(float(row[f"dice_{name}"] or "nan")) for name in names[1:]] for row in rows]
    assert scored == [[True, False], [False, True]]


def test_a_label_that_is_no_class_is_said_before_the_first_step(tmp_path: Path) -> None:
    data = write_volumes(tmp_path / "data", classes=True)
    with pytest.raises(Exception, match="Failed") as caught:
        train(tmp_path / "run", data, classes=["background", "liver"])
    assert "holds 2, but `classes` has 2 (0 background, 1 liver)" in str(first_cause(caught.value))
    assert not (tmp_path / "run" / "models").exists()


def test_two_channels_and_physical_units(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for sub in ("images", "labels"):
        (tmp_path / "data" / sub).mkdir(parents=True)
    for name in "ab":
        sample = simulate_nuclei((9, 20, 22), seed=ord(name))
        pair = np.stack([sample.image, sample.image[::-1] + rng.normal(0, 5, sample.image.shape)], 1).clip(0).astype(np.uint16)
        tifffile.imwrite(tmp_path / "data" / "images" / f"{name}.tif", pair, imagej=True, metadata={"axes": "ZCYX"})
        tifffile.imwrite(tmp_path / "data" / "labels" / f"{name}.tif", sample.label.astype(np.uint16))
    options = {"in_channels": 2, "units": "physical", "min_size": 3.5, "border_width": 0.8}
    with pytest.raises(Exception, match="Failed") as error:
        train(tmp_path / "run", tmp_path / "data", **options)
    assert "spacing" in str(error.getrepr(style="short"))
    model = train(tmp_path / "run2", tmp_path / "data", spacing=[2.0, 0.5, 0.5], **options)
    run_bundle(
        "infer",
        "denoiseg_3d",
        dataset_dir=str(tmp_path / "data"),
        model_file=str(model),
        output_dir=str(tmp_path / "out"),
        tta=False,
        spacing=[2.0, 0.5, 0.5],
        units="physical",
        min_size=3.5,
    )
    with tifffile.TiffFile(tmp_path / "out" / "a_denoised.tif") as file:
        assert (file.series[0].axes, file.series[0].shape) == ("ZCYX", (9, 2, 20, 22))


@pytest.mark.parametrize(("config", "kind"), [("train", "train"), ("inference", "infer"), ("evaluate", "infer")])
def test_properties_of_the_zoo(config: str, kind: str, model: Path, volumes: Path) -> None:
    place = {"dataset_dir": str(volumes)} | ({"features": 4} if config == "train" else {"model_file": str(model)})
    workflow = ConfigWorkflow(config_file=str(CONFIGS / f"{config}.json"), logging_file=False, workflow_type=kind, **place)
    workflow.initialize()
    assert workflow.check_properties() == []


def test_verify_net_in_out_and_export(model: Path, tmp_path: Path) -> None:
    verify_net_in_out("network_def", **FILES, device="cpu", features=4, depth=2)
    files = {"filepath": str(tmp_path / "model.ts"), "ckpt_file": str(model), "model_file": str(model)}
    ckpt_export("network_def", **FILES, **files)
    exported = torch.jit.load(tmp_path / "model.ts").eval()
    network = load_weights(network_for_file(model), model).eval()
    image = 100 * torch.rand(1, 1, 5, 21, 34)
    with torch.no_grad():
        torch.testing.assert_close(exported(image), network(image), rtol=1e-4, atol=1e-3)
