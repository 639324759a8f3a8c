"""An expert that predicts one brightness."""

from __future__ import annotations

from torch import Tensor

from monai_denoiseg.self2seg.watch import Watch


class ConstantExpert:
    """Predicts the mean of its region, in each channel.

    Two of them make Self2Seg the model of Chan and Vese. One suits the background of fluorescence images.

    >>> import torch
    >>> ConstantExpert().fit(torch.tensor([[[1.0, 2.0, 9.0]]]), torch.tensor([[1.0, 1.0, 0.0]]), Watch())
    tensor([[[1.5000, 1.5000, 1.5000]]])
    """

    soft = True
    penalty = 0.0

    def fit(self, image: Tensor, weights: Tensor, watch: Watch) -> Tensor:
        """Take the weighted mean.

        Args:
            image: ``(C, [D,] H, W)``.
            weights: ``([D,] H, W)``, not all zero.
            watch: not needed.

        Returns:
            ``(C, [D,] H, W)``, the same value at every pixel of a channel.
        """
        shares = weights.double() / weights.double().sum()
        means = (image.double() * shares).flatten(1).sum(1)
        return means.to(image.dtype).reshape(-1, *[1] * (image.ndim - 1)).expand_as(image)
