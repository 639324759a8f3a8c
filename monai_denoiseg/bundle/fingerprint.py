"""What the annotated images of a training with classes are like: sizes, voxels, intensities, classes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch

from monai_denoiseg.units import lengths_in, unit_of

MOST_IMAGES = 50
"""Annotated images looked at, spread over the list."""
PERCENTILES = (0.5, 99.5)
"""Of the foreground of CT images, beyond which values are clipped (nnU-Net)."""
AIR = -300.0
"""Hounsfield units that every CT image goes below: lung is at -700, air at -1000."""
PADDING, METAL = -4096.0, 1 << 15
"""No CT image goes far below its padding, or above metal."""
TISSUE = -1100.0, 3100.0
"""Hounsfield units of all that is annotated, from lung to teeth."""
_SAMPLES = 100_000


class Fingerprint(NamedTuple):
    """Figures of a data set.

    Attributes:
        shape: median number of voxels along each axis, (Z)YX.
        smallest: the least of them.
        spacings: voxel size of each image that knows it, (images, axes).
        kind: ``"ct"``, ``"rgb"`` or ``"other"``.
        foreground: of all channels together 0.5 and 99.5 percentile, mean and deviation (of the values between) of the voxels
            that are annotated and no background.
        shares: of the annotated voxels of each class, in [0, 1].
        images: number of images looked at.
        extents: size of each image that knows its voxel size, (images, axes), in the unit of that.
        unit: of all voxel sizes, that of the first image that tells; None where none does.
    """

    shape: tuple[int, ...]
    smallest: tuple[int, ...]
    spacings: np.ndarray
    kind: str
    foreground: tuple[float, float, float, float]
    shares: tuple[float, ...]
    images: int
    extents: np.ndarray
    unit: str | None = None


def take_fingerprint(
    items: Sequence[Mapping[str, Any]], load: Callable[[Any], Mapping[str, Any]], n_classes: int
) -> Fingerprint | None:
    """Look at the annotated images of a data list.

    Args:
        items: data list, by file; those without ``label`` are passed over.
        load: loads an item, see :class:`~monai_denoiseg.data.LoadItemd`.
        n_classes: classes, the background included.

    Returns:
        The figures; None where no image is annotated.

    >>> image = torch.arange(64.0).reshape(1, 8, 8) - 1000
    >>> item = {"image": image, "label": (image > -940).int(), "spacing": torch.tensor([2.0, 2.0])}
    >>> found = take_fingerprint([item], dict, 2)
    >>> found.shape, found.kind, found.foreground[2]
    ((8, 8), 'ct', -938.0)
    """
    labelled = [item for item in items if "label" in item]
    chosen = sorted({round(i) for i in np.linspace(0, len(labelled) - 1, min(MOST_IMAGES, len(labelled)))})
    looks = [_look(load(labelled[i]), n_classes) for i in chosen]
    if not looks:
        return None
    shapes = np.array([one.shape for one in looks])
    unit = next((one.unit for one in looks if one.unit), None)
    sizes = [np.asarray(lengths_in(one.spacing, one.unit, unit)) for one in looks]
    known = [size for size in sizes if np.isfinite(size).all()]
    counts = np.sum([one.counts for one in looks], axis=0)
    return Fingerprint(
        tuple(int(n) for n in np.median(shapes, axis=0)),
        tuple(int(n) for n in shapes.min(0)),
        np.array(known).reshape(-1, shapes.shape[1]),
        _kind(looks),
        _foreground(np.concatenate([one.sample for one in looks])),
        tuple((counts / max(1, counts.sum())).tolist()),
        len(looks),
        np.array([n * size for n, size in zip(shapes, sizes, strict=True) if np.isfinite(size).all()]).reshape(
            -1, shapes.shape[1]
        ),
        unit,
    )


class _Look(NamedTuple):
    shape: tuple[int, ...]
    spacing: np.ndarray
    channels: int
    lowest: float
    highest: float
    sample: np.ndarray
    counts: np.ndarray
    unit: str | None


def _look(item: Mapping[str, Any], n_classes: int) -> _Look:
    image = torch.as_tensor(item["image"]).as_subclass(torch.Tensor).float()
    label = torch.as_tensor(item["label"]).as_subclass(torch.Tensor)[0]
    inside = image[:, label > 0].flatten()
    ends = torch.quantile(image.flatten()[:: 1 + image.numel() // _SAMPLES], torch.tensor([0.01, 0.999]))
    counts = torch.bincount(label[label >= 0].flatten().long(), minlength=n_classes).numpy()
    sample = inside[:: 1 + inside.numel() // _SAMPLES].numpy()
    sizes = np.asarray(item["spacing"], dtype=float)
    return _Look(tuple(label.shape), sizes, image.shape[0], float(ends[0]), float(ends[1]), sample, counts, unit_of(item))


def _kind(looks: Sequence[_Look]) -> str:
    """CT by its unit: all images go far below 0, and what is annotated has the units of tissue; colours by their channels."""
    if all(one.channels == 3 for one in looks):
        return "rgb"
    hounsfield = all(PADDING <= one.lowest < AIR and one.highest < METAL and _is_tissue(one.sample) for one in looks)
    return "ct" if hounsfield and looks[0].channels == 1 else "other"


def _is_tissue(values: np.ndarray) -> bool:
    if not len(values):
        return True
    low, high = np.percentile(values, PERCENTILES)
    return bool(TISSUE[0] <= low and high <= TISSUE[1])


def _foreground(values: np.ndarray) -> tuple[float, float, float, float]:
    if not len(values):
        return 0.0, 0.0, 0.0, 1.0
    low, high = np.percentile(values, PERCENTILES)
    inside = values.clip(low, high)
    return float(low), float(high), float(inside.mean()), float(inside.std()) or 1.0
