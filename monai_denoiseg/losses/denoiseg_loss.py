"""The joint loss of DenoiSeg."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from monai_denoiseg.checks import check_int, check_option, check_range
from monai_denoiseg.losses.blindspot_loss import BlindSpotLoss
from monai_denoiseg.losses.partial_cross_entropy import PartialCrossEntropyLoss
from monai_denoiseg.losses.star_loss import StarDistLoss

HEADS = ("classes", "stardist", "none")


class JointLoss(NamedTuple):
    """The joint loss and its parts, scalars.

    Attributes:
        total: ``alpha * denoising + (1 - alpha) * segmentation``; the one to differentiate.
        denoising: unweighted blind-spot error.
        segmentation: unweighted cross entropy.
    """

    total: Tensor
    denoising: Tensor
    segmentation: Tensor


class DenoiSegLoss(nn.Module):
    """``L = alpha * Ld + (1 - alpha) * Ls`` (DenoiSeg, Buchholz et al. 2020).

    ``alpha=1`` is Noise2Void; ``alpha=0`` trains the segmentation alone. With a ``target`` image in the target (a clean image:
    CARE; a second noisy one: Noise2Noise) the denoised channels are compared with that instead of the noisy original.

    Args:
        alpha: weight of the denoising loss, in [0, 1].
        class_weights: see :class:`PartialCrossEntropyLoss`; None is ``(1, 1, 5)`` for instances, 1 for each semantic class.
        reduction: ``"labelled"`` (default) or ``"paper"``, see :class:`PartialCrossEntropyLoss`; with ``"paper"`` the
            denoising loss also sums over the channels, as the original does.
        unit: ``(C,)`` intensity the denoising error is measured in: the standard deviation of the training data. None: that of
            each image, where the target tells it (few bright images would else rule the loss), else 1.
        huber_delta: see :class:`BlindSpotLoss`; None for squared errors.
        classes: names of semantic classes, background first; None (or empty) for background, foreground, border.
        head: of the network: ``"classes"``, ``"stardist"`` (see :class:`StarDistLoss`) or ``"none"`` (no segmentation).
        n_rays: rays of a StarDist head.

    Raises:
        ValueError: when an argument is out of range.

    >>> loss = DenoiSegLoss(alpha=0.5)
    >>> image = torch.zeros(1, 1, 4, 4)
    >>> target = {"image": image, "mask": image == 0, "label": torch.zeros(1, 1, 4, 4, dtype=torch.int64)}
    >>> parts = loss(torch.zeros(1, 4, 4, 4), target)
    >>> round(float(parts.total), 4), float(parts.denoising), round(float(parts.segmentation), 4)
    (0.5493, 0.0, 1.0986)
    """

    unit: Tensor | None

    def __init__(
        self,
        alpha: float = 0.5,
        class_weights: Sequence[float] | None = None,
        reduction: str = "labelled",
        unit: Tensor | Sequence[float] | None = None,
        huber_delta: float | None = None,
        classes: Sequence[str] | None = None,
        head: str = "classes",
        n_rays: int = 0,
    ) -> None:
        super().__init__()
        self.alpha = check_range("alpha", alpha, 0, 1)
        self.head = check_option("head", head, HEADS)
        self.segmentation: nn.Module
        if head == "stardist":
            self.channels = 1 + check_int("n_rays", n_rays, 3)
            self.segmentation = StarDistLoss(reduction=reduction)
        else:
            self.segmentation = PartialCrossEntropyLoss(class_weights, reduction, classes=classes)
            self.channels = len(self.segmentation.weight) if head == "classes" else 0
        self.denoising = BlindSpotLoss("sum" if reduction == "paper" else "mean", huber_delta)
        self.register_buffer("unit", None if unit is None else torch.as_tensor(unit, dtype=torch.float32), persistent=False)

    @property
    def class_weights(self) -> Tensor:
        """Weight of each class; none for a head without classes."""
        has_classes = self.head == "classes" and isinstance(self.segmentation, PartialCrossEntropyLoss)
        return self.segmentation.weight if has_classes else torch.zeros(0)  # type: ignore[return-value]

    def forward(self, output: Tensor, target: Mapping[str, Tensor]) -> JointLoss:
        """Evaluate both parts.

        Args:
            output: network output ``(B, K + C, [D,] H, W)``: class logits (object logit and distances), then the denoised
                channels, if any.
            target: ``image`` (the noisy original, ``(B, C, ...)``), ``mask`` (blind spots, same shape) and ``label``
                (``(B, 1, ...)``, or ``(B, 1 + n_rays, ...)``; -1 where not annotated); perhaps ``unit`` ``(B, C)`` and
                ``target``, the image to compare with where ``mask`` is True.

        Returns:
            :class:`JointLoss`. A part that has nothing to compare (no masked voxel, no annotated voxel, no such channels) is 0.
        """
        channels = self.channels
        denoising = segmentation = output.sum() * 0
        if output.shape[1] > channels:
            unit = target.get("unit") if self.unit is None else self.unit.to(output.device)
            wanted = target.get("target", target["image"])
            denoising = self.denoising(output[:, channels:], wanted, target["mask"], unit)
        if channels:
            label = target["label"]
            if self.head == "stardist":  # an image without label has one channel, all -1
                label = label.expand(-1, channels, *label.shape[2:])
            segmentation = self.segmentation(output[:, :channels], label)
        return JointLoss(self.alpha * denoising + (1 - self.alpha) * segmentation, denoising, segmentation)
