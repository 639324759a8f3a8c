"""What engines, handlers and bundles use of a network, whichever of the three classes it is of."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol, cast

from torch import Tensor

from monai_denoiseg.heads import Head
from monai_denoiseg.processes import unwrap


class Network(Protocol):
    """A network that is trained (:class:`DenoiSegNet`, :class:`SequentialNet`) or not (:class:`ClassicNet`).

    Attributes:
        head: what it predicts besides the denoised image.
        n_classes: segmentation channels K, those of the head.
        classes: names of semantic classes, those of the head.
        denoises: whether denoised channels follow.
        multiple: down-sampling along each axis.
        receptive_radius: voxels to each side that an output depends on.
        sees_whole: whether it depends on the whole image instead; the radius is then a margin for tiles.
    """

    spatial_dims: int
    in_channels: int
    head: Head
    n_classes: int
    classes: list[str]
    denoises: bool
    multiple: list[int]
    receptive_radius: list[int]
    sees_whole: bool
    training: bool

    @property
    def threshold(self) -> Tensor:
        """Decision thresholds: best AP, best SEG."""

    @property
    def overlap(self) -> Tensor:
        """Overlaps of the non-maximum suppression, likewise."""

    @property
    def image_mode(self) -> Tensor:
        """Whether each image is normalised by its own numbers."""

    def intensity(self, image: Tensor) -> Tensor:
        """Offset and scale of whole images, ``(B, 2, C)``."""

    def __call__(self, image: Tensor, intensity: Tensor | None = None) -> Tensor:
        """Logits and denoised image, ``(B, K + C, [D,] H, W)``."""

    def activate(self, output: Tensor) -> Tensor:
        """Probabilities in place of the logits."""

    def labels(self, prediction: Tensor, threshold: float | None = None, spacing: Sequence[float] | None = None) -> Any:
        """Labels of one image, as inference makes them."""

    def square(self) -> bool:
        """Whether quarter turns make sense."""


def own_network(network: Any) -> Network:
    """Take a distributed wrapper off a network, and say how another package's network is used.

    Args:
        network: what an engine was given.

    Raises:
        TypeError: for a network without normalisation, head and thresholds.

    >>> from torch import nn
    >>> own_network(nn.Conv2d(1, 4, 3))
    Traceback (most recent call last):
        ...
    TypeError: a Conv2d has no normalisation, head and thresholds: put it into DenoiSegNet(spatial_dims, backbone=network)
    """
    own = unwrap(network)
    if not hasattr(own, "intensity") or not hasattr(own, "activate"):
        lacks = f"a {type(own).__name__} has no normalisation, head and thresholds"
        raise TypeError(f"{lacks}: put it into DenoiSegNet(spatial_dims, backbone=network)")
    return cast(Network, own)
