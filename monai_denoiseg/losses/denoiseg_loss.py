"""The joint loss of DenoiSeg."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Protocol

import torch
from torch import Tensor, nn

from monai_denoiseg.checks import check_range
from monai_denoiseg.losses.annotated_loss import AnnotatedLoss
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

    The loss is one tensor, as any training loop and MONAI's ``SupervisedTrainer`` expect; :meth:`parts` gives both parts. Either
    part may be another loss than the paper's.

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
        segmentation: compares logits ``(B, K, ...)`` with labels ``(B, 1, ...)`` in place of the cross entropy, such as MONAI's
            ``DiceCELoss(to_onehot_y=True, softmax=True)``; it sees annotated voxels only, see :class:`AnnotatedLoss`.
        denoising: compares images element by element in place of the squared error, such as
            ``torch.nn.SmoothL1Loss(reduction="none")``.

    Raises:
        ValueError: when an argument is out of range, or belongs to the loss that another one replaces.

    >>> loss = DenoiSegLoss(alpha=0.5)
    >>> image = torch.zeros(1, 1, 4, 4)
    >>> target = {"image": image, "mask": image == 0, "label": torch.zeros(1, 1, 4, 4, dtype=torch.int64)}
    >>> loss(torch.zeros(1, 4, 4, 4), target)
    tensor(0.5493)
    >>> parts = loss.parts(torch.zeros(1, 4, 4, 4), target)
    >>> float(parts.denoising), round(float(parts.segmentation), 4)
    (0.0, 1.0986)
    >>> from monai.losses import DiceCELoss
    >>> dice = DiceCELoss(to_onehot_y=True, softmax=True)
    >>> float(DenoiSegLoss(segmentation=dice, denoising=nn.L1Loss(reduction="none"))(torch.zeros(1, 4, 4, 4), target)) > 0
    True
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
        *,
        segmentation: nn.Module | None = None,
        denoising: nn.Module | None = None,
    ) -> None:
        super().__init__()
        self.alpha = check_range("alpha", alpha, 0, 1)
        self.segmentation: Any
        if segmentation is not None and class_weights is not None:
            raise ValueError("`class_weights` belongs to the cross entropy: give weights to the loss `segmentation` itself")
        if head is None:
            self.segmentation = PartialCrossEntropyLoss(class_weights, reduction, classes=classes)
            self.channels, self.label_channels = len(self.segmentation.weight), 1
            self.n_weights = self.channels
        elif classes or not hasattr(head, "loss"):
            raise ValueError(
                f"`head` must be a head such as monai_denoiseg.heads.StarHead(rays), without `classes`, got {head!r}"
            )
        else:
            self.segmentation = head.loss(class_weights, reduction)
            self.channels, self.label_channels = head.channels, head.label_channels
            self.n_weights = int(getattr(head, "n_weights", 0))
        if segmentation is not None:
            self.segmentation = segmentation if isinstance(segmentation, AnnotatedLoss) else AnnotatedLoss(segmentation)
        self.denoising = BlindSpotLoss("sum" if reduction == "paper" else "mean", huber_delta, denoising)
        self.register_buffer("unit", None if unit is None else torch.as_tensor(unit, dtype=torch.float32), persistent=False)

    @property
    def class_weights(self) -> Tensor:
        """Weight of each class, 1 where the loss weights none; empty for a head without classes."""
        return getattr(self.segmentation, "weight", torch.ones(self.n_weights))

    def forward(self, output: Tensor, target: Mapping[str, Tensor]) -> Tensor:
        """The joint loss, a scalar to differentiate; arguments as of :meth:`parts`."""
        return self.parts(output, target).total

    def parts(self, output: Tensor, target: Mapping[str, Tensor]) -> JointLoss:
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
