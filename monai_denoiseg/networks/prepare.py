"""What a network is told before its training."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from monai_denoiseg.processes import unwrap


def prepare_network(
    network: Any, statistics: tuple[Tensor, Tensor], class_weights: Tensor | Sequence[float], target: str | None = None
) -> None:
    """Tell a network the intensities it will see, the weights its loss gives to the classes, and what it will learn from.

    Args:
        network: a :class:`~monai_denoiseg.networks.DenoiSegNet` (a distributed wrapper is taken off).
        statistics: mean and standard deviation of the training images, ``(C,)`` each.
        class_weights: of the loss.
        target: images that the denoised ones are compared with; None: blind spots, and what they give can be refined.

    >>> import torch
    >>> from monai_denoiseg.networks import DenoiSegNet
    >>> network = DenoiSegNet(2, depth=1, features=4)
    >>> prepare_network(network, (torch.tensor([100.0]), torch.tensor([20.0])), [1, 1, 5], target="clean")
    >>> network.mean.tolist(), bool(network.blind)
    ([100.0], False)
    """
    network = unwrap(network)
    network.set_statistics(*statistics)
    network.set_class_weights(class_weights)
    network.blind.fill_(target is None)


def usable_weights(weights: Tensor | Sequence[float], n: int) -> Tensor:
    """Class weights as a network undoes them. A class of weight 0 is never learnt and left alone.

    Args:
        weights: one number a class, not negative.
        n: number of classes.

    Raises:
        ValueError: when there is not one weight a class.

    >>> usable_weights([1, 0, 5], 3)
    tensor([1., 1., 5.])
    """
    values = torch.as_tensor(weights, dtype=torch.float32)
    if values.shape != (n,):
        raise ValueError(f"`class_weights` needs {n} values (one a class), got shape {tuple(values.shape)}")
    return torch.where(values > 0, values, torch.ones_like(values))
