"""Noise2Void blind spots, drawn for a whole batch with tensor operations on its device."""

from __future__ import annotations

import math
import zlib
from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from monai.config import KeysCollection
from monai.transforms import MapTransform, Transform
from monai.utils import convert_to_tensor
from torch import Tensor

from monai_denoiseg.checks import check_int, check_option, check_range
from monai_denoiseg.transforms.blindspot.replacement import STRATEGIES
from monai_denoiseg.transforms.blindspot.struct_copy import copy_blocks
from monai_denoiseg.transforms.blindspot.struct_mask import read_struct_mask, struct_neighbours
from monai_denoiseg.transforms.conventions import sample_shape

PAPER_FRACTION = 1 / 64
"""The paper's 1.5 %, after its rounding in 2D: one voxel in an 8 x 8 box."""

STRUCT_VALUES = ("block", "random")
"""How the neighbours of a struct mask are hidden."""

_MAX_GATHERED = 2**24
_RADIUS = {2: 5, 3: 3}


@dataclass(frozen=True)
class Spots:
    """Where the blind spots of a batch lie.

    Args:
        index: ``(B, C or 1, N)`` flat voxel index within a channel's ``[D,] H, W``.
        valid: ``(B, C or 1, N)`` False for drawn places that are not used.

    >>> spots = Spots(torch.tensor([[[3, 9]]]), torch.tensor([[[True, False]]]))
    >>> spots.index[spots.valid]
    tensor([3])
    """

    index: Tensor
    valid: Tensor


