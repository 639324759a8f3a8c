"""``monai-denoiseg check``: what a training would do, found out in a minute and without writing anything."""

from __future__ import annotations

import logging
import resource
import statistics
import sys
import tempfile
import time
from collections.abc import Mapping
from itertools import islice, pairwise
from typing import Any

import torch
from ignite.engine import Events

from monai_denoiseg.bundle.found import found_lines
from monai_denoiseg.bundle.provenance import intensity_range
from monai_denoiseg.bundle.run import config_files, open_workflow
from monai_denoiseg.engines import DenoiSegTrainer
from monai_denoiseg.processes import unwrap

STEPS = 4
"""Steps that are taken to measure time and memory; the first only warms up."""


def check_training(bundle: str = "denoiseg_2d", method: str | None = None, overrides: Mapping[str, Any] | None = None) -> str:
    """Look at data, settings, memory and time of a training before it is started.

    The data are listed and read as the training would, its noise and object sizes are measured, and a few steps are taken. All
    that is written goes to a temporary folder. For a method of two stages the second stage is looked at.

    Args:
        bundle: name of the bundle.
        method: see :func:`~monai_denoiseg.bundle.methods`; None for the bundle's own.
        overrides: keys of ``train.json`` to replace, as for the training.

    Returns:
        The findings, a line each; warnings last.

    Raises:
        ValueError: and whatever the training would raise before its first step.

    >>> small = {"batch_size": 2, "patch_size": [16, 16], "features": 4, "depth": 1}
    >>> print(check_training(overrides=small))  # doctest: +ELLIPSIS
    Data         simulated: 60 images, 8 labelled; 51 to train on (7 labelled), 9 to validate on (1 labelled)
    Images       1 channel, 128 x 128, voxel size unknown, axes YX, uint16 (5 of 60 files looked at)
    ...
    """
    wanted: dict[str, Any] = {"first_stage": None, "first_stage_use": []} if method is not None else {}
    with _CollectWarnings() as warned, tempfile.TemporaryDirectory() as scratch:
        place = {"output_dir": scratch, "ckpt_dir": scratch, "resume": False}
        files = config_files("train", bundle, method)
        with open_workflow(files, "train", logging_file=False, **{**dict(overrides or {}), **wanted, **place}) as workflow:
            get = workflow.parser.get_parsed_content
            get("label_check")
            lines = [*_data(get), *_checks(get), *_plan(get), *_cost(get)]
    if method is not None and "stage" in " ".join(path.read_text("utf-8") for path in files[1:]):
        lines.append(("First stage", "trained before this one, about as long"))
    lines += [("Warning", text) for text in dict.fromkeys(warned.texts)]
    return "\n".join(f"{name:<12} {text}" for name, text in lines)


Line = tuple[str, str]


def _data(get: Any) -> list[Line]:
    data, dataset = get("data"), get("train::dataset")
    labelled = {part: sum("label" in item for item in items) for part, items in data.items()}
    names = {str(item["image"]) for items in data.values() for item in items}
    known = {str(item["image"]) for items in data.values() for item in items if "label" in item}
    found = intensity_range(dataset)
    options = {"axes": get("axes"), "spatial_dims": get("spatial_dims"), "images": get("images_dir")}
    low, high = (", ".join(f"{v:g}" for v in found[key]) for key in ("low", "high"))
    parts = (
        f"{len(data['training'])} to train on ({labelled['training']} labelled), "
        f"{len(data['validation'])} to validate on ({labelled['validation']} labelled)"
    )
    return [
        ("Data", f"{get('dataset_dir')}: {len(names)} images, {len(known)} labelled; {parts}"),
        *found_lines([one for part in data.values() for one in part], get("dataset_dir"), **options),
        ("Intensities", f"{low} to {high} (0.1 to 99.9 %)"),
    ]


def _checks(get: Any) -> list[Line]:
    lines = []
    noise, sizes = get("noise"), get("sizes")
    if noise is not None:
        figures = ", ".join(f"{axis} {value:.2f}" for axis, value in noise["correlation"].items())
        kind = f"correlated along {', '.join(noise['correlated'])}" if noise["correlated"] else "independent from voxel to voxel"
        lines.append(("Noise", f"{kind} (correlation {figures})"))
    if sizes is not None:
        lines.append(
            ("Objects", f"{sizes['objects']} annotated, {sizes['below']} of them below `min_size` {sizes['min_size']:g}")
        )
    return lines


def _plan(get: Any) -> list[Line]:
    return [("Plan", str(get("recipe")))] if get("recipe").kind else []


def _cost(get: Any) -> list[Line]:
    network = unwrap(get("network"))
    count = sum(p.numel() for p in network.parameters())
    network.set_statistics(*get("statistics"))
    seconds = _time_steps(get)
    steps = get("max_epochs") * get("steps_per_epoch")
    minutes = steps * seconds / 60
    cached = sum(_bytes(item) for item in (get("train::dataset")[i] for i in range(len(get("train::dataset")))))
    patch = " x ".join(map(str, get("train::collate::patch_size")))
    crops = f"{get('recipe').batch_size} patches of {patch} a step"
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    return [
        (
            "Network",
            f"{count / 1e6:.2g} million weights, depth {get('depth')}; {crops}",
        ),
        ("Memory", f"{cached / 1e6:.0f} MB of training images, {peak / 1e9:.1f} GB in all so far"),
        ("Time", f"{seconds:.2g} s a step, {steps} steps: about {minutes:.0f} minutes, and validation on top" + _device(get)),
    ]


def _device(get: Any) -> str:
    device = torch.device(get("device"))
    return f" (on {torch.get_num_threads()} CPU threads)" if device.type == "cpu" else f" (on {device})"


def _time_steps(get: Any) -> float:
    """Median seconds of a step."""
    marks = [time.perf_counter()]
    trainer = DenoiSegTrainer(
        get("device"),
        1,
        list(islice(get("train::dataloader"), STEPS)),
        get("network"),
        get("optimizer"),
        get("loss"),
        get("prepare_batch"),
        amp=get("amp"),
    )
    level = trainer.logger.level
    trainer.logger.setLevel(logging.WARNING)
    trainer.add_event_handler(Events.STARTED, lambda _: marks.append(time.perf_counter()))
    trainer.add_event_handler(Events.ITERATION_COMPLETED, lambda _: marks.append(time.perf_counter()))
    try:
        trainer.run()
    finally:
        trainer.logger.setLevel(level)  # Ignite's loggers are shared by all engines of a class
    times = [after - before for before, after in pairwise(marks[1:])]
    return statistics.median(times[1:] or times)


def _bytes(item: Mapping[str, Any]) -> int:
    return sum(value.numel() * value.element_size() for value in item.values() if isinstance(value, torch.Tensor))


class _CollectWarnings(logging.Handler):
    """Collect what the package warns of, in place of logging it."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.texts: list[str] = []
        self.logger = logging.getLogger("monai_denoiseg")

    def emit(self, record: logging.LogRecord) -> None:
        """Keep the text."""
        self.texts.append(record.getMessage())

    def __enter__(self) -> _CollectWarnings:
        self.before = self.logger.propagate
        self.logger.propagate = False
        self.logger.addHandler(self)
        return self

    def __exit__(self, *_: object) -> None:
        self.logger.removeHandler(self)
        self.logger.propagate = self.before
