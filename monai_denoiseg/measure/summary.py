"""One row an image and structure: how many, how much, how noisy."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from monai_denoiseg.measure.objects import OBJECT
from monai_denoiseg.measure.scale import scale_of
from monai_denoiseg.networks.classic_denoise import noise_sigma

if TYPE_CHECKING:
    import pandas as pd


def summarise_image(
    labels: NDArray[Any] | None,
    image: NDArray[Any] | None = None,
    denoised: NDArray[Any] | None = None,
    *,
    spacing: Sequence[float] | Any = None,
    unit: str | None = None,
    classes: Sequence[str] | None = None,
) -> pd.DataFrame:
    """Summarise an image: a row for its objects, or for each of its classes.

    Args:
        labels: ``([D,] H, W)`` integers, see :func:`~monai_denoiseg.measure.measure_labels`; None where there are none.
        image: ``(C, [D,] H, W)`` raw intensities.
        denoised: likewise.
        spacing: voxel size.
        unit: its unit.
        classes: names of semantic classes, background first; None (or empty) for objects.

    Returns:
        ``structure``; ``count`` (of objects; of a class 1 if it is there); total area or volume in voxels and physical units;
        ``coverage`` (share of the image); ``mean_`` and ``median_`` size of an object in voxels; ``noise_raw`` and
        ``noise_denoised``, the estimated standard deviation of the noise (mean of the channels, see
        :func:`~monai_denoiseg.networks.classic_denoise.noise_sigma`).

    >>> labels = np.array([[0, 1, 1], [0, 0, 2]])
    >>> summarise_image(labels)[["structure", "count", "area", "coverage"]].values.tolist()
    [['object', 2, 3, 0.5]]
    """
    import pandas as pd  # seldom needed, and slow to import

    noise = {
        f"noise_{name}": float(np.mean([noise_sigma(channel) for channel in array]))
        for name, array in (("raw", image), ("denoised", denoised))
        if array is not None
    }
    if labels is None:
        return pd.DataFrame([noise])
    labels = np.asarray(labels)
    scale = scale_of(spacing, unit, labels.ndim)
    numbers, sizes = np.unique(labels[labels > 0], return_counts=True)
    rows = {name: sizes[numbers == number] for number, name in enumerate(classes or []) if number} or {OBJECT: sizes}
    name = "area" if labels.ndim == 2 else "volume"
    table = []
    for structure, voxels in rows.items():
        total = int(voxels.sum())
        row: dict[str, Any] = {"structure": structure, "count": len(voxels)}
        row |= scale.size_columns(total) | {"unit": scale.unit, "coverage": total / max(1, labels.size)}
        if not classes:
            typical = (float(voxels.mean()), float(np.median(voxels))) if len(voxels) else (np.nan, np.nan)
            row |= {f"mean_{name}": typical[0], f"median_{name}": typical[1]}
        table.append(row | noise)
    return pd.DataFrame(table)
