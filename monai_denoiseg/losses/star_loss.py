"""The segmentation half of the joint loss with a StarDist head: object probability and star distances, where annotated."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from monai_denoiseg.checks import check_option, check_range
from monai_denoiseg.constants import IGNORE
from monai_denoiseg.losses.partial_cross_entropy import REDUCTIONS

_EPSILON = 1e-7


class StarDistLoss(nn.Module):
    """StarDist's loss that leaves out unannotated voxels.

    ``BCE(p', p) + distance_weight * (mean(p |d - d'|) / mean(p) + background_weight * mean((1 - p) |d'|))`` with the object
    probability ``p`` of the label as weight of the distances ``d`` (mean over voxels and rays), so that the ill-defined distances
    near the outline weigh little; the last term keeps those on the background small. Distances nobody knows (-1: the ray ends in
    a voxel that is not annotated) are left out of the sums and of the numbers they are divided by.

    Args:
        distance_weight: weight of the distances.
        background_weight: weight of predicted distances on the background.
        reduction: ``"labelled"`` divides by the number of annotated voxels, so the loss does not fade when few images are
            annotated; ``"paper"`` by all voxels of the batch. The mean of the distances within objects is the same for both.

    Raises:
        ValueError: when a weight is negative or the reduction is unknown.

    Source: Schmidt et al. (2018), Eq. 1; weights of the ``stardist`` package.

    >>> target = torch.tensor([1.0, 3.0, 3.0]).reshape(1, 3, 1, 1)
    >>> output = torch.tensor([100.0, 2.0, 5.0]).reshape(1, 3, 1, 1)
    >>> StarDistLoss()(output, target)
    tensor(0.3000)
    """

    def __init__(self, distance_weight: float = 0.2, background_weight: float = 1e-4, reduction: str = "labelled") -> None:
        super().__init__()
        self.distance_weight = check_range("distance_weight", distance_weight, 0, float("inf"), open_high=True)
        self.background_weight = check_range("background_weight", background_weight, 0, float("inf"), open_high=True)
        self.reduction = check_option("reduction", reduction, REDUCTIONS)

    def forward(self, output: Tensor, target: Tensor) -> Tensor:
        """Compare where annotated.

        Args:
            output: ``(B, 1 + n_rays, [D,] H, W)``: logit of the object probability, then distances in voxels.
            target: same shape: object probability, then distances, -1 where not known
                (:class:`~monai_denoiseg.transforms.StarLabel`).

        Returns:
            A scalar in float32 (float64 for float64 input); 0 (with zero gradient) when nothing is annotated.

        Raises:
            ValueError: when the shapes differ, there are no distances, or a probability is neither in [0, 1] nor -1.
        """
        _check(output, target)
        output = output.to(torch.promote_types(output.dtype, torch.float32))
        target = target.to(output)
        weight, known = target[:, :1], target[:, :1] != IGNORE
        weight = weight.clamp(min=0)
        errors = F.binary_cross_entropy_with_logits(output[:, :1], weight, reduction="none").masked_fill(~known, 0)
        probability = errors.sum() / (known.numel() if self.reduction == "paper" else known.sum().clamp(min=1))
        return probability + self.distance_weight * self._distances(output[:, 1:], target[:, 1:], weight, known)

    def _distances(self, found: Tensor, truth: Tensor, weight: Tensor, annotated: Tensor) -> Tensor:
        known = annotated & (truth != IGNORE)
        count = known.numel() if self.reduction == "paper" else known.sum().clamp(min=1)
        within = ((found - truth).abs() * weight).masked_fill(~known, 0).sum() / count
        beyond = (found.abs() * (1 - weight)).masked_fill(~known, 0).sum() / count
        share = weight.expand_as(truth).masked_fill(~known, 0).sum() / count
        return within / (share + _EPSILON) + self.background_weight * beyond


def _check(output: Tensor, target: Tensor) -> None:
    if output.shape != target.shape or output.ndim < 4 or output.shape[1] < 2:
        raise ValueError(
            f"output and target must both be (B, 1 + n_rays, [D,] H, W), got {tuple(output.shape)} and {tuple(target.shape)}; "
            "make the targets with StarLabel and the same rays as the network"
        )
    probability = target[:, 0]
    wrong = ~(((probability >= 0) & (probability <= 1)) | (probability == IGNORE))
    if bool(wrong.any()):
        value = float(probability[wrong][0])
        raise ValueError(
            f"target holds the object probability {value:g}, which is neither in [0, 1] nor {IGNORE}; is it an instance label? "
            "Apply StarLabeld first"
        )
