"""Which image to annotate next: how unsure the network is of an image, and how badly it denoises it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from monai_denoiseg.engines import Precision
from monai_denoiseg.heads import denoises
from monai_denoiseg.transforms import BlindSpot, FixedBlindSpotd

MEASURES = ("uncertainty", "blind_spot")

SERVED_SECONDS = 3600
"""For so long an image that was offered is offered again only after all others: somebody may be at it, or has skipped it."""


def prediction_entropy(probabilities: Tensor) -> float:
    """Mean entropy of the class probabilities of an image: 0 where all is certain, 1 where nothing is known.

    Probabilities averaged over flips and rotations (test-time augmentation) also tell where these disagree.

    Args:
        probabilities: ``(K, [D,] H, W)`` that sum to 1 over the K classes; ``(1, ...)`` is the probability of an object.

    Returns:
        The entropy over its largest possible value, averaged over the voxels.

    Raises:
        ValueError: without any class, or for NaN.

    >>> prediction_entropy(torch.tensor([[[1.0, 0.5]], [[0.0, 0.5]]]))
    0.5
    """
    if not probabilities.shape[0]:
        raise ValueError("the network has no classes, so there is no uncertainty of them; use the strategy 'blind_spot'")
    if probabilities.shape[0] == 1:
        probabilities = torch.cat([probabilities, 1 - probabilities])
    entropy = torch.special.entr(probabilities.double().clamp_min(0)).sum(0).mean() / math.log(probabilities.shape[0])
    if not bool(torch.isfinite(entropy)):
        raise ValueError("the predicted probabilities hold NaN")
    return float(entropy)


@torch.no_grad()
def blind_spot_error(network: Any, inferer: Any, image: Tensor, *, precision: Precision, fraction: float = 1 / 64) -> float:
    """Mean squared error of the network at voxels it does not see, in units of the noisy image's own scale.

    High where an image holds structures the network has not learnt (or more noise than others).

    Args:
        network: a network with denoised channels.
        inferer: see :class:`~monai_denoiseg.engines.DenoiSegInferer`; used without test-time augmentation.
        image: ``(C, [D,] H, W)``, raw intensities.
        precision: device and precision of the prediction.
        fraction: share of the voxels hidden; the same ones for the same image every time.

    Raises:
        ValueError: when the network does not denoise.

    >>> from monai_denoiseg.engines import DenoiSegInferer
    >>> from monai_denoiseg.networks import DenoiSegNet
    >>> network = DenoiSegNet(2, depth=1, features=4).eval()
    >>> blind_spot_error(network, DenoiSegInferer(), torch.rand(1, 32, 32), precision=Precision("cpu", "off")) > 0
    True
    """
    if not denoises(network):
        raise ValueError("the network does not denoise, so it has no blind-spot error; use the strategy 'uncertainty'")
    item = FixedBlindSpotd("image", BlindSpot(fraction))({"image": image})
    hidden, mask = item["image_hidden"][None], item["image_mask"]
    intensity = network.intensity(image[None].to(precision.device))
    hidden = precision.layout(hidden.to(precision.device))
    with precision.autocast(network, hidden):
        denoised = inferer.predict(hidden, network, intensity=intensity)[0, network.n_classes :]
    scale = intensity[0, 1].reshape(-1, *[1] * (image.dim() - 1)).cpu()
    error = ((denoised.float().cpu() - image) / scale)[mask].square()
    return float(error.mean()) if error.numel() else 0.0


def choose(
    scores: Mapping[str, float | None], served: Mapping[str, float] | None = None, now: float = 0.0, pause: float = SERVED_SECONDS
) -> str:
    """Choose the image with the highest score that was not offered lately.

    Args:
        scores: score of each image; None where it is not known (taken last).
        served: when an image was last offered, in seconds; images never offered are missing.
        now: the time, in the same unit.
        pause: an image offered less than this ago comes after all others.

    Returns:
        The image; of equal ones the first by name.

    Raises:
        ValueError: without any image.

    >>> choose({"a": 0.2, "b": 0.9, "c": None}), choose({"a": 0.2, "b": 0.9}, {"b": 50}, now=60)
    ('b', 'a')
    """
    if not scores:
        raise ValueError("there is no image to choose from")
    times = served or {}

    def rank(name: str) -> tuple[bool, float, str]:
        lately = name in times and now - times[name] < pause
        score = scores[name]
        return lately, math.inf if score is None else -score, name

    return min(scores, key=rank)
