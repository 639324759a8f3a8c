"""A network trained beforehand, as an expert."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from monai_denoiseg.self2seg.watch import Watch


class TrainedExpert:
    """Uses a denoiser that has been trained on other images: Noise2Void, DenoiSeg, CARE or any other.

    It learns nothing from the image; what makes it an expert of a region is that it was trained on such regions (nuclei, say,
    against a background that a constant or a linear filter explains).

    Args:
        denoise: maps a batch ``(1, C, [D,] H, W)`` in the image's own unit to its denoised version of the same shape, for
            instance a :class:`~monai_denoiseg.networks.DenoiSegNet` with ``lambda x: net(x)[:, net.n_classes:]``.

    >>> TrainedExpert(lambda batch: batch / 2).fit(torch.ones(1, 2, 2), torch.ones(2, 2), Watch())
    tensor([[[0.5000, 0.5000],
             [0.5000, 0.5000]]])
    """

    soft = True
    penalty = 0.0

    def __init__(self, denoise: Callable[[Tensor], Tensor]) -> None:
        self.denoise = denoise
        self._known: tuple[Tensor, Tensor] | None = None

    def fit(self, image: Tensor, weights: Tensor, watch: Watch) -> Tensor:
        """Denoise the image; the second call with the same image returns the first's result.

        Args:
            image: ``(C, [D,] H, W)``.
            weights: not needed.
            watch: ticks once.

        Returns:
            ``(C, [D,] H, W)``.

        Raises:
            ValueError: when the denoiser returns another shape.
        """
        if self._known is None or self._known[0] is not image:
            watch.tick("trained expert")
            with torch.no_grad():
                found = self.denoise(image[None])[0].to(image.dtype)
            if found.shape != image.shape:
                raise ValueError(
                    f"the trained expert returned {tuple(found.shape)} for an image of {tuple(image.shape)}: give a function "
                    "that returns the denoised channels only"
                )
            self._known = (image, found)
        return self._known[1]
