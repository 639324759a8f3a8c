"""What a Self2Seg run returns."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

from torch import Tensor

if TYPE_CHECKING:
    from monai_denoiseg.self2seg.path import LambdaPath


@dataclass(frozen=True)
class EnergyRecord:
    """One outer step: the energy of the regions just found, with the experts they were found with.

    Args:
        step: number of the outer step, from 1.
        lam: weight of the boundary length.
        energy: ``lam * tv + fit``, without the term that keeps regions close to the previous ones (``mu``).
        tv: total variation of the membership: the length of the boundary in pixels.
        fit: squared residuals of the experts in their regions, with the image scaled to [0, 1], plus the experts' own penalties.
        gap: bound on how far the energy (with that term) is above the lowest one for these experts.
        iterations: of the solver.
        changed: share of pixels whose region changed since the previous step.
        seconds: since the beginning.

    >>> EnergyRecord(1, 0.1, 5.0, 20.0, 3.0, 0.0, 50, 1.0, 0.2).row()["tv"]
    20.0
    """

    step: int
    lam: float
    energy: float
    tv: float
    fit: float
    gap: float
    iterations: int
    changed: float
    seconds: float

    def row(self) -> dict[str, float]:
        """The values by name, for a table."""
        return {field.name: getattr(self, field.name) for field in fields(self)}


@dataclass(frozen=True)
class Self2SegResult:
    """Segmentation and denoised image.

    Args:
        labels: ``([D,] H, W)``, int64, the region of each pixel: 0 background.
        u: membership ``(K, [D,] H, W)`` in [0, 1]: of the foreground (K = 1), or of each of three and more regions.
        denoised: ``(C, [D,] H, W)`` in the unit of the image.
        predictions: the image denoised by each expert, ``(regions, C, [D,] H, W)``, in the unit of the image.
        records: one for each outer step.
        stopped: why: ``"energy"``, ``"mask"``, ``"max_outer"``, ``"time"`` or ``"empty"`` (a region vanished; the
            step before is returned where there was one).
        lam: the weight of the boundary length that was used.
        path: masks for other weights, on request.

    >>> import torch
    >>> u, image = torch.ones(1, 1, 2), torch.zeros(1, 1, 2)
    >>> Self2SegResult(u[0].long(), u, image, torch.stack([image, image]), [], "mask", 0.1).labels
    tensor([[1, 1]])
    """

    labels: Tensor
    u: Tensor
    denoised: Tensor
    predictions: Tensor
    records: list[EnergyRecord]
    stopped: str
    lam: float
    path: LambdaPath | None = None
