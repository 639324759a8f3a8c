"""A package for the BioImage Model Zoo (https://bioimage.io), specification 0.5."""

from __future__ import annotations

import io
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch

import monai_denoiseg
from monai_denoiseg.export.architecture import arguments_of
from monai_denoiseg.export.card import channel_names, wanted_size
from monai_denoiseg.export.check import Report, first_line
from monai_denoiseg.export.extras import need
from monai_denoiseg.export.module import DENOISED, PROBABILITIES, ExportNet, output_names
from monai_denoiseg.export.onnx_file import OPSET, onnx_bytes
from monai_denoiseg.export.package_page import package_page
from monai_denoiseg.export.papers import papers_of
from monai_denoiseg.export.sample import cover_picture, sample_image
from monai_denoiseg.export.torchscript import torchscript_bytes
from monai_denoiseg.files import save_atomically, write_bytes, write_text, writing

FORMATS = ("pytorch_state_dict", "torchscript", "onnx")
_AXES = ("z", "y", "x")


def write_package(network: Any, target: Path, about: dict[str, Any]) -> str:
    """Write the package, after each of its weight formats has passed the tests of bioimageio.core.

    Args:
        network: see :class:`~monai_denoiseg.export.ExportNet`.
        target: the zip file.
        about: ``name``, ``license`` and ``authors``.

    Returns:
        What the comparisons found.

    Raises:
        ModuleNotFoundError: when bioimageio.core is missing.
        ValueError: when the network cannot be exported, or a test fails.
    """
    need("bioimageio.core")
    from bioimageio.spec import save_bioimageio_package
    from pydantic import ValidationError

    with tempfile.TemporaryDirectory() as folder, torch.no_grad(), _quiet():
        try:
            described, reports = _describe(network, Path(folder), about)
        except ValidationError as error:
            raise ValueError(f"bioimageio.spec refuses the description ({_versions()}): {first_line(error)}") from error
        with writing(target) as part:
            save_bioimageio_package(described, output_path=part)
            _test(part)
    return "; ".join(f"{kind}: {report.as_text()}" for kind, report in reports.items()) + "; bioimageio.core: all formats passed"


@contextmanager
def _quiet() -> Iterator[None]:
    """bioimageio.core tells everything it does."""
    from loguru import logger

    logger.disable("bioimageio")
    try:
        yield
    finally:
        logger.enable("bioimageio")


def _versions() -> str:
    """bioimageio.spec 0.5.12 fails with pydantic 2.14, which it allows."""
    return ", ".join(f"{name} {version(name)}" for name in ("bioimageio.spec", "pydantic"))


def _test(package: Path) -> None:
    from bioimageio.core import test_description

    for weights in FORMATS:
        summary = test_description(package, weight_format=weights, devices=["cpu"] if weights != "onnx" else None)
        if summary.status != "passed":
            wrong = [error.msg for detail in summary.details for error in detail.errors]
            raise ValueError(f"bioimageio.core refuses the package ({weights}): {'; '.join(wrong)[:500]}; nothing was written")


def _describe(network: Any, folder: Path, about: dict[str, Any]) -> tuple[Any, dict[str, Report]]:
    from bioimageio.spec.common import FileDescr
    from bioimageio.spec.model import v0_5

    image, names = sample_image(network), output_names(network)
    outputs = dict(zip(names, ExportNet(network)(image), strict=True))
    write_bytes(_npy(image), folder / "test_image.npy")
    for name, output in outputs.items():
        write_bytes(_npy(output), folder / f"test_{name}.npy")
    write_bytes(cover_picture(network, image, outputs), folder / "cover.png")
    write_text(package_page(network, about), folder / "README.md")
    weights, reports = _weights(network, folder)
    described = v0_5.ModelDescr(
        name=about["name"],
        description=f"{_task(network)} of noisy {network.spatial_dims}D images, trained with few annotations or none.",
        authors=[v0_5.Author(name=author) for author in about["authors"]],
        cite=[v0_5.CiteEntry(text=paper.text, doi=v0_5.Doi(paper.doi)) for paper in papers_of(network)],
        license=about["license"],
        documentation=FileDescr(source=folder / "README.md"),
        covers=[FileDescr(source=folder / "cover.png")],
        tags=["denoiseg", "monai", f"{network.spatial_dims}d", "unet", "pytorch", *_tags(network)],
        inputs=[_input(network, folder)],
        outputs=[_output(network, name, folder) for name in names],
        weights=weights,
        version="0.1.0",
    )
    return described, reports


def _npy(values: torch.Tensor) -> bytes:
    file = io.BytesIO()
    np.lib.format.write_array(file, values.numpy())
    return file.getvalue()


