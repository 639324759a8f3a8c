"""Images and class labels on a grid of other voxels, and back."""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from monai.transforms import Transform
from torch import Tensor

from monai_denoiseg.constants import IGNORE
from monai_denoiseg.spacing import check_target
from monai_denoiseg.units import lengths_in, unit_of

SAME = 0.05
"""Voxel sizes that differ by no more than this share of the wanted one count as the same."""
FARTHEST = 20.0
"""Factor between two voxel sizes that no scanner explains: one of them is in another unit, or made up."""


def grid_at(shape: Sequence[int], spacing: Sequence[float] | Tensor | None, target: Sequence[float]) -> list[int]:
    """Voxels along each axis of an image at another voxel size; an axis within 5 % of it keeps its own.

    Args:
        shape: spatial shape ``([D,] H, W)``.
        spacing: its voxel size; None or NaN where nobody knows: then nothing changes.
        target: the wanted one; empty for any.

    Raises:
        ValueError: when the two have not one value an axis, or are a factor of 20 apart.

    >>> grid_at((12, 50, 35), (3.0, 1.0, 1.02), (1.0, 1.0, 1.0)), grid_at((12, 50), None, (1.0, 1.0))
    ([36, 50, 35], [12, 50])
    """
    sizes = [] if spacing is None else [float(size) for size in spacing]
    if not len(target) or not all(0 < size < math.inf for size in sizes) or not sizes:
        return list(shape)
    if not len(shape) == len(sizes) == len(target):
        raise ValueError(f"the voxel size {sizes} and `target_spacing` {list(target)} need {len(shape)} values each")
    ratios = [size / wanted for size, wanted in zip(sizes, target, strict=True)]
    if max(*ratios, *(1 / ratio for ratio in ratios)) > FARTHEST:
        raise ValueError(
            f"voxels of {_short(sizes)} are to be resampled to {_short(target)}, a factor of more than {FARTHEST:g}: if the file "
            "has another unit or none, give the voxel size with --spacing"
        )
    return [n if abs(ratio - 1) <= SAME + 1e-6 else max(1, round(n * ratio)) for n, ratio in zip(shape, ratios, strict=True)]


def _short(sizes: Sequence[float]) -> str:
    return " x ".join(f"{size:.4g}" for size in sizes)


def resample(image: Tensor, shape: Sequence[int]) -> Tensor:
    """Interpolate linearly, averaging where the new voxels are larger. Both grids cover the same field of view.

    Args:
        image: ``(B, C, [D,] H, W)`` or ``(C, [D,] H, W)``, any leading axes.
        shape: spatial shape wanted.

    Returns:
        float32 of that shape; the image itself where the shape is its own.

    >>> resample(torch.tensor([[0.0, 2.0]]), (4,)).tolist(), resample(torch.tensor([[0.0, 2.0, 4.0, 6.0]]), (2,)).shape
    ([[0.0, 0.5, 1.5, 2.0]], torch.Size([1, 2]))
    """
    first = image.dim() - len(shape)
    for axis, n in enumerate(shape, first):
        if image.shape[axis] != n:
            lead, rest = math.prod(image.shape[:axis]), math.prod(image.shape[axis + 1 :])
            # The last axis lies in the rows of a plane: torch 2.13 interpolates columns of width 1 wrongly.
            size, at = (1, 1, lead, image.shape[axis]), (lead, int(n))
            if rest > 1:
                size, at = (1, lead, image.shape[axis], rest), (int(n), rest)
            plane = F.interpolate(image.float().reshape(size), at, mode="bilinear", antialias=True, align_corners=False)
            image = plane.reshape(*image.shape[:axis], int(n), *image.shape[axis + 1 :])
    return image


