"""The conventions of MONAI, for every transform of the package: found by walking it, so that no new one can be forgotten."""

from __future__ import annotations

import importlib
import inspect
import pickle
import pkgutil
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from monai.data import Dataset, MetaTensor, PersistentDataset, decollate_batch, list_data_collate
from monai.transforms import Compose, InvertibleTransform, LazyTransform, MapTransform, Randomizable, Transform
from torch.utils.data import DataLoader

import monai_denoiseg
from monai_denoiseg.data import HandOverd, LoadItemd, SavePredictiond
from monai_denoiseg.engines import DenoiseImaged
from monai_denoiseg.measure import Measurementsd
from monai_denoiseg.networks import DenoiSegNet
from monai_denoiseg.self2seg import Self2Segd
from monai_denoiseg.transforms import BlindSpot, FixedBlindSpotd, FlagPartialLabel, KeepLabels, ProbabilitiesToClasses, star_rays
from monai_denoiseg.transforms.conventions import each_key, per_key, sample_shape
from monai_denoiseg.transforms.resample import TargetSpacingd

from .samples import classes, image, objects, probabilities, stars

OTHER: dict[type, str] = {
    BlindSpot: "takes a batch, as its page says; RandBlindSpot takes a sample",
    KeepLabels: "takes a data list",
    FlagPartialLabel: "takes an image and a label; tested through its dictionary form",
    LoadItemd: "takes paths; keys of its own for image, label and others, because they are checked against each other",
    SavePredictiond: "writes files; several keys make one set of files",
    HandOverd: "does nothing outside of MONAI Label",
    Measurementsd: "measures what SavePredictiond saves, when the run ends; tested in tests/measure",
    TargetSpacingd: "adds a copy of the item at another voxel size; tested in tests/transforms/test_resample.py",
    Self2Segd: "adds several results, each under a name of its own; tested in tests/self2seg",
}
"""Transforms that are not one sample in, one sample out."""


@dataclass(frozen=True)
class Example:
    """How a transform is called: its options but for the keys, its input, and what else an item must hold."""

    sample: Callable[[int], np.ndarray]
    options: Callable[[int], dict[str, Any]] = field(default=lambda dims: {})
    keys: str = "x"
    per_key: dict[str, Any] = field(default_factory=dict)


def rays(dims: int) -> dict[str, Any]:
    return {"rays": star_rays(8, dims)}


def denoiser(dims: int) -> dict[str, Any]:
    import tempfile

    torch.manual_seed(0)
    path = Path(tempfile.mkdtemp(), "model.pt")
    torch.save(DenoiSegNet(dims, 2, n_classes=0, depth=1, features=4).state_dict(), path)
    return {"denoiser": path, "amp": "off"}


EXAMPLES = {
    "BorderLabel": Example(objects, per_key={"width": [1, 2]}),
    "ClassLabel": Example(classes, lambda dims: {"classes": ["background", "liver"]}),
    "FlagPartialLabeld": Example(objects, lambda dims: {"image_key": "x"}, per_key={"flag_key": ["a", "b"]}),
    "KeepSlices": Example(objects, lambda dims: {"every": 3}, per_key={"every": [2, 3]}),
    "StarLabel": Example(objects, rays),
    "ProbabilitiesToInstances": Example(probabilities, per_key={"threshold": [0.5, 0.95]}),
    "ProbabilitiesToClasses": Example(probabilities, lambda dims: {"n_classes": 3}, per_key={"n_classes": [2, 3]}),
    "ProbabilitiesToLabelsd": Example(
        probabilities,
        lambda dims: {"labels": ProbabilitiesToClasses(3)},
        per_key={"labels": [ProbabilitiesToClasses(2), ProbabilitiesToClasses(3)]},
    ),
    "StarsToInstances": Example(stars, rays, per_key={"threshold": [0.5, 0.95]}),
    "RandBlindSpot": Example(image, lambda dims: {"fraction": 0.1}, per_key={"mask_suffix": ["_m", "_n"]}),
    "FixedBlindSpotd": Example(image, lambda dims: {"blind_spot": BlindSpot(0.1)}),
    "RandOrient": Example(image, lambda dims: {"spatial_dims": dims}),
    "RandOrientStarsd": Example(stars, lambda dims: {**rays(dims), "star_keys": "x"}),
    "WholeIntensityd": Example(image, per_key={"output_key": ["a", "b"]}),
    "SplitPredictiond": Example(
        lambda dims: np.concatenate([probabilities(dims), image(dims)]),
        per_key={"denoised_key": ["a", "b"], "probabilities_key": ["c", "d"]},
    ),
    "DenoiseImaged": Example(image, denoiser, per_key={"intensity_key": ["a", "b"]}),
}


