"""Which images a network will know: measured before its training, and warned of where they do not go together."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from monai_denoiseg.networks.domain import describe_domain

logger = logging.getLogger(__name__)

APART = 16.0
"""Factor between the contrasts of two groups of images with nothing in between: 8 and 16 bits mixed, another camera."""


class _Images:
    """The images of a data set, by index."""

    def __init__(self, dataset: Any) -> None:
        self.dataset = dataset

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, index: int) -> torch.Tensor:
        image = torch.as_tensor(self.dataset[index]["image"])
        return image.as_subclass(torch.Tensor).float()


def describe_images(network: Any, dataset: Any, window: Sequence[int]) -> None:
    """Write into a network what the images of its training look like to it, see :func:`describe_domain`.

    Args:
        network: a :class:`~monai_denoiseg.networks.DenoiSegNet` that knows its normalisation; others are left alone.
        dataset: items with an ``image`` ``(C, [D,] H, W)``.
        window: their usual spatial shape.
    """
    if not hasattr(network, "domain"):
        return
    network.domain = {}  # that of a file it starts from: training sees whole images, unbounded
    images = _Images(dataset)
    network.domain = describe_domain(network, images, window)
    if not bool(network.image_mode):
        warn_of_exposures(
            [
                float(
                    np.ptp(
                        torch.quantile(
                            images[i].flatten()[:: 1 + images[i].numel() // 100_000], torch.tensor([0.001, 0.999])
                        ).numpy()
                    )
                )
                for i in range(len(images))
            ]
        )


def warn_of_exposures(contrasts: Sequence[float]) -> bool:
    """Warn where images of one training fall into groups of very different contrast, which one normalisation cannot serve.

    Args:
        contrasts: of each image, bright minus dark.

    >>> warn_of_exposures([100, 120, 90, 25_000]), warn_of_exposures([100, 300, 1000, 3000, 0])
    (True, False)
    """
    found = np.sort([c for c in contrasts if c > 0])
    if len(found) < 2:
        return False
    steps = found[1:] / found[:-1]
    place = int(steps.argmax())
    if steps[place] < APART:
        return False
    logger.warning(
        "the training images are of different exposures or bit depths: %d have a contrast (bright minus dark) of up to %.3g, %d "
        "of %.3g and more. One mean and deviation for all cannot serve both: train with --normalisation image, or bring them to "
        "one scale first",
        place + 1,
        found[place],
        len(found) - place - 1,
        found[place + 1],
    )
    return True
