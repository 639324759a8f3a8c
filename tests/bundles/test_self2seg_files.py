"""The files of the bundle of Self2Seg say what is true."""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from monai.bundle import ConfigParser, ConfigWorkflow

from monai_denoiseg.self2seg.loop import Self2Seg
from monai_denoiseg.self2seg.noise2fast import Noise2FastSettings

from .conftest import BUNDLES

CONFIGS = BUNDLES / "self2seg" / "configs"


def load(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((CONFIGS / f"{name}.json").read_text("utf-8"))
    return found


def texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    for entry in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from texts(entry)


@pytest.mark.parametrize("overlay", ["noise2fast", "chan_vese", "sequential"])
def test_overlays_only_set_keys_that_are_there(overlay: str) -> None:
    known = load("inference").keys()
    assert load(f"predict/{overlay}").keys() <= known
    assert {word for text in texts(load(f"predict/{overlay}")) for word in re.findall(r"@(\w+)", text)} <= known


def test_every_key_is_there_used_and_documented() -> None:
    config = load("inference")
    used = {word for text in texts(config) for word in re.findall(r"@(\w+)", text)}
    assert used <= config.keys()
    assert config.keys() - used == {"imports", "initialize", "run"}
    page = (CONFIGS.parent / "docs" / "README.md").read_text("utf-8")
    keys = list(config)
    shown = set(keys[: keys.index("settings")]) - {"imports", "bundle_root"}
    assert {key for key in shown if f"`{key}`" not in page} == set()


def test_defaults_are_those_of_the_classes() -> None:
    """The configuration and the class must not drift apart."""
    config = load("inference")
    method = config["method"]
    defaults = {name: p.default for name, p in inspect.signature(Self2Seg).parameters.items()}
    networks = {field.name: field.default for field in fields(Noise2FastSettings)}
    own = {"experts": tuple(config["experts"]), "axis_weights": None, "progress": False}  # what the command line does its own way
    for name, value in method.items():
        if name == "_target_":
            continue
        default = own[name] if name in own else config[value.removeprefix("@")]
        assert default == (defaults[name] if name in defaults else networks[name]), name
    assert set(defaults) - set(method) == {"noise2fast"}


def test_metadata() -> None:
    parser = ConfigParser()
    parser.read_meta(f=str(CONFIGS / "metadata.json"))
    metadata = parser.get("_meta_")
    other = json.loads((BUNDLES / "denoiseg_2d" / "configs" / "metadata.json").read_text("utf-8"))
    same = ("schema", "version", "changelog", "monai_version", "pytorch_version", "numpy_version", "required_packages_version")
    assert {key: metadata[key] for key in same} == {key: other[key] for key in same}
    assert list(metadata) == list(other)


def test_monai_finds_its_properties(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", np.zeros((8, 8), np.uint8))
    files = ([str(CONFIGS / "inference.json")], str(CONFIGS / "metadata.json"))
    options = {"image": str(tmp_path / "a.tif"), "output_dir": str(tmp_path), "experts": ["constant", "constant"]}
    workflow = ConfigWorkflow(*files, logging_file=False, workflow_type="infer", **options)
    workflow.initialize()
    assert workflow.check_properties() == []


def test_other_files_are_those_of_the_other_bundles() -> None:
    for path in ("LICENSE", "configs/logging.conf"):
        assert (CONFIGS.parent / path).read_text("utf-8") == (BUNDLES / "denoiseg_2d" / path).read_text("utf-8")
