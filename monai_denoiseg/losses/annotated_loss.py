"""Any segmentation loss, on what somebody annotated."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from monai_denoiseg.constants import IGNORE
from monai_denoiseg.open_classes import merge_open


class AnnotatedLoss(nn.Module):
    """Evaluate a segmentation loss on annotated voxels only.

    Losses of MONAI compare every voxel. Where a label has unannotated ones, the annotated voxels of each image are taken out of
    it, as ``(1, K, N)`` logits and ``(1, 1, N)`` labels, and the losses of the images are averaged; this suits losses over voxels
    and regions (cross entropy, Dice, focal, Tversky), not those over shapes (Hausdorff). A batch that is annotated everywhere
    reaches the loss as it is. With ``pooled`` the annotated voxels of the whole batch are compared at once: a class that an image
    lacks then does not make its Dice jump.

    Args:
        loss: called with logits ``(B, K, ...)`` and labels ``(B, 1, ...)``; MONAI's take ``to_onehot_y=True, softmax=True``.
        ignore_index: label value of an unannotated voxel.
        pooled: take the batch for one image.

    >>> from monai.losses import DiceLoss
    >>> loss = AnnotatedLoss(DiceLoss(to_onehot_y=True, softmax=True))
    >>> logits, label = torch.zeros(1, 3, 1, 4), torch.tensor([[[[0, 1, -1, -1]]]])
    >>> torch.equal(loss(logits, label), loss.loss(logits[..., :2], label[..., :2]))
    True
    """

    def __init__(self, loss: nn.Module, ignore_index: int = IGNORE, *, pooled: bool = False) -> None:
        super().__init__()
        self.loss, self.ignore_index, self.pooled = loss, ignore_index, pooled

    def forward(self, logits: Tensor, label: Tensor) -> Tensor:
        """Compare where annotated.

        Args:
            logits: ``(B, K, [D,] H, W)``.
            label: integers ``(B, 1, [D,] H, W)``, ``ignore_index`` where not annotated; open classes count as background
                (:func:`~monai_denoiseg.open_classes.merge_open`).

        Returns:
            A scalar in float32 (float64 for float64 input); 0 (with zero gradient) when nothing is annotated.

        Raises:
            ValueError: when the loss does not take labels of class numbers, or gives more than a scalar.
        """
        logits = logits.to(torch.promote_types(logits.dtype, torch.float32))
        logits, label = merge_open(logits, label)
        annotated = label != self.ignore_index
        if self.pooled:
            known = annotated[:, 0]
            if not bool(known.any()):
                return logits.sum() * 0
            return self._compare(logits.movedim(1, 0)[:, known][None], label[:, 0][known][None, None])
        if bool(annotated.all()):
            return self._compare(logits, label)
        losses = []
        for image, numbers, known in zip(logits, label, annotated, strict=True):
            if bool(known.any()):
                losses.append(self._compare(image[:, known[0]][None], numbers[:, known[0]][None]))
        return torch.stack(losses).mean() if losses else logits.sum() * 0

    def _compare(self, logits: Tensor, label: Tensor) -> Tensor:
        try:
            value: Tensor = self.loss(logits, label)
        except (ValueError, AssertionError) as error:
            raise ValueError(
                f"the segmentation loss {type(self.loss).__name__} cannot compare logits {tuple(logits.shape)} with class "
                f"numbers {tuple(label.shape)}: {error} (MONAI's losses need to_onehot_y=True, softmax=True)"
            ) from error
        if value.numel() != 1:
            raise ValueError(f'the segmentation loss {type(self.loss).__name__} must give one number: pass reduction="mean"')
        return value.reshape(())
