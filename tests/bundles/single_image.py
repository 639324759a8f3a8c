"""Small images and short runs for the tests of the bundle of Self2Seg."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np

from monai_denoiseg.bundle.run import run_bundle
from monai_denoiseg.engines import first_cause

from .conftest import BUNDLES, Program, run_program, words

CONFIGS = BUNDLES / "self2seg" / "configs"
FAST = {"experts": ["constant", "constant"], "lambda": 0.05, "progress": False, "device": "cpu"}
TINY = {"features": 4, "max_iterations": 12}


def scene(*shape: int, seed: int = 0, channels: int | None = None, noise: float = 12.0) -> tuple[np.ndarray, np.ndarray]:
    """A bright block in noise, and its mask."""
    mask = np.zeros(shape, np.uint8)
    mask[tuple(slice(n // 4, n - n // 3) for n in shape)] = 1
    full = shape if channels is None else (*shape, channels)
    clean = 100.0 + 60.0 * (mask if channels is None else mask[..., None])
    return (clean + np.random.default_rng(seed).normal(0, noise, full)).astype(np.float32), mask


def infer(folder: Path, *, method: str | None = None, **options: Any) -> Path:
    run_bundle("infer", "self2seg", method, **{"output_dir": str(folder / "out"), **FAST, **options})
    return folder / "out"


def why(error: BaseException) -> str:
    return str(first_cause(error))


def names(folder: Path) -> list[str]:
    """The files of images; the tables of all images together are looked at by ``test_self2seg_measured.py``."""
    return sorted(path.name for path in folder.glob("[!.]*") if path.name not in ("measurements.csv", "summary.csv"))


def rows(path: Path) -> list[dict[str, str]]:
    with path.open() as stream:
        return list(csv.DictReader(stream))


def dice(a: np.ndarray, b: np.ndarray) -> float:
    return float(2 * ((a > 0) & (b > 0)).sum() / ((a > 0).sum() + (b > 0).sum()))


RESULTS = ("denoised.tif", "energies.csv", "energies.svg", "mask.tif")


def program(folder: Path, *overlays: str, **options: Any) -> Program:
    """Run MONAI's own command; ``lambda`` and lists as a user would write them."""
    files = [str(CONFIGS / f"{name}.json") for name in ("inference", *overlays)]
    config = files[0] if len(files) == 1 else str(files)
    return run_program(["-m", "monai.bundle", "run", "--config_file", config, *words(**options)], folder)
