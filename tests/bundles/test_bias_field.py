"""Fields and units of MR: a bias field over an image and another unit of each file leave the classes where they are."""

from __future__ import annotations

import csv
from pathlib import Path

import nibabel
import numpy as np
import pytest

from monai_denoiseg.bundle import run_bundle

CLASSES = ["background", "liver", "spleen"]
SHAPES = {2: (64, 72), 3: (16, 32, 36)}
TINY = {
    **{"depth": 2, "features": 8, "steps_per_epoch": 25, "max_epochs": 6, "val_interval": 6, "validation_fraction": 0},
    **{"num_workers": 0, "amp": "off", "learning_rate": 2e-3, "device": "cpu", "seed": 0},
}
SIZES = {2: {"patch_size": [48, 48], "batch_size": 8}, 3: {"patch_size": [16, 24, 24], "batch_size": 2}}
FIELD = 0.2
"""Largest change by a field, as the natural logarithm: from 0.82 to 1.22 within an image."""
DISTANCE = 0.02
"""The stated distance: how much of the Dice score a field and another unit may cost."""


def body(dims: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """A body with two organs of other contrasts in Rician noise, and their classes."""
    rng, shape = np.random.default_rng(seed), SHAPES[dims]
    places = np.stack(np.meshgrid(*(np.linspace(-1, 1, n) for n in shape), indexing="ij"))

    def ball(centre: float, radius: float) -> np.ndarray:
        middle = np.zeros(dims)
        middle[-1] = centre
        middle += rng.uniform(-0.1, 0.1, dims)
        radii = radius * rng.uniform(0.85, 1.15, dims)
        return np.asarray((((places.T - middle) / radii) ** 2).sum(-1).T < 1)

    label = np.zeros(shape, np.uint8)
    clean = np.where(ball(0, 0.9), 300.0, 20.0)
    for number, (centre, light) in enumerate([(-0.35, 600.0), (0.4, 900.0)], 1):
        organ = ball(centre, 0.28)
        label[organ], clean[organ] = number, light
    noise = rng.normal(0, 40, (2, *shape))
    return np.hypot(clean + noise[0], noise[1]), label


def bias_field(dims: int, seed: int) -> np.ndarray:
    """A smooth factor: the exponential of a random polynomial of the second degree."""
    rng = np.random.default_rng((seed, 1))
    places = np.stack(np.meshgrid(*(np.linspace(-1, 1, n) for n in SHAPES[dims]), indexing="ij"))
    flat = np.tensordot(rng.normal(size=dims), places, 1) + np.tensordot(rng.normal(size=dims), places**2, 1)
    flat -= (flat.max() + flat.min()) / 2
    return np.exp(FIELD * flat / np.abs(flat).max())


def write(folder: Path, dims: int, seeds: range, *, units: bool, field: bool) -> Path:
    """Cases as NIfTI; with ``units`` the intensities of a file differ by up to 10^4 from those of another."""
    for kind in ("images", "labels"):
        (folder / kind).mkdir(parents=True)
    for number, seed in enumerate(seeds):
        image, label = body(dims, seed)
        image = image * (bias_field(dims, seed) if field else 1) * (10.0 ** (4 * number / (len(seeds) - 1) - 2) if units else 1)
        for kind, array in (("images", image.astype(np.float32)), ("labels", label)):
            nibabel.save(nibabel.Nifti1Image(array.T, np.eye(4)), folder / kind / f"{seed}.nii.gz")
    return folder


def mean_dice(folder: Path, dims: int, images: Path) -> float:
    """Of all classes, as the command for evaluations finds it."""
    model = {"model_file": str(folder / "run/models/model.pt"), "dataset_dir": str(images), "tta": False, "amp": "off"}
    out = folder / f"evaluation_{images.name}"
    run_bundle("evaluate", f"denoiseg_{dims}d", output_dir=str(out), pictures=False, device="cpu", **model)
    with (out / "per_image.csv").open() as file:
        return float(np.mean([float(row["dice"]) for row in csv.DictReader(file)]))


@pytest.mark.parametrize("dims", [2, pytest.param(3, marks=pytest.mark.slow)])
def test_dice_stays_within_the_stated_distance(dims: int, tmp_path: Path) -> None:
    """Trained without a field, on files of units that differ by 10^4, too."""
    train = write(tmp_path / "train", dims, range(6), units=True, field=False)
    place = {"output_dir": str(tmp_path / "run"), "dataset_dir": str(train), "classes": CLASSES}
    run_bundle("train", f"denoiseg_{dims}d", **place, **TINY, **SIZES[dims])
    test = range(100, 105)
    plain = mean_dice(tmp_path, dims, write(tmp_path / "plain", dims, test, units=False, field=False))
    changed = mean_dice(tmp_path, dims, write(tmp_path / "changed", dims, test, units=True, field=True))
    assert plain > 0.8
    assert changed > plain - DISTANCE
