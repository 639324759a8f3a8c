"""Instances from class probabilities: threshold, connected components, growth to the true outline."""

from __future__ import annotations

import itertools
from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from monai.config import KeysCollection, NdarrayOrTensor
from monai.transforms import MapTransform, Transform
from monai.utils import TransformBackends, convert_to_dst_type
from scipy import ndimage
from skimage.segmentation import watershed

from monai_denoiseg.checks import check_int, check_option, check_range
from monai_denoiseg.constants import BORDER, CLASSES, FOREGROUND

__all__ = ["RULES", "ProbabilitiesToInstances", "ProbabilitiesToInstancesd", "instances_from_foreground"]

RULES = ("grow", "paper")

_REACH = 3  # voxels within which both objects of a contact must lie: contacts are 2 voxels thick, predicted ones often 3 or 4


def instances_from_foreground(
    foreground: np.ndarray,
    border: np.ndarray | None = None,
    threshold: float = 0.5,
    *,
    rule: str = "grow",
    min_size: int = 0,
    max_grow: float | None = None,
    fill_holes: bool = False,
    connectivity: int = 1,
    spacing: Sequence[float] | None = None,
) -> np.ndarray:
    """Number the objects in a foreground probability map.

    Both rules start from the connected components of ``foreground > threshold``, less those below ``min_size``. ``"paper"`` stops
    there. ``"grow"`` takes the components as seeds and gives back what they lost:

    1. voxels where background is improbable (< 0.5) and foreground at least as probable as border, flooded from the seeds;
    2. at contacts the training labels turn one voxel of each object into border. A border voxel is given to its nearest object
       if a second object lies as near as a contact implies and no background is beside it. The border *around* an object lies
       in the background (see :mod:`monai_denoiseg.transforms.border`), is not taken, and so isolated objects do not swell.

    Args:
        foreground: probabilities ``([D,] H, W)``.
        border: probabilities ``([D,] H, W)``; ``None`` stands for none, so that only step 1 grows.
        threshold: seeds are where the foreground probability is larger, in [0, 1].
        rule: ``"grow"`` or ``"paper"``.
        min_size: smallest seed in voxels.
        max_grow: largest distance of a grown voxel from the nearest seed, in voxels or, with ``spacing``, in its unit.
        fill_holes: fill the holes of each object that belong to no other object.
        connectivity: 1 for face neighbours (paper), up to the number of axes for all diagonals.
        spacing: voxel size along each axis (ZYX), used by ``max_grow``.

    Returns:
        int32 array ``([D,] H, W)``: 0 background, objects 1..n without gaps.

    Source: ``"paper"``: DenoiSeg (2020), connected components of the thresholded foreground.

    >>> foreground = np.array([[0, 1, 1, 0, 0, 1, 1, 0]], dtype=float)
    >>> border = np.array([[1, 0, 0, 1, 1, 0, 0, 1]], dtype=float)
    >>> instances_from_foreground(foreground, border)
    array([[0, 1, 1, 1, 2, 2, 2, 0]], dtype=int32)
    >>> instances_from_foreground(foreground, border, rule="paper")
    array([[0, 1, 1, 0, 0, 2, 2, 0]], dtype=int32)
    """
    structure = ndimage.generate_binary_structure(foreground.ndim, connectivity)
    labels: np.ndarray
    labels, count = ndimage.label(foreground > threshold, structure, output=np.int32)
    if min_size > 1:
        labels, count = _drop_small(labels, min_size)
    if rule == "grow" and count:
        seeds = labels
        labels = _grow(seeds, foreground, np.zeros_like(foreground) if border is None else border, structure)
        if max_grow is not None:
            labels[ndimage.distance_transform_edt(seeds == 0, sampling=spacing) > max_grow] = 0
    if fill_holes:
        _fill_holes(labels)
    return labels


class ProbabilitiesToInstances(Transform):
    """Turn class probabilities into numbered objects; see :func:`instances_from_foreground` for the rules.

    Args:
        threshold: default threshold on the foreground probability, in [0, 1].
        rule: ``"grow"`` (recovers contacts) or ``"paper"`` (plain connected components).
        min_size: smallest seed in voxels.
        max_grow: largest growth in voxels (or in the unit of ``spacing``); ``None`` for no limit.
        fill_holes: fill holes within objects.
        connectivity: 1 for face neighbours, up to the number of axes for all diagonals.
        spacing: voxel size along each axis (ZYX), used by ``max_grow``.

    Raises:
        ValueError: when an argument is out of its range.

    >>> image = np.zeros((3, 5, 5), dtype="float32")
    >>> image[1, 1:3, 1:3] = 0.7
    >>> image[0] = 1 - image[1]
    >>> int(ProbabilitiesToInstances()(image).sum()), int(ProbabilitiesToInstances()(image, threshold=0.8).sum())
    (4, 0)
    """

    backend = [TransformBackends.NUMPY]  # noqa: RUF012 - MONAI's convention

    def __init__(
        self,
        threshold: float = 0.5,
        rule: str = "grow",
        min_size: int = 0,
        max_grow: float | None = None,
        fill_holes: bool = False,
        connectivity: int = 1,
        spacing: Sequence[float] | None = None,
    ) -> None:
        self.threshold = check_range("threshold", float(threshold), 0, 1)
        self.options: dict[str, Any] = {
            "rule": check_option("rule", rule, RULES),
            "min_size": check_int("min_size", min_size, 0),
            "max_grow": None if max_grow is None else check_range("max_grow", max_grow, 0, float("inf")),
            "fill_holes": fill_holes,
            "connectivity": check_int("connectivity", connectivity, 1),
            "spacing": spacing,
        }

    def __call__(self, probabilities: NdarrayOrTensor, threshold: float | None = None) -> NdarrayOrTensor:
        """Return the instances of one image.

        Args:
            probabilities: ``(3 or more, [D,] H, W)``: background, foreground, border; further channels are not looked at.
            threshold: takes the place of the default threshold in this call.

        Returns:
            int32 ``(1, [D,] H, W)`` of the same type: 0 background, objects 1..n.

        Raises:
            ValueError: when there are fewer than three channels, values that are no probabilities (NaN, logits), or
                ``spacing`` or ``connectivity`` do not fit the number of axes.
        """
        level = self.threshold if threshold is None else check_range("threshold", float(threshold), 0, 1)
        foreground, border = _channels(probabilities)
        _check_axes(foreground.ndim, self.options["connectivity"], self.options["spacing"])
        instances = instances_from_foreground(foreground, border, level, **self.options)
        return convert_to_dst_type(instances[None], probabilities, dtype=np.int32)[0]


