"""Build the network a file was saved from."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, nn

from monai_denoiseg.heads import head_from_state
from monai_denoiseg.networks.denoiseg_net import DenoiSegNet
from monai_denoiseg.networks.description import describe_state
from monai_denoiseg.networks.sequential import SequentialNet, is_sequential

PLAN = (
    *("spatial_dims", "in_channels", "depth", "features", "kernel_size", "strides", "norm", "variant", "normalisation"),
    *("denoises", "quarter_turns", "flips", "limits", "target_spacing", "target_unit", "backbone", "multiple"),
    "receptive_radius",
)
"""Fields of a description that are arguments of :class:`DenoiSegNet`; a later version may write more."""


def network_for_file(path: str | Path, **defaults: Any) -> DenoiSegNet | SequentialNet:
    """Build the network a ``model.pt`` was saved from (its weights are not loaded yet).

    A bundle's ``network_def`` calls this, so that inference needs no other settings than the file. Without the file the network
    is built from ``defaults``: loading the weights will then say what is missing.

    Args:
        path: a state dict saved by the trainer (``model.pt``).
        defaults: arguments of :class:`DenoiSegNet` for a path that does not exist yet. A file must fit ``spatial_dims``, and
            ``in_channels`` where that is not the usual 1.

    Raises:
        ValueError: when the file exists, but holds no such network, or one of a newer format.

    >>> network_for_file("missing.pt", spatial_dims=2, depth=1, features=4).spatial_dims
    2
    """
    if not Path(path).is_file():
        return DenoiSegNet(**defaults)
    state = read_state(path)
    try:
        if is_sequential(state):
            parts = (_network(state, "denoiser."), _network(state, "segmenter."))
            network: DenoiSegNet | SequentialNet = SequentialNet(*parts)
        else:
            network = _network(state, backbone=defaults.get("backbone"))
    except (ValueError, TypeError, KeyError) as error:
        raise ValueError(f"{path} cannot be used: {error}") from error
    _check_fit(path, network, defaults)
    return network


def read_state(path: str | Path) -> dict[str, Tensor]:
    """Read the state dict of a network of this package.

    Args:
        path: ``model.pt``.

    Raises:
        FileNotFoundError: when there is no such file.
        ValueError: when it is damaged, of another program, or holds values that are not finite.

    >>> read_state("missing.pt")
    Traceback (most recent call last):
        ...
    FileNotFoundError: no trained network missing.pt: train first, or name one by --run or --model_file
    """
    if not Path(path).is_file():
        raise FileNotFoundError(f"no trained network {path}: train first, or name one by --run or --model_file")
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # depending on the first bytes anything from KeyError to OSError
        raise ValueError(f"{path} is no PyTorch file or is damaged; give the trainer's model.pt") from error
    ours = isinstance(state, Mapping) and ({"description", "architecture"} & state.keys() or is_sequential(state))
    if not ours or not all(isinstance(value, Tensor) for value in state.values()):
        raise ValueError(f"{path} holds no DenoiSegNet state dict (key 'description' missing); give the trainer's model.pt")
    broken = [key for key, value in state.items() if value.is_floating_point() and not bool(value.isfinite().all())]
    if broken:
        more = f" and {len(broken) - 1} more" if len(broken) > 1 else ""
        raise ValueError(
            f"{path} holds NaN or infinite values ({broken[0]}{more}), so it predicts nothing: take another file, or train again "
            "with a lower learning_rate"
        )
    return dict(state)


def _network(state: Mapping[str, Tensor], prefix: str = "", backbone: Any = None) -> DenoiSegNet:
    fields = describe_state(state, prefix)
    if fields is None:
        raise ValueError(f"key '{prefix}description' is missing; give the trainer's model.pt")
    plan = {key: value for key, value in fields["architecture"].items() if key in PLAN}
    if backbone is not None:
        plan["backbone"] = backbone
    return DenoiSegNet(**plan, head=head_from_state(fields["head"]))


def _check_fit(path: str | Path, network: DenoiSegNet | SequentialNet, wanted: Mapping[str, Any]) -> None:
    dims, channels = wanted.get("spatial_dims", network.spatial_dims), wanted.get("in_channels", 1)
    if dims != network.spatial_dims:
        raise ValueError(
            f"{path} is a network for images of {network.spatial_dims} axes, but `spatial_dims` is {dims}: use the bundle "
            f"denoiseg_{network.spatial_dims}d"
        )
    if channels not in (1, network.in_channels):
        raise ValueError(
            f"{path} is a network for images of {network.in_channels} channel(s), but `in_channels` is {channels}: leave it out"
        )


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
    ...     load_weights(DenoiSegNet(2, depth=1, features=4), f"{folder}/model.pt")  # doctest: +ELLIPSIS
    Traceback (most recent call last):
        ...
    ValueError: .../model.pt: the file holds another network: features=8 (network has 4); build the network with the file's values
    """
    try:
        network.load_state_dict(read_state(path))
    except (ValueError, RuntimeError) as error:
        raise ValueError(str(error) if str(path) in str(error) else f"{path}: {error}") from error
    return network


def load_network(path: str | Path, backbone: Any = None) -> DenoiSegNet | SequentialNet:
    """Build a network from its file, weights included, in evaluation mode.

    Args:
        path: ``model.pt``.
        backbone: the backbone of a network that was given it as an object, which no file can hold.

    Raises:
        FileNotFoundError: when there is no such file.
        ValueError: when it holds no network of this package, or one whose backbone must be given.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     torch.save(DenoiSegNet(2, depth=1, features=4).state_dict(), f"{folder}/model.pt")
    ...     load_network(f"{folder}/model.pt").n_classes
    3
    """
    read_state(path)
    given = {} if backbone is None else {"backbone": backbone}
    return cast("DenoiSegNet | SequentialNet", load_weights(network_for_file(path, **given), path).eval())
