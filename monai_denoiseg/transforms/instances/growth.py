"""Growth of numbered seeds to the outline of their objects, guided by the class probabilities."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
from scipy import ndimage
from skimage.segmentation import watershed

from monai_denoiseg.checks import check_option
from monai_denoiseg.spacing import SLACK

__all__ = ["RULES", "grow_seeds"]

RULES = ("grow", "paper")

_REACH = 3  # voxels within which both objects of a contact must lie: contacts are 2 voxels thick, predicted ones often 3 or 4
_CHUNK = 1 << 17  # candidates looked at together: a voxel has 62 neighbours within reach in 3D, so 65 MB of 64-bit numbers


def grow_seeds(
    seeds: np.ndarray,
    foreground: np.ndarray,
    border: np.ndarray | None = None,
    *,
    rule: str = "grow",
    max_grow: float | None = None,
    fill_holes: bool = False,
    connectivity: int = 1,
    spacing: Sequence[float] | None = None,
) -> np.ndarray:
    """Give numbered seeds what the threshold and the border class took from their objects.

    1. Voxels where background is improbable (< 0.5) and foreground at least as probable as border are flooded from the seeds.
    2. At contacts the training labels turn one voxel of each object into border. A border voxel is given to its nearest object
       if a second object lies as near as a contact implies and no background is beside it. The border *around* an object lies
       in the background (see :mod:`monai_denoiseg.transforms.labels.border`), is not taken, and so isolated objects do not swell.

    Args:
        seeds: integers ``([D,] H, W)``, 0 background. They need not be numbered without gaps or be connected.
        foreground: probabilities of the same shape.
        border: probabilities of the same shape; ``None`` stands for none, so that only step 1 grows.
        rule: ``"grow"``, or ``"paper"`` for no growth at all.
        max_grow: largest distance of a grown voxel from the nearest seed, in voxels or, with ``spacing``, in its unit.
        fill_holes: fill the holes of each object that belong to no other object.
        connectivity: 1 for face neighbours (paper), up to the number of axes for all diagonals.
        spacing: voxel size along each axis (ZYX), used by ``max_grow``.

    Returns:
        A new int32 array ``([D,] H, W)`` with the numbers of the seeds.

    Raises:
        ValueError: for an unknown ``rule``.

    >>> seeds = np.array([[0, 7, 0, 0, 0, 9, 0]])
    >>> foreground = np.array([[0, 1, 0.7, 0.2, 0.2, 1, 0]])
    >>> grow_seeds(seeds, foreground, np.array([[0.1, 0, 0.1, 0.8, 0.8, 0, 0.1]]))
    array([[0, 7, 7, 7, 9, 9, 0]], dtype=int32)
    """
    check_option("rule", rule, RULES)
    labels: np.ndarray = seeds.astype(np.int32)
    if rule == "grow" and labels.any():
        structure = ndimage.generate_binary_structure(labels.ndim, connectivity)
        found = np.array(seeds > 0)
        labels = _grow(labels, foreground, np.zeros_like(foreground) if border is None else border, structure)
        if max_grow is not None:
            _limit(labels, found, max_grow, spacing)
    if fill_holes:
        _fill_holes(labels)
    return labels


def _grow(seeds: np.ndarray, foreground: np.ndarray, border: np.ndarray, structure: np.ndarray) -> np.ndarray:
    background = (foreground + border <= 0.5) & (seeds == 0)
    eroded = ~background & (foreground >= border) & (seeds == 0)
    labels = _flood(seeds, foreground, eroded, structure)
    candidates = (labels == 0) & ~eroded & ~background
    if candidates.any():
        beside = ndimage.binary_dilation(background, ndimage.generate_binary_structure(seeds.ndim, 1))
        _share_contacts(labels, candidates & ~beside)
    return labels


def _flood(seeds: np.ndarray, foreground: np.ndarray, where: np.ndarray, structure: np.ndarray) -> np.ndarray:
    """Flood ``where`` from the seeds, the most probable voxels first.

    Only seed voxels with a neighbour in ``where`` have anything to flood: leaving out the rest is four times as fast. Each voxel
    gets its own rank, ties in memory order. So the result does not depend on the rest of the image, and is the same in a window
    of it.
    """
    if not where.any():
        return seeds
    mask = where | ((seeds > 0) & ndimage.binary_dilation(where, structure))
    values = -foreground[mask]
    rank = np.zeros(seeds.shape)
    order = np.empty(len(values))
    order[np.argsort(values, kind="stable")] = np.arange(len(values))
    rank[mask] = order
    flooded: np.ndarray = watershed(rank, np.where(mask, seeds, 0), structure, mask=mask)
    return np.where(where, flooded, seeds)


def _limit(labels: np.ndarray, found: np.ndarray, max_grow: float, spacing: Sequence[float] | None) -> None:
    """Take back, in place, what lies farther than ``max_grow`` from the voxels that were found."""
    if np.any((labels > 0) & ~found):
        distance = ndimage.distance_transform_edt(~found, sampling=spacing)
        labels[distance > max_grow * (1 + SLACK)] = 0


def _share_contacts(labels: np.ndarray, candidates: np.ndarray) -> None:
    """Give, in place, each candidate between two objects to the nearer one."""
    faces = 2 * labels.ndim
    padded = np.pad(labels, _REACH)
    where = np.ravel_multi_index(tuple(index + _REACH for index in np.nonzero(candidates)), padded.shape)
    offsets = _offsets(labels.ndim) @ (np.array(padded.strides) // padded.itemsize)
    flat = padded.reshape(-1)
    # Objects in contact lose a voxel each, so a voxel with a face to both of them is a gap of background, not a contact.
    _, split = _look_around(flat, where, offsets[:faces])
    where = where[~split]
    for _ in range(2):  # a corner where several contacts meet is out of reach until its neighbours are given away
        nearest, between = _look_around(flat, where, offsets)
        flat[where[between]] = nearest[between]
        where = where[~between]
    labels[...] = padded[(slice(_REACH, -_REACH),) * labels.ndim]


def _look_around(flat: np.ndarray, where: np.ndarray, offsets: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """For each place the nearest object, and whether another one is within the offsets too."""
    parts = [_nearest(flat[where[i : i + _CHUNK, None] + offsets]) for i in range(0, len(where), _CHUNK)]
    if not parts:
        return np.zeros(0, flat.dtype), np.zeros(0, bool)
    nearest, between = zip(*parts, strict=True)
    return np.concatenate(nearest), np.concatenate(between)


def _offsets(ndim: int) -> np.ndarray:
    """All steps to voxels within reach (city-block distance), nearest first."""
    steps = np.array(list(itertools.product(range(-_REACH, _REACH + 1), repeat=ndim)))
    distance = np.abs(steps).sum(1)
    order = np.argsort(distance, kind="stable")
    ball: np.ndarray = steps[order[(distance[order] > 0) & (distance[order] <= _REACH)]]
    return ball


def _nearest(around: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """For rows of labels sorted by distance: the first object of each row, and whether another one follows."""
    objects = around > 0
    nearest: np.ndarray = np.take_along_axis(around, objects.argmax(1)[:, None], 1)
    between: np.ndarray = np.any(objects & (around != nearest), axis=1)
    return nearest[:, 0], between


def _fill_holes(labels: np.ndarray) -> None:
    for number, box in enumerate(ndimage.find_objects(labels), 1):
        if box is None:  # a number that no voxel has
            continue
        part = labels[box]
        part[ndimage.binary_fill_holes(part == number) & (part == 0)] = number
