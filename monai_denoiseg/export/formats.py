"""Export a model file to a format."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from monai_denoiseg.bundle.folders import trained_in
from monai_denoiseg.checks import check_option
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

    return write_package(network, target)


def _write_bundle(network: Any, source: Path, target: Path, options: dict[str, Any]) -> str:
    from monai_denoiseg.export.zoo_bundle import write_zoo_bundle

    return write_zoo_bundle(network, source, target)


_ONNX = ("onnx", "onnxscript", "onnxruntime")
FORMATS: dict[str, Format] = {
    "onnx": Format(".onnx", "ONNX, for onnxruntime and others", _ONNX, _write_onnx),
    "torchscript": Format(".ts", "TorchScript, for PyTorch without this package", (), _write_torchscript),
    "bioimageio": Format(".zip", "package for the BioImage Model Zoo", (*_ONNX, "bioimageio.core"), _write_bioimageio),
    "monai-bundle": Format(".zip", "zipped bundle for MONAI's model zoo", _ONNX, _write_bundle),
}


def export_model(
    model: str | Path, to: str, out: str | Path, *, statistics: str = INSIDE, replace: bool = False
) -> tuple[Path, str]:
    """Write a trained network for another program. It is checked against the network itself before it is written.

    Args:
        model: folder of a training, or ``model.pt``.
        to: one of :data:`FORMATS`.
        out: the file to write.
        statistics: of ONNX only, see :func:`~monai_denoiseg.export.onnx_bytes`.
        replace: overwrite a file of that name.

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
    check_option("statistics", statistics, (INSIDE, INPUT))
    if statistics == INPUT and to != "onnx":
        raise ValueError(f"`statistics` is 'input', which only --to onnx has, got --to {to}: leave it out")
    if target.suffix != form.suffix:
        raise ValueError(f"{out} must end in {form.suffix} for --to {to}")
    if target.exists() and (not replace or target.is_dir()):
        raise FileExistsError(f"{out} exists: give another name{'' if target.is_dir() else ', or pass --replace'}")
    need(*form.packages)
    source = Path(trained_in(model) if Path(model).is_dir() else model)
    return target, form.write(load_network(source), source, target, {"statistics": statistics})