def resample_classes(label: Tensor, shape: Sequence[int]) -> Tensor:
    """Bring class labels to another grid: each voxel gets the class with the largest share of it.

    A voxel is annotated where the one that its middle lies in is, or, along axes where voxels grow, any whose middle lies in it:
    slices and scribbles do not vanish, and what nobody annotated stays so.

    Args:
        label: ``(1, [D,] H, W)`` class numbers, -1 where not annotated.
        shape: spatial shape wanted.

    Returns:
        ``(1, *shape)`` of the same type.

    >>> resample_classes(torch.tensor([[1, 2, -1, -1]]), (8,)).tolist()
    [[1, 1, 2, 2, -1, -1, -1, -1]]
    """
    if list(label.shape[1:]) == list(shape):
        return label
    most, found = torch.zeros((1, *shape)), label.new_full((1, *shape), IGNORE)
    for value in label.unique().tolist():  # class by class: memory is that of one
        if value != IGNORE:
            weight = resample((label == value).float(), shape)
            found = torch.where(weight > most, torch.full_like(found, value), found)
            most = torch.maximum(most, weight)
    return torch.where(_covered(label != IGNORE, shape), found, torch.full_like(found, IGNORE))


def _covered(known: Tensor, shape: Sequence[int]) -> Tensor:
    """Which voxels of another grid are annotated, see :func:`resample_classes`."""
    for axis, n in enumerate(shape, 1):
        old = known.shape[axis]
        places = ((torch.arange(max(old, n)) + 0.5) * min(old, n) / max(old, n)).long()
        if n >= old:
            known = known.index_select(axis, places)
        else:
            size = (*known.shape[:axis], int(n), *known.shape[axis + 1 :])
            known = torch.zeros(size, dtype=torch.int32).index_add_(axis, places, known.int()) > 0
    return known


class TargetSpacingd(Transform):
    """Give an annotated item of another voxel size a copy at the wanted one, for the training of the segmentation.

    The item gets ``respaced``: ``image``, ``label`` and ``spacing`` of the copy. Its own label becomes -1 everywhere: on its own
    grid, where noise is as the scanner left it, only the denoising is learnt; interpolated noise, which neighbours share, would
    teach a denoiser nothing. Items without annotation, at that size already or of a size nobody knows stay as they are.

    Args:
        target: voxel size along each axis; None (or empty) for no change.
        image_key: image ``(C, [D,] H, W)``.
        label_key: classes ``(1, [D,] H, W)``, -1 where not annotated.
        spacing_key: voxel size of the image.
        unit: of the target; sizes in other units of length are converted. None: numbers are compared as they are.

    Raises:
        ValueError: for a voxel size that is not positive.

    >>> item = {"image": torch.rand(1, 4, 6), "label": torch.ones(1, 4, 6).int(), "spacing": torch.tensor([3.0, 1.0])}
    >>> TargetSpacingd((1.0, 1.0))(item)["respaced"]["label"].shape
    torch.Size([1, 12, 6])
    """

    def __init__(
        self,
        target: Sequence[float] | None,
        image_key: str = "image",
        label_key: str = "label",
        spacing_key: str = "spacing",
        unit: str | None = None,
    ) -> None:
        self.target, self.unit = check_target(target), unit
        self.image_key, self.label_key, self.spacing_key = image_key, label_key, spacing_key

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Return the item, with ``respaced`` where it is needed."""
        item = dict(data)
        if self.label_key not in item:
            return item
        image, label = (torch.as_tensor(item[key]).as_subclass(Tensor) for key in (self.image_key, self.label_key))
        own = item.get(self.spacing_key)
        if own is not None and self.target:
            known = {**item, "image": item[self.image_key], "spacing": own}
            own = lengths_in(torch.as_tensor(own).as_subclass(Tensor), unit_of(known), self.unit)
        shape = grid_at(image.shape[1:], own, self.target)
        if own is None or shape == list(image.shape[1:]):
            return item
        sizes = torch.tensor([float(size) * n / m for size, n, m in zip(own, image.shape[1:], shape, strict=True)])
        copy = {"image": resample(image, shape), "label": resample_classes(label, shape), "spacing": sizes}
        return {**item, self.label_key: torch.full_like(label, IGNORE), "respaced": copy}
