"""Whole-image prediction: tiles with a halo, test-time augmentation, class probabilities beside the denoised image."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import torch
from monai.inferers import Inferer
from torch import Tensor

from ..checks import check_int, per_axis
from ..transforms import n_orientations, orient, orient_inverse


class Tile(NamedTuple):
    """One tile of a larger image, as slices of the spatial axes.

    Attributes:
        window: what the network is shown: the core and a halo, cut off at the image border.
        core: where the result goes in the whole image.
        inner: the core within the window.
    """

    window: tuple[Any, ...]  # slices; typed so that they can follow an ellipsis
    core: tuple[Any, ...]
    inner: tuple[Any, ...]


def tiles(size: Sequence[int], tile_size: Sequence[int], halo: Sequence[int], multiple: Sequence[int]) -> Iterator[Tile]:
    """Cover an image with tiles whose prediction equals that of the whole image.

    Cores start at multiples of the network's down-sampling and the halo covers its receptive field, so every voxel sees the same
    surroundings, pooled on the same grid, as it would untiled.

    Args:
        size: spatial shape of the image in voxels.
        tile_size: edge of the cores, rounded up to ``multiple``.
        halo: margin in voxels to each side.
        multiple: the network's down-sampling factor per axis.

    Yields:
        :class:`Tile` after tile, the cores covering the image once.

    >>> [t.core[0] for t in tiles((20,), (8,), (4,), (4,))]
    [slice(0, 8, None), slice(8, 16, None), slice(16, 20, None)]
    """
    axes = []
    for n, tile, margin, step in zip(size, tile_size, halo, multiple, strict=True):
        tile, margin = (-(-value // step) * step for value in (tile, margin))
        spans = []
        for start in range(0, n, tile):
            stop = min(start + tile, n)
            low, high = max(0, start - margin), min(n, -(-stop // step) * step + margin)
            spans.append((slice(low, high), slice(start, stop), slice(start - low, stop - low)))
        axes.append(spans)
    for place in itertools.product(*axes):
        window, core, inner = zip(*place, strict=True)
        yield Tile(window, core, inner)


class DenoiSegInferer(Inferer):
    """Predict an image of any size.

    Args:
        tile_size: edge of the tiles in voxels, or one an axis; None predicts the whole image at once. Tiled and untiled
            prediction agree within float tolerance (see :func:`tiles`).
        tta: average the predictions of all flips and 90-degree rotations (8 in 2D; 16 in 3D, in-plane rotations only).
        output_device: where the whole result is gathered; None: where the input is.

    Raises:
        ValueError: when ``tile_size`` is not positive.

    Example:
        >>> from monai_denoiseg.networks import DenoiSegNet
        >>> net = DenoiSegNet(2, depth=1, features=4).eval()
        >>> image = torch.rand(1, 1, 40, 30)
        >>> whole, tiled = DenoiSegInferer()(image, net), DenoiSegInferer(tile_size=16)(image, net)
        >>> whole.shape, bool((whole - tiled).abs().max() < 1e-4)
        (torch.Size([1, 4, 40, 30]), True)
    """

    def __init__(
        self, tile_size: int | Sequence[int] | None = None, tta: bool = False, output_device: str | torch.device | None = None
    ) -> None:
        super().__init__()
        for edge in [] if tile_size is None else tile_size if isinstance(tile_size, Sequence) else [tile_size]:
            check_int("tile_size", edge, 1)
        self.tile_size, self.tta, self.output_device = tile_size, tta, output_device

    @torch.no_grad()
    def __call__(self, inputs: Tensor, network: Any, *args: Any, intensity: Tensor | None = None, **kwargs: Any) -> Tensor:
        """Predict, with test-time augmentation if asked for.

        Args:
            inputs: whole images ``(B, C, [D,] H, W)``, raw intensities.
            network: a :class:`~monai_denoiseg.networks.DenoiSegNet`, also wrapped for distributed training.
            args: nothing; MONAI's engines pass it on.
            kwargs: likewise.
            intensity: ``(B, 2, C)``; by default the network takes it from ``inputs``.

        Returns:
            ``(B, K + C, [D,] H, W)`` float32: class probabilities, then denoised channels in raw intensities.
        """
        if not self.tta:
            return self.predict(inputs, network, intensity=intensity)
        network = getattr(network, "module", network)
        spatial = inputs.dim() - 2
        intensity = network.intensity(inputs) if intensity is None else intensity
        count = n_orientations(spatial, square=True)
        total: Any = 0
        for k in range(count):
            turned = self.predict(orient(inputs, k, spatial).contiguous(), network, intensity=intensity)
            total = total + orient_inverse(turned, k, spatial)
        return total / count  # type: ignore[no-any-return]

    @torch.no_grad()
    def predict(self, inputs: Tensor, network: Any, *, intensity: Tensor | None = None) -> Tensor:
        """Predict once, without test-time augmentation; arguments and result as :meth:`__call__`."""
        network = getattr(network, "module", network)
        intensity = network.intensity(inputs) if intensity is None else intensity
        size = list(inputs.shape[2:])
        tile = size if self.tile_size is None else per_axis("tile_size", self.tile_size, len(size))
        if math.prod(-(-n // t) for n, t in zip(size, tile, strict=True)) == 1:
            return self._run(inputs, network, intensity)
        result: Tensor | None = None
        for part in tiles(size, tile, network.receptive_radius, network.multiple):
            output = self._run(inputs[(..., *part.window)], network, intensity)
            if result is None:
                result = torch.empty((inputs.shape[0], output.shape[1], *size), device=output.device)
            result[(..., *part.core)] = output[(..., *part.inner)]
        assert result is not None  # an image has at least one tile
        return result

    def _run(self, inputs: Tensor, network: Any, intensity: Tensor) -> Tensor:
        output = network(inputs, intensity)
        classes = network.n_classes
        output = torch.cat([output[:, :classes].softmax(1), output[:, classes:]], 1)
        return output if self.output_device is None else output.to(self.output_device)
