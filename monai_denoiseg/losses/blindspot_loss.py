"""The denoising half of the joint loss: squared error at the blind spots."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from monai_denoiseg.checks import check_option, check_range

CHANNEL_REDUCTIONS = ("mean", "sum")


class BlindSpotLoss(nn.Module):
    """Mean squared error at the masked voxels (Noise2Void; ``Ld`` of DenoiSeg, Buchholz et al. 2020).

    ``Ld = sum(M * (x - d)^2) / sum(M)``, one mean over all masked voxels of the batch, labelled or not; what lies elsewhere,
    be it NaN, has no influence.

    Args:
        channels: ``"mean"`` is one mean over the channels too; ``"sum"`` adds up one mean a channel, as the original does.
        huber_delta: differences beyond this, in ``unit``, count linearly, not squared (Huber loss, scaled so that small ones are
            squared errors): where noise grows with the signal, few bright voxels else rule the gradient. None: squared error.
        error: another error of each element, such as ``torch.nn.L1Loss(reduction="none")``; None: see ``huber_delta``.

    Raises:
        ValueError: when ``channels`` is neither, ``huber_delta`` not positive or given beside ``error``, or ``error`` gives no
            value for each element.

    >>> BlindSpotLoss()(torch.tensor([[[3.0, 0.0]]]), torch.tensor([[[1.0, 9.0]]]), torch.tensor([[[True, False]]]))
    tensor(4.)
    """

    def __init__(self, channels: str = "mean", huber_delta: float | None = None, error: nn.Module | None = None) -> None:
        super().__init__()
        if error is not None and huber_delta is not None:
            raise ValueError("`huber_delta` belongs to the squared error: leave it out beside a loss of your own")
        self.channels = check_option("channels", channels, CHANNEL_REDUCTIONS)
        if huber_delta is not None:
            check_range("huber_delta", huber_delta, 0, float("inf"), open_low=True)
        self.huber_delta, self.error = huber_delta, error

    def forward(self, denoised: Tensor, noisy: Tensor, mask: Tensor, unit: Tensor | None = None) -> Tensor:
        """Compare at the masked voxels.

        Args:
            denoised: prediction ``(B, C, [D,] H, W)``.
            noisy: original values, same shape.
            mask: boolean, same shape; True where the network could not see the voxel.
            unit: intensity the difference is measured in, ``(C,)`` (the training data's standard deviation) or ``(B, C)`` (that
                of each image), so that the loss does not depend on the camera's scale; None for raw intensities.

        Returns:
            A scalar in float32 (float64 for float64 input); 0 (with zero gradient) when nothing is masked.

        Raises:
            ValueError: when the shapes differ.
        """
        if not denoised.shape == noisy.shape == mask.shape:
            shapes = [tuple(t.shape) for t in (denoised, noisy, mask)]
            raise ValueError(f"denoised, noisy and mask must have one shape, got {shapes}")
        difference = denoised.to(torch.promote_types(denoised.dtype, torch.float32)) - noisy
        if unit is not None:
            difference = difference / unit.reshape([-1, noisy.shape[1]] + [1] * (noisy.dim() - 2))
        axes = [axis for axis in range(noisy.dim()) if axis != 1 or self.channels == "mean"]
        difference = torch.where(mask, difference, 0)
        return (self._errors(difference).sum(axes) / mask.sum(axes).clamp(min=1)).sum()

    def _errors(self, difference: Tensor) -> Tensor:
        """The error of each element; that of an element that is not masked, whose difference is 0, is 0."""
        zero = torch.zeros_like(difference)
        if self.error is not None:
            errors: Tensor = self.error(difference, zero)
            if errors.shape != difference.shape:
                raise ValueError(
                    f'the denoising loss {type(self.error).__name__} must give a value for each element: pass reduction="none"'
                )
            return errors
        if self.huber_delta is not None:
            return 2 * F.huber_loss(difference, zero, reduction="none", delta=self.huber_delta)
        return difference.square()
