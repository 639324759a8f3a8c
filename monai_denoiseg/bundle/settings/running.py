"""What a bundle's configuration calls first: the check of its settings."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from monai.bundle import ConfigWorkflow, ReferenceResolver

from monai_denoiseg.bundle.settings.check import check_settings
from monai_denoiseg.bundle.settings.typed import typed_words
from monai_denoiseg.engines.errors import explain_errors

HERE = "."


def user_settings() -> dict[str, Any]:
    """Check the settings of the running configuration and return them.

    MONAI takes a misspelt override (``--max_epoch 5``) without a word and runs with the default, and hands on whatever a value is.
    A bundle therefore calls this first. Values given in another form (``--tta false`` as text) are put right, paths stay the
    text that was typed, and ``bundle_root`` becomes the folder of the bundle that runs where it is left at ``"."``.

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
    values = check_settings(config, typed_words())
    if values.get("bundle_root") == HERE and folder is not None:
        values["bundle_root"] = folder
    for key, value in values.items():
        resolver.items[key].config = resolver.resolved_content[key] = value
    return {key: value for key, value in values.items() if key != "bundle_root" and _is_data(value)}


def _running() -> tuple[ReferenceResolver, str | None]:
    """What evaluates the running configuration, and the folder of its bundle. MONAI tells an expression neither."""
    resolver = folder = None
    for owner in _callers():
        if resolver is None and isinstance(owner, ReferenceResolver) and "" in owner.items:
            resolver = owner
        if isinstance(owner, ConfigWorkflow):
            configs = Path(owner.config_root_path)
            folder = str(configs.parent if configs.name == "configs" else configs)
            break
    if resolver is None:
        raise RuntimeError("user_settings() can only be called from a bundle configuration")
    return resolver, folder


def _callers() -> Iterator[Any]:
    frame = inspect.currentframe()
    while frame is not None:
        yield frame.f_locals.get("self")
        frame = frame.f_back


def _is_data(value: Any) -> bool:
    if isinstance(value, list):
        return all(_is_data(entry) for entry in value)
    return value is None or isinstance(value, (bool, int, float, str))
