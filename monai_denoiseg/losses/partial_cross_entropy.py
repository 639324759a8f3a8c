"""The segmentation half of the joint loss: cross entropy over the voxels somebody annotated."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..checks import check_option
from ..constants import IGNORE

REDUCTIONS = ("labelled", "paper")


class PartialCrossEntropyLoss(nn.Module):
    """Weighted cross entropy that leaves out unannotated voxels (``Ls`` of DenoiSeg, Buchholz et al. 2020, Eq. 1).

    Args:
        class_weights: weight of each class, ``(1, 1, 5)`` for background, foreground, border in the paper.
        reduction: ``"labelled"`` divides by the number of annotated voxels, so the loss does not fade when few images are
            annotated; ``"paper"`` divides by all voxels of the batch.
        ignore_index: label value of an unannotated voxel.

    Raises:
        ValueError: when a weight is negative or the reduction unknown.

    >>> logits = torch.zeros(1, 3, 1, 4)
    >>> label = torch.tensor([[[[0, 1, -1, -1]]]])
    >>> PartialCrossEntropyLoss()(logits, label), PartialCrossEntropyLoss(reduction="paper")(logits, label)
    (tensor(1.0986), tensor(0.5493))
    """

    weight: Tensor

    def __init__(
        self, class_weights: Sequence[float] = (1.0, 1.0, 5.0), reduction: str = "labelled", ignore_index: int = IGNORE
    ) -> None:
        super().__init__()
        if len(class_weights) < 2 or any(w < 0 for w in class_weights) or not any(class_weights):
            raise ValueError(f"`class_weights` needs a non-negative number for each class, not all 0, got {list(class_weights)}")
        self.reduction = check_option("reduction", reduction, REDUCTIONS)
        self.ignore_index = ignore_index
        self.register_buffer("weight", torch.tensor(class_weights, dtype=torch.float32), persistent=False)

    def forward(self, logits: Tensor, label: Tensor) -> Tensor:
        """Compare where annotated.

        Args:
            logits: ``(B, K, [D,] H, W)`` for K classes.
            label: integers ``(B, 1, [D,] H, W)`` in 0..K-1, or ``ignore_index``.

        Returns:
            A scalar in float32 (float64 for float64 input); 0 (with zero gradient) when nothing is annotated.

        Raises:
            ValueError: when shapes or class counts do not fit.
        """
        if logits.shape[1] != len(self.weight):
            raise ValueError(f"`class_weights` has {len(self.weight)} entries, but the network gives {logits.shape[1]} classes")
        if label.shape != (logits.shape[0], 1, *logits.shape[2:]):
            raise ValueError(f"label must be (B, 1, ...) matching {tuple(logits.shape)}, got {tuple(label.shape)}")
        target = label[:, 0].long()
        logits = logits.to(torch.promote_types(logits.dtype, torch.float32))
        total = F.cross_entropy(logits, target, self.weight.to(logits), ignore_index=self.ignore_index, reduction="sum")
        if self.reduction == "paper":
            return total / target.numel()
        return total / (target != self.ignore_index).sum().clamp(min=1)
