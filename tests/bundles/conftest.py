"""A folder of small images in three file formats, and one tiny network trained on it through the bundle."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import nibabel
import numpy as np
import pytest
import tifffile
from PIL import Image

from monai_denoiseg.data import simulate_nuclei

from ..warm_start import warm_environment

BUNDLES = Path(__file__).parents[2] / "bundles"
BUNDLE = BUNDLES / "denoiseg_2d"
AFFINE = np.array([[0.5, 0, 0, 3.0], [0, -0.4, 0, -7.0], [0, 0, 2.0, 1.0], [0, 0, 0, 1.0]])
TINY = {
    "features": 4,
    "depth": 1,
    "patch_size": [16, 16],
    "batch_size": 4,
    "steps_per_epoch": 3,
    "max_epochs": 2,
    "val_interval": 1,
    "amp": "off",
}


class Program(NamedTuple):
    """What a program left."""

    code: int
    out: str
    err: str


def results(folder: Path) -> list[Path]:
    """What an inference wrote of its images: everything but the tables of all of them."""
    return sorted(path for path in folder.glob("[!.]*") if path.name not in ("measurements.csv", "summary.csv"))


def words(**options: Any) -> list[str]:
    return [word for key, value in options.items() for word in (f"--{key}", str(value))]


def run_program(command: list[str], cwd: Path, timeout: float = 120, cold: bool = False) -> Program:
    """Run ``python -m ...`` elsewhere; nothing of the checkout is on its path but the installed package.

    ``cold`` starts Python itself, as a user does, in place of a copy of a process that has loaded the libraries.
    """
    environment = dict(os.environ) if cold else warm_environment()
    environment |= {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(BUNDLE.parents[1])}
    python = sys.executable if cold else shutil.which("python", path=environment["PATH"])
    done = subprocess.run(
        [str(python), *command], cwd=cwd, capture_output=True, text=True, env=environment, timeout=timeout, check=False
    )
    return Program(done.returncode, done.stdout, done.stderr)


def bundle_command(config: str, bundle: str = "denoiseg_2d", **options: Any) -> list[str]:
    return ["-m", "monai.bundle", "run", "--config_file", str(BUNDLES / bundle / "configs" / f"{config}.json"), *words(**options)]


def nuclei(seed: int, shape: tuple[int, int] = (37, 44)) -> tuple[np.ndarray, np.ndarray]:
    sample = simulate_nuclei(shape, seed=seed)
    return sample.image, sample.label


def write_tiff(path: Path, image: np.ndarray, **options: Any) -> None:
    options = {"imagej": True, "resolution": (4.0, 4.0), "metadata": {"unit": "um", "axes": "YX"}, **options}
    tifffile.imwrite(path, image, **options)


def write_dataset(folder: Path) -> Path:
    """Four TIFF, two PNG and two NIfTI images; the first of each pair has a label, of another format than the image."""
    for sub in ("images", "labels"):
        (folder / sub).mkdir(parents=True)
    for i, name in enumerate(["t0", "t1", "t2", "t3", "p0", "p1", "n0", "n1"]):
        image, label = nuclei(i)
        image, label = image.clip(0, 65535).astype(np.uint16), label.astype(np.uint16)
        if name[0] == "t":
            write_tiff(folder / "images" / f"{name}.tif", image)
        elif name[0] == "p":
            Image.fromarray(image).save(folder / "images" / f"{name}.png")
        else:
            nibabel.save(nibabel.Nifti1Image(np.ascontiguousarray(image.T), AFFINE), folder / "images" / f"{name}.nii.gz")
        if i % 2 == 0:
            tifffile.imwrite(folder / "labels" / f"{name}.tif", label)
    return folder


@pytest.fixture(scope="session")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_dataset(tmp_path_factory.mktemp("data") / "cells")


@pytest.fixture(scope="session")
def trained(dataset: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a training through the real entry point, started from a working directory of its own."""
    folder = tmp_path_factory.mktemp("run")
    options = {"dataset_dir": dataset, "output_dir": "out", "ckpt_dir": "out/models", **TINY}
    done = run_program(bundle_command("train", **options), folder, cold=True)
    assert done.code == 0, done.out + done.err
    (folder / "log.txt").write_text(done.out)
    return folder / "out"


@pytest.fixture
def train(dataset: Path, tmp_path: Path) -> Callable[..., Path]:
    """Train in this process: ``train(key=value, ...)`` returns the output folder."""
    from monai_denoiseg.cli import run_bundle

    def call(name: str = "out", **options: Any) -> Path:
        folder = tmp_path / name
        place = {"dataset_dir": str(dataset), "output_dir": str(folder), "ckpt_dir": str(folder / "models")}
        run_bundle("train", **{**place, **TINY, **options})
        return folder

    return call
