"""From what a user gives, on a command line or in Python, to what MONAI is handed."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

from monai_denoiseg.bundle.settings.declaration import SETTINGS
from monai_denoiseg.bundle.settings.kinds import Switch, literal
from monai_denoiseg.bundle.settings.literals import protect
from monai_denoiseg.bundle.settings.setting import Setting
from monai_denoiseg.bundle.settings.tracking import need_mlflow

_NAMES = frozenset(setting.name for setting in SETTINGS)
_PATHS = frozenset(setting.name for setting in SETTINGS if setting.is_path)
_OF_ITS_COMMAND = frozenset(
    {"config_file", "meta_file", "logging_file", "args_file", "run_id", "init_id", "final_id", "workflow_type", "properties_path"}
)


def read_words(words: Sequence[str], known: Mapping[str, Setting] | None = None) -> dict[str, Any]:
    """Read ``--key value`` pairs: numbers, lists and booleans as such, paths as text, all else as MONAI does.

    Args:
        words: what follows the command.
        known: the settings; a switch among them needs no value.

    Raises:
        ValueError: for a word that is no key, or a key without value.

    >>> read_words(["--max_epochs", "5", "--patch_size=[64, 64]", "--_mine", "a b"])
    {'max_epochs': 5, 'patch_size': [64, 64], '_mine': 'a b'}
    >>> from monai_denoiseg.bundle.settings.declaration import settings_of
    >>> read_words(["--resume", "--dataset_dir", "2024"], settings_of("train"))
    {'resume': True, 'dataset_dir': '2024'}
    """
    known = known or {}
    overrides: dict[str, Any] = {}
    rest = list(words)
    while rest:
        word = rest.pop(0)
        if not word.startswith("--"):
            place = "image" if "image" in known else "dataset_dir"
            hint = f"; did you mean --{place} {word}?" if place in known and "image" not in overrides else ""
            raise ValueError(f"expected --key value, got {word!r}{hint}")
        key, equals, value = word[2:].partition("=")
        key = key if key in known else key.replace("-", "_")
        if not equals:
            bare = not rest or rest[0].startswith("--")
            if bare and key in known and isinstance(known[key].own_kind, Switch):
                overrides[key] = True
                continue
            if not rest:
                raise ValueError(f"--{key} needs a value")
            value = rest.pop(0)
        overrides[key] = known[key].from_words(value) if key in known else literal(value)
    return overrides


def for_monai(overrides: Mapping[str, Any]) -> dict[str, Any]:
    r"""Protect text from MONAI's reading of ``#``, ``$``, ``@`` and ``%``.

    Paths are protected from all, so that nothing in one is ever evaluated. Other settings keep what MONAI means by a first ``$``,
    ``@`` or ``%``.

    Args:
        overrides: keys and values.

    Raises:
        ValueError: for an option of MONAI's own command.
        ModuleNotFoundError: for tracking by a package that is not installed.

    >>> print(for_monai({"dataset_dir": "$HOME", "alpha": "$1 / 3"}))
    {'dataset_dir': "$'\\x24HOME'", 'alpha': '$1 / 3'}
    """
    for key in sorted(_OF_ITS_COMMAND & overrides.keys()):
        raise ValueError(
            f"`{key}` is an option of `python -m monai.bundle run`; here choose the configuration by bundle and method, "
            "and give its keys one by one"
        )
    if overrides.get("tracking") == "mlflow":
        need_mlflow()
    return {key: _protected(key, value) for key, value in overrides.items()}


def _protected(key: str, value: Any) -> Any:
    if key in _PATHS:
        return protect(_as_text(value))
    if key not in _NAMES:
        return value
    return [_protected(key, one) for one in value] if isinstance(value, (list, tuple)) else _unless_sigil(value)


def _as_text(value: Any) -> Any:
    if isinstance(value, (list, tuple)):
        return [_as_text(one) for one in value]
    return os.fspath(value) if isinstance(value, os.PathLike) else value


def _unless_sigil(value: Any) -> Any:
    return value if isinstance(value, str) and value.startswith(("$", "@", "%")) else protect(value)
