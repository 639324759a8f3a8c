"""Whatever could be overridden in a configuration of version 0.1.0 still can."""

from __future__ import annotations

import inspect
import json
from pathlib import Path
from typing import Any

import pytest
from monai.bundle import ComponentLocator, ConfigParser
from monai.utils import optional_import

from .conftest import BUNDLES

STORED: dict[str, list[str]] = json.loads((Path(__file__).parents[1] / "stored" / "override_paths.json").read_text())
GONE = {"loss#n_rays", "handlers#1#n_classes"}
"""They repeated what the head is, and meant nothing by themselves: `n_rays` and `classes` say it."""


def takes(component: dict[str, Any], key: str) -> bool:
    """Whether a component accepts an argument that the configuration does not mention."""
    name = component["_target_"]
    if "." not in name:
        name = ComponentLocator().get_component_module_name(name) + "." + name
    module, _, attribute = name.rpartition(".")
    parameters = inspect.signature(optional_import(module, name=attribute)[0]).parameters
    return key in parameters or any(one.kind is one.VAR_KEYWORD for one in parameters.values())


@pytest.mark.parametrize("bundle", ["denoiseg_2d", "denoiseg_3d"])
@pytest.mark.parametrize("name", list(STORED))
def test_every_path_still_leads_somewhere(name: str, bundle: str) -> None:
    config = json.loads((BUNDLES / bundle / "configs" / f"{name}.json").read_text("utf-8"))
    parser = ConfigParser(config)
    lost = []
    for path in STORED[name]:
        parent, _, key = path.rpartition("#")
        if path not in parser and not (parent and parent in parser and takes(parser[parent], key)):
            lost.append(path)
    assert set(lost) <= GONE
    assert len(STORED[name]) > 100


def test_a_lost_path_is_noticed() -> None:
    loss = {"_target_": "monai_denoiseg.losses.DenoiSegLoss"}
    assert takes(loss, "huber_delta")
    assert not takes(loss, "n_rays")
    assert takes({"_target_": "CacheDataset"}, "cache_rate")
