"""Which keys a configuration may have: a misspelt one would be taken by MONAI without a word, and have no effect."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

from monai.bundle.properties import InferProperties, MetaProperties, TrainProperties
from monai.bundle.utils import DEFAULT_EXP_MGMT_SETTINGS

from monai_denoiseg.bundle.folders import BUNDLES, bundle_folder
from monai_denoiseg.bundle.settings.declaration import CONFIGS, SETTINGS, settings_of
from monai_denoiseg.bundle.settings.setting import SINGLE
from monai_denoiseg.checks import suggest

_REFERENCE = re.compile(r"[@%](\w+)")


def running_config(config: Mapping[str, Any]) -> str:
    """Tell which configuration this is: the one that has most of the settings, and few besides.

    Args:
        config: a configuration.

    >>> running_config({"alpha": 0.5, "max_epochs": 3}), running_config({"threshold": None, "stream": "auto"})
    ('train', 'infer')
    """

    def likeness(name: str) -> tuple[int, int]:
        keys = {key for key, setting in settings_of(name).items() if not setting.methods_only}
        return len(keys & config.keys()), -len(keys)

    return max(CONFIGS, key=likeness)


def check_known(config: Mapping[str, Any], running: str) -> None:
    """Raise if a top-level key is neither a setting of this configuration nor used in it.

    Known besides are the parts a bundle is wired of, what MONAI itself adds (``--tracking mlflow``), and keys that begin with an
    underscore.

    Args:
        config: the configuration.
        running: which one it is, see :func:`running_config`.

    Raises:
        ValueError: naming each unknown key, and the nearest known one or the configuration it belongs to.

    >>> check_known({"max_epoch": 5}, "train")
    Traceback (most recent call last):
        ...
    ValueError: unknown key 'max_epoch'; did you mean 'max_epochs'? (name helper keys of your own with a leading underscore)
    """
    declared, used = settings_of(running), references(config)
    free = used | (_wiring() - {setting.name for setting in SETTINGS}) | _of_monai()
    methods = {key for key, setting in declared.items() if setting.methods_only}
    # Of an overlay's keys one may lie idle, where what it goes to was overridden.
    own = declared.keys() - (set() if methods & used else methods)
    unknown = [key for key in config if key not in own and key not in free and not key.startswith("_")]
    if unknown:
        hints = {key: _hint(key, running, own) for key in unknown}
        listed = ", ".join(f"unknown key {key!r}{hint}" for key, hint in hints.items())
        own_keys = " (name helper keys of your own with a leading underscore)"
        raise ValueError(listed + (own_keys if not all(hint.startswith(":") for hint in hints.values()) else ""))


def references(config: Any) -> set[str]:
    """Top-level keys that expressions and references of a configuration use.

    Args:
        config: the configuration.

    >>> sorted(references({"a": "@b", "c": ["$@d + @e::f"], "g": "me@home"}))
    ['b', 'd', 'e']
    """
    return {key for text in _texts(config) if text[:1] in ("$", "@", "%") for key in _REFERENCE.findall(text)}


def _hint(key: str, running: str, own: set[str]) -> str:
    for setting in SETTINGS:
        if setting.name == key and running in setting.configs:
            return ": it belongs to the methods without training, such as --method median"
    elsewhere = sorted({config for setting in SETTINGS if setting.name == key for config in setting.configs if config != running})
    if elsewhere:
        names = ["the bundle self2seg" if config == SINGLE else config for config in elsewhere]
        return f": it belongs to {' and '.join(names)}, not to {running}"
    return suggest(key, own)


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    for entry in value.values() if isinstance(value, Mapping) else value if isinstance(value, (list, tuple)) else ():
        yield from _texts(entry)


@cache
def _wiring() -> frozenset[str]:
    """Top-level keys of the configurations that come with the package."""
    folders = [bundle_folder(name) / "configs" for name in BUNDLES]
    files = [file for folder in folders for file in folder.rglob("*.json") if file.name != "metadata.json"]
    return frozenset(key.partition("#")[0] for file in files for key in json.loads(file.read_text("utf-8")))


@cache
def _of_monai() -> frozenset[str]:
    """Keys that MONAI asks for or adds itself."""
    tracking = [key for one in DEFAULT_EXP_MGMT_SETTINGS.values() for key in one["configs"] if key not in one["handlers_id"]]
    places = [entry["id"] for part in (TrainProperties, InferProperties, MetaProperties) for entry in part.values()]
    own = ("imports", "initialize", "run", "finalize", "displayable_configs")
    return frozenset([*own, *(key for key in tracking if key != "output_dir"), *(str(place).split("::")[0] for place in places)])
