"""The declaration and the configurations name the same settings."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from monai_denoiseg.bundle.folders import BUNDLES
from monai_denoiseg.bundle.method_table import method_lines
from monai_denoiseg.bundle.run import config_files, methods, tasks
from monai_denoiseg.bundle.settings import SETTINGS, check_settings, config_of, settings_of
from monai_denoiseg.bundle.settings.declaration import GROUPS
from monai_denoiseg.bundle.settings.literals import is_wiring

RUNNING = [(bundle, task) for bundle in BUNDLES for task in tasks(bundle)]
WITHOUT_CONFIGURATION = {("infer", "run"), ("evaluate", "run")}
"""In a configuration this key names what runs; the front door takes it for `run_dir`."""
WIRING = {"imports", "initialize", "run", "finalize", "handlers"}


def read(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(path.read_text("utf-8"))
    return found


def merged(task: str, bundle: str, method: str | None = None) -> dict[str, Any]:
    return {key: value for path in config_files(task, bundle, method) for key, value in read(path).items()}


@pytest.mark.parametrize(("bundle", "task"), RUNNING)
def test_every_plain_key_is_declared_and_checked(bundle: str, task: str) -> None:
    for method in [None, *methods(task, bundle)]:
        config = merged(task, bundle, method)
        plain = {key for key, value in config.items() if not is_wiring(value)} - WIRING
        assert plain - settings_of(config_of(task, bundle)).keys() == set(), method
        assert check_settings(config).keys() >= plain, method


@pytest.mark.parametrize(("bundle", "task"), RUNNING)
def test_every_declared_key_is_in_the_configuration(bundle: str, task: str) -> None:
    config = config_of(task, bundle)
    keys = merged(task, bundle).keys() - WIRING
    overlays = {key for method in methods(task, bundle) for key in merged(task, bundle, method)} - WIRING
    for name, setting in settings_of(config).items():
        if (config, name) not in WITHOUT_CONFIGURATION:
            assert name in (overlays - keys if setting.methods_only else keys), name
        else:
            assert name not in keys, f"{name}: take it out of the list"


def test_names_are_unique_in_a_configuration() -> None:
    pairs = [(config, setting.name) for setting in SETTINGS for config in setting.configs]
    assert len(pairs) == len(set(pairs))


@pytest.mark.parametrize("setting", SETTINGS, ids=lambda one: f"{one.name}-{one.configs[0]}")
def test_every_setting_is_described(setting: Any) -> None:
    assert setting.group in GROUPS
    assert re.fullmatch(r"[A-Z0-9].*\.", setting.meaning), "one sentence"
    assert "\n" not in setting.meaning
    assert setting.rule


@pytest.mark.parametrize(("bundle", "task"), RUNNING)
def test_every_method_has_a_line(bundle: str, task: str) -> None:
    lines = method_lines(task, bundle)
    assert list(lines) == methods(task, bundle)
    assert all(lines.values())
