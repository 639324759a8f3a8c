"""Every setting with wrong values: a message with key, value and way out."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest

from monai_denoiseg.bundle.run import config_files
from monai_denoiseg.bundle.settings import check_settings, settings_of
from monai_denoiseg.bundle.settings.declaration import CONFIGS

from .wrong import wrong_values

FILES = {"train": ("train", "denoiseg_2d"), "infer": ("infer", "denoiseg_2d"), "evaluate": ("evaluate", "denoiseg_2d")}
FILES["self2seg"] = ("infer", "self2seg")
TABLE = [
    (config, name, value)
    for config in CONFIGS
    for name, setting in settings_of(config).items()
    if name != "run"  # in a configuration it is what runs; the front door reads it as `run_dir`
    for value in wrong_values(setting)
]


def config(name: str, volumes: bool = False) -> dict[str, Any]:
    task, bundle = FILES[name]
    method = "median" if name in ("infer", "evaluate") else None  # so that the keys of those methods are there too
    files = config_files(task, bundle.replace("2d", "3d") if volumes else bundle, method)
    return {key: value for path in files for key, value in json.loads(path.read_text("utf-8")).items()}


def message(name: str, *, volumes: bool = False, **values: Any) -> str:
    with pytest.raises((ValueError, OSError)) as caught:
        check_settings(config(name, volumes) | values)
    return str(caught.value)


def test_the_table_is_long() -> None:
    assert len(TABLE) >= 300
    assert {name for _, name, _ in TABLE} == {name for one in CONFIGS for name in settings_of(one)} - {"run"}


@pytest.mark.parametrize("name", CONFIGS)
def test_wrong_values_are_refused(name: str) -> None:
    """Each case of the table: the message begins with the key, says what it must be, and shows the value."""
    for _, key, value in (case for case in TABLE if case[0] == name):
        text = message(name, **{key: value})
        assert text.startswith(f"`{key}` must be "), (key, value, text)
        assert f"got {value!r}" in text, (key, value, text)
        assert "\n" not in text


# By hand, since a wrong declaration makes wrong cases: the settings that were found unchecked.
BY_HAND: list[tuple[str, dict[str, Any], list[str]]] = [
    ("train", {"spatial_dims": 1}, ["`spatial_dims` must be one of 2, 3, got 1"]),
    ("infer", {"spatial_dims": 4}, ["`spatial_dims`", "got 4"]),
    ("train", {"seed": -1}, ["`seed` must be an integer in [0, 4294967295], got -1"]),
    ("train", {"seed": 1.5}, ["`seed`", "1.5"]),
    ("self2seg", {"seed": -1}, ["`seed`", "-1"]),
    ("train", {"val_interval": 0}, ["`val_interval` must be an integer >= 1, got 0"]),
    ("train", {"learning_rate": "fast"}, ["`learning_rate` must be a number in (0, 1], got 'fast'"]),
    ("train", {"learning_rate": 0}, ["`learning_rate` must be in (0, 1], got 0"]),
    ("train", {"max_epochs": 1.5}, ["`max_epochs` must be an integer >= 1, got 1.5"]),
    ("train", {"max_epochs": "many"}, ["`max_epochs`", "'many'"]),
    ("train", {"max_minutes": 0}, ["`max_minutes` must be in (0, inf)", "got 0"]),
    ("train", {"class_weights": [1, 1]}, ["`class_weights` has 2 entries", "background, foreground, border"]),
    ("train", {"class_weights": [1, 1, 5], "classes": ["background", "liver"]}, ["`class_weights` has 3 entries", "liver"]),
    (
        "train",
        {"class_weights": [1, -1, 5]},
        ["`class_weights` must be a list of at least 2 entries, each entry a number in [0, inf)", "[1, -1, 5]"],
    ),
    ("train", {"class_weights": [0, 0, 0]}, ["`class_weights` must not all be 0"]),
    ("train", {"class_weights": "heavy"}, ["`class_weights`", "'heavy'", '--class_weights "[1, 1, 5]"']),
    ("train", {"classes": 3}, ["`classes` must be a list of names, the background first", "got 3", "--classes"]),
    ("train", {"classes": "liver"}, ["`classes`", "'liver'", "['background', 'liver']"]),
    ("train", {"classes": ["background", "a"], "head": "stardist"}, ["`head` 'stardist'", "`classes` background, a"]),
    ("train", {"target": 5}, ["`target` must be the name of a subfolder, or null, got 5"]),
    ("train", {"cache_rate": "abc"}, ["`cache_rate` must be a number in [0, 1], got 'abc'"]),
    ("train", {"cache_rate": -1}, ["`cache_rate` must be in [0, 1], got -1"]),
    ("train", {"cache_rate": 2}, ["`cache_rate` must be in [0, 1], got 2"]),
    ("train", {"num_workers": -1}, ["`num_workers` must be an integer >= 0, got -1"]),
    ("train", {"num_workers": "all"}, ["`num_workers`", "'all'"]),
    ("train", {"patch_size": "abc"}, ["`patch_size` must be an integer >= 1, or 2 of them", "'abc'", '--patch_size "[64, 64]"']),
    ("train", {"patch_size": 1.5}, ["`patch_size`", "1.5"]),
    ("train", {"patch_size": [64, 64, 64]}, ["`patch_size`", "or 2 of them, one for each axis (YX)", "[64, 64, 64]"]),
    ("train", {"patch_size": [64, 64], "spatial_dims": 3}, ["`patch_size`", "or 3 of them", "(ZYX)"]),
    ("train", {"tile_size": [64]}, ["`tile_size`", "or 2 of them", "[64]"]),
    ("infer", {"tile_size": [64, 0]}, ["`tile_size`", "[64, 0]"]),
    ("infer", {"threshold": "abc"}, ["`threshold` must be a number in [0, 1], or null, got 'abc'"]),
    ("evaluate", {"threshold": math.nan}, ["`threshold` must be in [0, 1], or null, got nan"]),
    ("infer", {"axes": 5}, ["`axes` must be letters", "got 5"]),
    ("infer", {"axes": "Z"}, ["`axes`", "'Z'"]),
    ("train", {"n_rays": -1}, ["`n_rays` must be an integer >= 3, or null, got -1"]),
    ("train", {"n_rays": "abc"}, ["`n_rays`", "'abc'"]),
    ("infer", {"nms_overlap": math.nan}, ["`nms_overlap` must be in [0, 1], or null, got nan"]),
    ("train", {"first_stage_file": "nope.pt"}, ["`first_stage_file` is 'nope.pt', but there is no `first_stage`"]),
    (
        "train",
        {"first_stage_file": "nope.pt", "first_stage": "noise2void", "first_stage_use": ["input"]},
        ["`first_stage_file`: nope.pt"],
    ),
    ("train", {"first_stage_use": ["abc"]}, ["`first_stage_use`", "'input', 'weights'", "['abc']"]),
    ("train", {"first_stage_use": ["input"]}, ["`first_stage_use`", "there is no `first_stage`"]),
    ("train", {"first_stage": "noise2void"}, ["`first_stage_use` is empty"]),
    ("train", {"tta": 5}, ["`tta` must be true or false, got 5"]),
    ("infer", {"tta": "maybe"}, ["`tta` must be true or false, got 'maybe'"]),
    ("train", {"alpha": 1, "denoises": False}, ["`alpha` is 1", "`denoises` is false"]),
    ("train", {"alpha": 0, "head": "none"}, ["`alpha` is 0", "`head` is 'none'"]),
    ("train", {"head": "none", "denoises": False}, ["`head` is 'none'", "`denoises` is false"]),
    ("train", {"ignore_value": "abc"}, ["`ignore_value` must be an integer, or null, got 'abc'"]),
    ("evaluate", {"ignore_value": math.nan}, ["`ignore_value`", "nan"]),
    ("evaluate", {"ignore_value": 1.5}, ["`ignore_value`", "1.5"]),
    ("train", {"ap_tolerance": "abc"}, ["`ap_tolerance`", "'abc'"]),
    ("train", {"ap_tolerance": -1}, ["`ap_tolerance` must be in [0, 1], got -1"]),
    ("train", {"labelled_fraction": 1.5}, ["`labelled_fraction` must be in [0, 1], or null, got 1.5"]),
    ("train", {"resume": "perhaps"}, ["`resume` must be true or false"]),
    ("train", {"mask_strategy": "medain"}, ["did you mean 'median'?"]),
    ("train", {"kernel_size": 4}, ["`kernel_size`", "odd", "got 4"]),
    ("train", {"strides": [[2, 2]]}, ["`strides` lists 1 levels, but with `depth` 3"]),
    ("train", {"min_size": 1.5}, ["`min_size` must be an integer >= 0, got 1.5", "--units physical"]),
    ("train", {"border_width": 0.5}, ["`border_width` must be an integer >= 1, got 0.5"]),
    ("train", {"spacing": [1, 2, 3]}, ["`spacing`", "2 numbers", "[1, 2, 3]"]),
    ("self2seg", {"experts": 5}, ["`experts` must be a list", "got 5"]),
    ("self2seg", {"start": "boxes"}, ["`start` is 'boxes', but `boxes` is null"]),
    ("self2seg", {"start": "boxes", "boxes": [[[0, 9, 0, 9]]]}, ["`boxes` has 1 regions, but there are 2 `experts`"]),
    ("self2seg", {"residual_box": 2}, ["`residual_box` must be an odd integer >= 1, got 2"]),
]


@pytest.mark.parametrize(("name", "values", "words"), BY_HAND, ids=lambda one: str(one)[:60])
def test_by_hand(name: str, values: dict[str, Any], words: list[str]) -> None:
    text = message(name, **values)
    assert [word for word in words if word not in text] == [], text


def test_by_hand_in_3d() -> None:
    assert "`n_rays` must be an integer >= 6 in 3D, got 4" in message("train", volumes=True, n_rays=4)
    assert "letters of a volume" in message("train", volumes=True, axes="YX")
    assert "`smoothness` must be an integer >= 0 in 3D, got 0.5" in message("infer", volumes=True, smoothness=0.5)
    assert "`patch_size`" in message("train", volumes=True, patch_size=[64, 64])


def test_a_gpu_that_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    assert "`device` must be 'cpu' on this machine: PyTorch finds no usable GPU, got 'cuda'" in message("train", device="cuda")
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    monkeypatch.setattr("torch.cuda.device_count", lambda: 1)
    assert "`device` must be one of the 1 GPUs" in message("infer", device="cuda:3")
    assert check_settings(config("infer") | {"device": "cuda:0"})["device"] == "cuda:0"


@pytest.mark.parametrize(
    ("name", "key", "given", "meant"),
    [
        ("train", "tta", "False", False),
        ("train", "n_labels", "null", None),
        ("train", "classes", "background,tumour", ["background", "tumour"]),
        ("train", "classes", ("background", "tumour"), ["background", "tumour"]),
        ("train", "patch_size", 48, 48),
        ("train", "patch_size", (32, 48), [32, 48]),
        ("train", "strides", [[2, 2], [2, 2], [1, 2]], [[2, 2], [2, 2], [1, 2]]),
        ("train", "struct_mask", [[1, 1, 1]], [[1, 1, 1]]),
        ("train", "labelled_fraction", None, None),
        ("train", "amp", False, "off"),
        ("train", "alpha", 1, 1),
        ("train", "device", "cpu", "cpu"),
        ("infer", "min_size", 2.5, 2.5),
        ("infer", "axes", "tzyx", "tzyx"),
        ("self2seg", "spatial_dims", None, None),
        ("self2seg", "lambda_path", [0.1, 0.2], [0.1, 0.2]),
        ("self2seg", "time_budget", math.inf, math.inf),
    ],
)
def test_right_values_pass(name: str, key: str, given: Any, meant: Any) -> None:
    found = check_settings(config(name) | {key: given})[key]
    assert found == meant
    assert type(found) is type(meant)


def test_numbers_of_numpy() -> None:
    np = pytest.importorskip("numpy")
    found = check_settings(config("train") | {"max_epochs": np.int64(3), "alpha": np.float32(0.25)})
    assert (found["max_epochs"], found["alpha"]) == (3, 0.25)
    assert type(found["max_epochs"]) is int


def test_expressions_are_left_to_monai() -> None:
    values = check_settings(config("train") | {"alpha": "$1 / 3", "patch_size": ["@batch_size", 64]})
    assert not {"alpha", "patch_size", "device"} & values.keys()


# ---- paths


def test_paths_that_are_not_there(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert message("train", dataset_dir=f"{tmp_path}/gone") == f"`dataset_dir`: {tmp_path}/gone does not exist"
    assert "is a file, not a folder" in message("infer", run_dir=f"{tmp_path}/file")
    assert "is a folder, not a file" in message("infer", model_file=str(tmp_path))
    assert "train first" in message("infer", model_file=f"{tmp_path}/gone.pt")
    assert "`run`: " in message("infer", run_dir=f"{tmp_path}/gone")
    assert "`dataset_dir`" in message("infer", dataset_dir=[str(tmp_path), f"{tmp_path}/gone"])


@pytest.mark.parametrize("key", ["output_dir", "ckpt_dir", "first_stage_dir"])
def test_folders_that_cannot_be_written(key: str, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    text = message("train", **{key: f"{tmp_path}/file/run"})
    assert text.startswith(f"`{key}`: cannot write into {tmp_path}/file/run")
    text = message("train", **{key: "/proc/run"})
    assert text.startswith(f"`{key}`: cannot write into /proc/run")
    assert "give another folder" in text
    check_settings(config("train") | {key: f"{tmp_path}/new/run"})
    assert [path.name for path in tmp_path.iterdir()] == ["file"], "looking makes nothing"


def test_the_home_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "cells").mkdir()
    assert check_settings(config("train") | {"dataset_dir": "~/cells"})["dataset_dir"] == str(tmp_path / "cells")
