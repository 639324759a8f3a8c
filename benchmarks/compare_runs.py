"""One run of a comparison: its name, its settings, its training and evaluation, its result file."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from common import run_bundle
from compare_data import Folders
from dsb2018 import HONEST, unlabelled

from monai_denoiseg.bundle.run import config_files, methods
from monai_denoiseg.bundle.two_stages import OWN
from monai_denoiseg.checks import check_option, suggest

PLAIN = {"denoiseg": {}, "denoiseg_alpha0": {"alpha": 0.0}}
"""Methods that are train.json alone."""
SCORES = ("ap", "seg", "psnr", "dice", "precision", "recall", "ssim", "psnr_input", "threshold", "n_images")
RESERVED = {
    "seed": "--seeds",
    "n_labels": "--labels",
    "max_epochs": "--epochs",
    "dataset_dir": "--data",
    "validation_dir": "--set validation_fraction=..., or --validation with --dsb",
    **dict.fromkeys(("output_dir", "ckpt_dir", "first_stage_dir", "model_file"), "--output"),
    **dict.fromkeys(("resume", "first_stage", "first_stage_file", "spatial_dims"), "--methods and --bundle"),
}
"""Keys the comparison sets itself, and the option for each."""
STAGE_WITHOUT_LABELS = (
    "$md.bundle.first_stage(@first_stage, @first_stage_use, @first_stage_dir, {**@settings, 'dataset_dir': str(@_images_dir)}, "
    "file=@first_stage_file, epochs=@first_stage_epochs)"
)
"""The first stage of train.json, on the images alone: the folders of all numbers of labels then share one."""


@dataclass(frozen=True)
class Run:
    """A method on one noise level, with one number of labels and one seed; None where it makes no difference.

    ``protocol`` is one of ``dsb2018.PROTOCOLS``, or None in a comparison that has no choice of them.
    """

    method: str
    noise: float | None
    labels: int | str | None
    seed: int | None
    protocol: str | None = None

    @property
    def name(self) -> str:
        """Name of its files."""
        parts = ["raw" if self.noise is None else f"n{self.noise:g}"]
        parts += [f"l{self.labels}"] * (self.labels is not None) + [f"s{self.seed}"] * (self.seed is not None)
        return "_".join([*parts, *([self.protocol] if self.protocol else []), self.method])


@dataclass(frozen=True)
class Protocol:
    """What all runs of a comparison have in common; ``pairs`` are further keys as ``(method or None, key, value)``."""

    output: Path
    bundle: str
    epochs: int
    pairs: tuple[tuple[str | None, str, str], ...] = ()
    data: str = ""
    test: str | None = None
    dsb: bool = False
    validation: int | None = None
    test_fraction: float | None = None
    threads: int | None = None

    def keys(self, method: str) -> dict[str, Any]:
        """Further keys of a method: those for all, then its own."""
        shared = {key: value for name, key, value in self.pairs if name is None}
        return shared | {key: value for name, key, value in self.pairs if name == method}

    def settings(self, run: Run) -> dict[str, Any]:
        """What decides the result of a run."""
        kept = {key: value for key, value in asdict(self).items() if key not in ("output", "threads", "pairs")}
        kept["epochs"] = self.epochs if trained(run.method, self.bundle) else None
        return asdict(run) | kept | {"set": self.keys(run.method)}


def overlay(method: str, bundle: str) -> dict[str, Any]:
    """Keys that make the method.

    Raises:
        ValueError: for an unknown one.
    """
    if method in PLAIN:
        return dict(PLAIN[method])
    check_option("--methods", method, known_methods(bundle))
    return _config("train" if method in methods("train", bundle) else "evaluate", bundle, method)


def _config(task: str, bundle: str, method: str | None = None) -> dict[str, Any]:
    """Keys of a task's configuration, or of the method's alone."""
    found: dict[str, Any] = json.loads(config_files(task, bundle, method)[-1].read_text("utf-8"))
    return found


def known_methods(bundle: str) -> list[str]:
    """All methods a bundle offers."""
    return [*PLAIN, *methods("train", bundle), *methods("evaluate", bundle)]


def trained(method: str, bundle: str) -> bool:
    """Whether a method is trained at all."""
    return method in PLAIN or method in methods("train", bundle)


def plan_runs(
    names: Sequence[str],
    noises: Sequence[float | None],
    labels: Sequence[int | str],
    seeds: Sequence[int],
    bundle: str,
    protocol: str | None = None,
) -> list[Run]:
    """All runs; those of a method without labels, or without training, once for all numbers of labels (and seeds)."""
    runs: list[Run] = []
    for noise in noises:
        for method in names:
            keys, learns = overlay(method, bundle), trained(method, bundle)
            for number in labels if learns and keys.get("head") != "none" else [None]:
                runs += [Run(method, noise, number, seed, protocol) for seed in (seeds if learns else [None])]
    return list(dict.fromkeys(runs))


def check_pairs(pairs: Sequence[tuple[str | None, str, str]], names: Sequence[str], bundle: str) -> None:
    """Refuse keys that no configuration knows, that the comparison sets itself, or of a method that does not run.

    Raises:
        ValueError: naming the key and the way out.
    """
    files = [_config(task, bundle) for task in ("train", "evaluate")]
    for method, key, value in pairs:
        if method is not None and method not in names:
            raise ValueError(f"--set {method}:{key}={value}: {method!r} is not among --methods{suggest(method, names)}")
        if key in RESERVED:
            raise ValueError(f"--set {key}={value}: the comparison sets `{key}` itself; use {RESERVED[key]}")
        known = set[str]().union(*files, *(overlay(name, bundle) for name in ([method] if method else names)))
        if key not in known:
            raise ValueError(f"--set {key}={value}: no configuration has a key `{key}`{suggest(key, known)}")


def stage_folder(run: Run, protocol: Protocol) -> Path | None:
    """Folder of the first stage of a run: the same for all runs whose first stage is the same."""
    name = overlay(run.method, protocol.bundle).get("first_stage")
    if name is None:
        return None
    own = sorted(f"{key}={value}" for method, key, value in protocol.pairs if method == run.method and key not in OWN)
    epochs = protocol.keys(run.method).get("first_stage_epochs")
    own += [f"epochs={epochs}"] * (epochs is not None)
    parts = ["raw" if run.noise is None else f"n{run.noise:g}", f"s{run.seed}"]
    parts += [*([run.protocol] if run.protocol else []), name, *own]
    return protocol.output / "first_stages" / "".join(c if c.isalnum() or c in "=-." else "_" for c in "_".join(parts))


def execute(run: Run, protocol: Protocol, folders: Folders) -> dict[str, Any]:
    """Train and evaluate.

    Returns:
        Scores, times in seconds and the settings.

    Raises:
        RuntimeError: when one of both fails, with the end of the log.
    """
    folder = protocol.output / "work" / run.name
    shutil.rmtree(folder, ignore_errors=True)
    learns = trained(run.method, protocol.bundle)
    result: dict[str, Any] = {"settings": protocol.settings(run), "train": None, "first_stage": None}
    if learns:
        _train(run, protocol, folders, folder)
        result["train"] = _times(folder / "settings.json")
        stage = stage_folder(run, protocol)
        if stage is not None:
            result["first_stage"] = {"folder": stage.name, **_times(stage / "settings.json")}
    keys = _known(protocol, run, "evaluate")
    if learns:
        keys["model_file"] = folder / "models" / "model.pt"
    start = time.perf_counter()
    place = {"dataset_dir": folders.test, "output_dir": folder / "evaluation", "pictures": False, **keys}
    overlays = [] if learns else [run.method]
    run_bundle("evaluate", folder / "log.txt", protocol.bundle, overlays, protocol.threads, **place)
    result["evaluation_seconds"] = round(time.perf_counter() - start, 1)
    scores = json.loads((folder / "evaluation" / "metrics.json").read_text("utf-8"))
    result["scores"] = {key: scores[key] for key in SCORES if key in scores}
    return result


def _train(run: Run, protocol: Protocol, folders: Folders, folder: Path) -> None:
    keys: dict[str, Any] = {"seed": run.seed, "max_epochs": protocol.epochs, "val_interval": max(1, protocol.epochs // 5)}
    keys |= {"dataset_dir": folders.train, "output_dir": folder, "ckpt_dir": folder / "models"}
    if folders.validation is not None:
        keys["validation_dir"] = folders.validation
    honest = run.protocol == HONEST  # the folder holds no label beyond those drawn
    if isinstance(run.labels, int) and not honest:
        keys["n_labels"] = run.labels
    stage = stage_folder(run, protocol)
    if stage is not None:
        keys["first_stage_dir"] = stage
        if honest:
            keys |= {"_images_dir": unlabelled(folders.train), "first_stage_model": STAGE_WITHOUT_LABELS}
    keys |= PLAIN.get(run.method, {}) | _known(protocol, run, "train")
    overlays = [] if run.method in PLAIN else [run.method]
    run_bundle("train", folder / "log.txt", protocol.bundle, overlays, protocol.threads, **keys)


def _known(protocol: Protocol, run: Run, task: str) -> dict[str, Any]:
    """Those of the further keys that a task's configuration has."""
    known = set(_config(task, protocol.bundle))
    known |= overlay(run.method, protocol.bundle).keys() if not trained(run.method, protocol.bundle) else set()
    given = ({"binary_labels": "keep"} if protocol.dsb else {}) | protocol.keys(run.method)
    return {key: value for key, value in given.items() if key in known}


