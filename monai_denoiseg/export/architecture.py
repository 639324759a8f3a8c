"""How another program builds the network again, from plain arguments."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from monai_denoiseg.export.module import ExportNet
from monai_denoiseg.heads import head_from_state
from monai_denoiseg.networks import DenoiSegNet, SequentialNet


def arguments_of(network: Any) -> dict[str, Any]:
    """Arguments of :func:`build_export_net` for a network.

    Args:
        network: see :class:`ExportNet`.

    >>> from monai_denoiseg.networks import DenoiSegNet
    >>> [stage["architecture"]["depth"] for stage in arguments_of(DenoiSegNet(2, depth=1, features=4))["stages"]]
    [1]
    """
    stages = [network.denoiser, network.segmenter] if hasattr(network, "denoiser") else [network]
    return {"stages": [{"architecture": stage.architecture, "head": stage.head.state()} for stage in stages]}


def build_export_net(stages: Sequence[Mapping[str, Any]]) -> ExportNet:
    """Build an exported network, without its weights.

    Args:
        stages: one network, or a denoiser and a segmenter: ``architecture`` and ``head`` of each, see :func:`arguments_of`.

    >>> from monai_denoiseg.networks import DenoiSegNet
    >>> build_export_net(**arguments_of(DenoiSegNet(2, depth=1, features=4))).n_classes
    3
    """
    nets = [DenoiSegNet(**stage["architecture"], head=head_from_state(stage["head"])) for stage in stages]
    return ExportNet(nets[0] if len(nets) == 1 else SequentialNet(*nets)).eval()
