"""Agreement of a denoised image with a clean reference: PSNR, scale-invariant PSNR, SSIM."""

from __future__ import annotations

import math
import warnings
from typing import Any

import numpy as np
import torch
from monai.config import NdarrayOrTensor
from monai.metrics import CumulativeIterationMetric
from monai.metrics.regression import compute_ssim_and_cs
from monai.utils import convert_to_numpy

from monai_denoiseg.checks import check_option, check_range

__all__ = ["PSNRMetric", "psnr", "scale_invariant_psnr", "ssim"]

_SSIM_WINDOW, _SSIM_SIGMA = 11, 1.5


def psnr(prediction: NdarrayOrTensor, reference: NdarrayOrTensor, data_range: float | None = None) -> float:
    """PSNR in dB: ``20 log10(range) - 10 log10(mean squared error)``, nothing clipped or rescaled.

    Args:
        prediction: image of any shape, in the units of the reference.
        reference: clean image of the same shape.
        data_range: range of values; by default maximum - minimum of the reference (the papers' definition).

    Returns:
        Decibels; infinite for identical images; NaN, with a warning, if the reference is constant and no range is given.

    Raises:
        ValueError: when the shapes differ or ``data_range`` is not positive.

    Source: DenoiSeg (2020), published evaluation code.

    >>> round(psnr(np.array([0.0, 1.0, 2.0, 4.0]), np.array([0.0, 1.0, 2.0, 3.0])), 2)
    15.56
    """
    predicted, clean = _pair(prediction, reference)
    span = _data_range(clean, data_range)
    error = float(np.mean((predicted - clean) ** 2))
    if error == 0 and span > 0:
        return math.inf
    return 20 * math.log10(span) - 10 * math.log10(error) if span > 0 else math.nan


def scale_invariant_psnr(prediction: NdarrayOrTensor, reference: NdarrayOrTensor, data_range: float | None = None) -> float:
    """PSNR after the best affine map ``a * prediction + b`` (least squares) onto the reference.

    For images whose scale and offset were lost. The fit uses the reference: compare it only with numbers obtained the same way.

    Args:
        prediction: image of any shape, in any units.
        reference: clean image of the same shape.
        data_range: range of the reference's values; by default its maximum - minimum.

    Returns:
        Decibels, as :func:`psnr`; a constant prediction is as good as the mean of the reference.

    Raises:
        ValueError: when the shapes differ or ``data_range`` is not positive.

    Source: Weigert et al., CARE (2018); definition of CAREamics.

    >>> x = np.array([0.0, 1.0, 2.0, 4.0])
    >>> round(scale_invariant_psnr(x, np.array([0.0, 1.0, 2.0, 3.0])), 2)
    23.22
    >>> round(scale_invariant_psnr(5 * x - 3, np.array([0.0, 1.0, 2.0, 3.0])), 2)
    23.22
    """
    predicted, clean = _pair(prediction, reference)
    centred, target = predicted - predicted.mean(), clean - clean.mean()
    power = float((centred**2).sum())
    scale = float((centred * target).sum()) / power if power > 0 else 0.0
    return psnr(scale * centred, target, data_range)


def ssim(prediction: NdarrayOrTensor, reference: NdarrayOrTensor, data_range: float | None = None) -> float:
    """Mean structural similarity by MONAI, Gaussian window of 11 voxels (less along axes shorter than that), sigma 1.5.

    Args:
        prediction: ``(C, [D,] H, W)`` in the units of the reference.
        reference: clean image of the same shape.
        data_range: range of values; by default maximum - minimum of the reference.

    Returns:
        At most 1; NaN, with a warning, if the reference is constant and no range is given.

    Raises:
        ValueError: when the shapes differ, are not 2D or 3D with channels, or ``data_range`` is not positive.

    Source: Wang et al. (2004).

    >>> image = np.random.default_rng(0).random((1, 16, 16))
    >>> ssim(image, image)
    1.0
    """
    predicted, clean = _pair(prediction, reference)
    if clean.ndim not in (3, 4):
        raise ValueError(f"`reference` must have the shape (C, [D,] H, W), got {clean.shape}")
    span = _data_range(clean, data_range)
    if not span > 0:
        return math.nan
    window = [min(_SSIM_WINDOW, size) for size in clean.shape[1:]]
    # SSIM does not change with the scale of both images; a range of 1 keeps MONAI's float32 sums exact enough for 16-bit data.
    batch = [torch.from_numpy(image / span)[None] for image in (predicted, clean)]
    values, _ = compute_ssim_and_cs(*batch, clean.ndim - 1, window, [_SSIM_SIGMA] * len(window), data_range=1.0)
    return float(values.mean())


class PSNRMetric(CumulativeIterationMetric):
    """Mean PSNR over images, as a MONAI metric that reduces over processes.

    Called with ``y_pred`` and ``y``: batches ``(B, C, [D,] H, W)`` or lists of ``(C, [D,] H, W)`` tensors.
    :meth:`get_buffer` returns the values of the images ``(N, 1)``.

    Args:
        kind: ``"paper"`` for :func:`psnr`, ``"scale_invariant"`` for :func:`scale_invariant_psnr`.
        data_range: range of values; by default that of each reference.

    Raises:
        ValueError: when ``kind`` is unknown or ``data_range`` not positive.

    >>> metric = PSNRMetric(data_range=1.0)
    >>> rows = metric(torch.full((2, 1, 4, 4), 0.1), torch.zeros(2, 1, 4, 4))
    >>> round(metric.aggregate(), 3)
    20.0
    """

    def __init__(self, kind: str = "paper", data_range: float | None = None) -> None:
        super().__init__()
        self.kind = check_option("kind", kind, ("paper", "scale_invariant"))
        self.data_range = data_range if data_range is None else check_range("data_range", data_range, 0, math.inf, open_low=True)

    def _compute_tensor(self, y_pred: torch.Tensor, y: torch.Tensor | None = None, **kwargs: Any) -> torch.Tensor:
        """Return the decibels of each image ``(B, 1)``."""
        if y is None:
            raise ValueError("`y`, the clean reference, is missing")
        measure = psnr if self.kind == "paper" else scale_invariant_psnr
        values = [measure(prediction, reference, self.data_range) for prediction, reference in zip(y_pred, y, strict=True)]
        return torch.tensor(values, dtype=torch.float32, device=y_pred.device).reshape(-1, 1)

    def aggregate(self) -> float:
        """Mean over all images so far, of all processes; images whose PSNR is NaN are left out; NaN if none is left."""
        buffer = self.get_buffer()
        return math.nan if buffer is None else float(buffer.double().nanmean())


def _pair(prediction: NdarrayOrTensor, reference: NdarrayOrTensor) -> tuple[np.ndarray, np.ndarray]:
    if tuple(prediction.shape) != tuple(reference.shape):
        shapes = f"{tuple(prediction.shape)} and {tuple(reference.shape)}"
        raise ValueError(f"`prediction` and `reference` must have the same shape, got {shapes}")
    predicted, clean = (
        convert_to_numpy(image.float() if isinstance(image, torch.Tensor) else image, dtype=np.float64)
        for image in (prediction, reference)
    )
    return predicted, clean


def _data_range(clean: np.ndarray, data_range: float | None) -> float:
    if data_range is not None:
        return check_range("data_range", float(data_range), 0, math.inf, open_low=True)
    span = float(clean.max() - clean.min())
    if span == 0:
        message = "the reference image is constant, so its range is 0 and the score undefined (NaN); give `data_range`"
        warnings.warn(message, stacklevel=3)
    return span
