"""Run a bundle's configurations from Python."""

from __future__ import annotations

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


def run_bundle(task: str, bundle: str = "denoiseg_2d", **overrides: Any) -> None:
    """Run one of a bundle's configurations in this process.

    Args:
        task: ``"train"``, ``"evaluate"`` or ``"infer"``.
        bundle: name of the bundle.
        overrides: keys of the configuration to replace.

    Raises:
        ValueError: for an unknown task or bundle; and whatever the configuration raises.

    >>> run_bundle("segment")
    Traceback (most recent call last):
        ...
    ValueError: `task` must be one of 'train', 'evaluate', 'infer', got 'segment'
    """
    from monai.bundle import ConfigWorkflow

    check_option("task", task, RUNS)
    configs = bundle_folder(bundle) / "configs"
    workflow = ConfigWorkflow(
        config_file=str(configs / f"{RUNS[task]}.json"),
        meta_file=str(configs / "metadata.json"),
        logging_file=str(configs / "logging.conf"),
        workflow_type="train" if task == "train" else "infer",
        **overrides,
    )
    workflow.initialize()
    workflow.run()
    workflow.finalize()
