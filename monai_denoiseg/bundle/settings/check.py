"""The check of all settings of a configuration, before anything is read or made."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from monai_denoiseg.bundle.settings.declaration import settings_of
from monai_denoiseg.bundle.settings.known import check_known, running_config
from monai_denoiseg.bundle.settings.literals import is_wiring, unprotect
from monai_denoiseg.bundle.settings.setting import Setting
from monai_denoiseg.bundle.settings.together import check_together


def check_settings(config: Mapping[str, Any], typed: Mapping[str, str] | None = None) -> dict[str, Any]:
    """Check every key of a configuration: that it is known, its value, what it must fit, and where its path leads.

    Values that are expressions, references or components are not looked at: MONAI makes them, and the part that takes them checks
    them.

    Args:
        config: the configuration as MONAI has it, overrides included.
        typed: words of the command line by key, see :func:`~monai_denoiseg.bundle.settings.typed.typed_words`.

    Returns:
        The plain settings, in the form the configuration wants.

    Raises:
        ValueError: naming key, value, and what it must be.
        OSError: for a path that does not exist or cannot be written.

    >>> check_settings({"alpha": 0.25, "tta": "false", "classes": "background,liver"})
    {'alpha': 0.25, 'tta': False, 'classes': ['background', 'liver']}
    >>> check_settings({"alpha": 0.25, "steps_per_epoch": 1.5})
    Traceback (most recent call last):
        ...
    ValueError: `steps_per_epoch` must be an integer >= 1, got 1.5
    """
    running = running_config(config)
    check_known(config, running)
    known = settings_of(running)
    values = plain_values(config, known, typed or {})
    dims = values.get("spatial_dims")
    if "spatial_dims" in values:
        dims = values["spatial_dims"] = known["spatial_dims"].read(dims)
    values = {key: known[key].read(value, dims) for key, value in values.items()}
    check_together(values, running)
    for key, value in values.items():
        known[key].check_place(value)
    return values


def plain_values(config: Mapping[str, Any], known: Mapping[str, Setting], typed: Mapping[str, str]) -> dict[str, Any]:
    """The settings of a configuration whose values are no expressions.

    Args:
        config: the configuration.
        known: its settings.
        typed: words of the command line; of paths they count, and not what was made of them.
    """
    plain = {key: unprotect(value) for key, value in config.items() if key in known and key != "run" and not is_wiring(value)}
    for key, text in typed.items():
        if key in known and key in config and not text.startswith(("$", "@", "%")):
            none = known[key].null is not None and text.lower() in ("none", "null")
            if known[key].is_path or none:
                plain[key] = known[key].from_words(text)
    return {key: plain[key] for key in config if key in plain}
