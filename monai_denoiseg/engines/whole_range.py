"""Robust intensity range of an image that is read window by window."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from monai_denoiseg.intensity import sample_moments, sample_stride


def streamed_range(image: Any, frame: int, windows: Iterable[tuple[slice, ...]], usual: Sequence[int] | None = None) -> Tensor:
    """Return what :func:`~monai_denoiseg.intensity.robust_moments` returns for the whole image, to the bit.

    That function looks at every n-th voxel of a large image; the same ones are collected here, a few million at most.

    Args:
        image: a :class:`~monai_denoiseg.data.LazyImage`.
        frame: which of its frames.
        windows: slices that cover the image once.
        usual: spatial shape of the images the network was trained on, the ``window`` of that function.

    Returns:
        ``(1, 2, C)`` float32: offsets and scales.

    Raises:
        ValueError: naming the file, when there are NaN or infinite values.

    >>> from monai_denoiseg.data import LazyImage
    >>> from monai_denoiseg.data.axes import arrange
    >>> values = np.tile([0.0, 2.0], (7, 100))
    >>> image = LazyImage("a", values, arrange(values.shape, "YX", "a"))
    >>> streamed_range(image, 0, [(slice(0, 7), slice(0, 50)), (slice(0, 7), slice(50, 200))]).flatten().tolist()
    [1.0, 1.0]
    """
    shape = image.spatial_shape
    total = math.prod(shape)
    stride = sample_stride(total)
    samples, places = [], []
    for window in windows:
        data = check_finite(image.read(frame, window), str(image.path))
        number = _numbers(window, shape)
        chosen = number % stride == 0
        samples.append(data.reshape(len(data), -1)[:, chosen].astype(np.float32))
        places.append(number[chosen])
    order = np.argsort(np.concatenate(places), kind="stable")  # that of the voxels, whatever that of the windows
    sample = torch.from_numpy(np.concatenate(samples, 1)[:, order])[None]
    return sample_moments(sample, list(shape), stride, window=None if usual is None else list(usual))


def usual_window(network: Any) -> list[int] | None:
    """Usual spatial shape of the images a network was trained on, where its file tells.

    >>> from monai_denoiseg.networks import DenoiSegNet
    >>> usual_window(DenoiSegNet(2, depth=1, features=4)) is None
    True
    """
    return getattr(getattr(network, "denoiser", network), "window", None)


def check_finite(data: np.ndarray, name: str) -> np.ndarray:
    """Return ``data``, or raise if it holds NaN or infinite values.

    Args:
        data: values of an image.
        name: the file, for the message.

    Raises:
        ValueError: naming the file.

    >>> check_finite(np.array([1.0, np.nan]), "a.tif")
    Traceback (most recent call last):
        ...
    ValueError: a.tif holds NaN or infinite intensities; replace or crop them
    """
    if data.dtype.kind == "f" and not np.isfinite(data).all():
        raise ValueError(f"{name} holds NaN or infinite intensities; replace or crop them")
    return data


def _numbers(window: tuple[slice, ...], shape: tuple[int, ...]) -> np.ndarray:
    """Numbers of a window's voxels in the whole image, in memory order."""
    number: Any = np.zeros((), np.int64)
    for span, length in zip(window, shape, strict=True):
        number = np.expand_dims(number, -1) * length + np.arange(span.start, span.stop)
    numbers: np.ndarray = number.reshape(-1)
    return numbers