class ProbabilitiesToInstancesd(MapTransform):
    """Dictionary version of :class:`ProbabilitiesToInstances`.

    Args:
        keys: keys of the class probabilities.
        threshold: see :class:`ProbabilitiesToInstances`, as all that follow.
        rule: see there.
        min_size: see there.
        max_grow: see there.
        fill_holes: see there.
        connectivity: see there.
        spacing: see there.
        allow_missing_keys: leave out keys an item has not.

    >>> ProbabilitiesToInstancesd("pred")({"pred": np.ones((3, 2, 2)) / 3})["pred"]
    array([[[0, 0],
            [0, 0]]], dtype=int32)
    """

    backend = ProbabilitiesToInstances.backend

    def __init__(
        self,
        keys: KeysCollection,
        threshold: float = 0.5,
        rule: str = "grow",
        min_size: int = 0,
        max_grow: float | None = None,
        fill_holes: bool = False,
        connectivity: int = 1,
        spacing: Sequence[float] | None = None,
        allow_missing_keys: bool = False,
    ) -> None:
        super().__init__(keys, allow_missing_keys)
        self.to_instances = ProbabilitiesToInstances(threshold, rule, min_size, max_grow, fill_holes, connectivity, spacing)

    def __call__(self, data: Mapping[Hashable, Any], threshold: float | None = None) -> dict[Hashable, Any]:
        """Return a copy of ``data`` with the probabilities of all keys replaced by instances."""
        item = dict(data)
        for key in self.key_iterator(item):
            item[key] = self.to_instances(item[key], threshold)
        return item


def _drop_small(labels: np.ndarray, min_size: int) -> tuple[np.ndarray, int]:
    keep = np.bincount(labels.ravel()) >= min_size
    keep[0] = False
    return np.where(keep, np.cumsum(keep), 0).astype(np.int32)[labels], int(keep.sum())


def _grow(seeds: np.ndarray, foreground: np.ndarray, border: np.ndarray, structure: np.ndarray) -> np.ndarray:
    background = (foreground + border <= 0.5) & (seeds == 0)
    eroded = ~background & (foreground >= border) & (seeds == 0)
    labels: np.ndarray = watershed(-foreground, seeds, structure, mask=eroded | (seeds > 0)) if eroded.any() else seeds.copy()
    beside = ndimage.binary_dilation(background, ndimage.generate_binary_structure(seeds.ndim, 1))
    _share_contacts(labels, (labels == 0) & ~eroded & ~beside)
    return labels


def _share_contacts(labels: np.ndarray, candidates: np.ndarray) -> None:
    """Give, in place, each candidate between two objects to the nearer one."""
    faces = 2 * labels.ndim
    padded = np.pad(labels, _REACH)
    where = np.ravel_multi_index(tuple(index + _REACH for index in np.nonzero(candidates)), padded.shape)
    offsets = _offsets(labels.ndim) @ (np.array(padded.strides) // padded.itemsize)
    flat = padded.reshape(-1)
    # Objects in contact lose a voxel each, so a voxel with a face to both of them is a gap of background, not a contact.
    _, split = _nearest(flat[where[:, None] + offsets[:faces]])
    where = where[~split]
    for _ in range(2):  # a corner where several contacts meet is out of reach until its neighbours are given away
        nearest, between = _nearest(flat[where[:, None] + offsets])
        flat[where[between]] = nearest[between]
        where = where[~between]
    labels[...] = padded[(slice(_REACH, -_REACH),) * labels.ndim]


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
        part = labels[box]
        part[ndimage.binary_fill_holes(part == number) & (part == 0)] = number


def _channels(probabilities: NdarrayOrTensor) -> tuple[np.ndarray, np.ndarray]:
    """Return foreground and border as float arrays, or say why they are no probabilities."""
    shape = tuple(probabilities.shape)
    if len(shape) < 3 or shape[0] < len(CLASSES):
        raise ValueError(f"`probabilities` must have the shape (3, [D,] H, W) with the channels {CLASSES}, got {shape}")
    pair = probabilities[[FOREGROUND, BORDER]]
    array: np.ndarray = torch.as_tensor(pair).detach().float().cpu().numpy()
    low, high = (array.min(), array.max()) if array.size else (0.0, 0.0)
    if not (low >= -1e-3 and high <= 1 + 1e-3):  # NaN fails here too
        raise ValueError(f"`probabilities` must be in [0, 1], got {low:.3g} to {high:.3g}; apply a softmax to logits first")
    return array[0], array[1]


def _check_axes(ndim: int, connectivity: int, spacing: Sequence[float] | None) -> None:
    if connectivity > ndim:
        raise ValueError(f"`connectivity` must be at most the {ndim} axes of the image, got {connectivity}")
    if spacing is not None and len(spacing) != ndim:
        raise ValueError(f"`spacing` needs {ndim} values (one an axis), got {list(spacing)}")