def draw_spots(shape: torch.Size, fraction: float, *, shared: bool = False, device: Any = None, generator: Any = None) -> Spots:
    """Draw stratified blind spots: at most one in each box of a grid.

    The box edge is the n-th root of ``1 / fraction`` rounded down (the *cube* root in 3D; the original takes the square root
    and masks eight times too few voxels), and boxes are left out at random so that the expected share is exactly ``fraction``.

    Args:
        shape: ``(B, C, [D,] H, W)`` of the batch.
        fraction: share of the voxels to mask, in (0, 1).
        shared: the same places for all channels of an image.
        device: where to draw.
        generator: a ``torch.Generator`` of that device; None for torch's global one.

    Returns:
        :class:`Spots`.

    >>> spots = draw_spots(torch.Size([2, 1, 64, 64]), 1 / 64)
    >>> spots.index.shape, int(spots.valid.sum())
    (torch.Size([2, 1, 64]), 128)
    """
    batch, channels, *size = shape
    channels = 1 if shared else channels
    edge = max(1, math.floor((1 / fraction) ** (1 / len(size)) + 1e-6))
    grid = [-(-n // edge) for n in size]
    count = math.prod(grid)
    box = torch.arange(count, device=device)
    index = torch.zeros(batch, channels, count, dtype=torch.long, device=device)
    valid = torch.rand(index.shape, device=device, generator=generator) < fraction * edge ** len(size)
    stride = math.prod(size)
    for axis, n in enumerate(size):
        stride //= n
        corner = box // math.prod(grid[axis + 1 :]) % grid[axis] * edge
        place = corner + torch.randint(edge, index.shape, device=device, generator=generator)
        valid &= place < n  # A box may extend beyond the border: a spot drawn outside is dropped, which keeps the density even.
        index += place.clamp(max=n - 1) * stride
    return Spots(index, valid)


class BlindSpot(Transform):
    """Hide a share of the voxels of a batch behind values made from their neighbours (Noise2Void, Krull et al. 2019).

    Strategies (``radius`` r gives a window of edge 2r + 1, cut off at the image border):

    * ``"uniform"``: a random neighbour, never the voxel itself (default; the paper's text).
    * ``"uniform_with_center"``: a random voxel of the window, the centre included (the paper's code).
    * ``"median"``, ``"mean"``: of the window without its centre (N2V2, Höck et al. 2022, uses the median).
    * ``"normal_fitted"``: normal with mean and standard deviation of the window.
    * ``"identity"``: unchanged (for ablations).

    With a ``struct_mask`` (structN2V, Broaddus et al. 2020) the marked neighbours of each spot are hidden as well, even where
    they are blind spots themselves: noise that is correlated along a line can then not be guessed from the neighbours on it.
    The mask that is returned, and with it the loss, stays with the blind spots. What this means for augmentation:
    :func:`~monai_denoiseg.transforms.blindspot.exchangeable`. The values, ``struct_values``:

    * ``"block"``: spot and neighbours together are copied from a random place nearby, see :func:`copy_blocks` (default).
    * ``"random"``: the neighbours get uniform random values between mean - range * std and mean + range * std of their image
      and channel, the spot what the strategy says. As in the original, except that a neighbour outside the image is dropped,
      not moved to its edge.

    Args:
        fraction: share of the voxels to hide, in (0, 1); 1/64 is the paper's in 2D. A struct mask of n neighbours hides up to
            n times as many on top: take less for a large one.
        radius: window radius in voxels; None for 5, in volumes 3.
        strategy: see above.
        struct_mask: nested lists of 0 and 1, ``([D,] H, W)``, each axis of odd length; ``[[1, 1, 1, 1, 1]]`` is a horizontal line
            (along X). See :func:`~monai_denoiseg.transforms.blindspot.line_mask`. None for plain Noise2Void.
        struct_values: see above.
        struct_range: half width of the random values in standard deviations; 2 is the paper's.
        shared: hide the same voxels in all channels, by values from the same places, instead of drawing them per channel.
        seed: draw from an own generator with this seed; None draws from torch's global generator, so that restoring its state
            replays the draws.

    Raises:
        ValueError: when an argument is out of range.

    >>> hidden, mask = BlindSpot(seed=0)(torch.rand(4, 1, 64, 64))
    >>> hidden.shape, float(mask.float().mean())
    (torch.Size([4, 1, 64, 64]), 0.015625)
    >>> hidden, mask = BlindSpot(struct_mask=[[1, 1, 1, 1, 1]], seed=0)(batch := torch.rand(4, 1, 64, 64))
    >>> 4 * int(mask.sum()) < int((hidden != batch).sum()) <= 5 * int(mask.sum())
    True
    """

    def __init__(
        self,
        fraction: float = PAPER_FRACTION,
        radius: int | None = None,
        strategy: str = "uniform",
        *,
        struct_mask: Any = None,
        struct_values: str = "block",
        struct_range: float = 2.0,
        shared: bool = False,
        seed: int | None = None,
    ) -> None:
        self.fraction = check_range("mask_fraction", fraction, 0, 1, open_low=True, open_high=True)
        self.radius = None if radius is None else check_int("mask_radius", radius, 1)
        self.strategy = check_option("mask_strategy", strategy, STRATEGIES)
        self.struct_mask = None if struct_mask is None else read_struct_mask(struct_mask)
        self.struct_values = check_option("struct_values", struct_values, STRUCT_VALUES)
        self.struct_range = check_range("struct_range", struct_range, 0, math.inf, open_low=True, open_high=True)
        self.shared, self.seed = shared, seed
        self._generators: dict[str, torch.Generator] = {}

    def __call__(self, batch: Tensor, seed: int | None = None, intensity: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Hide voxels of a batch.

        Args:
            batch: float ``(B, C, [D,] H, W)``; it is not changed.
            seed: draw this one call with a fresh generator of this seed.
            intensity: ``(B or 1, 2, C)`` means and standard deviations for the values of a struct mask; None takes those of each
                image of the batch itself (NaN left out).

        Returns:
            The batch with the hidden voxels replaced, and a boolean mask of the same shape that is True at them.

        Raises:
            TypeError: when the batch is not of a floating type (a replacement could not be written back exactly).
            ValueError: when it is one sample, not a batch, or the struct mask does not have as many axes as the image.
        """
        if batch.dim() not in (4, 5) or getattr(batch, "is_batch", True) is False:
            raise ValueError(
                f"`BlindSpot` takes a batch (B, C, [D,] H, W), got {tuple(batch.shape)}: for one sample (C, [D,] H, W), as in "
                "MONAI's Compose, take RandBlindSpot or RandBlindSpotd (a MetaTensor that is a batch after all: .as_tensor())"
            )
        if not batch.is_floating_point():
            raise TypeError(f"blind spots need a floating point image, got {batch.dtype}; convert with .float()")
        generator = self._generator(batch.device, seed)
        spots = draw_spots(batch.shape, self.fraction, shared=self.shared, device=batch.device, generator=generator)
        flat = batch.flatten(2)
        index = spots.index.expand(*flat.shape[:2], -1)
        values = self._replacements(flat, spots.index, list(batch.shape[2:]), generator)
        # Unused spots (dropped boxes) may share a voxel with a used one: they must write nothing.
        spare = flat.shape[2]
        target = torch.where(spots.valid.expand(index.shape), index, spare)
        padded = torch.cat([flat, flat[:, :, :1]], 2)
        hidden = padded.scatter(2, target, values.to(flat.dtype))[:, :, :spare].reshape(batch.shape)
        mask = torch.zeros(padded.shape, dtype=torch.bool, device=batch.device).scatter(2, target, True)
        mask = mask[:, :, :spare].reshape(batch.shape)
        if self.struct_mask is not None and self.struct_values == "block":
            hidden = copy_blocks(batch, mask, self.struct_mask, self._reach(batch.dim() - 2), generator, self.shared)
        elif self.struct_mask is not None:
            # A random value for each voxel of the image, so that spots with common neighbours need no order among them.
            values = self._struct_values(batch, intensity, generator)
            hidden = torch.where(struct_neighbours(mask, self.struct_mask), values, hidden)
        return hidden, mask

    def _struct_values(self, batch: Tensor, intensity: Tensor | None, generator: torch.Generator | None) -> Tensor:
        exact = batch.to(torch.promote_types(batch.dtype, torch.float32))
        column = (..., *[None] * (batch.dim() - 2))
        if intensity is None:
            mean = exact.flatten(2).nanmean(2)
            spread = (exact - mean[column]).square().flatten(2).nanmean(2).sqrt()
        else:
            mean, spread = intensity.to(exact).unbind(1)
        draws = (batch.shape[0], 1 if self.shared else batch.shape[1], *batch.shape[2:])
        steps = 2 * torch.rand(draws, dtype=exact.dtype, device=batch.device, generator=generator) - 1
        return (mean[column] + self.struct_range * spread[column] * steps).to(batch.dtype)

    def _replacements(self, flat: Tensor, index: Tensor, size: list[int], generator: torch.Generator | None) -> Tensor:
        # A large volume in parts: the window statistics gather all neighbours of all spots of a part.
        radius = self._reach(len(size))
        window = (2 * radius + 1) ** len(size)
        parts = index.split(max(1, _MAX_GATHERED // (flat.shape[0] * flat.shape[1] * window)), dim=2)
        exact = flat.to(torch.promote_types(flat.dtype, torch.float32))
        return torch.cat([STRATEGIES[self.strategy](exact, part, size, radius, generator) for part in parts], 2)

    def _reach(self, spatial_dims: int) -> int:
        return self.radius or _RADIUS[spatial_dims]

    def _generator(self, device: torch.device, seed: int | None) -> torch.Generator | None:
        if seed is not None:
            return torch.Generator(device).manual_seed(seed)
        if self.seed is None:
            return None
        if str(device) not in self._generators:
            self._generators[str(device)] = torch.Generator(device).manual_seed(self.seed)
        return self._generators[str(device)]


class FixedBlindSpotd(MapTransform):
    """Add the same blind spots to an item every time it is seen: validation losses stay comparable from epoch to epoch.

    The draw is seeded by ``seed`` and the item's own voxels, so it depends neither on the order nor on the number of items.

    Args:
        keys: images ``(C, [D,] H, W)``.
        blind_spot: the masking.
        seed: changes all masks.
        hidden_suffix: the masked image is stored under key + this.
        mask_suffix: the mask is stored under key + this.
        allow_missing_keys: skip absent keys.

    >>> item = FixedBlindSpotd("image", BlindSpot())({"image": torch.rand(1, 16, 16)})
    >>> sorted(item)
    ['image', 'image_hidden', 'image_mask']
    """

    def __init__(
        self,
        keys: KeysCollection,
        blind_spot: BlindSpot,
        seed: int = 0,
        hidden_suffix: str = "_hidden",
        mask_suffix: str = "_mask",
        allow_missing_keys: bool = False,
    ) -> None:
        super().__init__(keys, allow_missing_keys)
        self.blind_spot, self.seed = blind_spot, seed
        self.hidden_suffix, self.mask_suffix = hidden_suffix, mask_suffix

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Return the item with hidden image and mask added."""
        out = dict(data)
        for key in self.key_iterator(out):
            sample_shape(str(key), out[key])
            image = convert_to_tensor(out[key])
            # A sum over the voxels tells the items apart and, unlike a hash of the memory, does not depend on its layout. It is
            # hashed together with the seed because torch's generator on the CPU looks at 32 bits of a seed only.
            own = zlib.crc32(f"{self.seed} {float(image.double().sum()):.9g}".encode())
            hidden, mask = self.blind_spot(image[None], seed=own)
            out[f"{key}{self.hidden_suffix}"], out[f"{key}{self.mask_suffix}"] = hidden[0], mask[0]
        return out
