"""Instances from class probabilities: threshold, connected components, growth to the true outline."""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping, Sequence
from typing import Any, cast

import numpy as np
import torch
from monai.config import KeysCollection, NdarrayOrTensor
from monai.transforms import MapTransform, Transform
from monai.utils import TransformBackends, convert_to_dst_type
from scipy import ndimage

from monai_denoiseg.checks import check_int, check_option, check_range
from monai_denoiseg.constants import BORDER, CLASSES, FOREGROUND
from monai_denoiseg.spacing import SLACK, UNITS, voxel_size
from monai_denoiseg.transforms.conventions import each_key, sample_shape
from monai_denoiseg.transforms.instances.growth import RULES, grow_seeds
from monai_denoiseg.transforms.instances.necks import aspect_of, split_necks

__all__ = ["RULES", "ProbabilitiesToInstances", "ProbabilitiesToInstancesd", "instances_from_foreground"]


def instances_from_foreground(
    foreground: np.ndarray,
    border: np.ndarray | None = None,
    threshold: float = 0.5,
    *,
    rule: str = "grow",
    min_size: float = 0,
    max_grow: float | None = None,
    fill_holes: bool = False,
    connectivity: int = 1,
    spacing: Sequence[float] | None = None,
    split_neck: float = 0.0,
    aspect: Sequence[float] | None = None,
) -> np.ndarray:
    """Number the objects in a foreground probability map.

    Both rules start from the connected components of ``foreground > threshold``, less those below ``min_size``, split where they
    are narrow if ``split_neck`` is not 0 (:func:`split_necks`). ``"paper"`` stops there. ``"grow"`` takes the components as seeds
    and gives back what they lost, see :func:`grow_seeds`.

    Args:
        foreground: probabilities ``([D,] H, W)``.
        border: probabilities ``([D,] H, W)``; ``None`` stands for none, so that only step 1 grows.
        threshold: seeds are where the foreground probability is larger, in [0, 1].
        rule: ``"grow"`` or ``"paper"``.
        min_size: smallest seed in voxels or, with ``spacing``, its area or volume in that unit.
        max_grow: largest distance of a grown voxel from the nearest seed, in voxels or, with ``spacing``, in its unit.
        fill_holes: fill the holes of each object that belong to no other object.
        connectivity: 1 for face neighbours (paper), up to the number of axes for all diagonals.
        spacing: voxel size along each axis (ZYX), for sizes and lengths in its unit.
        split_neck: components are split at necks narrower than this ratio to the smaller part, in [0, 1); 0 never splits. Parts
            below ``min_size`` are not made.
        aspect: voxel size along each axis (ZYX) in any unit, for the widths of necks; None: ``spacing``, or else cubes.

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
    smallest = math.ceil(min_size if spacing is None else min_size / math.prod(spacing) * (1 - SLACK))
    if smallest > 1 and count:
        labels, count = _drop_small(labels, smallest)
    if split_neck and count:
        shape = spacing if aspect is None else aspect
        labels = split_necks(labels, split_neck, min_size=smallest, spacing=shape, connectivity=connectivity)
    return grow_seeds(
        labels,
        foreground,
        border,
        rule=rule,
        max_grow=max_grow,
        fill_holes=fill_holes,
        connectivity=connectivity,
        spacing=spacing,
    )


class ProbabilitiesToInstances(Transform):
    """Turn class probabilities into numbered objects; see :func:`instances_from_foreground` for the rules.

    Args:
        threshold: default threshold on the foreground probability, in [0, 1].
        rule: ``"grow"`` (recovers contacts) or ``"paper"`` (plain connected components).
        min_size: smallest seed: voxels, or with ``units="physical"`` an area or volume. The bundle for volumes takes 100.
        max_grow: largest growth: voxels, or with ``units="physical"`` a length; ``None`` for no limit.
        fill_holes: fill holes within objects.
        connectivity: 1 for face neighbours, up to the number of axes for all diagonals.
        units: ``"voxel"``, or ``"physical"`` for the unit of the voxel size given with each image.
        split_neck: split objects at necks narrower than this ratio to the smaller part, in [0, 1), see :func:`split_necks`; 0
            never splits.

    Raises:
        ValueError: when an argument is out of its range.

    >>> image = np.zeros((3, 5, 5), dtype="float32")
    >>> image[1, :4, :4] = 0.7
    >>> image[0] = 1 - image[1]
    >>> int(ProbabilitiesToInstances()(image).sum()), int(ProbabilitiesToInstances()(image, threshold=0.8).sum())
    (16, 0)
    """

    backend = [TransformBackends.NUMPY]  # noqa: RUF012 - MONAI's convention

    def __init__(
        self,
        threshold: float = 0.5,
        rule: str = "grow",
        min_size: float = 15,
        max_grow: float | None = None,
        fill_holes: bool = False,
        connectivity: int = 1,
        units: str = "voxel",
        *,
        split_neck: float = 0.7,
    ) -> None:
        self.threshold = check_range("threshold", float(threshold), 0, 1)
        self.units = check_option("units", units, UNITS)
        self.options: dict[str, Any] = {
            "rule": check_option("rule", rule, RULES),
            "min_size": check_int("min_size", cast("int", min_size), 0)
            if units == "voxel"
            else check_range("min_size", min_size, 0, float("inf"), open_high=True),
            "max_grow": None if max_grow is None else check_range("max_grow", max_grow, 0, float("inf")),
            "fill_holes": fill_holes,
            "connectivity": check_int("connectivity", connectivity, 1),
            "split_neck": check_range("split_neck", split_neck, 0, 1, open_high=True),
        }

    def __call__(
        self,
        probabilities: NdarrayOrTensor,
        threshold: float | None = None,
        spacing: Sequence[float] | torch.Tensor | None = None,
    ) -> NdarrayOrTensor:
        """Return the instances of one image.

        Args:
            probabilities: ``(3 or more, [D,] H, W)``: background, foreground, border; further channels are not looked at.
            threshold: replaces the default threshold in this call.
            spacing: voxel size along each axis (``[Z,] Y, X``), NaN where not known. Sizes and lengths only look at it with
                ``units="physical"``; ``split_neck`` always does, since a ratio has no unit.

        Returns:
            int32 ``(1, [D,] H, W)`` of the same type: 0 background, objects 1..n.

        Raises:
            ValueError: when there are fewer than three channels, values that are no probabilities (NaN, logits), or
                ``connectivity`` or ``spacing`` do not fit the number of axes, or ``units="physical"`` and there is no voxel size.
        """
        level = self.threshold if threshold is None else check_range("threshold", float(threshold), 0, 1)
        foreground, border = _channels(probabilities)
        if self.options["connectivity"] > foreground.ndim:
            raise ValueError(
                f"`connectivity` must be at most the {foreground.ndim} axes of the image, got {self.options['connectivity']}"
            )
        physical = voxel_size(spacing, foreground.ndim, "`min_size`, `max_grow`") if self.units == "physical" else None
        aspect = aspect_of(spacing, foreground.ndim) if self.options["split_neck"] else None
        instances = instances_from_foreground(foreground, border, level, spacing=physical, aspect=aspect, **self.options)
        return convert_to_dst_type(instances[None], probabilities, dtype=np.int32)[0]


class ProbabilitiesToInstancesd(MapTransform):
    """Dictionary version of :class:`ProbabilitiesToInstances`.

    Args:
        keys: keys of the class probabilities.
        threshold: see :class:`ProbabilitiesToInstances`, as all that follow; a list gives one value for each key.
        rule: see there.
        min_size: see there.
        max_grow: see there.
        fill_holes: see there.
        connectivity: see there.
        units: see there.
        spacing_key: key of the voxel size; an item may lack it, except with ``units="physical"``.
        allow_missing_keys: leave out keys that an item lacks.
        split_neck: see :class:`ProbabilitiesToInstances`.

    >>> ProbabilitiesToInstancesd("pred")({"pred": np.ones((3, 2, 2)) / 3})["pred"]
    array([[[0, 0],
            [0, 0]]], dtype=int32)
    """

    backend = ProbabilitiesToInstances.backend

    def __init__(
        self,
        keys: KeysCollection,
        threshold: float | Sequence[float] = 0.5,
        rule: str | Sequence[str] = "grow",
        min_size: float | Sequence[float] = 15,
        max_grow: float | Sequence[float | None] | None = None,
        fill_holes: bool | Sequence[bool] = False,
        connectivity: int | Sequence[int] = 1,
        units: str | Sequence[str] = "voxel",
        spacing_key: str = "spacing",
        allow_missing_keys: bool = False,
        *,
        split_neck: float | Sequence[float] = 0.7,
    ) -> None:
        super().__init__(keys, allow_missing_keys)
        options: dict[str, Any] = {"threshold": threshold, "rule": rule, "min_size": min_size, "max_grow": max_grow}
        options |= {"fill_holes": fill_holes, "connectivity": connectivity, "units": units, "split_neck": split_neck}
        self.to_instances = [ProbabilitiesToInstances(**one) for one in each_key(self.keys, **options)]
        self.spacing_key = spacing_key

    def __call__(self, data: Mapping[Hashable, Any], threshold: float | None = None) -> dict[Hashable, Any]:
        """Return a copy of ``data`` with the probabilities of all keys replaced by instances."""
        item = dict(data)
        for key, to_instances in self.key_iterator(item, self.to_instances):
            item[key] = to_instances(item[key], threshold, item.get(self.spacing_key))
        return item


def _drop_small(labels: np.ndarray, min_size: int) -> tuple[np.ndarray, int]:
    keep = np.bincount(labels.ravel()) >= min_size
    keep[0] = False
    return np.where(keep, np.cumsum(keep), 0).astype(np.int32)[labels], int(keep.sum())


def _channels(probabilities: NdarrayOrTensor) -> tuple[np.ndarray, np.ndarray]:
    """Return foreground and border as float arrays, or say why they are no probabilities."""
    shape = sample_shape("probabilities", probabilities, "3")
    if shape[0] < len(CLASSES):
        raise ValueError(f"`probabilities` must have the shape (3, [D,] H, W) with the channels {CLASSES}, got {shape}")
    pair = probabilities[[FOREGROUND, BORDER]]
    array: np.ndarray = torch.as_tensor(pair).detach().float().cpu().numpy()
    low, high = (array.min(), array.max()) if array.size else (0.0, 0.0)
    if not (low >= -1e-3 and high <= 1 + 1e-3):  # NaN fails here too
        raise ValueError(f"`probabilities` must be in [0, 1], got {low:.3g} to {high:.3g}; apply a softmax to logits first")
    return array[0], array[1]
