"""The joint loss of DenoiSeg."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Protocol

import torch
from torch import Tensor, nn

from monai_denoiseg.checks import check_range
from monai_denoiseg.losses.blindspot_loss import BlindSpotLoss
from monai_denoiseg.losses.partial_cross_entropy import PartialCrossEntropyLoss


class Segmentation(Protocol):
    """What the loss asks of a head (:class:`~monai_denoiseg.heads.Head`).

    Attributes:
        channels: segmentation channels of the network.
        label_channels: channels of the target.
    """

    @property
    def channels(self) -> int:
        """See above."""

    @property
    def label_channels(self) -> int:
        """See above."""

    def loss(self, class_weights: Sequence[float] | None, reduction: str) -> nn.Module:
        """Compare ``channels`` of an output with a target."""


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


def error_unit(statistics: tuple[Tensor, Tensor], normalisation: str) -> Tensor | None:
    """Intensity that a training measures its denoising error in.

    Args:
        statistics: mean and standard deviation of the training images, ``(C,)`` each.
        normalisation: of the network; ``"image"`` measures in the deviation of each image.

    Returns:
        The argument ``unit`` of :class:`DenoiSegLoss`.

    >>> error_unit((torch.tensor([100.0]), torch.tensor([20.0])), "dataset")
    tensor([20.])
    """
    return statistics[1] if normalisation == "dataset" else None


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
        head: what the network predicts; None takes those classes.

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
        head: Segmentation | None = None,
    ) -> None:
        super().__init__()
        self.alpha = check_range("alpha", alpha, 0, 1)
        self.segmentation: Any
        if head is None:
            self.segmentation = PartialCrossEntropyLoss(class_weights, reduction, classes=classes)
            self.channels, self.label_channels = len(self.segmentation.weight), 1
        elif classes or not hasattr(head, "loss"):
            raise ValueError(
                f"`head` must be a head such as monai_denoiseg.heads.StarHead(rays), without `classes`, got {head!r}"
            )
        else:
            self.segmentation = head.loss(class_weights, reduction)
            self.channels, self.label_channels = head.channels, head.label_channels
        self.denoising = BlindSpotLoss("sum" if reduction == "paper" else "mean", huber_delta)
        self.register_buffer("unit", None if unit is None else torch.as_tensor(unit, dtype=torch.float32), persistent=False)

    @property
    def class_weights(self) -> Tensor:
        """Weight of each class; empty for a head without classes."""
        return getattr(self.segmentation, "weight", torch.zeros(0))

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
            if label.shape[1] == 1:  # so has an image without label, all -1, whatever the head
                label = label.expand(-1, self.label_channels, *label.shape[2:])
            segmentation = self.segmentation(output[:, :channels], label)
        return JointLoss(self.alpha * denoising + (1 - self.alpha) * segmentation, denoising, segmentation)
