"""What the continuous integration of MONAI's model zoo checks of a bundle, on this machine.

Source: ``ci/verify_bundle.py`` and CONTRIBUTING.md of https://github.com/Project-MONAI/model-zoo. What needs its servers is left
out: the JSON schema of the metadata, in place of which the keys that the bundle specification requires are checked.
"""

from __future__ import annotations

import json
import logging
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from monai.bundle import ConfigWorkflow, ckpt_export, verify_net_in_out

from monai_denoiseg.data import write_simulated
from monai_denoiseg.engines import first_cause

LARGEST = 25 * 1000 * 1000
"""Bytes of a file in the zoo's repository."""

FILES = ("LICENSE", "configs/metadata.json", "configs/inference.json", "models/model.pt", "docs/README.md")
METADATA = (
    *("version", "monai_version", "pytorch_version", "numpy_version", "required_packages_version", "task", "description"),
    *("authors", "copyright", "network_data_format", "schema", "changelog", "name"),
)
TENSOR = ("type", "format", "num_channels", "spatial_shape", "dtype", "value_range", "is_patch_data", "channel_def")
INFERENCE = ("bundle_root", "device", "network_def", "inferer", "output_dir", "dataset_dir")
TRAIN = ("bundle_root", "device", "dataset_dir", "output_dir", "train", "validate", "val_interval")
TRAINING = {
    "train": ("trainer", "dataset", "handlers", "inferer"),
    "validate": ("evaluator", "handlers", "dataset", "inferer"),
}


def check_zoo_bundle(root: Path) -> list[str]:
    """Check a bundle as the model zoo does.

    Args:
        root: its folder.

    Returns:
        The checks that it passed.

    Raises:
        ValueError: naming the first that it does not.
    """
    checks: dict[str, Callable[[Path], None]] = {
        "necessary files": _files,
        "size of files": _sizes,
        "version and changelog": _version,
        "keys of the metadata": _metadata,
        "keys of the configurations": _keys,
        "no personal paths": _paths,
        "data shape (verify_net_in_out)": _data_shape,
        "TorchScript (ckpt_export)": _torchscript,
        "properties": _properties,
    }
    level = logging.root.manager.disable
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        logging.disable(logging.ERROR)
        try:
            for name, check in checks.items():
                try:
                    check(root)
                except Exception as error:
                    raise ValueError(f"the bundle fails a check of the model zoo, {name}: {first_cause(error)}") from error
        finally:
            logging.disable(level)
    return list(checks)


def _missing(wanted: Any, found: Any, where: str) -> None:
    missing = [key for key in wanted if key not in found]
    if missing:
        raise ValueError(f"{', '.join(missing)} missing in {where}")


def _read(root: Path, name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((root / "configs" / f"{name}.json").read_text("utf-8"))
    return found


def _files(root: Path) -> None:
    _missing(FILES, [name for name in FILES if (root / name).is_file()], str(root))


def _sizes(root: Path) -> None:
    large = [path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file() and path.stat().st_size > LARGEST]
    lists = [path for path in (root / "large_files.yml", root / "docs" / "large_files.yml") if path.is_file()]
    _missing(large, lists[0].read_text("utf-8") if lists else "", "large_files.yml")


def _version(root: Path) -> None:
    metadata = _read(root, "metadata")
    _missing(("version", "changelog"), metadata, "metadata.json")
    _missing([metadata["version"]], metadata["changelog"], "`changelog`")


def _metadata(root: Path) -> None:
    metadata = _read(root, "metadata")
    _missing(METADATA, metadata, "metadata.json")
    for kind, name in (("inputs", "image"), ("outputs", "pred")):
        entry = metadata["network_data_format"][kind][name]
        _missing(TENSOR, entry, f"{kind} of `network_data_format`")
        if len(entry["channel_def"]) != entry["num_channels"]:
            raise ValueError(f"`channel_def` of {name} names {len(entry['channel_def'])} of {entry['num_channels']} channels")


def _keys(root: Path) -> None:
    _missing(INFERENCE, _read(root, "inference"), "inference.json")
    train = _read(root, "train")
    _missing(TRAIN, train, "train.json")
    for part, keys in TRAINING.items():
        _missing(keys, train[part], f"`{part}` of train.json")
    _missing(("max_epochs",), train["train"]["trainer"], "`train#trainer`")
    _missing(("data",), train["train"]["dataset"], "`train#dataset`")


def _paths(root: Path) -> None:
    wrong = [path for path in (root / "configs").rglob("*.json") if "/home/" in path.read_text("utf-8")]
    if wrong:
        raise ValueError(f"{wrong[0].name} holds a path in somebody's home")


def _configs(root: Path) -> dict[str, str]:
    files = {"meta_file": "metadata.json", "config_file": "inference.json"}
    return {key: str(root / "configs" / name) for key, name in files.items()} | {"bundle_root": str(root)}


def _data_shape(root: Path) -> None:
    verify_net_in_out("network_def", **_configs(root), device="cpu")


def _torchscript(root: Path) -> None:
    with tempfile.TemporaryDirectory() as folder:
        weights = str(root / "models" / "model.pt")
        ckpt_export("network_def", filepath=f"{folder}/verify_model.ts", ckpt_file=weights, **_configs(root))
        torch.jit.load(f"{folder}/verify_model.ts")
    torch.jit.load(str(root / "models" / "model.ts"))


def _properties(root: Path) -> None:
    with tempfile.TemporaryDirectory() as folder:
        write_simulated(folder, n_images=1, n_labelled=1, shape=[32] * _read(root, "inference")["spatial_dims"])
        files = _configs(root) | {"dataset_dir": folder, "output_dir": str(Path(folder) / "out")}
        workflow = ConfigWorkflow(workflow_type="infer", logging_file=False, **files)
        workflow.initialize()
        wrong = workflow.check_properties()
        workflow.finalize()
        if wrong:
            raise ValueError(f"properties {', '.join(wrong)}")
