"""The bundle's files say what is true."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from monai.bundle import ConfigParser
from monai.bundle.config_item import ComponentLocator
from monai.utils import optional_import

import monai_denoiseg
from monai_denoiseg.bundle.recipe import OBJECTS
from monai_denoiseg.bundle.settings.task_defaults import task_defaults
from monai_denoiseg.constants import CLASSES
from monai_denoiseg.heads import usual_options

BUNDLES = Path(__file__).parents[2] / "bundles"
BUNDLE = BUNDLES / "denoiseg_2d"
CONFIGS = ("train", "inference", "evaluate", "multi_gpu_train")
# What a user is not meant to set: wiring, named as MONAI names it.
WIRING = {"imports", "initialize", "run", "finalize", "handlers", "rank"}


def load(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((BUNDLE / "configs" / f"{name}.json").read_text("utf-8"))
    return found


def walk(value: Any) -> Iterator[Any]:
    yield value
    for entry in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from walk(entry)


def user_keys(name: str) -> set[str]:
    """Top-level keys with a plain value, or with a path made of another."""
    found = set()
    for key, value in load(name).items():
        expression = isinstance(value, str) and value.startswith("$") and not re.match(r"\$@bundle_root \+ ", value)
        if key not in WIRING and not expression and not isinstance(value, dict):
            found.add(key)
    return found


@pytest.mark.parametrize("name", CONFIGS)
def test_every_target_exists(name: str) -> None:
    targets = {entry["_target_"] for entry in walk(load(name)) if isinstance(entry, dict) and "_target_" in entry}
    missing = []
    for target in targets:
        if "." in target:
            module, _, attribute = target.rpartition(".")
            found = optional_import(module, name=attribute)[1]
        else:
            found = bool(ComponentLocator().get_component_module_name(target)) or hasattr(__import__("torch").utils.data, target)
        if not found:
            missing.append(target)
    assert targets
    assert missing == []


@pytest.mark.parametrize("name", CONFIGS)
def test_every_reference_exists(name: str) -> None:
    keys = set(load(name)) | (set(load("train")) if name == "multi_gpu_train" else set())
    texts = [value for value in walk(load(name)) if isinstance(value, str) and value[:1] in "@$"]
    references = {word for text in texts for word in re.findall(r"@(\w+)", text)}
    assert references - keys == set()


@pytest.mark.parametrize("name", ["train", "inference", "evaluate"])
def test_every_key_is_used(name: str) -> None:
    """A setting that nothing reads would be accepted without effect."""
    config = load(name)
    texts = [value for value in walk(config) if isinstance(value, str)]
    used = {word for text in texts for word in re.findall(r"@(\w+)", text)}
    asked_by_monai = {"network_def", "inferer", "evaluator", "dataset_dir", "device", "dataset", "bundle_root"}
    planned = set(OBJECTS[2]) if name == "train" else set()  # plan_recipe() takes them out of `settings`
    assert set(config) - used - WIRING - asked_by_monai - planned - {"train", "validate"} == set()


RULE = ("instance_rule", "min_size", "split_neck", "fill_holes", "units")


@pytest.mark.parametrize("bundle", ["denoiseg_2d", "denoiseg_3d"])
@pytest.mark.parametrize("name", ["inference", "evaluate"])
def test_shared_settings_agree_with_the_training(name: str, bundle: str) -> None:
    """Instances must be cut out as they were when the threshold was chosen: by the rule in the file, unless told otherwise."""
    train, other = (json.loads((BUNDLES / bundle / "configs" / f"{one}.json").read_text("utf-8")) for one in ("train", name))
    shared = ("tta", "depth", "features")
    assert {key: other[key] for key in shared} == {key: train[key] for key in shared}
    assert {other[key] for key in RULE} == {None}
    rules = [v for v in walk(other) if isinstance(v, dict) and v.get("_target_") == "monai_denoiseg.heads.rule_of"]
    wired = {key: rules[0][key.removeprefix("instance_")] for key in RULE}
    assert (len(rules), wired) == (1, {key: f"@{key}" for key in RULE})


@pytest.mark.parametrize(("bundle", "dims"), [("denoiseg_2d", 2), ("denoiseg_3d", 3)])
def test_a_file_without_a_rule_gets_that_of_the_training_configuration(bundle: str, dims: int) -> None:
    train = json.loads((BUNDLES / bundle / "configs" / "train.json").read_text("utf-8"))
    rules = [v for v in walk(train) if isinstance(v, dict) and v.get("_target_") == "monai_denoiseg.heads.label_rule"]
    assert [{key: rule[key.removeprefix("instance_")] for key in RULE} for rule in rules] == [{key: f"@{key}" for key in RULE}]
    assert {key.removeprefix("instance_"): train[key] for key in RULE} == usual_options(dims)


@pytest.mark.parametrize("bundle", ["denoiseg_2d", "denoiseg_3d"])
@pytest.mark.parametrize("name", ["train", "inference", "evaluate"])
def test_every_user_key_is_documented(name: str, bundle: str) -> None:
    text = (BUNDLES / bundle / "docs" / "README.md").read_text("utf-8")
    assert sorted(key for key in user_keys(name) if f"`{key}`" not in text) == []


def test_metadata() -> None:
    parser = ConfigParser()
    parser.read_meta(f=str(BUNDLE / "configs" / "metadata.json"))
    metadata = parser.get("_meta_")
    outputs = metadata["network_data_format"]["outputs"]["pred"]
    names = list(outputs["channel_def"].values())
    assert list(outputs["channel_def"]) == [str(i) for i in range(len(names))]
    assert names[: len(CLASSES)] == list(CLASSES)
    assert names[len(CLASSES) :] == ["denoised"]
    assert outputs["num_channels"] == len(names)
    assert metadata["version"] in metadata["changelog"]
    assert metadata["required_packages_version"]["monai_denoiseg"] == monai_denoiseg.__version__


def test_metadata_versions_are_those_tested_with() -> None:
    metadata = load("metadata")
    pins = dict(re.findall(r"^([\w.-]+)==(\S+)$", (BUNDLE.parents[1] / "constraints.txt").read_text("utf-8"), re.M))
    pins = {name.lower(): version for name, version in pins.items()}
    asked = {**metadata["required_packages_version"], "monai": metadata["monai_version"], "torch": metadata["pytorch_version"]}
    asked["numpy"] = metadata["numpy_version"]
    del asked["monai_denoiseg"]
    assert asked == {name: pins.get(name) for name in asked}


def test_the_overlay_replaces_only_what_is_there() -> None:
    parser = ConfigParser()
    parser.read_config([str(BUNDLE / "configs" / f"{name}.json") for name in ("train", "multi_gpu_train")])
    assert parser["network"]["_target_"] == "torch.nn.parallel.DistributedDataParallel"
    assert parser["validate"]["dataloader"]["sampler"] == "@validate#sampler"
    assert parser["validate"]["dataloader"]["dataset"] == "@validate#dataset"


def planned(config: dict[str, Any]) -> ConfigParser:
    """A configuration after its first step, planned without images."""
    config = config | task_defaults(config)
    settings = {key: config[key] for key in ("classes", "spatial_dims", *OBJECTS[2])}
    recipe = {"_target_": "monai_denoiseg.bundle.plan_recipe", "items": [], "load": "$dict", "settings": settings}
    return ConfigParser(config | {"recipe": recipe})


@pytest.mark.parametrize(("given", "spatial_dims", "meant"), [(48, 2, (48, 48)), ([32, 48], 2, (32, 48)), (16, 3, (16, 16, 16))])
def test_patch_size_may_be_one_number(given: int | list[int], spatial_dims: int, meant: tuple[int, ...]) -> None:
    parser = planned(load("train") | {"patch_size": given, "spatial_dims": spatial_dims})
    assert parser.get_parsed_content("train#collate#patch_size") == list(meant)


def test_patch_size_of_the_wrong_length_is_said() -> None:
    parser = planned(load("train") | {"patch_size": [64]})
    with pytest.raises(RuntimeError) as caught:
        parser.get_parsed_content("train#collate#patch_size")
    assert "`patch_size` needs one value or 2 values" in str(monai_denoiseg.engines.first_cause(caught.value))


@pytest.mark.parametrize("bundle", ["denoiseg_2d", "denoiseg_3d"])
@pytest.mark.parametrize(
    ("settings", "scaled", "borders"),
    [
        ({}, True, True),
        ({"head": "stardist"}, True, False),
        ({"classes": ["background", "liver"]}, False, False),
        ({"classes": ["background", "liver"], "alpha": 0.5, "zoom": 2}, True, False),
        ({"zoom": 1}, False, False),
        ({"alpha": 0.0}, False, False),
        ({"alpha": 1.0}, False, False),
        ({"denoises": False}, False, False),
        ({"target": "clean"}, False, False),
        ({"head": "none"}, False, False),
    ],
)
def test_which_settings_scale_labelled_crops(bundle: str, settings: dict[str, Any], scaled: bool, borders: bool) -> None:
    config = json.loads((BUNDLES / bundle / "configs" / "train.json").read_text("utf-8"))
    parser = planned(config | settings)
    assert parser.get_parsed_content("train#handlers#0#active") == scaled
    target = parser.get_parsed_content("relabel")
    assert (target is not None) == borders
    steps = config["train"]["preprocessing"]["transforms"]
    (copies,) = (i for i, step in enumerate(steps) if isinstance(step, dict) and step["_target_"] == "CopyItemsd")
    disabled = parser.get_parsed_content(f"train#preprocessing#transforms#{copies}#_disabled_")
    assert disabled != borders, "a second copy of the labels only where borders are drawn anew"


@pytest.mark.parametrize("path", sorted(BUNDLES.glob("*/configs/**/*.json")), ids=lambda path: f"{path.parts[-3]}/{path.name}")
def test_no_entry_of_a_list_is_meant_by_its_place(path: Path) -> None:
    """MONAI Label puts a handler of its own before those of the training."""
    assert not re.search(r"@[\w#]*#\d", path.read_text("utf-8"))


@pytest.mark.parametrize(("bundle", "number"), [("denoiseg_2d", 64), ("denoiseg_3d", 8)])
def test_denoising_for_scaled_crops_costs_little(bundle: str, number: int) -> None:
    """A denoised window has up to ``zoom`` times the edge of a crop."""
    config = json.loads((BUNDLES / bundle / "configs" / "train.json").read_text("utf-8"))
    assert planned(config).get_parsed_content("train#handlers#0#n_sources") == number
    crops = OBJECTS[config["spatial_dims"]]["batch_size"] * config["steps_per_epoch"]
    assert number * task_defaults(config)["zoom"] ** config["spatial_dims"] < crops / 3


def test_a_training_on_several_gpus_does_what_one_on_a_single_does() -> None:
    assert load("multi_gpu_train")["run"] == load("train")["run"]


def test_the_metadata_of_the_bundles_differ_in_words_and_shapes() -> None:
    two, three = (json.loads((BUNDLES / f"denoiseg_{n}d" / "configs" / "metadata.json").read_text("utf-8")) for n in (2, 3))
    assert list(two) == list(three)
    words = {"name", "task", "description", "data_source", "data_type", "image_classes", "network_data_format", "eval_metrics"}
    assert {key for key in two if two[key] != three[key]} <= words
    for side, tensor in (("inputs", "image"), ("outputs", "pred")):
        flat, deep = (found["network_data_format"][side][tensor] for found in (two, three))
        assert {key for key in flat if flat[key] != deep[key]} == {"spatial_shape"}
        assert (flat["spatial_shape"], deep["spatial_shape"]) == (["*"] * 2, ["*"] * 3)


def test_the_other_files_of_the_bundles_are_equal() -> None:
    for path in ("LICENSE", "configs/logging.conf", "models/README.md", "docs/data_license.txt"):
        assert (BUNDLES / "denoiseg_2d" / path).read_text("utf-8") == (BUNDLES / "denoiseg_3d" / path).read_text("utf-8")
