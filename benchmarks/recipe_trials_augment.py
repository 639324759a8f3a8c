"""Crops of `recipe_trials.py`: plain ones, noisy ones scaled as they are, and denoised ones scaled under noise that is not."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
from dsb2018 import PATCH
from torch import Tensor
from torch.nn import functional

from monai_denoiseg.transforms import BorderLabel

CROP = 64
SHARE = 0.75
"""Share of the labelled crops that are scaled or brightened by :func:`rescaled_crops`."""
SMALLEST = 8  # pixels of the window that becomes a crop


class Patches(NamedTuple):
    """Training patches ``(N, 1, 128, 128)``, the labelled ones first."""

    images: Tensor
    """float32, noisy."""
    masks: Tensor
    """int32, numbers of the objects."""
    labels: Tensor
    """int32, classes of the labelled patches, -1 for the others."""


def draw_numbers(pool: int, count: int) -> Tensor:
    """`count` numbers below `pool`, none a second time before all have come."""
    return torch.cat([torch.randperm(pool) for _ in range(math.ceil(count / pool))])[:count]


def log_uniform(limit: float) -> float:
    """A factor from ``1 / limit`` to ``limit``."""
    return math.exp((2 * float(torch.rand(())) - 1) * math.log(limit))


def turned(crop: Tensor, orientation: int) -> Tensor:
    """One of the eight flips and quarter turns."""
    crop = torch.rot90(crop, orientation % 4, (-2, -1))
    return crop.flip(-1) if orientation >= 4 else crop


def crops(patches: Patches, numbers: Sequence[int], zoom: float = 1.0) -> tuple[Tensor, Tensor]:
    """Crops and their classes, cut anywhere, turned; above `zoom` 1 the noisy image is scaled, its noise with it."""
    images, labels = [], []
    for number in numbers:
        orientation = int(torch.randint(8, ()))
        size = CROP if zoom == 1 else min(PATCH, round(CROP / log_uniform(zoom)))
        window = _anywhere(size)
        image, label = patches.images[number][window], patches.labels[number][window]
        if zoom != 1:
            image, label = _scaled(image), _classes(patches.masks[number][window])
        images.append(turned(image, orientation))
        labels.append(turned(label, orientation))
    return torch.stack(images), torch.stack(labels)


def rescaled_crops(patches: Patches, denoised: Tensor, numbers: Sequence[int], zoom: float, gain: float) -> tuple[Tensor, Tensor]:
    """Crops whose denoised image is scaled and brightened, and the noise that was removed put on top as it is.

    Args:
        patches: training patches.
        denoised: the labelled ones denoised, ``(L, 1, 128, 128)``.
        numbers: labelled patches to cut from.
        zoom: largest scale, 1 or more.
        gain: largest factor of the brightness, 1 or more.
    """
    images, labels = [], []
    for number in numbers:
        orientation = int(torch.randint(8, ()))
        scale, factor = 1.0, 1.0
        if float(torch.rand(())) < SHARE:
            scale, factor = log_uniform(zoom), log_uniform(gain)
        size = min(PATCH, max(SMALLEST, round(CROP / scale)))
        window = _anywhere(size)
        signal, label = denoised[number][window], patches.labels[number][window]
        if size != CROP:
            signal, label = _scaled(signal, antialias=size > CROP), _classes(patches.masks[number][window])
            window = _anywhere(CROP)  # the noise is another place's
        noise = patches.images[number][window] - denoised[number][window]
        images.append(turned(signal * factor + noise, orientation))
        labels.append(turned(label, orientation))
    return torch.stack(images), torch.stack(labels)


def _anywhere(size: int) -> tuple[slice, slice, slice]:
    y, x = torch.randint(0, PATCH - size + 1, (2,)).tolist()
    return slice(None), slice(y, y + size), slice(x, x + size)


def _scaled(image: Tensor, antialias: bool = False) -> Tensor:
    return functional.interpolate(image[None], size=(CROP, CROP), mode="bilinear", align_corners=False, antialias=antialias)[0]


def _classes(masks: Tensor) -> Tensor:
    """Classes of objects scaled to the crop: borders keep their width."""
    scaled = functional.interpolate(masks[None].float(), size=(CROP, CROP), mode="nearest")[0].int()
    return torch.as_tensor(BorderLabel()(scaled)).int()
