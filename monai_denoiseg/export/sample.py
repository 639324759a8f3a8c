"""An image to try an exported network with, and a picture of what it makes of it."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from monai_denoiseg.data import simulate_nuclei
from monai_denoiseg.export.module import DENOISED, PROBABILITIES, first_stage
from monai_denoiseg.pictures.colours import colour_labels
from monai_denoiseg.pictures.intensities import contrast_window, to_rgb
from monai_denoiseg.pictures.panels import join_panels, to_png_bytes

SHAPES = {2: (128, 128), 3: (16, 64, 64)}


def sample_image(network: Any) -> Tensor:
    """Simulated nuclei in the intensities of the network's training images.

    Args:
        network: see :class:`~monai_denoiseg.export.ExportNet`.

    Returns:
        float32 ``(1, C, [D,] H, W)``; axes are multiples of the network's down-sampling.

    >>> from monai_denoiseg.networks import DenoiSegNet
    >>> sample_image(DenoiSegNet(2, depth=1, features=4)).shape
    torch.Size([1, 1, 128, 128])
    """
    shape = [-(-size // step) * step for size, step in zip(SHAPES[network.spatial_dims], network.multiple, strict=True)]
    image = simulate_nuclei(shape, channels=network.in_channels).image.astype(np.float32)
    batch = torch.from_numpy(image.reshape(1, network.in_channels, *shape))
    first, places = first_stage(network), [1, -1] + [1] * len(shape)
    if not first.by_image:
        axes = list(range(2, batch.dim()))
        mean, std = batch.mean(axes, keepdim=True), batch.std(axes, keepdim=True)
        batch = (batch - mean) / std * first.std.cpu().reshape(places) + first.mean.cpu().reshape(places)
    return batch


def cover_picture(network: Any, image: Tensor, outputs: dict[str, Tensor]) -> bytes:
    """The image, and beside it its denoised half and the labels of its other half, as PNG twice as wide as high.

    Args:
        network: see :class:`~monai_denoiseg.export.ExportNet`.
        image: of :func:`sample_image`.
        outputs: of the network, by their names.
    """
    noisy = _plane(image[0].numpy())
    window = contrast_window(noisy)
    left = to_rgb(noisy, window)
    right = to_rgb(_plane(outputs[DENOISED][0].numpy()), window) if DENOISED in outputs else left.copy()
    if PROBABILITIES in outputs:
        labels = np.asarray(network.labels(outputs[PROBABILITIES][0]))
        half = right.shape[1] // 2 if DENOISED in outputs else 0
        right[:, half:] = colour_labels(_plane(labels)[0])[:, half:]
    return to_png_bytes(_two_to_one(join_panels([left, right])))


def _plane(image: NDArray[Any]) -> NDArray[Any]:
    """The middle plane of ``(C, [D,] H, W)``."""
    return image[:, image.shape[1] // 2] if image.ndim == 4 else image


def _two_to_one(picture: NDArray[Any]) -> NDArray[Any]:
    height = picture.shape[1] // 2
    rows = np.linspace(0, picture.shape[0] - 1, height).round().astype(int)
    return np.ascontiguousarray(picture[rows, : 2 * height])
