"""Build the network a file was saved from."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, nn

from monai_denoiseg.checks import check_option
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


def load_weights(network: nn.Module, path: str | Path) -> nn.Module:
    """Load ``model.pt`` into a network.

    Args:
        network: a :class:`~monai_denoiseg.networks.DenoiSegNet`.
        path: flat state dict.

    Returns:
        The network.

    Raises:
        FileNotFoundError: when there is no such file.
        ValueError: when the file holds another architecture.

    >>> import tempfile
    >>> from monai_denoiseg.networks import DenoiSegNet
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     torch.save(DenoiSegNet(2, depth=1, features=8).state_dict(), f"{folder}/model.pt")
    ...     load_weights(DenoiSegNet(2, depth=1, features=4), f"{folder}/model.pt")
    Traceback (most recent call last):
        ...
    ValueError: the file holds another network: features=8 (network has 4); build the network with the file's values
    """
    if not Path(path).is_file():
        raise FileNotFoundError(
            f"no trained network {path}: train first (python -m monai.bundle run --config_file BUNDLE/configs/train.json ...) "
            "or pass --model_file"
        )
    network.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))
    return network


def load_network(path: str | Path) -> DenoiSegNet | SequentialNet:
    """Build a network from its file, weights included, in evaluation mode.

    Args:
        path: ``model.pt``.

    Raises:
        FileNotFoundError: when there is no such file.
        ValueError: when it holds no network of this package.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     torch.save(DenoiSegNet(2, depth=1, features=4).state_dict(), f"{folder}/model.pt")
    ...     load_network(f"{folder}/model.pt").n_classes
    3
    """
    if not Path(path).is_file():
        raise FileNotFoundError(f"no trained network {path}")
    return cast("DenoiSegNet | SequentialNet", load_weights(network_for_file(path), path).eval())


METRICS = ("ap", "seg")


def decision_threshold(network: Any, threshold: float | None = None, metric: str = "ap") -> float:
    """The foreground threshold to use: the user's, or the one found in training.

    Args:
        network: a :class:`~monai_denoiseg.networks.DenoiSegNet` with its weights.
        threshold: the user's, or None.
        metric: ``"ap"`` or ``"seg"``: which of the stored ones.

    >>> from monai_denoiseg.networks import DenoiSegNet
    >>> decision_threshold(DenoiSegNet(2, depth=1, features=4)), decision_threshold(None, 0.3)
    (0.5, 0.3)
    """
    check_option("threshold_for", metric, METRICS)
    return round(float(network.threshold[METRICS.index(metric)]), 4) if threshold is None else float(threshold)


def decision_overlap(network: Any, overlap: float | None = None, metric: str = "ap") -> float:
    """The overlap above which StarDist's non-maximum suppression drops an object: the user's, or the one found in training.

    Args:
        network: a :class:`~monai_denoiseg.networks.DenoiSegNet` with its weights.
        overlap: the user's, or None.
        metric: ``"ap"`` or ``"seg"``: which of the stored ones.

    >>> from monai_denoiseg.networks import DenoiSegNet
    >>> decision_overlap(DenoiSegNet(2, depth=1, features=4)), decision_overlap(None, 0.3)
    (0.4, 0.3)
    """
    check_option("threshold_for", metric, METRICS)
    return round(float(network.overlap[METRICS.index(metric)]), 4) if overlap is None else float(overlap)
