"""Noise2Fast: a network learns to denoise one image from that image alone."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor, nn

from monai_denoiseg.self2seg.noise2fast_training import Noise2FastSettings, Training
from monai_denoiseg.self2seg.watch import Watch

__all__ = ["Noise2FastSettings", "denoise_noise2fast", "predict_noise2fast", "train_noise2fast"]


def train_noise2fast(
    net: nn.Module,
    image: Tensor,
    mask: Tensor | None = None,
    settings: Noise2FastSettings | None = None,
    watch: Watch | None = None,
) -> Tensor:
    """Train a network on one image and denoise it.

    Each iteration learns one half of the image from the other, seen through the mask. The network goes on from the weights it
    has. In a stack one network learns all planes, one plane in each iteration. A plane
    with more pixels of the mask is drawn more often.

    Args:
        net: maps ``(B, C, H, W)`` to the same shape; trained in place.
        image: ``(C, [D,] H, W)``, scaled as the network wants it: about mean 0 and standard deviation 1, or [0, 1] for the
            variant ``"paper"``.
        mask: ``([D,] H, W)``, the pixels to learn, 0 or 1; None: all.
        settings: None: the defaults.
        watch: ends the training when its time is over.

    Returns:
        ``(C, [D,] H, W)`` float32, the mean of the outputs of the last looks, at every pixel.

    Raises:
        ValueError: for shapes that do not fit, values that are not finite, an empty mask, or an image of a single pixel.

    Source: Lequyer et al., Nat. Mach. Intell. 4 (2022); with a mask: Gruber et al., arXiv 2309.10511, sec. 4.

    >>> settings = Noise2FastSettings(features=4, max_iterations=5)
    >>> train_noise2fast(settings.network(), torch.rand(1, 16, 16), settings=settings).shape
    torch.Size([1, 16, 16])
    """
    return _train(net, image, mask, settings, watch)[1]


def predict_noise2fast(
    net: nn.Module,
    image: Tensor,
    mask: Tensor | None = None,
    settings: Noise2FastSettings | None = None,
    watch: Watch | None = None,
) -> tuple[Tensor, Tensor]:
    """Train as :func:`train_noise2fast` does, and also predict each pixel from its neighbours alone.

    The error of this prediction measures how well the network knows a place. The error of the denoised image does not: it has
    seen the noise of its own pixel, so a network that smooths little would seem best everywhere.

    Args:
        net: as there.
        image: ``(C, [D,] H, W)``.
        mask: ``([D,] H, W)`` or None.
        settings: None: the defaults.
        watch: time budget and progress.

    Returns:
        The denoised image and the prediction from neighbours, both ``(C, [D,] H, W)`` float32.

    Raises:
        ValueError: as there.

    >>> settings = Noise2FastSettings(features=4, max_iterations=5)
    >>> denoised, predicted = predict_noise2fast(settings.network(), torch.rand(1, 16, 16), settings=settings)
    >>> denoised.shape, predicted.shape
    (torch.Size([1, 16, 16]), torch.Size([1, 16, 16]))
    """
    training, denoised = _train(net, image, mask, settings, watch)
    return denoised, training.from_neighbours().transpose(0, 1).reshape(image.shape)


def denoise_noise2fast(
    image: ArrayLike | Tensor, settings: Noise2FastSettings | None = None, watch: Watch | None = None, **options: Any
) -> Tensor:
    """Denoise one image, or each plane of a stack by a network of its own.

    Args:
        image: ``(H, W)``, ``(C, H, W)`` or, a stack, ``(C, D, H, W)``; any unit.
        settings: None: the defaults.
        watch: time budget and progress.
        options: single settings to replace, such as ``features=16``.

    Returns:
        Tensor of the same shape, float32, in the unit of the image. A constant channel is returned unchanged.

    Raises:
        ValueError: for a wrong number of axes, values that are not finite, or planes of a single pixel.

    Source: Lequyer et al., Nat. Mach. Intell. 4 (2022).

    >>> denoise_noise2fast(np.arange(64).reshape(8, 8), features=4, max_iterations=3).shape
    torch.Size([8, 8])
    """
    settings = replace(settings or Noise2FastSettings(), **options)
    values = image if isinstance(image, Tensor) else torch.as_tensor(np.asarray(image).astype(np.float64))
    if values.dim() not in (2, 3, 4):
        raise ValueError(f"`image` must be (H, W), (C, H, W) or (C, D, H, W), got shape {tuple(values.shape)}")
    shaped = values.detach().as_subclass(Tensor).reshape(values.shape[0] if values.dim() > 2 else 1, -1, *values.shape[-2:])
    watch = watch or Watch()
    planes = [_denoise_plane(shaped[:, i], settings, watch) for i in range(shaped.shape[1])]
    return torch.stack(planes, dim=1).reshape(values.shape)


def _denoise_plane(plane: Tensor, settings: Noise2FastSettings, watch: Watch) -> Tensor:
    # float64: the mean of a large 16-bit image must not lose its last digits.
    flat = plane.to(torch.float64).flatten(1)
    paper = settings.variant == "paper"
    offset = (flat.amin(1) if paper else flat.mean(1)).reshape(-1, 1, 1)
    scale = (flat.amax(1) - flat.amin(1) if paper else flat.std(1, correction=0)).reshape(-1, 1, 1)
    if bool((scale == 0).all()):
        return plane.to(torch.float32)
    unit = torch.where(scale > 0, scale, torch.ones_like(scale))
    denoised = train_noise2fast(
        settings.network(plane.shape[0]).to(plane.device), (plane - offset) / unit, settings=settings, watch=watch
    )
    return (denoised * scale + offset).to(torch.float32)


def _train(
    net: nn.Module, image: Tensor, mask: Tensor | None, settings: Noise2FastSettings | None, watch: Watch | None
) -> tuple[Training, Tensor]:
    _check(image, mask)
    planes = image.to(torch.float32).reshape(image.shape[0], -1, *image.shape[-2:]).transpose(0, 1)
    masks = None if mask is None else mask.to(planes).reshape(-1, 1, *mask.shape[-2:])
    training = Training(net, planes, masks, settings or Noise2FastSettings())
    return training, training.run(watch or Watch()).transpose(0, 1).reshape(image.shape)


def _check(image: Tensor, mask: Tensor | None) -> None:
    if image.dim() not in (3, 4):
        raise ValueError(f"`image` must be (C, [D,] H, W), got shape {tuple(image.shape)}")
    if image.shape[-1] * image.shape[-2] < 2:
        raise ValueError(f"`image` must have two pixels or more to learn one from the other, got shape {tuple(image.shape)}")
    if not bool(image.isfinite().all()):
        raise ValueError("`image` holds NaN or infinite values; replace them before, for instance by `torch.nan_to_num`")
    if mask is None:
        return
    if mask.shape != image.shape[1:]:
        raise ValueError(
            f"`mask` must have the shape {tuple(image.shape[1:])} of the image without channels, got {tuple(mask.shape)}"
        )
    if not bool((mask > 0).any()):
        raise ValueError(
            "`mask` is empty: a region without pixels has nothing to learn from; lower lam or start from other regions"
        )
