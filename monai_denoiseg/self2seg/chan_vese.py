"""Methods to compare Self2Seg with: Chan and Vese's model on the noisy image, and on the denoised one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from numpy.typing import ArrayLike
from torch import Tensor

from monai_denoiseg.self2seg.loop import Self2Seg, checked_image
from monai_denoiseg.self2seg.noise2fast import denoise_noise2fast
from monai_denoiseg.self2seg.result import Self2SegResult


def segment_convex_chan_vese(image: ArrayLike | Tensor, lam: float | None = 0.02, **options: Any) -> Self2SegResult:
    """Segment by the convex model of Chan and Vese: Self2Seg with constant experts.

    Args:
        image: ``(C, [D,] H, W)``.
        lam: price of a boundary pixel, see :class:`Self2Seg`.
        options: of :class:`Self2Seg`; ``experts=["constant"] * n`` for n regions.

    Source: Chan, Esedoglu, Nikolova, SIAM J. Appl. Math. 66 (2006).

    >>> import torch
    >>> image = torch.zeros(1, 16, 16)
    >>> image[:, 4:12, 4:12] = 1
    >>> int(segment_convex_chan_vese(image).labels.sum())
    64
    """
    settings = {
        "experts": ["constant", "constant"],
        "start": "threshold",
        "max_outer": 30,
        "energy_tolerance": 0.0,
        "mask_tolerance": 1e-4,
    }
    return Self2Seg(lam=lam, **{**settings, **options})(image)


def segment_sequential(
    image: ArrayLike | Tensor, lam: float | None = 0.02, noise2fast: Mapping[str, Any] | None = None, **options: Any
) -> Self2SegResult:
    """Denoise the whole image by Noise2Fast, then segment the result by :func:`segment_convex_chan_vese`.

    Args:
        image: ``(C, [D,] H, W)``.
        lam: price of a boundary pixel.
        noise2fast: options of :func:`denoise_noise2fast`.
        options: of :class:`Self2Seg`.

    Returns:
        As Self2Seg, with Noise2Fast's output as denoised image.

    >>> import torch
    >>> segment_sequential(torch.rand(1, 16, 16), noise2fast={"features": 4, "max_iterations": 3}).labels.shape
    torch.Size([16, 16])
    """
    denoised = denoise_noise2fast(checked_image(image), **(noise2fast or {}))
    return replace(segment_convex_chan_vese(denoised, lam, **options), denoised=denoised)
