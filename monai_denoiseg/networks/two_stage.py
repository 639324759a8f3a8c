"""Networks of two stages: a segmentation network that starts from a denoiser, or stands behind one (VoidSeg)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import cast

from torch import Tensor, nn

from monai_denoiseg.networks.denoiseg_net import DenoiSegNet
from monai_denoiseg.networks.from_file import load_network
from monai_denoiseg.networks.sequential import SequentialNet
from monai_denoiseg.processes import unwrap


def start_network(network: DenoiSegNet, denoiser: str | Path | None, use: Sequence[str] = ("weights",)) -> DenoiSegNet:
    """Start a segmentation network from a denoiser's weights (VoidSeg's *Finetune*): all of the U-Net but its head.

    Args:
        network: the new network; changed in place.
        denoiser: ``model.pt`` of the first stage, or None.
        use: nothing happens without ``"weights"`` among them.

    Returns:
        The network.

    Raises:
        ValueError: when the two U-Nets differ.

    >>> start_network(DenoiSegNet(2, depth=1, features=4), None).n_classes
    3
    """
    if denoiser is None or "weights" not in use:
        return network
    trained, mine = (_trunk(net) for net in (load_denoiser(denoiser), network))
    wrong = sorted(
        key for key in {*trained, *mine} if key not in trained or trained[key].shape != getattr(mine.get(key), "shape", ())
    )
    if wrong:
        raise ValueError(
            f"the denoiser {denoiser} has another U-Net than the segmentation network (for instance at {wrong[0]}): "
            "train both with the same depth, features, kernel_size, strides and variant"
        )
    network.unet.load_state_dict(trained, strict=False)  # its head stays as it was drawn
    return network


def joined_network(network: nn.Module, denoiser: str | Path | None, use: Sequence[str] = ("input",)) -> nn.Module:
    """Put the denoiser before the segmentation network (VoidSeg's *Sequential*): what is validated, saved and used.

    Args:
        network: the segmentation network that is trained (a distributed wrapper is taken off).
        denoiser: ``model.pt`` of the first stage, or None.
        use: without ``"input"`` among them the network is returned as it is.

    >>> joined_network(DenoiSegNet(2, depth=1, features=4), None).n_classes
    3
    """
    if denoiser is None or "input" not in use:
        return network
    own = cast(DenoiSegNet, unwrap(network))
    return SequentialNet(load_denoiser(denoiser), own).to(next(own.parameters()).device)


def load_denoiser(path: str | Path) -> DenoiSegNet:
    """Load a network that denoises.

    Args:
        path: ``model.pt``.

    Raises:
        FileNotFoundError: when there is no such file.
        ValueError: when it holds no single network that denoises.

    >>> import tempfile, torch
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     torch.save(DenoiSegNet(2, n_classes=0, depth=1, features=4).state_dict(), f"{folder}/model.pt")
    ...     load_denoiser(f"{folder}/model.pt").denoises
    True
    """
    found = load_network(path)
    if not isinstance(found, DenoiSegNet) or not found.denoises:
        raise ValueError(f"{path} is no single network that denoises; give the model.pt of a Noise2Void or DenoiSeg training")
    return found


def _trunk(network: DenoiSegNet) -> dict[str, Tensor]:
    """The U-Net's weights but for those that depend on what it gives."""
    return {key: value for key, value in network.unet.state_dict().items() if not key.startswith(("head.", "last."))}
