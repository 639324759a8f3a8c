"""A network as a TorchScript file: normalisation, padding and activation inside, every size in."""

from __future__ import annotations

import io
import json
import warnings
from typing import Any

import torch
from torch import Tensor

from monai_denoiseg.export.card import describe_export
from monai_denoiseg.export.check import OWN, Report, compare, example, first_line, refused
from monai_denoiseg.export.module import ExportNet, describe_backbone, first_stage

CARD = "monai_denoiseg.json"
"""Name of the extra file that holds what :func:`~monai_denoiseg.export.card.describe_export` tells."""


def torchscript_bytes(network: Any) -> tuple[bytes, Report]:
    """Export a network to TorchScript, and compare the result, read back, with the network itself.

    Its ``forward(image, intensity=None)`` is that of :class:`~monai_denoiseg.export.ExportNet`: it takes offset and scale of the
    whole image as well, for tiles.

    Args:
        network: see :class:`~monai_denoiseg.export.ExportNet`.

    Returns:
        The file, and the largest differences.

    Raises:
        ValueError: when the network cannot be exported, or the result differs.

    >>> from monai_denoiseg.networks import DenoiSegNet
    >>> file, report = torchscript_bytes(DenoiSegNet(2, depth=1, features=4))
    >>> torch.jit.load(io.BytesIO(file))(torch.zeros(1, 1, 5, 6))[0].shape, report.worst["probabilities"] < 1e-4
    (torch.Size([1, 3, 5, 6]), True)
    """
    network.cpu()
    buffer, statistics = io.BytesIO(), "inside" if first_stage(network).by_image else "training"
    card = json.dumps(describe_export(network, statistics), ensure_ascii=False)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that TorchScript will go one day
        torch.jit.save(_scripted(network), buffer, _extra_files={CARD: card.encode()})
        loaded = torch.jit.load(io.BytesIO(buffer.getvalue()), map_location="cpu")
    return buffer.getvalue(), compare(network, loaded, False, "TorchScript")


def _scripted(network: Any) -> Any:
    own = ExportNet(network).eval()
    try:
        return torch.jit.script(own)
    except Exception as error:  # a foreign network's code may be more than TorchScript understands: then it is traced
        reason = first_line(error)
        if OWN in describe_backbone(network):
            raise refused(network, "TorchScript", reason) from error
    image = example(network, 0)
    try:
        return torch.jit.trace(_Plain(own), (image,), check_trace=False)
    except Exception as error:
        raise refused(network, "TorchScript", f"{first_line(error)} ({reason})") from error


class _Plain(torch.nn.Module):
    def __init__(self, network: ExportNet) -> None:
        super().__init__()
        self.network = network

    def forward(self, image: Tensor) -> list[Tensor]:
        parts: list[Tensor] = self.network(image)
        return parts
