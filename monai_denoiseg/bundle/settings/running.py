"""What a bundle's configuration calls first: the check of its settings."""

from __future__ import annotations

import inspect
import logging
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import FrameType
from typing import Any

from monai.bundle import ConfigWorkflow, ReferenceResolver
from monai.bundle.utils import ID_SEP_KEY

from monai_denoiseg.bundle.folders import BUNDLES, RUN, bundle_folder
from monai_denoiseg.bundle.resume import continued_settings
from monai_denoiseg.bundle.settings.check import check_settings
from monai_denoiseg.bundle.settings.literals import is_wiring
from monai_denoiseg.bundle.settings.task_defaults import task_defaults
from monai_denoiseg.bundle.settings.tracking import add_results, keep_tracking_open
from monai_denoiseg.bundle.settings.typed import typed_words
from monai_denoiseg.engines.errors import explain_errors
from monai_denoiseg.networks import network_for_file

logger = logging.getLogger(__name__)


def user_settings() -> dict[str, Any]:
    """Check the settings of the running configuration and return them.

    MONAI takes a misspelt override (``--max_epoch 5``) without a word and runs with the default, and hands on any value.
    A bundle therefore calls this first. A resumed training gets the settings of its checkpoint. Values given in another form
    (``--tta false`` as text) are put right, paths stay the text that was typed, and ``auto`` becomes what the task needs
    (:func:`~monai_denoiseg.bundle.settings.task_defaults.task_defaults`). A bundle of the user's own finds the
    network in its own folder. ``monai.bundle.load`` gets the network its file was saved from.

    Returns:
        The settings whose values are plain (numbers, strings, lists), for the record of a run.

    Raises:
        ValueError: naming the key, its value, and the nearest known key or what the value must be.
        OSError: for a path that does not exist or cannot be written.
        RuntimeError: when not called from a configuration.

    >>> from monai.bundle import ConfigParser
    >>> config = {"imports": ["$import monai_denoiseg as md"], "alpha": 0.5, "tta": "false"}
    >>> ConfigParser(config | {"settings": "$md.bundle.user_settings()"}).get_parsed_content("settings")
    {'alpha': 0.5, 'tta': False}
    """
    explain_errors()
    resolver, folder = _running()
    config = dict(resolver.items[""].get_config())
    typed = {} if _within_another() else typed_words()
    values = check_settings(config, typed)
    _put(resolver, values)
    if values.get("resume") is True:
        last = Path(resolver.get_resolved_content("ckpt_dir")) / "last.pt"
        kept = continued_settings(last, values, typed)
        _put(resolver, kept)
        values |= kept
    usual = task_defaults(values)
    _put(resolver, usual)
    values |= usual
    loaded = _loaded_file()
    if loaded is not None:
        resolver.resolved_content |= {"network_def": network_for_file(loaded), "run_folder": None, "first_stage_model": None}
    _keep_definition(resolver)
    keep_tracking_open(resolver)
    network = _own_network(values, folder) if is_wiring(config.get("model_file")) else None
    if values.get("model_file") is not None:
        logger.info("network: %s", values["model_file"])
    if network is not None:
        logger.info("network: %s", network)
        resolver.resolved_content["model_file"] = str(network)
    return {key: value for key, value in values.items() if _is_data(value)}


def track_results(settings: Mapping[str, Any], output_dir: str, network: str | None = None) -> None:
    """Add what a finished run has left to its record in MLflow, if it is tracked (``--tracking mlflow``).

    Args:
        settings: those of the run.
        output_dir: its folder.
        network: ``model.pt``, if one was trained.

    Raises:
        RuntimeError: when not called from a configuration.

    >>> from monai.bundle import ConfigParser
    >>> config = {"imports": ["$import monai_denoiseg as md"], "settings": {}}
    >>> ConfigParser(config | {"end": "$md.bundle.track_results(@settings, '.')"}).get_parsed_content("end")
    """
    add_results(_running()[0], settings, output_dir, network)


def _keep_definition(resolver: ReferenceResolver) -> None:
    """Hand the definition of a backbone on, not the network made of it: the model file must be able to build it again."""
    item = resolver.items.get(f"network_def{ID_SEP_KEY}backbone")
    if item is not None and isinstance(item.config, dict) and "_target_" in item.config:
        item.config = item.config | {"_mode_": "callable"}


def _put(resolver: ReferenceResolver, values: Mapping[str, Any]) -> None:
    for key, value in values.items():
        resolver.items[key].config = resolver.resolved_content[key] = value


def _running() -> tuple[ReferenceResolver, Path | None]:
    """What evaluates the running configuration, and the folder of its bundle. MONAI tells an expression neither."""
    resolver = folder = None
    for owner in _callers():
        if resolver is None and isinstance(owner, ReferenceResolver) and "" in owner.items:
            resolver = owner
        if isinstance(owner, ConfigWorkflow):
            configs = Path(owner.config_root_path)
            folder = configs.parent if configs.name == "configs" else configs
            break
    if resolver is None:
        raise RuntimeError("user_settings() can only be called from a bundle configuration")
    return resolver, folder


def _within_another() -> bool:
    """Whether another run has started this one, such as its first stage: what was typed is meant for the other."""
    return len({id(owner) for owner in _callers() if isinstance(owner, ConfigWorkflow)}) > 1


def _own_network(values: Mapping[str, Any], folder: Path | None) -> Path | None:
    """The network in a bundle that did not come with the package, unless the user names one or trained one here."""
    named = values.get("run_dir") is not None or values.get("bundle_root") is not None
    if folder is None or named or (Path(RUN) / "models" / "model.pt").is_file():
        return None
    network = folder / "models" / "model.pt"
    return network if network.is_file() and folder.resolve() not in {bundle_folder(name).resolve() for name in BUNDLES} else None


def _loaded_file() -> str | None:
    """The file that ``monai.bundle.load`` reads: it wants the network of that file, and neither a run nor data for one."""
    for frame in _frames():
        if frame.f_code.co_name == "load" and frame.f_globals.get("__name__") == "monai.bundle.scripts":
            path = frame.f_locals.get("full_path")
            return str(path) if path is not None and not frame.f_locals.get("net_override") else None
    return None


def _callers() -> Iterator[Any]:
    for frame in _frames():
        yield frame.f_locals.get("self")


def _frames() -> Iterator[FrameType]:
    frame = inspect.currentframe()
    while frame is not None:
        yield frame
        frame = frame.f_back


def _is_data(value: Any) -> bool:
    if isinstance(value, list):
        return all(_is_data(entry) for entry in value)
    return value is None or isinstance(value, (bool, int, float, str))
