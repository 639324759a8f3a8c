"""Instances from the prediction of a StarDist head: candidates, non-maximum suppression, rendering."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from monai.config import KeysCollection, NdarrayOrTensor
from monai.transforms import MapTransform, Transform
from monai.utils import TransformBackends, convert_to_dst_type

from monai_denoiseg.checks import check_int, check_range
from monai_denoiseg.transforms.conventions import each_key, sample_shape
from monai_denoiseg.transforms.instances.nms import suppress
from monai_denoiseg.transforms.instances.star_shapes import render_stars
from monai_denoiseg.transforms.orientation.rays import star_rays

__all__ = ["StarsToInstances", "StarsToInstancesd"]

_SHORTEST = 1e-3  # voxels; as StarDist
_BORDER = 2


class StarsToInstances(Transform):
    """Turn object probability and star distances into numbered objects.

    1. Candidates are the voxels with an object probability above the threshold, less a border of 2 voxels (as in StarDist, but
       1 along axes of 5 to 8 voxels and 0 along shorter ones, so that single slices work).
    2. Among overlapping candidates only the most probable one is kept, see :func:`suppress`.
    3. These are painted, the most probable ones on top, see :func:`render_stars`.

    Every candidate is looked at, as in StarDist: there is no limit that would silently lose objects. Time grows with the number
    of candidates and of objects, not with its square.

    Called as :class:`ProbabilitiesToInstances` is, so that either can stand wherever labels are made.

    Args:
        rays: ``(n_rays, spatial_dims)``; None takes those of :func:`star_rays` for the number of channels.
        threshold: default threshold on the object probability, in [0, 1].
        overlap: largest share of the smaller one of two objects that may lie in the other, in [0, 1].
        min_size: objects of fewer voxels, as painted, are dropped.

    Attributes:
        overlaps: candidates for a search of the best ``overlap``.
        thresholds: candidates for a search of the best ``threshold``: 0.25 to 0.9. (The probability falls linearly from an
            object's middle to its border, so lower ones add candidates, no objects.)
        options: ``overlap`` and ``min_size``.
        units: always ``"voxel"``.

    Raises:
        ValueError: when an argument is out of its range.

    Source: Schmidt et al. (2018), Weigert et al. (2020).

    >>> rays = star_rays(8, 2)
    >>> prediction = torch.full((9, 9, 9), 3.0)
    >>> prediction[0] = 0
    >>> prediction[0, 4, 4] = 0.8
    >>> int(StarsToInstances(rays)(prediction).sum()), int(StarsToInstances(rays)(prediction, threshold=0.9).sum())
    (29, 0)
    """

    backend = [TransformBackends.NUMPY]  # noqa: RUF012 - MONAI's convention
    overlaps = (0.3, 0.4, 0.5)
    thresholds = tuple(round(0.05 * i, 2) for i in range(5, 19))
    units = "voxel"

    def __init__(
        self,
        rays: np.ndarray | torch.Tensor | Sequence[Sequence[float]] | None = None,
        threshold: float = 0.5,
        overlap: float = 0.4,
        min_size: int = 0,
    ) -> None:
        self.rays = None if rays is None else np.asarray(torch.as_tensor(rays).detach().cpu(), dtype=np.float64)
        if self.rays is not None and (self.rays.ndim != 2 or self.rays.shape[1] not in (2, 3)):
            raise ValueError(f"`rays` must have the shape (n_rays, 2 or 3), got {self.rays.shape}; see `star_rays`")
        self.threshold = check_range("threshold", float(threshold), 0, 1)
        self.options: dict[str, Any] = {
            "overlap": check_range("overlap", float(overlap), 0, 1),
            "min_size": check_int("min_size", min_size, 0),
        }

    def __call__(
        self,
        prediction: NdarrayOrTensor,
        threshold: float | None = None,
        spacing: Any = None,
        overlap: float | None = None,
    ) -> NdarrayOrTensor:
        """Return the instances of one image.

        Args:
            prediction: ``(1 + n_rays, [D,] H, W)``: object probability, then distances in voxels (those below 1e-3 are raised to
                it); further channels are not looked at, if ``rays`` were given.
            threshold: replaces the default threshold in this call.
            spacing: not used: distances are in voxels.
            overlap: replaces the default overlap in this call.

        Returns:
            int32 ``(1, [D,] H, W)`` of the same type: 0 background, objects 1..n by descending probability.

        Raises:
            ValueError: when the number of channels does not fit the rays, or there are values that are no probabilities (NaN,
                logits) or no distances (NaN).
        """
        level = self.threshold if threshold is None else threshold
        share = self.options["overlap"] if overlap is None else overlap
        return next(labels for _, _, labels in self.at_levels(prediction, [level], [share], spacing))

    def at_levels(
        self,
        prediction: NdarrayOrTensor,
        thresholds: Sequence[float],
        overlaps: Sequence[float] | None = None,
        spacing: Any = None,
    ) -> Iterator[tuple[float, float, NdarrayOrTensor]]:
        """Make the instances at many thresholds, faster than one by one: suppression runs once for each overlap.

        A candidate is always suppressed by a more probable one. So the objects at a threshold are those at a lower threshold
        whose probability is above it.

        Args:
            prediction: as for calling the transform.
            thresholds: on the object probability, in any order.
            overlaps: None takes :attr:`overlaps`.
            spacing: not used.

        Yields:
            ``(threshold, overlap, labels)``, for each overlap all thresholds in the order given.

        Raises:
            ValueError: as for calling the transform, or when a threshold or overlap is outside [0, 1].
        """
        levels = [check_range("threshold", float(level), 0, 1) for level in thresholds]
        shares = [check_range("overlap", float(share), 0, 1) for share in (self.overlaps if overlaps is None else overlaps)]
        rays, probability, distances = self._split(prediction)
        candidates = _inner(probability > min(levels, default=1))
        points = np.argwhere(candidates)
        chances, lengths = probability[candidates], distances[:, candidates].T
        for share in shares:
            kept = suppress(points, lengths, chances, rays, share)
            for level in levels:
                chosen = kept[chances[kept] > level]
                labels = render_stars(points[chosen], lengths[chosen], chances[chosen], rays, probability.shape)
                labels = _without_gaps(labels, self.options["min_size"])
                yield level, share, convert_to_dst_type(labels[None], prediction, dtype=np.int32)[0]

    def _split(self, prediction: NdarrayOrTensor) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return rays, object probability and distances, or say what is wrong with them."""
        wanted = "1 + n_rays" if self.rays is None else f"{1 + len(self.rays)}, for {self.rays.shape[1]} spatial axes"
        shape = sample_shape("prediction", prediction, wanted)
        ndim = len(shape) - 1
        if self.rays is not None and (ndim != self.rays.shape[1] or shape[0] <= len(self.rays)):
            raise ValueError(
                f"`prediction` must have the shape ({wanted}, [D,] H, W), got {shape}; were the rays others in training?"
            )
        rays = star_rays(shape[0] - 1, ndim) if self.rays is None else self.rays
        array: np.ndarray = torch.as_tensor(prediction[: 1 + len(rays)]).detach().float().cpu().numpy()
        low, high = (array[0].min(), array[0].max()) if array.size else (0.0, 0.0)
        if not (low >= -1e-3 and high <= 1 + 1e-3):  # NaN fails here too
            raise ValueError(
                f"the object probability must be in [0, 1], got {low:.3g} to {high:.3g}; apply a sigmoid to logits first"
            )
        if np.isnan(array).any():
            raise ValueError("`prediction` holds distances that are NaN; look for NaN in the image, or lower the learning rate")
        # Beyond twice the image nothing changes within it, and an untrained network may say anything.
        return rays, array[0], array[1:].clip(_SHORTEST, 2 * max(shape[1:]))


class StarsToInstancesd(MapTransform):
    """Dictionary version of :class:`StarsToInstances`.

    Args:
        keys: keys of the predictions ``(1 + n_rays, [D,] H, W)``.
        rays: see :class:`StarsToInstances`; the same for all keys.
        threshold: see :class:`StarsToInstances`; a list gives one value for each key, as with the two that follow.
        overlap: see there.
        min_size: see there.
        allow_missing_keys: leave out keys that an item lacks.

    >>> prediction = torch.full((9, 9, 9), 3.0)
    >>> prediction[0] = 0
    >>> prediction[0, 4, 4] = 0.8
    >>> int(StarsToInstancesd("pred", star_rays(8, 2))({"pred": prediction})["pred"].sum())
    29
    """

    backend = StarsToInstances.backend

    def __init__(
        self,
        keys: KeysCollection,
        rays: np.ndarray | torch.Tensor | Sequence[Sequence[float]] | None = None,
        threshold: float | Sequence[float] = 0.5,
        overlap: float | Sequence[float] = 0.4,
        min_size: int | Sequence[int] = 0,
        allow_missing_keys: bool = False,
    ) -> None:
        super().__init__(keys, allow_missing_keys)
        options = each_key(self.keys, threshold=threshold, overlap=overlap, min_size=min_size)
        self.to_instances = [StarsToInstances(rays, **one) for one in options]

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Return a copy of ``data`` with the predictions of all keys replaced by instances."""
        item = dict(data)
        for key, to_instances in self.key_iterator(item, self.to_instances):
            item[key] = to_instances(item[key])
        return item


def _inner(candidates: np.ndarray) -> np.ndarray:
    """Without the voxels at the border."""
    inner = np.zeros_like(candidates)
    border = [min(_BORDER, (size - 1) // 4) for size in candidates.shape]
    inside = tuple(slice(width, size - width) for width, size in zip(border, candidates.shape, strict=True))
    inner[inside] = candidates[inside]
    return inner


def _without_gaps(labels: np.ndarray, min_size: int) -> np.ndarray:
    """Drop objects of fewer voxels and number the rest 1..n in the same order."""
    keep = np.bincount(labels.ravel(), minlength=1) >= max(min_size, 1)
    keep[0] = False
    return np.asarray(np.where(keep, np.cumsum(keep), 0).astype(np.int32)[labels])
