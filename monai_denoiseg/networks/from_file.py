"""Build the network a file was saved from."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from monai_denoiseg.networks.architecture import describe_architecture
from monai_denoiseg.networks.class_names import decode_names
from monai_denoiseg.networks.denoiseg_net import DenoiSegNet
from monai_denoiseg.networks.sequential import SequentialNet, is_sequential


def network_for_file(path: str | Path, **defaults: Any) -> DenoiSegNet | SequentialNet:
    """Build the network a ``model.pt`` was saved from (its weights are not loaded yet).

    A bundle's ``network_def`` calls this, so that inference needs no other settings than the file. Without the file the network
    is built from ``defaults``: loading the weights will then say what is missing.

    Args:
        path: a state dict saved by the trainer (``model.pt``).
        defaults: arguments of :class:`DenoiSegNet` for a path that does not exist yet.

    Raises:
        ValueError: when the file exists, but holds no :class:`DenoiSegNet`.

    >>> network_for_file("missing.pt", spatial_dims=2, depth=1, features=4).spatial_dims
    2
    """
    if not Path(path).is_file():
        return DenoiSegNet(**defaults)
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # depending on the first bytes anything from KeyError to OSError
        raise ValueError(f"{path} is no PyTorch file or is damaged; give the trainer's model.pt") from error
    if isinstance(state, Mapping) and is_sequential(state):
        return SequentialNet(_network(_part(state, "denoiser.")), _network(_part(state, "segmenter.")))
    if not isinstance(state, Mapping) or "architecture" not in state:
        raise ValueError(f"{path} holds no DenoiSegNet state dict (key 'architecture' missing); give the trainer's model.pt")
    return _network(state)


def _network(state: Mapping[str, Tensor]) -> DenoiSegNet:
    plan = describe_architecture(state["architecture"])
    names = decode_names(state["class_names"]) if "class_names" in state else []
    rays = state["rays"] if plan.pop("n_rays") else None
    mode = "image" if bool(state["image_mode"]) else "dataset"
    turns = bool(state.get("quarter_turns", True))
    return DenoiSegNet(**plan, normalisation=mode, classes=names, rays=rays, quarter_turns=turns)


def _part(state: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {key.removeprefix(prefix): value for key, value in state.items() if key.startswith(prefix)}
