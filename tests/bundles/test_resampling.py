"""Scans of two voxel sizes through both bundles: trained at one, results on the grid of each."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import nibabel
import numpy as np
import pytest
import tifffile

from monai_denoiseg.cli import run_bundle
from monai_denoiseg.engines import first_cause
from monai_denoiseg.networks import network_for_file

TINY = {"features": 4, "depth": 1, "steps_per_epoch": 2, "max_epochs": 1, "amp": "off", "validation_fraction": 0}
OBLIQUE = nibabel.affines.from_matvec(nibabel.eulerangles.euler2mat(0.2, -0.1, 0.3), [12.5, -30.25, 7.0])


def write(folder: Path, name: str, shape: tuple[int, ...], slices: float, seed: int, unit: str = "mm") -> None:
    """An organ of the same size in millimetres; along the first axis a voxel is `slices` mm, told in `unit`."""
    times = {"mm": 1, "um": 1000}[unit]
    places = np.meshgrid(*[(np.arange(n) + 0.5) * s for n, s in zip(shape, [slices, 1, 1], strict=False)], indexing="ij")
    distance = np.sqrt(sum(((place - 9) / 6) ** 2 for place in places))
    label = (distance < 1).astype(np.uint8)
    image = (100 * label + np.random.default_rng(seed).normal(0, 5, shape)).astype(np.float32)
    for kind, array in (("images", image), ("labels", label)):
        (folder / kind).mkdir(parents=True, exist_ok=True)
        if len(shape) == 3:
            file = nibabel.Nifti1Image(array.T, OBLIQUE @ np.diag([times, times, slices * times, 1]))
            file.header["xyzt_units"] = {"mm": 2, "um": 3}[unit]
            nibabel.save(file, folder / kind / f"{name}.nii.gz")
        else:
            options = {"resolution": (1 / times, 1 / slices / times), "metadata": {"unit": unit}}
            tifffile.imwrite(folder / kind / f"{name}.tif", array, imagej=True, **options)


@pytest.mark.parametrize("dims", [2, 3])
@pytest.mark.parametrize("alpha", [0, 0.5])
def test_two_voxel_sizes(tmp_path: Path, dims: int, alpha: float) -> None:
    bundle, data, run = f"denoiseg_{dims}d", tmp_path / "data", tmp_path / "run"
    for seed, (name, n, slices) in enumerate([("thin", 18, 1.0), ("thick", 6, 3.0), ("thin2", 18, 1.0)]):
        write(data, name, (n, *[18] * (dims - 1)), slices, seed)
    place = {"dataset_dir": str(data), "output_dir": str(run), "ckpt_dir": str(run / "models")}
    settings = {**TINY, "classes": ["background", "organ"], "alpha": alpha}
    run_bundle("train", bundle, **place, **settings)
    model = run / "models" / "model.pt"
    network = network_for_file(model)
    assert network.target_spacing == [1.0] * dims
    assert json.loads((run / "settings.json").read_text())["settings"]["target_spacing"] == [1.0] * dims
    images = {"dataset_dir": str(data), "model_file": str(model), "amp": "off", "tta": False}
    run_bundle("infer", bundle, **images, output_dir=str(tmp_path / "out"), save_probabilities=True)
    ending = ".nii.gz" if dims == 3 else ".tif"
    kinds = ["classes", "probabilities", *["denoised"] * (alpha > 0)]
    for name, n in (("thin", 18), ("thick", 6)):
        for kind in kinds:
            found = tmp_path / "out" / f"{name}_{kind}{ending}"
            if dims == 3:
                source = nibabel.load(data / "images" / f"{name}.nii.gz")
                assert np.array_equal(nibabel.load(found).affine, source.affine)
                assert nibabel.load(found).shape[:3] == source.shape
            else:
                assert tifffile.imread(found).shape[-2:] == (n, 18)
    run_bundle("evaluate", bundle, **images, output_dir=str(tmp_path / "scores"), pictures=False)
    with (tmp_path / "scores" / "per_class.csv").open() as file:
        rows = {row["image"]: row for row in csv.DictReader(file)}
    assert {row["length"] for row in rows.values()} == {"mm"}
    assert json.loads((tmp_path / "scores" / "metrics.json").read_text())["surface_tolerance"] == 1.0
    if dims == 2:
        with pytest.raises(RuntimeError) as failed:
            run_bundle("infer", bundle, **images, output_dir=str(tmp_path / "streamed"), stream="always")
        assert "1 of 3 files failed" in str(first_cause(failed.value))
        assert "--stream never" in str(first_cause(failed.value))


@pytest.mark.parametrize("dims", [2, 3])
def test_a_validation_in_another_unit_scores_the_same(tmp_path: Path, dims: int) -> None:
    """Checkpoint and scores are those of the same scans in millimetres."""
    shape = (18,) * dims
    for seed, name in enumerate(["a", "b"]):
        write(tmp_path / "data", name, shape, 1.0, seed)
    found = []
    for unit in ("mm", "um"):
        write(tmp_path / unit, "v", (6, *shape[1:]), 3.0, 7, unit)
        run, settings = tmp_path / f"run_{unit}", {**TINY, "classes": ["background", "organ"], "val_interval": 1}
        del settings["validation_fraction"]
        place = {"dataset_dir": str(tmp_path / "data"), "validation_dir": str(tmp_path / unit), "output_dir": str(run)}
        run_bundle("train", f"denoiseg_{dims}d", **place, ckpt_dir=str(run / "models"), **settings)
        with (run / "validation_log.csv").open() as file:
            found.append([{key: value for key, value in row.items() if key != "seconds"} for row in csv.DictReader(file)])
    assert found[0] == found[1]
    assert float(found[0][0]["dice"]) >= 0
