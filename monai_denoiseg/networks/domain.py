"""What images a network knows: usual size and range of those it was trained on, and what they look like to it."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from itertools import product
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from monai_denoiseg.networks.plausible import REACH

SCALES = 5
"""Image sizes looked at, each half the one before."""
LEVELS = (0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99)
FLOOR = 0.1
"""Least deviation of a figure: images that are all alike may differ by so much."""
SHRINK = 0.05
"""Least share by which correlations are drawn to 0."""
MOST_WINDOWS = {2: 8, 3: 4}
"""Windows along an axis that are looked at in a large image."""
MOST_IMAGES = 400
"""Training images looked at."""
MOST_CHANNELS = 4
STRANGE = 2.5
"""A training image so many times as far from the others as three quarters of them does not say what is usual."""
KINDS = ("brightness and contrast", "texture and sharpness", "the share of bright and dark")
INVERTED = "bright and dark, which are exchanged (inverted or brightfield?)"


def windows(shape: Sequence[int], window: Sequence[int]) -> list[tuple[slice, ...]]:
    """Windows spread evenly over an image, none larger than it.

    >>> windows((10, 4), (5, 8))
    [(slice(0, 5, None), slice(0, 4, None)), (slice(5, 10, None), slice(0, 4, None))]
    """
    axes = []
    for size, edge in zip(shape, window, strict=True):
        edge = min(edge, size)
        n = min(-(-size // edge), MOST_WINDOWS[len(shape)])
        axes.append([slice(round(start), round(start) + edge) for start in np.linspace(0, size - edge, n)])
    return list(product(*axes))


def look(read: Callable[[tuple[slice, ...]], Tensor], shape: Sequence[int], window: Sequence[int]) -> np.ndarray:
    """Figures of the window of an image in which there is most to see.

    Args:
        read: gives a window of the image as the network sees it, ``(C, [D,] H, W)``, normalised.
        shape: spatial shape of the image.
        window: usual spatial shape of a training image.

    Returns:
        ``(C, figures)``; see :func:`figures`.

    >>> look(lambda place: torch.zeros(1, 8, 8)[(slice(None), *place)], (8, 8), (4, 4)).shape
    (1, 22)
    """
    best, found = -1.0, torch.zeros(0, 0)
    for place in windows(shape, window):
        part = read(place).float()[:MOST_CHANNELS].clamp(-10, 20)
        contrast = float(_half(_half(_half(part))).flatten(1).std(1, correction=0).max())
        if contrast > best:
            best, found = contrast, part
    return figures(found)


def figures(image: Tensor) -> np.ndarray:
    """Levels of an image, and at each of five scales its detail (log deviation), its skewness and the kurtosis of its details.

    Args:
        image: ``(C, [D,] H, W)``, normalised.

    Returns:
        ``(C, 22)``.
    """
    found = [torch.quantile(_thin(image.flatten(1)), torch.tensor(LEVELS), dim=1).T]
    for scale in range(SCALES):
        if scale:
            image = _half(image)
        coarse = _half(image)
        detail = image - F.interpolate(coarse[None], image.shape[1:])[0]
        found.append(_shape(image, detail))
    return torch.cat(found, 1).double().numpy()


def _shape(image: Tensor, detail: Tensor) -> Tensor:
    spread = detail.flatten(1).std(1, correction=0)
    values = image.flatten(1) - image.flatten(1).mean(1, keepdim=True)
    skew = (values / (values.std(1, correction=0)[:, None] + 1e-3)).pow(3).mean(1).clamp(-5, 5)
    tails = (detail.flatten(1) / (spread[:, None] + 1e-3)).pow(4).mean(1)
    return torch.stack([(spread + 0.01).log(), skew, (tails + 0.1).log()], 1)


def _thin(values: Tensor) -> Tensor:
    return values[:, :: max(1, values.shape[1] // 1_000_000)]


def _half(image: Tensor) -> Tensor:
    kernel = [min(2, size) for size in image.shape[1:]]
    pool = F.avg_pool2d if len(kernel) == 2 else F.avg_pool3d
    return pool(image[None], kernel, ceil_mode=True)[0]


def describe_domain(network: Any, images: Sequence[Tensor] | Any, window: Sequence[int]) -> dict[str, Any]:
    """Measure the images a network is trained on, as it sees them.

    Args:
        network: a :class:`~monai_denoiseg.networks.DenoiSegNet` whose normalisation is set.
        images: ``(C, [D,] H, W)`` by index, raw intensities; up to 400, spread evenly, are looked at.
        window: usual spatial shape of the images, by which fields much larger are normalised.

    Returns:
        ``window``, ``low`` and ``high`` (the 0.1 and 99.9 percentiles of the normalised images, the farthest ones
        of all images, each a number a channel), and for each channel ``mean``, ``inverse`` (of the covariance) and ``limit`` of
        the figures of :func:`look`: an image is outside whose distance from the mean (Mahalanobis) is larger.
        Nothing without images.
    """
    chosen = sorted({round(i) for i in np.linspace(0, len(images) - 1, min(MOST_IMAGES, len(images)))})
    if not chosen:
        return {}
    network.window = [int(edge) for edge in window]
    rows, ends = [], []
    for i in chosen:
        image = torch.as_tensor(images[i]).float()
        seen = normalised(image, network.intensity(image[None])[0])
        rows.append(look(partial(_window_of, seen), seen.shape[1:], network.window))
        ends.append(torch.quantile(_thin(seen.flatten(1)), torch.tensor([0.001, 0.999]), dim=1).numpy())
    low, high = np.stack(ends).min(0)[0], np.stack(ends).max(0)[1]
    known = [_cloud(np.stack([row[c] for row in rows])) for c in range(rows[0].shape[0])]
    return {"window": network.window, "low": _short(low), "high": _short(np.maximum(high, low + 1)), "channels": known}


def normalised(image: Tensor, intensity: Tensor) -> Tensor:
    """An image ``(C, [D,] H, W)`` as the network sees it, by offset and scale ``(2, C)``."""
    shape = [-1] + [1] * (image.dim() - 1)
    return (image.float() - intensity[0].reshape(shape)) / intensity[1].reshape(shape)


def _cloud(rows: np.ndarray) -> dict[str, Any]:
    mean, inverse = _fit(rows)
    few = rows[np.linspace(0, len(rows) - 1, min(64, len(rows))).astype(int)] if len(rows) > 1 else rows
    numbers = np.linspace(0, len(rows) - 1, len(few)).astype(int)
    # Each image by what the others say: with few images, they lie farther from a new one than from themselves.
    left_out = [_distance(rows[i], *_fit(np.delete(rows, i, 0))) for i in numbers] if len(rows) > 1 else [1.0]
    most = min(float(np.quantile(left_out, 0.98)), STRANGE * float(np.quantile(left_out, 0.75)))
    limit = max(1.0, most) * (1 + 1 / math.sqrt(len(rows)))
    return {"mean": _short(mean), "inverse": [_short(row) for row in inverse], "limit": float(f"{limit:.4g}")}


def _fit(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    n, p = rows.shape
    spread = np.maximum(rows.std(0), FLOOR)
    deviations = (rows - rows.mean(0)) / spread
    share = max(SHRINK, p / (n + p))
    correlation = (1 - share) * deviations.T @ deviations / n + share * np.eye(p)
    return rows.mean(0), np.linalg.inv(correlation) / np.outer(spread, spread)


def _distance(row: np.ndarray, mean: Any, inverse: Any) -> float:
    difference = row - np.asarray(mean)
    return float(np.sqrt(max(0.0, difference @ np.asarray(inverse) @ difference) / len(row)))


def _short(values: Iterable[float]) -> list[float]:
    return [float(f"{v:.5g}") for v in values]


def outside(domain: Mapping[str, Any], found: np.ndarray) -> tuple[float, str]:
    """How far an image lies from those of the training.

    Args:
        domain: see :func:`describe_domain`.
        found: figures of the image, see :func:`look`.

    Returns:
        Distance in units of the limit (outside: above 1) in the worst channel, and in what it differs most.
    """
    worst = (0.0, "")
    for row, known in zip(found, domain["channels"], strict=False):
        distance = _distance(row, known["mean"], known["inverse"]) / known["limit"]
        if distance > worst[0]:
            worst = (distance, _kind(row, np.asarray(known["mean"]), np.asarray(known["inverse"])))
    return worst


def _kind(row: np.ndarray, mean: np.ndarray, inverse: np.ndarray) -> str:
    skew = len(LEVELS) + 1
    if row[skew] * mean[skew] < 0 and min(abs(row[skew]), abs(mean[skew])) > 0.25:
        return INVERTED
    shares = (row - mean) ** 2 * np.diag(inverse)
    parts = shares[len(LEVELS) :].reshape(SCALES, 3)
    return KINDS[int(np.argmax([shares[: len(LEVELS)].max(), parts[:, [0, 2]].max(), parts[:, 1].max()]))]


def know_domain(network: Any) -> None:
    """Tell a network usual size and range of the images its description was made from.

    Args:
        network: a :class:`~monai_denoiseg.networks.DenoiSegNet`.
    """
    domain = check_domain(network.domain, network.in_channels, network.spatial_dims)
    network.bounded, network.window = bool(domain), domain.get("window")
    network.bounds = [domain["low"], domain["high"], _usual(domain)] if domain else [[0.0]] * 3
    network.receptive_radius = [radius + REACH * bool(domain) for radius in network.unet.receptive_radius()]


def _usual(domain: Mapping[str, Any]) -> list[float]:
    """Mean of the medians of the training images, normalised, a number a channel: about that of the background."""
    known = [float(channel["mean"][LEVELS.index(0.5)]) for channel in domain["channels"]]
    return known + [0.0] * (len(domain["low"]) - len(known))


def check_domain(domain: Mapping[str, Any], channels: int, spatial_dims: int) -> dict[str, Any]:
    """Return what a file tells of its training images, if it fits the network.

    Raises:
        ValueError: when it does not.

    >>> check_domain({}, 1, 2)
    {}
    """
    if not domain:
        return {}
    try:
        right = len(domain["window"]) == spatial_dims and min(domain["window"]) > 0
        right &= len(domain["low"]) == len(domain["high"]) == channels and "channels" in domain
        right &= all(low < high for low, high in zip(domain["low"], domain["high"], strict=False))
    except (KeyError, TypeError) as error:
        raise ValueError("its `domain` is damaged; take another copy of the file") from error
    if not right:
        raise ValueError("its `domain` does not fit the network; take another copy of the file")
    return dict(domain)


def _window_of(image: Tensor, place: tuple[slice, ...]) -> Tensor:
    return image[(slice(None), *place)]
