"""The voxel size that the images of a training with classes are brought to."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from monai_denoiseg.bundle.datalists import typical_spacing
from monai_denoiseg.bundle.fingerprint import Fingerprint
from monai_denoiseg.transforms.resample import SAME, grid_at

logger = logging.getLogger(__name__)

COARSE = 2.0
"""An axis whose voxels are so many times longer than those of the others is a coarse one (slices)."""


def choose_target(found: Fingerprint, settings: Mapping[str, Any]) -> list[float] | None:
    """Choose the voxel size of a training by the annotated images.

    The median of each axis; along a coarse axis the 10th percentile, so that thin slices stay thin, but never finer than along
    the others. Each is one that an image has. There is none for images that do not tell theirs, and where annotated crops
    are rescaled or denoised first (``zoom``, ``target``, a first stage): those need the images as they are.

    Args:
        found: see :func:`~monai_denoiseg.bundle.fingerprint.take_fingerprint`.
        settings: plain settings of the training.

    Source: nnU-Net's rule (Isensee et al. 2021), whose coarse axis is 3 times coarser and not short of voxels.

    >>> from types import SimpleNamespace
    >>> sizes = np.array([[3.0, 1.0, 1.0], [1.0, 1.0, 1.0], [3.0, 1.0, 1.0]])
    >>> choose_target(SimpleNamespace(spacings=sizes, images=3), {"zoom": 1})
    [1.0, 1.0, 1.0]
    """
    sizes = found.spacings
    if not len(sizes) or _needs_originals(settings):
        return None
    if len(sizes) < found.images:
        logger.warning(
            "%d of %d annotated images do not tell their voxel size and are taken as they are: give --spacing if it is the "
            "same for all, or --target_spacing null",
            found.images - len(sizes),
            found.images,
        )
    target = np.percentile(sizes, 50, axis=0, method="lower")
    coarse = int(target.argmax())
    others = float(np.delete(target, coarse).max())
    if target[coarse] >= COARSE * others * (1 - 1e-3):
        target[coarse] = max(float(np.percentile(sizes[:, coarse], 10, method="lower")), others)
    wanted = [round(float(size), 6) for size in target]
    apart = np.abs(sizes / np.array(wanted) - 1).max(1) > SAME
    if apart.any():
        logger.info("%d of %d annotated images are resampled to voxels of %s", apart.sum(), len(sizes), wanted)
    return wanted


def _needs_originals(settings: Mapping[str, Any]) -> bool:
    zoom = settings.get("zoom", 1)
    zooms = isinstance(zoom, (int, float)) and zoom > 1
    return bool(zooms or settings.get("target") or settings.get("first_stage"))


def shape_at(found: Fingerprint, target: Sequence[float] | None) -> tuple[int, ...]:
    """Median shape of the images at a voxel size.

    Args:
        found: see :func:`choose_target`.
        target: see there; None for the images as they are.

    >>> from types import SimpleNamespace
    >>> found = SimpleNamespace(shape=(24, 50), spacings=np.array([[3.0, 1.0]]), extents=np.array([[72.0, 50.0]]))
    >>> shape_at(found, [1.0, 1.0]), shape_at(found, None)
    ((72, 50), (24, 50))
    """
    if not target or not len(found.extents):
        return found.shape
    pairs = zip(found.extents / found.spacings, found.spacings, strict=True)
    shapes = [grid_at([round(float(n)) for n in shape], spacing.tolist(), target) for shape, spacing in pairs]
    return tuple(int(n) for n in np.median(shapes, axis=0))


def network_spacing(
    target: Sequence[float] | None, items: Sequence[Mapping[str, Any]], given: Sequence[float] | None = None
) -> list[float] | None:
    """Voxel size of the images a network segments, for pooling and kernels that suit it.

    Args:
        target: the voxel size they are brought to; None where they are taken as they are.
        items: see :func:`~monai_denoiseg.bundle.typical_spacing`.
        given: likewise.

    >>> network_spacing([1.0, 1.0], []), network_spacing(None, [], [2.0, 0.5])
    ([1.0, 1.0], [2.0, 0.5])
    """
    return list(target) if target else typical_spacing(items, given)
