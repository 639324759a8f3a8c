"""What a StarDist network learns: the object probability of each voxel and its distances to the outline along the rays."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from monai.config import KeysCollection, NdarrayOrTensor
from monai.transforms import MapTransform, Transform
from monai.utils import TransformBackends, convert_to_dst_type, convert_to_numpy
from scipy import ndimage

from monai_denoiseg.constants import IGNORE
from monai_denoiseg.transforms.conventions import sample_shape

__all__ = ["StarLabel", "StarLabeld", "object_probability", "star_distances"]

_CHUNK = 1 << 18  # voxels marched together: a few arrays of them stay in the cache of the processor


def star_distances(label: np.ndarray, rays: np.ndarray) -> np.ndarray:
    """Measure how far each voxel is from the outline of its object along each ray.

    From the voxel, unit steps are made until the nearest voxel has another label or lies outside the image. 2D: the length of the
    way to the border between the last voxel and that one, ``t - (1 - 0.5 / max(|dy|, |dx|))`` after ``t`` steps. 3D: the distance
    to the centre of that voxel, without correction (0.5 to 1 voxel more): so does StarDist.

    Args:
        label: integers ``([D,] H, W)``: 0 background, -1 not annotated, every other value an object.
        rays: ``(n_rays, spatial_dims)`` unit steps, see :func:`star_rays`.

    Returns:
        float32 ``(n_rays, [D,] H, W)`` in voxels: 0 on background, -1 where not annotated and where the ray ends in a voxel
        that is not annotated (the object may go on there).

    Raises:
        ValueError: when the rays do not have as many axes as the label, or one has not the length 1.

    Source: Schmidt et al. (2018); ``stardist.geometry.star_dist`` and ``star_dist3D``, in float32 as there. Where a step ends
    exactly between two voxels, StarDist's choice depends on the place in the image, ours does not.

    >>> from monai_denoiseg.transforms import star_rays
    >>> star_distances(np.array([[0, 7, 7, 7, -1]]), star_rays(4, 2))[[0, 2]]
    array([[[ 0. , -1. , -1. , -1. , -1. ]],
    <BLANKLINE>
           [[ 0. ,  0.5,  1.5,  2.5, -1. ]]], dtype=float32)
    """
    if rays.ndim != 2 or rays.shape[1] != label.ndim:
        raise ValueError(f"`rays` must have the shape (n_rays, {label.ndim}) for this label, got {rays.shape}")
    if np.abs(np.linalg.norm(rays, axis=1) - 1).max() > 1e-3:
        raise ValueError("`rays` must be steps of length 1 (in voxels); see `star_rays`")
    out = np.where(label == IGNORE, np.float32(IGNORE), np.float32(0))[None].repeat(len(rays), 0)
    inside = np.flatnonzero((label != IGNORE) & (label != 0))
    if inside.size:
        # One number for each object, and one voxel of padding that is none of them, so that no way leads out of the array.
        numbers = np.pad(np.unique(label, return_inverse=True)[1].reshape(label.shape).astype(np.int32), 1, constant_values=-1)
        ignored = np.pad(label == IGNORE, 1)
        flat = out.reshape(len(rays), -1)
        for start in range(0, len(inside), _CHUNK):
            part = inside[start : start + _CHUNK]
            at = np.ravel_multi_index([i + 1 for i in np.unravel_index(part, label.shape)], numbers.shape)
            for ray, row in zip(rays, flat, strict=True):
                row[part] = _march(numbers, ignored, at, ray.astype(np.float32))
    return out


def _march(numbers: np.ndarray, ignored: np.ndarray, start: np.ndarray, ray: np.ndarray) -> np.ndarray:
    """Distances from the padded flat indices ``start``."""
    flat, strides = numbers.reshape(-1), np.array(numbers.strides) // numbers.itemsize
    own, distances = flat[start], np.empty(len(start), np.float32)
    which, at, walked, before = np.arange(len(start)), start, np.zeros(len(ray), np.float32), np.zeros(len(ray), np.int64)
    steps = 0
    while which.size:
        steps += 1
        walked = walked + ray
        offset = np.rint(walked).astype(np.int64)
        at = at + int((offset - before) @ strides)
        before = offset
        there = flat[at]
        ended = there != own
        if ended.any():
            length = steps - (1 - 0.5 / float(np.abs(ray).max())) if len(ray) == 2 else float(offset @ offset) ** 0.5
            distances[which[ended]] = np.where(ignored.reshape(-1)[at[ended]], IGNORE, length)
            going = ~ended
            which, at, own = which[going], at[going], own[going]
    return distances


def object_probability(label: np.ndarray, spacing: Sequence[float] | None = None) -> np.ndarray:
    """Measure how central each voxel is in its object: the distance to the nearest voxel that is not of it, 1 at the farthest.

    Args:
        label: integers ``([D,] H, W)``: 0 background, -1 not annotated (counts as background for the distance), else objects.
        spacing: voxel size ``([Z,] Y, X)``, to measure in its unit.

    Returns:
        float32 of the same shape in [0, 1]: 0 on background, -1 where not annotated. The edge of the image is no outline,
        except for an object that fills the image.

    Source: ``stardist.utils.edt_prob``.

    >>> object_probability(np.array([[0, 3, 3, 3, 0, -1]]))
    array([[ 0. ,  0.5,  1. ,  0.5,  0. , -1. ]], dtype=float32)
    """
    out = np.where(label == IGNORE, np.float32(IGNORE), np.float32(0))
    if not label.size:
        return out
    numbers = np.unique(np.where(label == IGNORE, 0, label), return_inverse=True)[1].reshape(label.shape)
    if not np.any(label == 0) and not np.any(label == IGNORE):  # the number 0 is then an object
        numbers = numbers + 1
    for number, box in enumerate(ndimage.find_objects(numbers), 1):
        if box is None:
            continue
        mine = numbers[box] == number
        # A ring around the box: what lies there is not of this object. Outside the image there is nothing to measure to.
        pad = [(int(s.start > 0), int(s.stop < size)) for s, size in zip(box, label.shape, strict=True)]
        if mine.all() and not np.any(pad):
            pad = [(1, 1)] * label.ndim
        distance = ndimage.distance_transform_edt(np.pad(mine, pad), sampling=spacing)
        distance = distance[tuple(slice(low, low + size) for (low, _), size in zip(pad, mine.shape, strict=True))][mine]
        out[box][mine] = distance / (distance.max() + 1e-10)
    return out


class StarLabel(Transform):
    """Turn instance labels into the targets of a StarDist network; see :func:`object_probability` and :func:`star_distances`.

    Args:
        rays: ``(n_rays, spatial_dims)``, see :func:`star_rays`; numpy, torch or nested lists.
        spacing: voxel size that the object probability is measured in (StarDist's ``anisotropy``); None for voxels.

    Raises:
        ValueError: when ``rays`` does not have the shape above.

    >>> from monai_denoiseg.transforms import star_rays
    >>> StarLabel(star_rays(4, 2))(torch.tensor([[[0, 5, 5, 0]]]))[:, 0]
    tensor([[0.0000, 1.0000, 1.0000, 0.0000],
            [0.0000, 1.5000, 0.5000, 0.0000],
            [0.0000, 0.5000, 0.5000, 0.0000],
            [0.0000, 0.5000, 1.5000, 0.0000],
            [0.0000, 0.5000, 0.5000, 0.0000]])
    """

    backend = [TransformBackends.NUMPY]  # noqa: RUF012 - MONAI's convention

    def __init__(
        self, rays: np.ndarray | torch.Tensor | Sequence[Sequence[float]], spacing: Sequence[float] | None = None
    ) -> None:
        self.rays = np.asarray(torch.as_tensor(rays).detach().cpu(), dtype=np.float64)
        if self.rays.ndim != 2 or self.rays.shape[1] not in (2, 3):
            raise ValueError(f"`rays` must have the shape (n_rays, 2 or 3), got {self.rays.shape}; see `star_rays`")
        self.spacing = spacing

    def __call__(self, label: NdarrayOrTensor) -> NdarrayOrTensor:
        """Return the targets of ``label``.

        Args:
            label: instance numbers ``(1, [D,] H, W)``, -1 where not annotated; numpy, torch or MetaTensor.

        Returns:
            float32 ``(1 + n_rays, [D,] H, W)`` of the same type: object probability, then distances in voxels.

        Raises:
            TypeError: when ``label`` is boolean or has values that are no whole numbers.
            ValueError: when ``label`` does not have exactly one channel, or not as many axes as the rays.
        """
        numbers = _whole_numbers(label, self.rays.shape[1])
        channels = [object_probability(numbers, self.spacing)[None], star_distances(numbers, self.rays)]
        return convert_to_dst_type(np.concatenate(channels), label, dtype=np.float32)[0]


class StarLabeld(MapTransform):
    """Dictionary version of :class:`StarLabel`.

    Args:
        keys: keys of the instance labels, each ``(1, [D,] H, W)``.
        rays: see :class:`StarLabel`.
        allow_missing_keys: leave an item without the key as it is.
        spacing: see :class:`StarLabel`.

    >>> from monai_denoiseg.transforms import star_rays
    >>> StarLabeld("label", star_rays(32, 2))({"label": np.ones((1, 8, 8), dtype=int)})["label"].shape
    (33, 8, 8)
    """

    backend = StarLabel.backend

    def __init__(
        self,
        keys: KeysCollection,
        rays: np.ndarray | torch.Tensor | Sequence[Sequence[float]],
        allow_missing_keys: bool = False,
        spacing: Sequence[float] | None = None,
    ) -> None:
        super().__init__(keys, allow_missing_keys)
        self.to_stars = StarLabel(rays, spacing)

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Return a copy of ``data`` with the labels of all keys replaced."""
        item = dict(data)
        for key in self.key_iterator(item):
            item[key] = self.to_stars(item[key])
        return item


def _whole_numbers(label: NdarrayOrTensor, ndim: int) -> np.ndarray:
    """Return ``label`` without its channel as an int64 array, or say why it holds no instances."""
    shape = tuple(getattr(label, "shape", (1,) * (ndim + 1)))
    if len(shape) != ndim + 1 or shape[0] != 1:
        wanted = "(1, D, H, W)" if ndim == 3 else "(1, H, W)"
        raise ValueError(f"`label` must have the shape {wanted} for rays of {ndim} axes, got {shape}")
    sample_shape("label", label, "1", ndim)
    array: np.ndarray = convert_to_numpy(label)
    if array.dtype == bool:
        raise TypeError("`label` is boolean, but objects must be numbered 1, 2, …; number them with skimage.measure.label")
    numbers = array.astype(np.int64, copy=False)
    if array.dtype.kind not in "iu" and not np.array_equal(numbers, array):
        odd = float(array[numbers != array].flat[0])
        raise TypeError(f"`label` must hold whole numbers (one an object), got {odd}; is it an image or a probability map?")
    return np.asarray(numbers[0])
