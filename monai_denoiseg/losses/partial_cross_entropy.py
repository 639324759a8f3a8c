"""The segmentation half of the joint loss: cross entropy over the voxels somebody annotated."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from monai_denoiseg.checks import check_option
from monai_denoiseg.constants import CLASSES, IGNORE
from monai_denoiseg.open_classes import merge_open

REDUCTIONS = ("labelled", "paper")
INSTANCE_WEIGHTS = (1.0, 1.0, 5.0)
"""Weights of background, foreground and border in the paper."""


class PartialCrossEntropyLoss(nn.Module):
    """Weighted cross entropy that leaves out unannotated voxels (``Ls`` of DenoiSeg, Buchholz et al. 2020, Eq. 1).

    Args:
        class_weights: weight of each class; None takes ``(1, 1, 5)`` for background, foreground, border (paper), and 1 for each
            semantic class.
        reduction: ``"labelled"`` divides by the number of annotated voxels, so the loss does not fade when few images are
            annotated; ``"paper"`` divides by all voxels of the batch.
        ignore_index: label value of an unannotated voxel.
        classes: names of semantic classes, background first; None (or empty) for background, foreground, border.

    Raises:
        ValueError: when a weight is negative, there are not as many as classes, or the reduction is unknown.

    >>> logits = torch.zeros(1, 3, 1, 4)
    >>> label = torch.tensor([[[[0, 1, -1, -1]]]])
    >>> PartialCrossEntropyLoss()(logits, label), PartialCrossEntropyLoss(reduction="paper")(logits, label)
    (tensor(1.0986), tensor(0.5493))
    >>> PartialCrossEntropyLoss(classes=["background", "liver", "spleen", "kidney"]).weight
    tensor([1., 1., 1., 1.])
    """

    weight: Tensor

    def __init__(
        self,
        class_weights: Sequence[float] | None = None,
        reduction: str = "labelled",
        ignore_index: int = IGNORE,
        classes: Sequence[str] | None = None,
    ) -> None:
        super().__init__()
        weights = _weights(class_weights, classes)
        self.names = list(classes) if classes else list(CLASSES) if len(weights) == len(CLASSES) else []
        self.reduction = check_option("reduction", reduction, REDUCTIONS)
        self.ignore_index = ignore_index
        self.register_buffer("weight", torch.tensor(weights, dtype=torch.float32), persistent=False)

    def forward(self, logits: Tensor, label: Tensor) -> Tensor:
        """Compare where annotated.

        Args:
            logits: ``(B, K, [D,] H, W)`` for K classes.
            label: integers ``(B, 1, [D,] H, W)`` in 0..K-1, or ``ignore_index``; open classes count as background
                (:func:`~monai_denoiseg.open_classes.merge_open`).

        Returns:
            A scalar in float32 (float64 for float64 input); 0 (with zero gradient) when nothing is annotated.

        Raises:
            ValueError: when shapes or class counts do not fit, or the label holds a value that is no class.
        """
        if logits.shape[1] != len(self.weight):
            raise ValueError(f"`class_weights` has {len(self.weight)} entries, but the network gives {logits.shape[1]} classes")
        if label.shape != (logits.shape[0], 1, *logits.shape[2:]):
            raise ValueError(f"label must be (B, 1, ...) matching {tuple(logits.shape)}, got {tuple(label.shape)}")
        logits, label = merge_open(logits, label)
        target = label[:, 0].long()
        self._check_values(target)
        logits = logits.to(torch.promote_types(logits.dtype, torch.float32))
        total = F.cross_entropy(logits, target, self.weight.to(logits), ignore_index=self.ignore_index, reduction="sum")
        if self.reduction == "paper":
            return total / target.numel()
        return total / (target != self.ignore_index).sum().clamp(min=1)

    def _check_values(self, target: Tensor) -> None:
        """Torch itself says "index out of bounds" on a CPU and takes a GPU down."""
        if self.ignore_index == IGNORE and target.numel():
            low, high = target.aminmax()  # one pass, where the values allowed have no gap
            if bool((low >= IGNORE) & (high < len(self.weight))):
                return
        wrong = (target != self.ignore_index) & ((target < 0) | (target >= len(self.weight)))
        if not bool(wrong.any()):
            return
        values = target[wrong].unique().tolist()
        named = ", ".join(f"{number} {name}" for number, name in enumerate(self.names))
        raise ValueError(
            f"label holds {', '.join(map(str, values[:5]))}{', ...' if len(values) > 5 else ''}, "
            f"but the {len(self.weight)} classes are {named or f'0 to {len(self.weight) - 1}'}; name every class in `classes`, "
            f"mark the voxels as not annotated ({self.ignore_index}), or, for instance labels, apply BorderLabeld first"
        )


def _weights(class_weights: Sequence[float] | None, classes: Sequence[str] | None) -> list[float]:
    if class_weights is None:
        return [1.0] * len(classes) if classes else list(INSTANCE_WEIGHTS)
    if len(class_weights) < 2 or any(w < 0 for w in class_weights) or not any(class_weights):
        raise ValueError(f"`class_weights` needs a non-negative number for each class, not all 0, got {list(class_weights)}")
    if classes and len(class_weights) != len(classes):
        raise ValueError(
            f"`class_weights` has {len(class_weights)} entries, but `classes` names {len(classes)}: {', '.join(classes)}; "
            "give one weight a class, or null for equal ones"
        )
    return list(class_weights)
