"""How far a class lies from its annotation, and how large it is: surfaces measured by MONAI, volumes in mL."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from monai.config import NdarrayOrTensor
from monai.metrics import compute_hausdorff_distance, compute_surface_dice
from torch import Tensor

from monai_denoiseg.checks import check_int, check_range
from monai_denoiseg.constants import IGNORE
from monai_denoiseg.open_classes import is_open
from monai_denoiseg.units import factor_between


class ClassScore(NamedTuple):
    """A class in one image; NaN where there is no figure.

    Attributes:
        hd95: 95th percentile of the distances between the surfaces, the larger of both directions; none if a surface is missing.
        surface_dice: share of both surfaces within the tolerance of the other; 0 if one is missing, none if both are.
        voxels_truth: annotated voxels of the class.
        voxels_predicted: found ones, among the annotated voxels.
        volume_truth_ml: annotated volume; none in planes, and where the voxel size is unknown.
        volume_error_ml: found volume less the annotated one.
    """

    hd95: float
    surface_dice: float
    voxels_truth: float
    voxels_predicted: float
    volume_truth_ml: float
    volume_error_ml: float


UNKNOWN = ClassScore(*[math.nan] * len(ClassScore._fields))
"""Of a class that an image says nothing of."""


def class_scores(
    prediction: NdarrayOrTensor,
    truth: NdarrayOrTensor,
    n_classes: int,
    spacing: Sequence[float] | Tensor | None = None,
    tolerance: float = 1.0,
    unit: str | None = None,
) -> list[ClassScore]:
    """Measure surfaces and volumes of each class but the background. Voxels that are not annotated are left out of both.

    Args:
        prediction: label values ``(1, [D,] H, W)``.
        truth: the same, -1 where not annotated; open classes as in :func:`~monai_denoiseg.metrics.class_dice`.
        n_classes: K, the background included.
        spacing: voxel size along each axis; None measures in voxels.
        tolerance: of the surface Dice, in the unit of the voxel size, or in voxels.
        unit: of the voxel size, for volumes in mL.

    Raises:
        ValueError: when the shapes differ or ``tolerance`` is negative.

    >>> truth = torch.zeros(1, 8, 8, 8)
    >>> truth[:, 2:5, 2:6, 2:6] = 1
    >>> class_scores(truth.roll(1, 1), truth, 2, (2.0, 1.0, 1.0), 1.0, "mm")[0].hd95
    2.0
    """
    check_int("n_classes", n_classes, 2)
    check_range("surface_tolerance", tolerance, 0, math.inf)
    found, true = (torch.as_tensor(labels).as_subclass(Tensor).detach().cpu() for labels in (prediction, truth))
    if found.shape != true.shape:
        raise ValueError(f"`prediction` and `truth` must have the same shape, got {tuple(found.shape)} and {tuple(true.shape)}")
    sizes = None if spacing is None else [float(size) for size in spacing]
    millilitres = math.nan
    if sizes is not None and len(sizes) == 3 and (centimetres := factor_between(unit, "cm")) is not None:
        millilitres = math.prod(size * centimetres for size in sizes)
    pairs = (_where_annotated(found, true, value) for value in range(1, n_classes))
    return [
        UNKNOWN if pair is None else _score(*pair, sizes or [1.0] * (true.dim() - 1), tolerance, millilitres) for pair in pairs
    ]


def _where_annotated(found: Tensor, true: Tensor, value: int) -> tuple[Tensor, Tensor] | None:
    """A class in both, where it was annotated; None where that says nothing: nowhere, or nowhere found and open in parts."""
    unknown, truth = is_open(true, value) | (true == IGNORE), true == value
    if bool(unknown.all()) or (bool(is_open(true, value).any()) and not bool(truth.any())):
        return None
    return (found == value) & ~unknown, truth


def _score(found: Tensor, true: Tensor, sizes: list[float], tolerance: float, millilitres: float) -> ClassScore:
    counts = int(true.sum()), int(found.sum())
    sized = (*counts, counts[0] * millilitres, (counts[1] - counts[0]) * millilitres)
    if not all(counts):
        return ClassScore(math.nan, 0.0 if any(counts) else math.nan, *sized)
    # Only the part that holds the class: distance transforms of whole volumes take seconds.
    places = (found | true)[0].nonzero()
    ends = zip(places.amin(0).tolist(), places.amax(0).tolist(), strict=True)
    box: tuple[Any, ...] = (0, *(slice(low, high + 1) for low, high in ends))
    pair = [torch.nn.functional.pad(mask[box].float(), [1, 1] * len(sizes))[None, None] for mask in (found, true)]
    distance = compute_hausdorff_distance(*pair, include_background=True, percentile=95, spacing=sizes)
    share = compute_surface_dice(*pair, class_thresholds=[tolerance], include_background=True, spacing=sizes)
    return ClassScore(float(distance), float(share), *sized)
