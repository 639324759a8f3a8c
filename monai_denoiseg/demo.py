"""The whole way on simulated images: simulate, train, infer, evaluate, report."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from monai_denoiseg.bundle.run import run_bundle
from monai_denoiseg.data import write_simulated
from monai_denoiseg.files import OwnedFolder
from monai_denoiseg.report import write_report

BUDGET = {"features": 16, "max_epochs": 12, "steps_per_epoch": 60, "val_interval": 3}
"""Fits four minutes of two CPU cores."""
SMALL = {"features": 8, "depth": 2, "max_epochs": 3, "steps_per_epoch": 20, "batch_size": 8, "val_interval": 3, "zoom": 1}
"""Shows in a minute that all parts work; the objects it finds are few."""
IMAGES = {False: (60, 12), True: (12, 3)}
"""Images to train on and to test with, of the usual and of the small demo."""


def run_demo(output: str | Path, seed: int = 0, overrides: Mapping[str, Any] | None = None, *, small: bool = False) -> Path:
    """Train on 60 simulated noisy images, 8 of them annotated; test on 12 images the network has not seen.

    Args:
        output: folder for everything: missing, empty, or that of an earlier demo, which is replaced.
        seed: of the simulation and the training.
        overrides: keys of the training configuration.
        small: with 12 and 3 images and a short training: to see that an installation works.

    Returns:
        The report's path.

    Raises:
        FileExistsError: when ``output`` is a file, or holds anything that is not of an earlier demo. Nothing is touched then.
    """
    output = Path(output).resolve()
    with OwnedFolder(output, "demo") as folder:
        folder.clear()
        return _run(output, seed, (SMALL if small else BUDGET) | dict(overrides or {}), *IMAGES[small])


def _run(output: Path, seed: int, options: Mapping[str, Any], n_images: int, n_test: int) -> Path:
    started = time.perf_counter()
    data = write_simulated(output / "data", n_images=n_images, n_labelled=8, seed=seed)
    test = write_simulated(output / "test", n_images=n_test, n_labelled=n_test, seed=seed + 1)
    run = output / "run"
    settings = {"seed": seed, **options}
    run_bundle("train", dataset_dir=str(data), output_dir=str(run), ckpt_dir=str(run / "models"), **settings)
    model = {"model_file": str(run / "models" / "model.pt"), "dataset_dir": str(test)}
    run_bundle("infer", output_dir=str(run / "predictions"), **model)
    run_bundle("evaluate", output_dir=str(run / "evaluation"), **model)
    report = write_report(run, output / "report.html")
    metrics = json.loads((run / "evaluation" / "metrics.json").read_text())
    print(
        f"\nTest images: {metrics['n_images']}, never seen in training"
        f"\nSegmentation: AP {metrics['ap']:.3f} (objects found at IoU > 0.5), SEG {metrics['seg']:.3f}"
        f"\nDenoising: PSNR {metrics['psnr_input']:.1f} dB -> {metrics['psnr']:.1f} dB"
        f"\nTime: {time.perf_counter() - started:.0f} s"
        f"\nReport: {report}"
    )
    return report
