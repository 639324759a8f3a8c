"""Run a bundle's configurations from Python."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from monai_denoiseg.checks import check_option

RUNS = {"train": "train", "evaluate": "evaluate", "infer": "inference"}
BUNDLES = ("denoiseg_2d", "denoiseg_3d")


def bundle_folder(name: str) -> Path:
    """Folder of a bundle: in the source tree, or where the wheel puts it.

    Args:
        name: e.g. ``"denoiseg_2d"``.

    Raises:
        ValueError: for an unknown bundle.

    >>> (bundle_folder("denoiseg_2d") / "configs" / "train.json").is_file()
    True
    """
    check_option("bundle", name, BUNDLES)
    package = Path(__file__).parent
    source = package.parent / "bundles" / name
    return source if source.is_dir() else package / "bundles" / name


def methods(task: str, bundle: str = "denoiseg_2d") -> list[str]:
    """Names of the methods a task can run besides its default: the overlay files of a bundle that suit its configuration.

    Args:
        task: ``"train"``, ``"evaluate"`` or ``"infer"``.
        bundle: name of the bundle.

    Raises:
        ValueError: for an unknown task or bundle.

    >>> "noise2void" in methods("train"), "noise2void" in methods("infer"), "median" in methods("infer")
    (True, False, True)
    """
    check_option("task", task, RUNS)
    configs = bundle_folder(bundle) / "configs"
    keys = {name: json.loads((configs / f"{name}.json").read_text("utf-8")).keys() for name in RUNS.values()}
    # A training's overlay only sets keys of train.json; the training-free methods replace the network of the other two.
    found = {path.stem: json.loads(path.read_text("utf-8")).keys() for path in configs.glob("*.json")}
    training = {name for name, theirs in found.items() if theirs <= keys["train"]}
    others = found.keys() - training - {"metadata", "multi_gpu_train", *RUNS.values()}
    return sorted((training if task == "train" else others) - {"train", "inference", "evaluate"})


def run_bundle(task: str, bundle: str = "denoiseg_2d", method: str | None = None, **overrides: Any) -> None:
    """Run one of a bundle's configurations in this process.

    Args:
        task: ``"train"``, ``"evaluate"`` or ``"infer"``.
        bundle: name of the bundle.
        method: an overlay over the configuration, see :func:`methods`; None is DenoiSeg.
        overrides: keys of the configuration to replace.

    Raises:
        ValueError: for an unknown task, bundle or method; and whatever the configuration raises.

    >>> run_bundle("segment")
    Traceback (most recent call last):
        ...
    ValueError: `task` must be one of 'train', 'evaluate', 'infer', got 'segment'
    """
    from monai.bundle import ConfigWorkflow

    check_option("task", task, RUNS)
    configs = bundle_folder(bundle) / "configs"
    if method is not None:
        check_option("method", method, methods(task, bundle))
    names = [RUNS[task], *([] if method is None else [method])]
    workflow = ConfigWorkflow(
        config_file=[str(configs / f"{name}.json") for name in names],
        meta_file=str(configs / "metadata.json"),
        logging_file=str(configs / "logging.conf"),
        workflow_type="train" if task == "train" else "infer",
        **overrides,
    )
    workflow.initialize()
    workflow.run()
    workflow.finalize()
