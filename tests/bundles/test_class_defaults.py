"""A class called without options does what the bundle does: its defaults are those of the configurations."""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Iterator
from functools import reduce
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from monai_denoiseg.bundle.settings.task_defaults import task_defaults
from monai_denoiseg.heads.rule import usual_options
from monai_denoiseg.transforms import ProbabilitiesToInstances, ProbabilitiesToInstancesd

BUNDLES = Path(__file__).parents[2] / "bundles"

WIRING = ("monai_denoiseg.bundle.", "monai_denoiseg.heads.random_orientation", "monai_denoiseg.engines.FilePredictor")
"""Functions that only configurations call, and what only they build."""

KNOWN = {
    ("DenoiSegInferer", "tile_size"): "None: the whole image; how much fits into memory, only the user of the class knows",
    ("DenoiSegInferer", "tta"): "validation in training needs it off, inference on: `predict` has the bundle's",
    ("DenoiSegInferer", "refine"): "as tta",
    ("DenoiseImaged", "tile_size"): "as DenoiSegInferer",
    ("RescaledLabels", "tile_size"): "as DenoiSegInferer",
    ("LoadItemd", "spatial_dims"): "None: whatever the file holds; a bundle is for one number of axes",
    ("LoadItemd", "channels"): "None: whatever the file holds; a network is for one number of channels",
    ("LoadItemd", "label_key"): "the bundle self2seg has scribbles in the place of labels",
    ("Measurementsd", "label_key"): "the bundle self2seg has regions in the place of labels",
    ("ProbabilitiesToLabelsd", "allow_missing_keys"): "MONAI's; a network without a segmentation gives no labels",
    ("Self2Seg", "progress"): "a program shows its progress, a function does not",
}
"""Differences that stay, with their reasons."""

VOLUMES = {
    ("DenoiSegNet", "spatial_dims"),
    ("DenoiSegLoss", "huber_delta"),
    ("StreamingPredictor", "overlap"),
}
"""Those of the bundle for volumes: the classes have one default for images and volumes."""


def parts(config: Any) -> Iterator[dict[str, Any]]:
    if isinstance(config, dict):
        if str(config.get("_target_", "")).startswith("monai_denoiseg"):
            yield config
        for value in config.values():
            yield from parts(value)
    elif isinstance(config, list):
        for value in config:
            yield from parts(value)


def differences(path: Path) -> Iterator[tuple[tuple[str, str], Any, Any]]:
    config = json.loads(path.read_text())
    train = path.with_name("train.json")
    keys = {**(json.loads(train.read_text()) if train.is_file() else {}), **config}
    keys |= task_defaults(keys)  # of objects
    for part in parts(config):
        if part["_target_"].startswith(WIRING):
            continue
        module, name = part["_target_"].rsplit(".", 1)
        defaults = inspect.signature(reduce(getattr, [name], import_module(module))).parameters
        for key, value in part.items():
            while isinstance(value, str) and re.fullmatch(r"@\w+", value):
                value = keys.get(value[1:], "$unknown")
            written = not isinstance(value, (dict, list)) and not str(value).startswith(("$", "@"))
            numbers = isinstance(value, list) and not any(isinstance(one, (dict, str)) for one in value)
            default = defaults[key].default if key in defaults else inspect.Parameter.empty
            if (written or numbers) and default is not inspect.Parameter.empty:
                ours = list(default) if isinstance(default, tuple) else default
                if ours != value:
                    yield (name, key), default, value


@pytest.mark.parametrize("path", sorted(BUNDLES.glob("*/configs/*.json")), ids=lambda path: f"{path.parts[-3]}-{path.stem}")
def test_defaults(path: Path) -> None:
    allowed = {*KNOWN, *(VOLUMES if "3d" in str(path) else ())}
    found = {where: (ours, bundle) for where, ours, bundle in differences(path) if where not in allowed}
    found.pop(("BlindSpot", "radius"), None)  # None stands for the bundles' 5 and 3, see below
    assert not found, "give the class the bundle's default, or the difference a reason"


def test_no_reason_is_idle() -> None:
    found = {where for path in BUNDLES.glob("*/configs/*.json") for where, *_ in differences(path)}
    assert {*KNOWN, *VOLUMES} <= found


def test_rules_of_instances() -> None:
    for transform in (ProbabilitiesToInstances(), ProbabilitiesToInstancesd("pred").to_instances[0]):
        usual = usual_options(2)
        assert {**transform.options, "units": transform.units} == {**transform.options, **usual}
    for dims in (2, 3):
        keys = json.loads((BUNDLES / f"denoiseg_{dims}d/configs/train.json").read_text())
        given = {"rule": keys["instance_rule"], **{key: keys[key] for key in ("min_size", "split_neck", "fill_holes", "units")}}
        assert given == usual_options(dims)


@pytest.mark.parametrize("dims", [2, 3])
def test_the_window_of_blind_spots(dims: int) -> None:
    import torch

    from monai_denoiseg.transforms import BlindSpot

    radius = json.loads((BUNDLES / f"denoiseg_{dims}d/configs/train.json").read_text())["mask_radius"]
    batch = torch.rand(1, 1, *[16] * dims)
    assert torch.equal(BlindSpot()(batch, seed=1)[0], BlindSpot(radius=radius)(batch, seed=1)[0])
    assert not torch.equal(BlindSpot()(batch, seed=1)[0], BlindSpot(radius=radius + 1)(batch, seed=1)[0])
