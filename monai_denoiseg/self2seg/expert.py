"""What Self2Seg needs of a denoiser."""

from __future__ import annotations

from typing import Protocol

from torch import Tensor

from monai_denoiseg.self2seg.watch import Watch


class Expert(Protocol):
    """A denoiser that learns one region of one image.

    Self2Seg has one for each region and calls :meth:`fit` in turn with the solution for the regions. An expert may keep what it
    has learnt from one call to the next.

    The prediction of a pixel should not depend on the pixel's own value; otherwise the expert that smooths least has the smallest
    residual everywhere. If the best denoised image of an expert does depend on the pixel, the expert keeps it as ``denoised``.

    Attributes:
        soft: True for an expert that takes weights between 0 and 1 and minimises ``sum(weights * (image - prediction)^2)`` plus
            ``penalty`` exactly, so that the energy never rises; False for one that is given the hard mask, 0 or 1.
        penalty: what the expert adds to the energy for its own complexity, with the image scaled to [0, 1]; 0 for most.
    """

    soft: bool
    penalty: float

    def fit(self, image: Tensor, weights: Tensor, watch: Watch) -> Tensor:
        """Learn to denoise the pixels of a region.

        Args:
            image: ``(C, [D,] H, W)``, in any unit.
            weights: ``([D,] H, W)``, how much each pixel belongs to the region, in [0, 1].
            watch: time budget and progress.

        Returns:
            The prediction of every pixel, ``(C, [D,] H, W)``, in the unit of the image.
        """
        ...
