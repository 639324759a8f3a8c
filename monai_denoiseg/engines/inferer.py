"""Whole-image prediction: tiles with a halo, test-time augmentation, class probabilities beside the denoised image."""

from __future__ import annotations

import itertools
import logging
import math
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import torch
from monai.inferers import Inferer
from torch import Tensor

from monai_denoiseg.checks import check_int, per_axis
from monai_denoiseg.engines.at_spacing import predict_at_spacing
from monai_denoiseg.engines.blending import predict_blended
from monai_denoiseg.heads import denoises
from monai_denoiseg.networks import Network, own_network
from monai_denoiseg.processes import unwrap
from monai_denoiseg.transforms import refine_denoised
from monai_denoiseg.transforms.intensity import refine_reach
from monai_denoiseg.transforms.orientation import n_orientations, orient, orient_inverse

logger = logging.getLogger(__name__)

SEAM = 0.1
"""Tiles whose probabilities differ by more (a standard deviation) are warned of."""

REFINE_BLOCK = {2: 1024, 3: 96}
"""Edge of the blocks in which a denoised image is refined, in voxels, by number of axes."""


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


def tiles(
    size: Sequence[int], tile_size: Sequence[int], halo: Sequence[int], multiple: Sequence[int], *, reversible: bool = False
) -> Iterator[Tile]:
    """Cover an image with tiles whose prediction equals that of the whole image.

    Cores start at multiples of the network's down-sampling and the halo covers its receptive field, so every voxel sees the same
    surroundings, pooled on the same grid, as it would untiled.

    Args:
        size: spatial shape of the image in voxels.
        tile_size: edge of the cores, rounded up to ``multiple``.
        halo: margin in voxels to each side, rounded up likewise.
        multiple: the network's down-sampling factor per axis.
        reversible: a flipped image is pooled on a grid that begins at its other end: let windows also *end* a multiple away
            from the end of the image.

    Yields:
        :class:`Tile` after tile, the cores covering the image once, last axis fastest.

    >>> [t.core[0] for t in tiles((20,), (8,), (4,), (4,))]
    [slice(0, 8, None), slice(8, 16, None), slice(16, 20, None)]
    >>> [t.window[0] for t in tiles((21,), (8,), (4,), (4,), reversible=True)]
    [slice(0, 13, None), slice(4, 21, None), slice(12, 21, None)]
    """
    axes = []
    for n, tile, margin, step in zip(size, tile_size, halo, multiple, strict=True):
        tile, margin = (-(-value // step) * step for value in (tile, margin))
        spans = []
        for start in range(0, n, tile):
            stop = min(start + tile, n)
            spare = max(0, n - stop - margin) // step * step if reversible else n - (-(-stop // step) * step + margin)
            low, high = max(0, start - margin), n - max(0, spare)
            spans.append((slice(low, high), slice(start, stop), slice(start - low, stop - low)))
        axes.append(spans)
    for place in itertools.product(*axes):
        window, core, inner = zip(*place, strict=True)
        yield Tile(window, core, inner)


class DenoiSegInferer(Inferer):
    """Predict an image of any size.

    Args:
        tile_size: edge of the tiles in voxels, or one an axis; None predicts the whole image at once. Tiled and untiled
            prediction agree within float tolerance (see :func:`tiles`), with and without ``tta``, unless the network has a
            backbone whose outputs depend on the whole image: tiles then overlap and are blended, and their difference is logged.
        tta: average the predictions of all flips and 90-degree rotations (8 in 2D; 16 in 3D, in-plane rotations only). A network
            made for pixels that are not square (other strides or kernels along Y than along X) is flipped only.
        output_device: where the whole result is gathered; None: where the input is.
        refine: correct the denoised image by the noisy one, see :func:`~monai_denoiseg.transforms.refine_denoised`. A network
            that was trained with clean or second images as targets (its buffer ``blind`` is false), or not at all, is left as
            it is.

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
        self,
        tile_size: int | Sequence[int] | None = None,
        tta: bool = False,
        output_device: str | torch.device | None = None,
        *,
        refine: bool = False,
    ) -> None:
        super().__init__()
        for edge in [] if tile_size is None else tile_size if isinstance(tile_size, Sequence) else [tile_size]:
            check_int("tile_size", edge, 1)
        self.tile_size, self.tta, self.output_device, self.refine = tile_size, tta, output_device, refine

    @torch.no_grad()
    def __call__(
        self, inputs: Tensor, network: Any, *args: Any, intensity: Tensor | None = None, spacing: Any = None, **kwargs: Any
    ) -> Tensor:
        """Predict, with test-time augmentation if asked for.

        Args:
            inputs: whole images ``(B, C, [D,] H, W)``, raw intensities.
            network: a :class:`~monai_denoiseg.networks.DenoiSegNet`, also wrapped for distributed training.
            args: nothing; MONAI's engines pass it on.
            kwargs: likewise.
            intensity: ``(B, 2, C)``; by default the network takes it from ``inputs``.
            spacing: voxel size of the images, for a network with a ``target_spacing``, see :func:`predict_at_spacing`.

        Returns:
            ``(B, K + C, [D,] H, W)`` float32: class probabilities (object probability and distances), then denoised
            channels in raw intensities, see :meth:`~monai_denoiseg.networks.DenoiSegNet.activate`.
        """
        output = self._anywhere(inputs, network, intensity, spacing, self.tta)
        if self.refines(network):
            output[:, unwrap(network).n_classes :] = self._refined(output, inputs)
        return output

    @torch.no_grad()
    def predict(self, inputs: Tensor, network: Any, *, intensity: Tensor | None = None, spacing: Any = None) -> Tensor:
        """Predict once, neither augmented nor refined; arguments and result as :meth:`__call__`."""
        return self._anywhere(inputs, network, intensity, spacing, False)

    def refines(self, network: Any) -> bool:
        """Whether the denoised image of a network is refined.

        Args:
            network: see :meth:`__call__`.
        """
        own = unwrap(network)
        return self.refine and denoises(own) and bool(getattr(own, "blind", False))

    def tiling(self, size: Sequence[int], network: Any, *, tta: bool | None = None) -> list[Tile]:
        """Return the tiles an image is predicted in, in their order; a single one without ``tile_size``.

        Args:
            size: spatial shape of the image in voxels.
            network: the network; its down-sampling and receptive field shape the tiles.
            tta: whether orientations are averaged; None: as the inferer was told.
        """
        own = own_network(network)
        tile = tuple(size) if self.tile_size is None else per_axis("tile_size", self.tile_size, len(size))
        if math.prod(-(-n // t) for n, t in zip(size, tile, strict=True)) == 1:
            whole = tuple(slice(0, n) for n in size)
            return [Tile(whole, whole, whole)]
        halo, multiple = list(own.receptive_radius), list(own.multiple)
        tta = self.tta if tta is None else tta
        return list(tiles(size, tile, halo, multiple, reversible=tta))

    @torch.no_grad()
    def predict_window(self, window: Tensor, network: Any, intensity: Tensor, *, tta: bool | None = None) -> Tensor:
        """Predict one window, in all orientations with test-time augmentation.

        The part :attr:`Tile.inner` of the result is that of the whole image; the halo around it is not.

        Args:
            window: ``(B, C, [D,] H, W)``, raw intensities: a :attr:`Tile.window` of the images.
            network: see :meth:`__call__`.
            intensity: ``(B, 2, C)`` of the *whole* images, see :meth:`~monai_denoiseg.networks.DenoiSegNet.intensity`.
            tta: whether to average over orientations; None: as the inferer was told.

        Returns:
            ``(B, K + C, [D,] H, W)`` float32, as :meth:`__call__`.
        """
        own = own_network(network)
        if not (self.tta if tta is None else tta):
            return self._run(window, own, intensity)
        spatial = window.dim() - 2
        turns = range(n_orientations(spatial, square=own.square()) if getattr(own, "flips", True) else 1)
        turned = ((k, self._run(orient(window, k, spatial).contiguous(), own, intensity)) for k in turns)
        return own.head.average(((k, orient_inverse(output, k, spatial)) for k, output in turned), spatial)

    def _anywhere(self, inputs: Tensor, network: Any, intensity: Tensor | None, spacing: Any, tta: bool) -> Tensor:
        own = own_network(network)
        given = own.intensity(inputs) if intensity is None else intensity
        return predict_at_spacing(lambda images: self._predict(images, own, given, tta), inputs, own, spacing)

    def _predict(self, inputs: Tensor, network: Any, intensity: Tensor, tta: bool) -> Tensor:
        own = own_network(network)
        size = list(inputs.shape[2:])
        parts = self.tiling(size, own, tta=tta)
        if len(parts) == 1:
            return self.predict_window(inputs, own, intensity, tta=tta)
        if getattr(own, "sees_whole", False):
            return self._blended(inputs, own, intensity, tta)
        result: Tensor | None = None
        for part in parts:
            output = self.predict_window(inputs[(..., *part.window)], own, intensity, tta=tta)
            if result is None:
                result = torch.empty((inputs.shape[0], output.shape[1], *size), device=output.device)
            result[(..., *part.core)] = output[(..., *part.inner)]
        assert result is not None  # an image has at least one tile
        return result

    def _blended(self, inputs: Tensor, own: Network, intensity: Tensor, tta: bool) -> Tensor:
        """Tiles of a network that sees the whole image differ: they overlap, and by how much they differ is logged."""
        tile = per_axis("tile_size", self.tile_size or 1, inputs.dim() - 2)
        found = predict_blended(
            inputs, lambda window: self.predict_window(window, own, intensity, tta=tta), tile, own.multiple, own.n_classes
        )
        logger.log(
            logging.WARNING if found.seam[0] > SEAM else logging.INFO,
            "each output of this network depends on the whole image: its tiles differ by up to %.2g, %.1g on average, in what "
            "they segment, and are blended; a larger --tile_size lessens that",
            *found.seam,
        )
        return found.output

    def _refined(self, output: Tensor, inputs: Tensor) -> Tensor:
        """Denoised channels ``(B, C, [D,] H, W)`` of a prediction, refined block by block: memory is that of a block."""
        size, channels = inputs.shape[2:], inputs.shape[1]
        denoised = output[:, -channels:]
        result = torch.empty_like(denoised)
        block, reach = [REFINE_BLOCK[len(size)]] * len(size), [refine_reach(len(size))] * len(size)
        for part in tiles(size, block, reach, [1] * len(size)):
            place = (..., *part.window)
            for index in range(len(inputs)):
                guide, image = (t[index][place].float().cpu().numpy() for t in (denoised, inputs))
                refined = refine_denoised(guide, image)[(..., *part.inner)]
                result[index][(..., *part.core)] = torch.from_numpy(refined).to(result)
        return result

    def _run(self, inputs: Tensor, network: Network, intensity: Tensor) -> Tensor:
        output = network.activate(network(inputs, intensity))
        return output if self.output_device is None else output.to(self.output_device)
