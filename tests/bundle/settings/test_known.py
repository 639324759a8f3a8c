"""Misspelt keys are found, MONAI's own pass."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from monai.bundle.utils import DEFAULT_MLFLOW_SETTINGS

from monai_denoiseg.bundle.run import config_files, methods
from monai_denoiseg.bundle.settings.known import check_known, references, running_config

ALL = [
    ("train", "denoiseg_2d"),
    ("train", "denoiseg_3d"),
    ("infer", "denoiseg_2d"),
    ("evaluate", "denoiseg_3d"),
    ("infer", "self2seg"),
]


def config(task: str, bundle: str = "denoiseg_2d", method: str | None = None) -> dict[str, Any]:
    files = config_files(task, bundle, method)
    return {key: value for path in files for key, value in json.loads(path.read_text("utf-8")).items()}


@pytest.mark.parametrize(("task", "bundle"), ALL)
def test_the_configuration_is_recognised(task: str, bundle: str) -> None:
    name = "self2seg" if bundle == "self2seg" else task
    for method in [None, *methods(task, bundle)]:
        found = config(task, bundle, method)
        assert running_config(found) == name
        check_known(found, name)
    stray = config("infer") | {"labels_dir": "truth"}
    assert running_config(stray) == "infer", "one key of another configuration does not make it that"


@pytest.mark.parametrize(
    ("task", "key", "hint"),
    [
        ("train", "max_epoch", "unknown key 'max_epoch'; did you mean 'max_epochs'?"),
        ("train", "model_file", "unknown key 'model_file': it belongs to evaluate and infer"),
        ("infer", "labels_dir", "unknown key 'labels_dir': it belongs to evaluate and train, not to infer"),
        ("infer", "denoiser", "unknown key 'denoiser': it belongs to the methods without training"),
        ("evaluate", "xyzzy", "unknown key 'xyzzy' (name helper keys"),
    ],
)
def test_unknown_keys(task: str, key: str, hint: str) -> None:
    with pytest.raises(ValueError, match="unknown key") as caught:
        check_known(config(task) | {key: 1}, task)
    assert hint in str(caught.value)


def test_all_unknown_keys_are_named() -> None:
    with pytest.raises(ValueError, match=r"unknown key 'alhpa'; did you mean 'alpha'\?, unknown key 'sed'; did you mean 'seed'"):
        check_known(config("train") | {"alhpa": 1, "sed": 2}, "train")


def test_helper_keys() -> None:
    """Free are names with an underscore, and what something in the configuration uses."""
    check_known(config("train") | {"_mine": 3}, "train")
    used = config("train") | {"my_rate": 0.1}
    used["optimizer"] = {"_target_": "torch.optim.SGD", "lr": "@my_rate"}
    check_known(used, "train")


@pytest.mark.parametrize("task", ["train", "infer"])
def test_what_tracking_adds(task: str) -> None:
    """MONAI adds these keys for ``--tracking mlflow``, whether or not a handler uses them."""
    added = copy.deepcopy(DEFAULT_MLFLOW_SETTINGS["configs"])
    for engine in ("trainer", "validator", "evaluator", "output_dir"):
        del added[engine]
    assert {"tracking_uri", "experiment_name", "run_name", "save_execute_config", "is_not_rank0"} <= added.keys()
    check_known(config(task) | added, task)


def test_references() -> None:
    found = references({"a": "@b::c", "d": ["$@e + 1", {"f": "%g#h"}], "i": "me@home", "j": "50%_FBS"})
    assert found == {"b", "e", "g"}
