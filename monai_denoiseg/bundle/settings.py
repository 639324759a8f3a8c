"""What a bundle's configuration calls instead of holding logic: checked keys, weights, calibration."""

from __future__ import annotations

import inspect
import json
import logging
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from monai.bundle import ConfigWorkflow, ReferenceResolver

from monai_denoiseg.checks import suggest
from monai_denoiseg.engines.errors import explain_errors

logger = logging.getLogger(__name__)


def user_settings(bundle_root: str | Path) -> dict[str, Any]:
    """Check the top-level keys of the running configuration and return the plain ones.

    MONAI takes a misspelt override (``--max_epoch 5``) without a word and runs with the default. A bundle therefore calls this
    first: every top-level key must be one of the configuration file that runs. Keys that begin with an underscore are free.

    Args:
        bundle_root: the bundle's folder.

    Returns:
        The keys whose values are plain (numbers, strings, lists), for the record of a run.

    Raises:
        ValueError: naming each unknown key and the nearest known one.
        RuntimeError: when not called from a configuration.

    >>> import tempfile
    >>> from monai.bundle import ConfigParser
    >>> with tempfile.TemporaryDirectory() as bundle:
    ...     Path(bundle, "configs").mkdir()
    ...     config = {"imports": ["$import monai_denoiseg as md"], "alpha": 0.5}
    ...     config["settings"] = f"$md.engines.user_settings({bundle!r})"
    ...     _ = Path(bundle, "configs", "train.json").write_text(json.dumps(config))
    ...     ConfigParser(config).get_parsed_content("settings")
    {'alpha': 0.5}
    """
    explain_errors()
    resolver = _running_resolver()
    config = dict(resolver.items[""].get_config())
    files = [json.loads(file.read_text("utf-8")) for file in Path(bundle_root).glob("configs/*.json")]
    # The file that runs is the one whose keys are all there: a key of inference.json has no effect on a training.
    running = [file for file in files if file.keys() <= config.keys()] or files
    known = set[str]().union(*running)
    check_keys(config, known)
    for key, value in truth_values(config, {k: v for file in running for k, v in file.items()}).items():
        config[key] = resolver.items[key].config = value
    return {key: value for key, value in config.items() if key in known and _is_plain(value)}


def truth_values(config: Mapping[str, Any], defaults: Mapping[str, Any]) -> dict[str, bool]:
    """Read ``true`` and ``false`` given as text for keys that are switches.

    ``python -m monai.bundle run --tta false`` passes the text ``"false"``, which Python counts as true.

    Args:
        config: the configuration.
        defaults: the values in the configuration file.

    Returns:
        The switches given as text, with their truth values.

    Raises:
        ValueError: for another text.

    >>> truth_values({"tta": "false", "alpha": 0.5}, {"tta": True, "alpha": 0.5})
    {'tta': False}
    """
    texts = {
        k: v for k, v in config.items() if isinstance(defaults.get(k), bool) and isinstance(v, str) and not v.startswith("$")
    }
    for key, text in texts.items():
        if text.lower() not in ("true", "false"):
            raise ValueError(f"`{key}` must be true or false, got {text!r}")
    return {key: text.lower() == "true" for key, text in texts.items()}


def check_keys(config: Mapping[str, Any], known: set[str]) -> None:
    """Raise if a top-level key is not known.

    Args:
        config: the configuration.
        known: allowed keys.

    Raises:
        ValueError: naming each unknown key and the nearest known one.

    >>> check_keys({"max_epoch": 5}, {"max_epochs", "alpha"})
    Traceback (most recent call last):
        ...
    ValueError: unknown key 'max_epoch'; did you mean 'max_epochs'? (name helper keys of your own with a leading underscore)
    """
    unknown = [key for key in config if key not in known and not key.startswith("_")]
    if unknown:
        listed = ", ".join(f"unknown key {key!r}{suggest(key, known)}" for key in unknown)
        raise ValueError(f"{listed} (name helper keys of your own with a leading underscore)")


def bundle_root() -> str:
    """Folder of the bundle whose configuration is being evaluated, so that nobody has to pass ``--bundle_root``.

    Returns:
        The parent of the ``configs`` folder, or ``"."`` where MONAI does not say which file it read.

    >>> bundle_root()
    '.'
    """
    for owner in _callers():
        if isinstance(owner, ConfigWorkflow):
            folder = Path(owner.config_root_path)
            return str(folder.parent if folder.name == "configs" else folder)
    return "."


def _callers() -> Iterator[Any]:
    """The objects whose methods are running. MONAI does not tell an expression where it stands; the call stack does."""
    frame = inspect.currentframe()
    while frame is not None:
        yield frame.f_locals.get("self")
        frame = frame.f_back


def _running_resolver() -> Any:
    for owner in _callers():
        if isinstance(owner, ReferenceResolver) and "" in owner.items:
            return owner
    raise RuntimeError("user_settings() can only be called from a bundle configuration")


def _is_plain(value: Any) -> bool:
    if isinstance(value, str):
        return not value.startswith(("$", "@", "%"))
    if isinstance(value, list):
        return all(_is_plain(entry) for entry in value)
    return value is None or isinstance(value, (bool, int, float))