def transforms_of_the_package() -> dict[str, type]:
    found: dict[str, type] = {}
    for module in pkgutil.walk_packages(monai_denoiseg.__path__, "monai_denoiseg."):
        if module.name.startswith(("monai_denoiseg.label", "monai_denoiseg.bundles")):
            continue  # the app needs MONAI Label, and has no transforms (they could not be reached from a bundle)
        for name, one in vars(importlib.import_module(module.name)).items():
            own = inspect.isclass(one) and one.__module__ == module.name and issubclass(one, Transform)
            if own and not name.startswith("_"):
                found[name] = one
    return found


ALL = transforms_of_the_package()
ARRAYS = sorted(name for name in ALL if name in EXAMPLES and not issubclass(ALL[name], MapTransform))
MAPS = sorted(name for name, one in ALL.items() if issubclass(one, MapTransform) and one not in OTHER)


def example(name: str) -> Example:
    return EXAMPLES.get(name) or EXAMPLES[name.removesuffix("d")]


def build(name: str, dims: int, keys: Any = "x", **more: Any) -> Any:
    options = {**example(name).options(dims), **more}
    transform = ALL[name](keys, **options) if name in MAPS and name != "DenoiseImaged" else None
    if name == "DenoiseImaged":
        transform = DenoiseImaged(**{"keys": keys, **options})
    transform = transform or ALL[name](**options)
    if isinstance(transform, Randomizable):
        transform.set_random_state(7)
    return transform


def as_type(array: np.ndarray, kind: str) -> Any:
    if kind == "ndarray":
        return array.copy()
    tensor = torch.from_numpy(array.copy())
    return tensor if kind == "tensor" else MetaTensor(tensor, affine=2 * torch.eye(4), meta={"name": "a"})


def numbers(value: Any) -> Any:
    """Everything in a result as plain arrays."""
    if isinstance(value, dict):
        return {key: numbers(one) for key, one in value.items() if not str(key).endswith("_transforms")}
    if isinstance(value, (tuple, list)):
        return [numbers(one) for one in value]
    return value.numpy() if isinstance(value, torch.Tensor) else value


def same(a: Any, b: Any) -> bool:
    if isinstance(a, dict):
        return set(a) == set(b) and all(same(a[key], b[key]) for key in a)
    if isinstance(a, list):
        return len(a) == len(b) and all(map(same, a, b))
    return np.array_equal(a, b)


def test_none_is_forgotten() -> None:
    known = {name for name in ALL if name in EXAMPLES or name.removesuffix("d") in EXAMPLES}
    assert known | {one.__name__ for one in OTHER} == set(ALL), "add an example to EXAMPLES, or a reason to OTHER"
    assert set(EXAMPLES) <= set(ALL)


@pytest.mark.parametrize("name", ARRAYS)
def test_each_has_a_dictionary_twin(name: str) -> None:
    twin = ALL[f"{name}d"]
    assert issubclass(twin, MapTransform) and twin.backend == ALL[name].backend
    ours, theirs = (inspect.signature(one).parameters for one in (ALL[name], twin))
    assert next(iter(theirs)) == "keys" and "allow_missing_keys" in theirs
    handed_on = any(one.kind is inspect.Parameter.VAR_KEYWORD for one in theirs.values())
    assert set(ours) <= set(theirs) or handed_on
    assert all(one.default == theirs[key].default for key, one in ours.items() if key in theirs)


@pytest.mark.parametrize("dims", [2, 3])
@pytest.mark.parametrize("name", [*ARRAYS, *MAPS])
def test_types_pickles_and_repetition(name: str, dims: int) -> None:
    wanted: Any = None
    for kind in ("ndarray", "tensor", "meta"):
        array = example(name).sample(dims)
        given = as_type(array, kind)
        transform = pickle.loads(pickle.dumps(build(name, dims)))
        found = transform({"x": given}) if name in MAPS else transform(given)
        assert np.array_equal(numbers(given), array), "the input is not changed"
        one = found.get("x", given) if name in MAPS else found[0] if isinstance(found, tuple) else found
        assert type(one) is type(given)
        if kind == "meta":
            assert one.meta["name"] == "a"
        wanted = numbers(found) if wanted is None else wanted
        assert same(wanted, numbers(found)), kind
    assert not (isinstance(transform, LazyTransform) or getattr(transform, "lazy", False)), "nothing here is lazy"
    lazy = Compose([transform], lazy=True)({"x": given} if name in MAPS else given)
    if not isinstance(transform, Randomizable):
        assert same(wanted, numbers(lazy))


