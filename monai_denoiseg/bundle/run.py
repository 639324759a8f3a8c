"""Run a bundle's configurations from Python."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from monai.bundle import ConfigWorkflow

from monai_denoiseg.bundle.folders import RUN, bundle_folder, checkpoint_folder, run_folder
from monai_denoiseg.bundle.resume import resumed_settings, stored_settings
from monai_denoiseg.bundle.settings import check_settings, for_monai
from monai_denoiseg.checks import check_option
from monai_denoiseg.data.quiet import quiet

RUNS = {"train": "train", "evaluate": "evaluate", "infer": "inference"}
OVERLAYS = {"train": "train", "evaluate": "predict", "infer": "predict"}
"""Folder of a task's overlays in a bundle's ``configs``."""


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
    return sorted(path.stem for path in (_configs(task, bundle) / OVERLAYS[task]).glob("*.json"))


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
        overrides: keys of the configuration to replace. Files of an earlier training in the folder are renamed, unless
            ``existing`` says otherwise.

    Raises:
        ValueError: for an unknown task, bundle, method or key, a wrong value, and a task the bundle has no configuration for; and
            whatever the configuration raises.
        OSError: for a path that does not exist or cannot be written.
        KeyboardInterrupt: when a training is stopped, with the command that goes on.

    >>> run_bundle("segment")
    Traceback (most recent call last):
        ...
    ValueError: `task` must be one of 'train', 'evaluate', 'infer', got 'segment'
    """
    if "run" in overrides:  # in a configuration this key names what is run
        overrides["run_dir"] = overrides.pop("run")
    if task == "train" and overrides.get("resume") is True:
        bundle, overrides = continued(bundle, overrides)
    elif task == "train":  # a script that trains again means it; a command typed twice is refused, see the command line
        overrides.setdefault("existing", "rename")
    try:
        with open_workflow(config_files(task, bundle, method), "train" if task == "train" else "infer", **overrides) as workflow:
            workflow.run()
    except KeyboardInterrupt:
        if task != "train":
            raise
        raise KeyboardInterrupt(how_to_go_on(*_folders(overrides))) from None


def _folders(overrides: Mapping[str, Any]) -> tuple[str, str]:
    """Folder of a training, and of its checkpoints."""
    root = overrides.get("bundle_root")
    output_dir = str(overrides.get("output_dir") or run_folder(root))
    return output_dir, str(overrides.get("ckpt_dir") or checkpoint_folder(output_dir, root))


def continued(bundle: str, overrides: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """Complete the options of a resumed training by what its checkpoint knows.

    Args:
        bundle: name of the bundle; that of the checkpoint wins.
        overrides: the user's options.

    Returns:
        Bundle, and keys of the configuration to replace.

    Raises:
        FileNotFoundError: when there is no checkpoint.
        ValueError: when it is damaged, of another bundle, or an option would change the meaning of the run.
    """
    last = Path(_folders(overrides)[1]) / "last.pt"
    stored = stored_settings(last)
    if not stored:
        return bundle, dict(overrides)
    found = f"denoiseg_{stored['spatial_dims']}d"
    if bundle not in (found, "denoiseg_2d"):  # the usual bundle may be nobody's word
        raise ValueError(f"{last} is a training of the bundle {found}, not of {bundle}: leave --bundle out, or give {found}")
    bundle = found
    config = json.loads(config_files("train", bundle)[0].read_text("utf-8")) | overrides
    return bundle, resumed_settings(stored, config, overrides.keys(), last, tell=False) | dict(overrides)


def how_to_go_on(output_dir: str | Path, ckpt_dir: str | Path) -> str:
    """What to type after a training was stopped.

    Args:
        output_dir: its folder.
        ckpt_dir: folder of ``last.pt``; without that file no epoch is done, or only a first stage is under way.

    >>> how_to_go_on("denoiseg_run", "missing")
    'No epoch is done yet: the same command begins again, and goes on with a first stage'
    """
    if not (Path(ckpt_dir) / "last.pt").is_file():
        return "No epoch is done yet: the same command begins again, and goes on with a first stage"
    places = {"output_dir": (output_dir, RUN), "ckpt_dir": (ckpt_dir, checkpoint_folder(output_dir))}
    words = "".join(f" --{key} {place}" for key, (place, usual) in places.items() if Path(place) != Path(usual))
    return f"Go on from the last checkpoint with: monai-denoiseg train --resume true{words}"


def config_files(task: str, bundle: str = "denoiseg_2d", method: str | None = None) -> list[Path]:
    """The configuration of a task, and over it that of a method.

    Args:
        task: ``"train"``, ``"evaluate"`` or ``"infer"``.
        bundle: name of the bundle.
        method: see :func:`methods`; None for the bundle's own.

    Raises:
        ValueError: for an unknown task, bundle or method.

    >>> [path.name for path in config_files("train", method="noise2void")]
    ['train.json', 'noise2void.json']
    """
    configs = _configs(task, bundle)
    files = [configs / f"{RUNS[task]}.json"]
    if method is not None:
        check_option("method", method, methods(task, bundle))
        files.append(configs / OVERLAYS[task] / f"{method}.json")
    return files


def start_workflow(
    files: Sequence[str | Path], kind: str = "infer", *, logging_file: str | bool | None = None, **overrides: Any
) -> ConfigWorkflow:
    """Read a bundle's configurations and initialise them.

    Every run of a bundle that this package starts begins here.

    Args:
        files: a configuration and its overlays; the bundle's ``metadata.json`` lies beside the first.
        kind: ``"train"`` or ``"infer"``.
        logging_file: None takes the bundle's ``logging.conf``, False leaves logging as it is.
        overrides: keys of the configuration to replace. Paths are taken as they are, whatever characters they hold.

    Returns:
        The initialised workflow; whoever asked for it finalises it.

    Raises:
        ValueError: for an unknown key or a wrong value.
        OSError: for a path that does not exist or cannot be written.

    >>> start_workflow(config_files("infer"), logging_file=False, dataset_dir=".").parser["tta"]
    True
    """
    configs = Path(files[0]).parent
    with quiet("monai.bundle.workflows"):  # overlays may lie elsewhere: where metadata.json and logging.conf lie is said
        workflow = ConfigWorkflow(
            config_file=[str(path) for path in files],
            meta_file=str(configs / "metadata.json"),
            logging_file=str(configs / "logging.conf") if logging_file is None else logging_file,
            workflow_type=kind,
            **for_monai(overrides),
        )
    check_settings(workflow.parser.get())  # once more in `initialize`, where MONAI wraps the error
    workflow.initialize()
    return workflow


@contextmanager
def open_workflow(files: Sequence[str | Path], kind: str = "infer", **options: Any) -> Iterator[ConfigWorkflow]:
    """Do with a workflow what the ``with`` block says, then finalise it, also after an error.

    Args:
        files: see :func:`start_workflow`.
        kind: likewise.
        options: likewise.

    Yields:
        The initialised workflow.

    >>> with open_workflow(config_files("infer"), logging_file=False, dataset_dir=".") as workflow:
    ...     workflow.parser["tta"]
    True
    """
    workflow = start_workflow(files, kind, **options)
    try:
        yield workflow
    finally:
        workflow.finalize()
