"""Where Self2Seg begins: which pixels each expert learns from first."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from skimage.filters import threshold_multiotsu
from torch import Tensor

from monai_denoiseg.checks import check_range

Boxes = Sequence[Sequence[Sequence[int]]]


def start_by_threshold(image: Tensor, n_regions: int = 2, threshold: float | None = 0.5) -> Tensor:
    """Divide the image by brightness; the last region is the brightest.

    Args:
        image: ``(C, [D,] H, W)``; channels are averaged after each has been scaled to [0, 1].
        n_regions: number of regions. More than two are separated by Otsu's thresholds.
        threshold: for two regions, where between darkest (0) and brightest (1) to cut; None: Otsu's threshold.

    Returns:
        Masks ``(n_regions, [D,] H, W)``, bool.

    Raises:
        ValueError: for a constant image, or a threshold out of range.

    >>> start_by_threshold(torch.tensor([[[0.0, 3.0, 9.0, 10.0]]]))[1]
    tensor([[False, False,  True,  True]])
    """
    flat = image.flatten(1)
    low, high = flat.amin(1), flat.amax(1)
    if bool((low == high).all()):
        raise ValueError("the image is constant: there is nothing to segment")
    shape = (-1, *[1] * (image.ndim - 1))
    scale = torch.where(high > low, high - low, torch.ones_like(high))
    grey = ((image - low.reshape(shape)) / scale.reshape(shape)).mean(0)
    grey = (grey - grey.min()) / (grey.max() - grey.min()).clamp_min(torch.finfo(grey.dtype).tiny)
    if n_regions == 2 and threshold is not None:
        cuts = [check_range("start_threshold", threshold, 0, 1, open_low=True, open_high=True)]
    else:
        cuts = _otsu(grey, n_regions)
    level = sum(((grey > cut).long() for cut in cuts), torch.zeros_like(grey, dtype=torch.long))
    return torch.stack([level == region for region in range(n_regions)])


def _otsu(grey: Tensor, n_regions: int) -> list[float]:
    values = grey.detach().cpu().numpy().astype(np.float64).ravel()
    if len(np.unique(values)) < n_regions:
        raise ValueError(f"the image has fewer grey levels than {n_regions} regions: give boxes or scribbles")
    return [float(cut) for cut in threshold_multiotsu(values, n_regions)]


def start_by_boxes(shape: Sequence[int], boxes: Boxes) -> Tensor:
    """Let each expert begin with the pixels in its boxes.

    Args:
        shape: ``([D,] H, W)``.
        boxes: for each region, background first, a list of boxes ``[first, end, first, end, ...]``: for each axis the first pixel
            and the one after the last.

    Returns:
        Masks ``(regions, [D,] H, W)``, bool; they need not cover the image.

    Raises:
        ValueError: for a region without box, a box of the wrong length, empty or outside the image, and for boxes of two regions
            that overlap.

    >>> start_by_boxes((2, 5), [[[0, 2, 0, 1]], [[0, 1, 3, 5]]]).int().tolist()
    [[[1, 0, 0, 0, 0], [1, 0, 0, 0, 0]], [[0, 0, 0, 1, 1], [0, 0, 0, 0, 0]]]
    """
    masks = torch.zeros(len(boxes), *shape, dtype=torch.bool)
    for region, several in enumerate(boxes):
        if not isinstance(several, Sequence) or len(several) == 0 or not isinstance(several[0], Sequence):
            raise ValueError(f"`boxes` needs a list of boxes for each region, got {several!r} for region {region}")
        for box in several:
            masks[region][_slices(box, shape)] = True
    if bool((masks.sum(0) > 1).any()):
        raise ValueError("`boxes` of different regions overlap: a pixel can only teach one expert")
    return masks


def _slices(box: Sequence[int], shape: Sequence[int]) -> tuple[slice, ...]:
    if len(box) != 2 * len(shape) or any(isinstance(n, bool) or not isinstance(n, int) for n in box):
        raise ValueError(f"a box needs {2 * len(shape)} whole numbers (first, end for each axis), got {list(box)}")
    pairs = list(zip(box[::2], box[1::2], strict=True))
    for (first, end), length in zip(pairs, shape, strict=True):
        if not 0 <= first < end <= length:
            raise ValueError(f"box {list(box)} is empty or leaves the image of shape {list(shape)}")
    return tuple(slice(first, end) for first, end in pairs)


def start_by_scribbles(scribbles: Tensor, n_regions: int) -> Tensor:
    """Let each expert begin with the pixels a user has drawn.

    Args:
        scribbles: ``([D,] H, W)``, integers: the region (0 background), negative or 255 where nothing is drawn.
        n_regions: number of regions.

    Returns:
        Masks ``(n_regions, [D,] H, W)``, bool.

    Raises:
        ValueError: for values that are no region, and for a region without any pixel.

    >>> start_by_scribbles(torch.tensor([[0, -1, 1]]), 2)[1]
    tensor([[False, False,  True]])
    """
    drawn = (scribbles >= 0) & (scribbles != 255)
    if scribbles.is_floating_point() and bool((scribbles != scribbles.round()).any()):
        raise ValueError("scribbles must be whole numbers: 0 background, 1 foreground, ..., -1 or 255 not drawn")
    if bool((scribbles[drawn] >= n_regions).any()):
        found = sorted({int(value) for value in scribbles[drawn].unique().tolist()})
        raise ValueError(f"scribbles must hold 0 to {n_regions - 1}, and -1 or 255 where nothing is drawn; got {found}")
    masks = torch.stack([drawn & (scribbles == region) for region in range(n_regions)])
    empty = [region for region in range(n_regions) if not bool(masks[region].any())]
    if empty:
        raise ValueError(f"scribbles have no pixel of region {empty[0]}: draw at least one stroke in every region")
    return masks