@pytest.mark.parametrize("dims", [2, 3])
@pytest.mark.parametrize("name", MAPS)
def test_keys(name: str, dims: int) -> None:
    sample = example(name).sample(dims)
    if name != "FlagPartialLabeld":  # a missing label is what it is for
        with pytest.raises(KeyError, match="y"):
            build(name, dims, ["x", "y"], **example(name).per_key)({"x": sample})
        alone = build(name, dims, ["x", "y"], allow_missing_keys=True, **example(name).per_key)
        assert "y" not in alone({"x": sample})
        assert build(name, dims, ["y"], allow_missing_keys=True)({"z": 1}) == {"z": 1}
    single = {key: [build(name, dims, "x", **{key: one}) for one in values] for key, values in example(name).per_key.items()}
    for key in single:
        both = build(name, dims, ["x", "y"], **example(name).per_key)({"x": sample, "y": sample.copy()})
        first, second = (one({"x": sample}) for one in single[key])
        if "x" in first and name != "SplitPredictiond":
            assert np.array_equal(both["x"], first["x"]) and np.array_equal(both["y"], second["x"])
        values = example(name).per_key[key]
        if key.endswith("_key") and name != "DenoiseImaged":  # there the key is read
            assert set(values) <= set(both)
        if key.endswith("_suffix"):
            assert {f"x{values[0]}", f"y{values[1]}"} <= set(both)
        with pytest.raises(ValueError, match=rf"`{key}` needs one value or 2 values \(one a key\)"):
            build(name, dims, ["x", "y"], **{**example(name).per_key, key: [*example(name).per_key[key], 1]})


@pytest.mark.parametrize("name", [*ARRAYS, *MAPS])
@pytest.mark.parametrize("dims", [2, 3])
def test_what_is_no_sample_is_refused(name: str, dims: int) -> None:
    sample = example(name).sample(dims)
    batch = MetaTensor(torch.from_numpy(sample))
    batch.is_batch = True
    for wrong in (sample[0, 0], sample[None, None, None], batch):
        with pytest.raises(ValueError, match=r"\[D,\] H, W|\(., H, W\)|\(., D, H, W\)"):
            build(name, dims)({"x": wrong} if name in MAPS else wrong)
    for wrong in ("a.tif", sample.tolist()):
        with pytest.raises(TypeError, match=r"an array or a tensor \(.*H, W\), got (str|list)"):
            build(name, dims)({"x": wrong} if name in MAPS else wrong)


@pytest.mark.parametrize("name", MAPS)
def test_data_sets_and_batches(name: str, tmp_path: Path) -> None:
    sample = example(name).sample(2)
    items = [{"x": as_type(sample, "meta")} for _ in range(2)]
    transform = Compose([build(name, 2)])
    wanted = Compose([build(name, 2)])(dict(items[0]))
    for _ in range(2):  # written, then read
        kept = PersistentDataset(items, transform, cache_dir=tmp_path)[0]
        assert set(kept) == set(wanted)
        if not isinstance(transform.transforms[0], Randomizable):
            assert same(numbers(kept), numbers(wanted))
    results = [transform(dict(item)) for item in items]
    for found, one in zip(decollate_batch(list_data_collate(results)), results, strict=True):
        assert set(found) == set(one)
        assert all(np.array_equal(numbers(found[key]), numbers(one[key])) for key in one)


def test_spawned_workers() -> None:
    """All in one chain, each on a key of its own, so that the worker is started once."""
    named = {"FlagPartialLabeld": "image_key", "RandOrientStarsd": "star_keys"}
    chain = Compose([build(name, 2, name, **({named[name]: name} if name in named else {})) for name in MAPS])
    items = [{name: as_type(example(name).sample(2), "tensor") for name in MAPS} for _ in range(2)]
    loader = DataLoader(Dataset(items, chain), batch_size=None, num_workers=1, multiprocessing_context="spawn")
    there, here = list(loader), chain(items[0])
    assert [set(one) for one in there] == [set(here)] * 2 and set(MAPS) <= set(here)
    fixed = [name for name in MAPS if not issubclass(ALL[name], Randomizable)]
    assert fixed and all(same(numbers(there[0][name]), numbers(here[name])) for name in fixed)


@pytest.mark.parametrize("dims", [2, 3])
def test_what_moves_voxels_can_be_undone(dims: int) -> None:
    invertible = [name for name in MAPS if issubclass(ALL[name], InvertibleTransform)]
    assert invertible == ["RandOrientStarsd", "RandOrientd"]
    for name in invertible:
        sample, transform = as_type(example(name).sample(dims), "meta"), build(name, dims)
        for _ in range(5):
            assert torch.equal(transform.inverse(transform({"x": sample}))["x"], sample)


def test_former_names_warn() -> None:
    for name, old in (("FlagPartialLabeld", "label_key"), ("WholeIntensityd", "key")):
        with pytest.warns(FutureWarning, match=f"`{old}` is now called `keys`"):
            assert ALL[name](**{old: "y"}).keys == ("y",)


def test_helpers() -> None:
    assert sample_shape("x", np.zeros((1, 2, 3))) == (1, 2, 3)
    assert per_key("x", (1, 2), ["a", "b"]) == (1, 2) and each_key(["a"], x=3) == [{"x": 3}]
    for name in ("FlagPartialLabeld", "WholeIntensityd", "SplitPredictiond"):
        with pytest.raises(ValueError, match="must be another for each of the keys"):
            ALL[name](["x", "y"])
    assert FixedBlindSpotd("x", BlindSpot()).keys == ("x",)
