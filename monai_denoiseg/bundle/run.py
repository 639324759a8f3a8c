"""Run a bundle's configurations from Python."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from monai.bundle import ConfigWorkflow

from monai_denoiseg.bundle.settings import check_settings, config_of, for_monai, settings_of
from monai_denoiseg.checks import check_option

RUNS = {"train": "train", "evaluate": "evaluate", "infer": "inference"}
BUNDLES = ("denoiseg_2d", "denoiseg_3d", "self2seg")


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
    package = Path(__file__).parent.parent
    source = package.parent / "bundles" / name
    return source if source.is_dir() else package / "bundles" / name


def tasks(bundle: str) -> list[str]:
    """The tasks a bundle has a configuration for.

    Args:
        bundle: name of the bundle.

    Raises:
        ValueError: for an unknown bundle.

    >>> tasks("denoiseg_2d"), tasks("self2seg")
    (['train', 'evaluate', 'infer'], ['infer'])
    """
    configs = bundle_folder(bundle) / "configs"
    return [task for task, name in RUNS.items() if (configs / f"{name}.json").is_file()]


def methods(task: str, bundle: str = "denoiseg_2d") -> list[str]:
    """Names of the methods a task can run besides its default: the overlay files of a bundle that suit its configuration.

    Args:
        task: ``"train"``, ``"evaluate"`` or ``"infer"``.
        bundle: name of the bundle.

    Raises:
        ValueError: for an unknown task or bundle, and a task the bundle has no configuration for.

    >>> "noise2void" in methods("train"), "noise2void" in methods("infer"), "median" in methods("infer")
    (True, False, True)
    >>> methods("infer", "self2seg")
    ['chan_vese', 'noise2fast', 'sequential']
    """
    configs = _configs(task, bundle)
    found = {path.stem: json.loads(path.read_text("utf-8")).keys() for path in configs.glob("*.json")}
    # A training's overlay only sets keys of train.json; the training-free methods replace the network of the other two.
    training = {name for name, theirs in found.items() if theirs <= found.get("train", set())}
    others = found.keys() - training - {"metadata", "multi_gpu_train"}
    return sorted((training if task == "train" else others) - set(RUNS.values()))


def _configs(task: str, bundle: str) -> Path:
    """Folder of the configurations of a bundle that can run the task."""
    check_option("task", task, RUNS)
    if task not in (known := tasks(bundle)):
        raise ValueError(f"the bundle {bundle!r} has no {RUNS[task]}.json: it can {', '.join(known)} only")
    return bundle_folder(bundle) / "configs"


def run_bundle(task: str, bundle: str = "denoiseg_2d", method: str | None = None, **overrides: Any) -> None:
    """Run one of a bundle's configurations in this process.

    Args:
        task: ``"train"``, ``"evaluate"`` or ``"infer"``.
        bundle: name of the bundle.
        method: an overlay over the configuration, see :func:`methods`; None is the bundle's own, DenoiSeg or Self2Seg.
        overrides: keys of the configuration to replace. Paths are taken as they are, whatever characters they hold.

    Raises:
        ValueError: for an unknown task, bundle, method or key, a wrong value, and a task the bundle has no configuration for; and
            whatever the configuration raises.
        OSError: for a path that does not exist or cannot be written.

    >>> run_bundle("segment")
    Traceback (most recent call last):
        ...
    ValueError: `task` must be one of 'train', 'evaluate', 'infer', got 'segment'
    """
    configs = _configs(task, bundle)
    if method is not None:
        check_option("method", method, methods(task, bundle))
    names = [RUNS[task], *([] if method is None else [method])]
    workflow = ConfigWorkflow(
        config_file=[str(configs / f"{name}.json") for name in names],
        meta_file=str(configs / "metadata.json"),
        logging_file=str(configs / "logging.conf"),
        workflow_type="train" if task == "train" else "infer",
        **for_monai(overrides, settings_of(config_of(task, bundle))),
    )
    check_settings(workflow.parser.get())  # again in `initialize`, where MONAI would wrap the error
    workflow.initialize()
    workflow.run()
    workflow.finalize()
