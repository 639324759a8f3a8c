"""Export a model file to a format."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from monai_denoiseg.bundle.folders import BUNDLES, bundle_folder, trained_in
from monai_denoiseg.checks import check_option
from monai_denoiseg.export.card import spacing_note
from monai_denoiseg.export.extras import need
from monai_denoiseg.export.onnx_file import INPUT, INSIDE, onnx_bytes
from monai_denoiseg.export.torchscript import torchscript_bytes
from monai_denoiseg.files import write_bytes
from monai_denoiseg.networks import load_network

logger = logging.getLogger(__name__)


class Format(NamedTuple):
    """One format.

    Attributes:
        suffix: of its files.
        meaning: in a few words.
        packages: that it needs besides, as imported.
        write: called with the network, the source and the target; returns what is to be said.
    """

    suffix: str
    meaning: str
    packages: tuple[str, ...]
    write: Callable[[Any, Path, Path, dict[str, Any]], str]


def _write_onnx(network: Any, source: Path, target: Path, options: dict[str, Any]) -> str:
    file, report = onnx_bytes(network, options["statistics"])
    write_bytes(file, target)
    return report.as_text()


def _write_torchscript(network: Any, source: Path, target: Path, options: dict[str, Any]) -> str:
    file, report = torchscript_bytes(network)
    write_bytes(file, target)
    return report.as_text()


def _write_bioimageio(network: Any, source: Path, target: Path, options: dict[str, Any]) -> str:
    from monai_denoiseg.export.bioimageio import write_package

    return write_package(network, target, options)


def _write_bundle(network: Any, source: Path, target: Path, options: dict[str, Any]) -> str:
    from monai_denoiseg.export.zoo_bundle import write_zoo_bundle

    return write_zoo_bundle(network, source, target, options)


_ONNX = ("onnx", "onnxscript", "onnxruntime")
FORMATS: dict[str, Format] = {
    "onnx": Format(".onnx", "ONNX, for onnxruntime and others", _ONNX, _write_onnx),
    "torchscript": Format(".ts", "TorchScript, for PyTorch without this package", (), _write_torchscript),
    "bioimageio": Format(".zip", "package for the BioImage Model Zoo", (*_ONNX, "bioimageio.core"), _write_bioimageio),
    "monai-bundle": Format(".zip", "zipped bundle for MONAI's model zoo", _ONNX, _write_bundle),
}


LICENSE, UNKNOWN = "Apache-2.0", "Unknown author"


def export_model(model: str | Path, to: str, out: str | Path, *, replace: bool = False, **options: Any) -> tuple[Path, str]:
    """Write a trained network for another program. It is checked against the network itself before it is written.

    Of a network that segments at one voxel size (``target_spacing``) a warning says so, and the file's description.

    Args:
        model: folder of a training, ``model.pt``, or ``denoiseg_2d`` for the network that came with the package.
        to: one of :data:`FORMATS`.
        out: the file to write.
        replace: overwrite a file of that name.
        options: ``statistics`` (of ONNX only, see :func:`~monai_denoiseg.export.onnx_bytes`); of the packages for model zoos
            ``name``, ``authors`` (a list) and ``license`` (an identifier of SPDX).

    Returns:
        The file, and what the comparison found.

    Raises:
        FileExistsError: when there is such a file.
        FileNotFoundError: when there is no such network.
        ModuleNotFoundError: when a package is missing, naming how to install it.
        ValueError: when an option is wrong, or the network cannot be exported.

    >>> export_model("model.pt", "keras", "model.h5")
    Traceback (most recent call last):
        ...
    ValueError: `to` must be one of 'onnx', 'torchscript', 'bioimageio', 'monai-bundle', got 'keras'
    """
    form, target = FORMATS[check_option("to", to, FORMATS)], Path(out)
    given = {key: value for key, value in options.items() if value}
    _check_options(to, given)
    if target.suffix != form.suffix:
        raise ValueError(f"{out} must end in {form.suffix} for --to {to}")
    if target.exists() and (not replace or target.is_dir()):
        raise FileExistsError(f"{out} exists: give another name{'' if target.is_dir() else ', or pass --replace'}")
    need(*form.packages)
    source = model_path(model)
    network = load_network(source)
    if note := spacing_note(network):
        logger.warning("%s segments at one voxel size. %s", source, note)
    usual = {"statistics": INSIDE, "license": LICENSE, "authors": [UNKNOWN], "name": f"DenoiSeg {network.spatial_dims}D"}
    return target, form.write(network, source, target, usual | given)


def model_path(model: str | Path) -> Path:
    """The model file of a training, of a bundle, or itself.

    Args:
        model: see :func:`export_model`.

    >>> model_path("denoiseg_2d").name
    'model.pt'
    """
    path = Path(model)
    if str(model) in BUNDLES and not path.exists():
        return bundle_folder(str(model)) / "models" / "model.pt"
    return trained_in(path) if path.is_dir() else path


def _check_options(to: str, given: dict[str, Any]) -> None:
    known = {"onnx": ["statistics"], "torchscript": []}.get(to, ["name", "authors", "license"])
    for key, value in given.items():
        if key not in known:
            raise ValueError(f"`{key}` is {value!r}, but --to {to} has no use for it: leave it out")
    check_option("statistics", given.get("statistics", INSIDE), (INSIDE, INPUT))