def _weights(network: Any, folder: Path) -> tuple[Any, dict[str, Report]]:
    from bioimageio.spec.common import FileDescr
    from bioimageio.spec.model import v0_5

    onnx, onnx_report = onnx_bytes(network)
    script, script_report = torchscript_bytes(network)
    write_bytes(onnx, folder / "weights.onnx")
    write_bytes(script, folder / "weights_torchscript.pt")
    save_atomically(ExportNet(network).state_dict(), folder / "weights.pt")
    torch_version = v0_5.Version(torch.__version__.partition("+")[0])
    own = f"monai_denoiseg=={monai_denoiseg.__version__}"
    lines = [
        "channels:",
        "  - conda-forge",
        "dependencies:",
        f"  - pytorch=={torch_version}",
        "  - pip",
        "  - pip:",
        f"    - {own}",
    ]
    write_text("\n".join([*lines, ""]), folder / "environment.yaml")
    architecture = v0_5.ArchitectureFromLibraryDescr(
        callable=v0_5.Identifier("build_export_net"),
        import_from="monai_denoiseg.export.architecture",
        kwargs=arguments_of(network),
    )
    entries = v0_5.WeightsDescr(
        pytorch_state_dict=v0_5.PytorchStateDictWeightsDescr(
            source=folder / "weights.pt",
            architecture=architecture,
            pytorch_version=torch_version,
            dependencies=FileDescr(source=folder / "environment.yaml"),
        ),
        torchscript=v0_5.TorchscriptWeightsDescr(
            source=folder / "weights_torchscript.pt", pytorch_version=torch_version, parent="pytorch_state_dict"
        ),
        onnx=v0_5.OnnxWeightsDescr(source=folder / "weights.onnx", opset_version=OPSET, parent="pytorch_state_dict"),
    )
    return entries, {"ONNX": onnx_report, "TorchScript": script_report}


def _input(network: Any, folder: Path) -> Any:
    from bioimageio.spec.common import FileDescr
    from bioimageio.spec.model import v0_5

    space = [
        v0_5.SpaceInputAxis(id=v0_5.AxisId(axis), size=v0_5.ParameterizedSize(min=step, step=1))
        for axis, step in zip(_AXES[-network.spatial_dims :], network.multiple, strict=True)
    ]
    channels = [v0_5.Identifier(f"channel{number}") for number in range(network.in_channels)]
    size = wanted_size(network)
    return v0_5.InputTensorDescr(
        id=v0_5.TensorId("image"),
        description="Raw intensities, normalised inside" + (f"; must have {size}: nothing is resampled" if size else ""),
        axes=[v0_5.BatchAxis(), v0_5.ChannelAxis(channel_names=channels), *space],
        test_tensor=FileDescr(source=folder / "test_image.npy"),
        data=v0_5.IntervalOrRatioDataDescr(type="float32"),
    )


def _output(network: Any, name: str, folder: Path) -> Any:
    from bioimageio.spec.common import FileDescr
    from bioimageio.spec.model import v0_5

    # No halo: with one, programs mirror the image at its border, which this network does not.
    space = [
        v0_5.SpaceOutputAxis(
            id=v0_5.AxisId(axis), size=v0_5.SizeReference(tensor_id=v0_5.TensorId("image"), axis_id=v0_5.AxisId(axis))
        )
        for axis in _AXES[-network.spatial_dims :]
    ]
    channels = [v0_5.Identifier(_identifier(one)) for one in channel_names(network)[name]]
    whole = network.head.probability_channels == network.n_classes
    return v0_5.OutputTensorDescr(
        id=v0_5.TensorId(name),
        description={PROBABILITIES: "Probabilities of the classes.", DENOISED: "The image, denoised, in its intensities."}[name],
        axes=[v0_5.BatchAxis(), v0_5.ChannelAxis(channel_names=channels), *space],
        test_tensor=FileDescr(source=folder / f"test_{name}.npy"),
        data=v0_5.IntervalOrRatioDataDescr(type="float32", range=(0.0, 1.0) if name == PROBABILITIES and whole else (None, None)),
    )


def _identifier(name: str) -> str:
    plain = "".join(letter if letter.isalnum() and letter.isascii() else "_" for letter in name)
    return plain if plain.isidentifier() else f"class_{plain}"


def _task(network: Any) -> str:
    parts = ["denoising"] * bool(network.denoises) + ["segmentation"] * bool(network.n_classes)
    return " and ".join(parts).capitalize()


def _tags(network: Any) -> list[str]:
    return ["denoising"] * bool(network.denoises) + ["segmentation"] * bool(network.n_classes)