def _times(path: Path) -> dict[str, Any]:
    found = json.loads(path.read_text("utf-8"))
    return {key: found[key] for key in ("seconds", "cpu_seconds", "threads", "device", "data", "versions")}


def result_file(run: Run, output: Path) -> Path:
    """Where the result of a run is written when it has ended."""
    return output / "runs" / f"{run.name}.json"


def is_done(run: Run, protocol: Protocol, overwrite: bool = False) -> bool:
    """Whether the run has ended before, with the same settings.

    Raises:
        ValueError: when it ended with other settings and may not be overwritten.
    """
    path = result_file(run, protocol.output)
    if not path.is_file():
        return False
    before: Mapping[str, Any] = json.loads(path.read_text("utf-8"))["settings"]
    now = json.loads(json.dumps(protocol.settings(run)))
    keys = [key for key in {**before, **now} if before.get(key) != now.get(key)]
    different = [f"`{key}` {before.get(key)!r}, now {now.get(key)!r}" for key in keys]
    if different and not overwrite:
        raise ValueError(f"{path} was made with other settings: {'; '.join(different)}. Pass --overwrite, or another --output")
    return not different


def write_result(run: Run, result: Mapping[str, Any], output: Path) -> None:
    """Write the result whole or not at all."""
    path = result_file(run, output)
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_suffix(".tmp")
    draft.write_text(json.dumps(result, indent=2) + "\n", "utf-8")
    draft.replace(path)


def read_results(output: Path) -> list[dict[str, Any]]:
    """All results of a comparison."""
    return [json.loads(path.read_text("utf-8")) for path in sorted((output / "runs").glob("*.json"))]
