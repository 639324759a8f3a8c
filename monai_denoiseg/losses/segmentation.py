"""The losses a user can name for semantic classes: MONAI's, on what somebody annotated."""

from __future__ import annotations

from collections.abc import Callable

from monai.losses import DiceCELoss, DiceFocalLoss, DiceLoss, FocalLoss, TverskyLoss
from torch import nn

from monai_denoiseg.checks import check_option
from monai_denoiseg.losses.annotated_loss import AnnotatedLoss

CROSS_ENTROPY = "cross_entropy"

_REGIONS = {"include_background": False, "to_onehot_y": True, "softmax": True, "batch": True}

_MADE: dict[str, Callable[[], nn.Module]] = {
    "dice_ce": lambda: DiceCELoss(**_REGIONS),
    "dice": lambda: DiceLoss(**_REGIONS),
    "dice_focal": lambda: DiceFocalLoss(**_REGIONS),
    "focal": lambda: FocalLoss(to_onehot_y=True, use_softmax=True),
    "tversky": lambda: TverskyLoss(**_REGIONS, alpha=0.3, beta=0.7),
}

SEGMENTATION_LOSSES = (CROSS_ENTROPY, *_MADE)
"""Values of `segmentation_loss`."""


def segmentation_loss(name: str = CROSS_ENTROPY) -> AnnotatedLoss | None:
    """Make a loss by its name, for the argument ``segmentation`` of :class:`DenoiSegLoss`.

    Dice and Tversky leave the background out and take the annotated voxels of a batch together; Tversky counts a missed voxel
    seven parts of ten, a wrong one three.

    Args:
        name: one of :data:`SEGMENTATION_LOSSES`.

    Returns:
        The loss; None for the cross entropy, which :class:`DenoiSegLoss` makes itself, with class weights.

    Raises:
        ValueError: for another name.

    Sources: Milletari et al. (2016) for Dice, Lin et al. (2017) for focal, Salehi et al. (2017) for Tversky; nnU-Net for the sum
    of Dice and cross entropy.

    >>> segmentation_loss() is None, type(segmentation_loss("dice_ce").loss).__name__
    (True, 'DiceCELoss')
    """
    check_option("segmentation_loss", name, SEGMENTATION_LOSSES)
    return None if name == CROSS_ENTROPY else AnnotatedLoss(_MADE[name](), pooled=True)
