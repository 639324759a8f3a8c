"""A network as an ONNX file: normalisation, padding and activation inside, every size in."""

from __future__ import annotations

import inspect
import io
import json
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from unittest import mock

import torch

from monai_denoiseg.export.card import describe_export
from monai_denoiseg.export.check import Report, compare, example, first_line, refused
from monai_denoiseg.export.extras import need
from monai_denoiseg.export.graph import Graph
from monai_denoiseg.export.module import ExportNet, first_stage, output_names
from monai_denoiseg.export.statistics import image_statistics

OPSET, IR_VERSION = 18, 9
"""What onnxruntime 1.16 (2023) and later read."""

IMAGE, INTENSITY = "image", "intensity"
INSIDE, INPUT, TRAINING = "inside", "input", "training"
"""Where an image's offset and scale come from: computed in the file, a second input, or constants of the training."""


def onnx_bytes(network: Any, statistics: str = INSIDE, *, checked: bool = True) -> tuple[bytes, Report]:
    """Export a network to ONNX, and compare what onnxruntime makes of it with the network itself.

    Args:
        network: see :class:`~monai_denoiseg.export.ExportNet`.
        statistics: of a network that normalises each image by itself: ``"inside"`` computes offset and scale of the image that
            is given; ``"input"`` makes them a second input ``(B, 2, C)``, for tiles of a larger image. Without effect for others.
        checked: False leaves the comparison out.

    Returns:
        The file, and the largest differences.

    Raises:
        ModuleNotFoundError: when onnx or onnxruntime are missing.
        ValueError: when the network cannot be exported, or the result differs.

    >>> from monai_denoiseg.networks import DenoiSegNet
    >>> onnx_bytes(DenoiSegNet(2, depth=1, features=4))[1].worst["probabilities"] < 1e-4
    True
    """
    need("onnx", "onnxscript", *["onnxruntime"] * checked)
    import onnx

    own = first_stage(network).by_image
    statistics = statistics if own else TRAINING
    model = onnx.load_from_string(_traced(network, with_intensity=own))
    if statistics == INSIDE:
        _put_before(model, network)
    report, card = Report({}, []), describe_export(network, statistics)
    if checked:
        report = compare(network, runner(model.SerializeToString(), network), statistics == INPUT, "ONNX")
        card["checked"] = report.as_text()
    onnx.helper.set_model_props(model, {key: _as_text(value) for key, value in card.items()})
    model.producer_name, model.producer_version = "monai_denoiseg", str(card["version"])
    model.ir_version = IR_VERSION
    onnx.checker.check_model(model)
    return model.SerializeToString(), report


def _as_text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _traced(network: Any, *, with_intensity: bool) -> bytes:
    inputs = [example(network, 0)] + [torch.tensor([[[0.0], [1.0]]]).repeat(1, 1, network.in_channels)] * with_intensity
    names = [IMAGE, INTENSITY][: len(inputs)]
    axes = {0: "batch"} | {axis + 2: name for axis, name in enumerate("zyx"[-network.spatial_dims :])}
    dynamic: dict[str, Any] = {name: axes for name in [IMAGE, *output_names(network)]} | {INTENSITY: {0: "batch"}}
    buffer = io.BytesIO()
    # The exporter that traces: the other one takes 30 times as long and knows no symbolic sizes before torch 2.6.
    old: dict[str, Any] = {"dynamo": False} if "dynamo" in inspect.signature(torch.onnx.export).parameters else {}
    with _silent(), torch.no_grad():
        try:
            torch.onnx.export(
                ExportNet(network).eval(),
                tuple(inputs),
                buffer,  # type: ignore[arg-type]
                input_names=names,
                output_names=output_names(network),
                dynamic_axes={name: dynamic[name] for name in [*names, *output_names(network)]},
                opset_version=OPSET,
                **old,
            )
        except Exception as error:  # whatever an operator of a foreign network raises
            raise refused(network, "ONNX", first_line(error)) from error
    return buffer.getvalue()


@contextmanager
def _silent() -> Iterator[None]:
    """Keep back what the exporter says of sizes it meets as numbers, and the graph it prints when it fails."""
    # PyTorch 2.13 switches this log on, whatever it was told.
    with warnings.catch_warnings(), mock.patch.object(torch._C, "_jit_set_onnx_log_enabled", create=True):
        warnings.simplefilter("ignore")
        yield


def _put_before(model: Any, network: Any) -> None:
    """Compute the statistics in the graph, in place of its second input."""
    graph = Graph("statistics/")
    image_statistics(graph, graph.value(IMAGE), network.spatial_dims, first_stage(network).window, INTENSITY)
    own = list(model.graph.node)
    del model.graph.node[:]
    model.graph.node.extend([*graph.nodes, *own])
    model.graph.initializer.extend(graph.constants)
    inputs = [entry for entry in model.graph.input if entry.name != INTENSITY]
    del model.graph.input[:]
    model.graph.input.extend(inputs)


def runner(file: bytes, network: Any) -> Any:
    """A function that runs an ONNX file on the CPU, with tensors in and out.

    Args:
        file: of :func:`onnx_bytes`.
        network: what was exported.
    """
    session = open_session(file)
    names = [entry.name for entry in session.get_inputs()]

    def run(*inputs: torch.Tensor) -> list[torch.Tensor]:
        arrays = {name: value.detach().cpu().contiguous().numpy() for name, value in zip(names, inputs, strict=True)}
        return [torch.from_numpy(array) for array in session.run(output_names(network), arrays)]

    return run


def open_session(file: bytes, threads: int | None = None) -> Any:
    """Open an ONNX file with onnxruntime on the CPU.

    Args:
        file: its bytes.
        threads: None: as many as PyTorch uses.

    Raises:
        ModuleNotFoundError: when onnxruntime is missing.
    """
    need("onnxruntime")
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads or torch.get_num_threads()
    options.log_severity_level = 4
    return onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])


def read_card(file: bytes) -> Mapping[str, str]:
    """What an exported file tells of itself, see :func:`~monai_denoiseg.export.card.describe_export`.

    Args:
        file: its bytes.

    >>> from monai_denoiseg.networks import DenoiSegNet
    >>> read_card(onnx_bytes(DenoiSegNet(2, depth=1, features=4), checked=False)[0])["statistics"]
    'training'
    """
    need("onnx")
    import onnx

    return {entry.key: entry.value for entry in onnx.load_from_string(file).metadata_props}
