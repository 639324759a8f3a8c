"""The plan of a training for classes, through the bundles: kept by who goes on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
import tifffile
import torch

from monai_denoiseg.cli import run_bundle
from monai_denoiseg.networks import load_network

NAMES = ["background", "organ"]


def scan(folder: Path, name: str, shape: tuple[int, ...], least: int) -> None:
    """Soft tissue and bone in air; what has at least these Hounsfield units is annotated."""
    rng = np.random.default_rng(len(name))
    image = np.full(shape, -1000, "i2")
    inner = tuple(slice(n // 4, n - n // 4) for n in shape)
    image[inner] = rng.integers(0, 100, image[inner].shape)
    bone = tuple(slice(n // 3, n // 2) for n in shape)
    image[bone] = rng.integers(650, 900, image[bone].shape)
    for kind, values in (("images", image), ("labels", (image >= least).astype("u1"))):
        (folder / kind).mkdir(parents=True, exist_ok=True)
        if len(shape) == 3:
            nibabel.save(nibabel.Nifti1Image(values, np.eye(4)), folder / kind / f"{name}.nii.gz")
        else:
            tifffile.imwrite(folder / kind / f"{name}.tif", values)


@pytest.mark.parametrize(("bundle", "shape"), [("denoiseg_2d", (40, 40)), ("denoiseg_3d", (16, 24, 24))])
def test_a_training_goes_on_by_its_plan(bundle: str, shape: tuple[int, ...], tmp_path: Path) -> None:
    """Annotated otherwise between stop and resumption: the weights still see the intensities they know."""
    for name in ("a", "b"):
        scan(tmp_path / "data", name, shape, 600)
    place = {"dataset_dir": tmp_path / "data", "output_dir": tmp_path / "out", "validation_fraction": 0}
    tiny: dict[str, Any] = {"features": 4, "depth": 1, "batch_size": 2, "steps_per_epoch": 2, "amp": "off", "val_interval": 1}
    run_bundle("train", bundle, **place, **tiny, classes=NAMES, max_epochs=1)
    first = load_network(tmp_path / "out" / "models" / "model.pt")
    kept = torch.load(tmp_path / "out" / "models" / "last.pt")["about"]["recipe"]
    assert first.limits == pytest.approx(kept["limits"])
    for name in ("a", "b"):
        scan(tmp_path / "data", name, shape, 0)
    run_bundle("train", bundle, output_dir=tmp_path / "out", resume=True, max_epochs=2)
    again = torch.load(tmp_path / "out" / "models" / "last.pt")
    assert again["epoch"] == 2
    assert again["about"]["recipe"] == kept
    assert load_network(tmp_path / "out" / "models" / "model.pt").limits == first.limits
    run_bundle("train", bundle, **place | {"output_dir": tmp_path / "new"}, **tiny, classes=NAMES, max_epochs=1)
    assert load_network(tmp_path / "new" / "models" / "model.pt").limits != first.limits
