"""Three-class labels (background, foreground, border) from instance labels."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import Any, cast

import numpy as np
import torch
from monai.config import KeysCollection, NdarrayOrTensor
from monai.transforms import MapTransform, Transform
from monai.utils import TransformBackends, convert_to_dst_type, convert_to_numpy
from scipy import ndimage
from skimage.segmentation import find_boundaries

from monai_denoiseg.checks import check_int, check_option, check_range
from monai_denoiseg.constants import BACKGROUND, BORDER, FOREGROUND, IGNORE
from monai_denoiseg.spacing import SLACK, UNITS, voxel_size
from monai_denoiseg.transforms.conventions import each_key, sample_shape

__all__ = ["BorderLabel", "BorderLabeld", "border_classes"]


def border_classes(
    instances: np.ndarray, connectivity: int = 1, width: float = 1, spacing: Sequence[float] | None = None
) -> np.ndarray:
    """Turn an instance image into the classes background, foreground, border.

    The rule of the DenoiSeg paper (width 1): the border is the *outer* boundary, so an isolated object keeps all its voxels and
    is ringed by border lying in the background, while objects that touch lose their contact line to the border. Voxels that
    are not annotated count as background while the border is drawn, and are ignored again afterwards: they make no border, and
    the ring of an object beside them is drawn on annotated voxels only.

    Args:
        instances: integers ``([D,] H, W)`` below 2³¹ - 1; 0 background, -1 not annotated, every other value an object.
        connectivity: 1 for face neighbours (paper), up to the number of axes for all diagonals.
        width: each step beyond 1 dilates the border by one voxel, into objects and background alike. With ``spacing`` a length:
            every voxel nearer than this to the border of width 1 (Euclidean, between the voxels' centres, straight across
            unannotated voxels too) is border. A width up to the finest spacing leaves the border as it is.
        spacing: voxel size along each axis (``[Z,] Y, X``).

    Returns:
        int64 array ``([D,] H, W)`` of class indices, -1 where not annotated.

    Raises:
        ValueError: when ``connectivity`` exceeds the number of axes.

    Source: Buchholz et al., DenoiSeg (2020); ``find_boundaries(mode="outer")`` as in the published code.

    >>> border_classes(np.array([[0, 0, 0, 0, 0, 0, 0], [0, 1, 1, 2, 2, 0, -1]]))
    array([[ 0,  2,  2,  2,  2,  0,  0],
           [ 2,  1,  2,  2,  1,  2, -1]])
    """
    if connectivity > instances.ndim:
        raise ValueError(f"`connectivity` must be at most the {instances.ndim} axes of the label, got {connectivity}")
    ignored = instances == IGNORE
    # int32, because find_boundaries is wrong at the image edge for int64 (its largest value is no exact float)
    objects = np.where(ignored, 0, instances).astype(np.int32)
    faces = connectivity == 1
    border = (_outer_boundary(objects) if faces else find_boundaries(objects, connectivity=connectivity, mode="outer")) & ~ignored
    if spacing is not None:
        border = _near(border, width, spacing) & ~ignored
    elif width > 1:
        structure = ndimage.generate_binary_structure(instances.ndim, connectivity)
        border = ndimage.binary_dilation(border, structure, iterations=int(width) - 1, mask=~ignored)
    classes = np.where(objects > 0, FOREGROUND, BACKGROUND)
    classes[border] = BORDER
    classes[ignored] = IGNORE
    return classes.astype(np.int64, copy=False)


class BorderLabel(Transform):
    """Make three-class labels from instance labels; see :func:`border_classes` for the rule.

    Args:
        connectivity: 1 for face neighbours (paper), up to the number of spatial axes for all diagonals.
        width: border width; 1 is the paper's, each further step dilates by one voxel. A length with ``units="physical"``.
        units: ``"voxel"``, or ``"physical"`` for the unit of the voxel size given with each label.

    Raises:
        ValueError: when ``connectivity`` or a width in voxels is no integer of at least 1, or a length is not positive.

    >>> import torch
    >>> BorderLabel()(torch.tensor([[[0, 0, 5, 0, 0]]]))
    tensor([[[0, 2, 1, 2, 0]]])
    """

    backend = [TransformBackends.NUMPY]  # noqa: RUF012 - MONAI's convention

    def __init__(self, connectivity: int = 1, width: float = 1, units: str = "voxel") -> None:
        self.connectivity = check_int("connectivity", connectivity, 1)
        self.units = check_option("units", units, UNITS)
        if units == "physical":
            self.width = check_range("width", width, 0, float("inf"), open_low=True, open_high=True)
        else:
            self.width = check_int("width", cast("int", width), 1)

    def __call__(self, label: NdarrayOrTensor, spacing: Sequence[float] | torch.Tensor | None = None) -> NdarrayOrTensor:
        """Return the classes of ``label``.

        Args:
            label: instance numbers ``(1, [D,] H, W)``, -1 where not annotated; numpy, torch or MetaTensor.
            spacing: voxel size along each axis (``[Z,] Y, X``); only looked at with ``units="physical"``.

        Returns:
            Class indices of the same type and shape, dtype int64.

        Raises:
            TypeError: when ``label`` is boolean or has values that are no integers.
            ValueError: when ``label`` does not have exactly one channel or holds values outside [-1, 2³¹ - 2], or with
                ``units="physical"`` there is no voxel size.
        """
        instances = _instance_numbers(label)[0]
        physical = voxel_size(spacing, instances.ndim, "`width`") if self.units == "physical" else None
        classes = border_classes(instances, self.connectivity, self.width, physical)[None]
        if type(label) is torch.Tensor:  # in training: MONAI's conversion takes as long as the border itself
            return torch.from_numpy(classes).to(label.device)
        return convert_to_dst_type(classes, label, dtype=np.int64)[0]


class BorderLabeld(MapTransform):
    """Dictionary version of :class:`BorderLabel`.

    Args:
        keys: keys of the instance labels, each ``(1, [D,] H, W)``.
        connectivity: see :class:`BorderLabel`; a list gives one value for each key, as with the two that follow.
        width: see :class:`BorderLabel`.
        units: see :class:`BorderLabel`.
        spacing_key: key of the voxel size, looked at with ``units="physical"``.
        allow_missing_keys: leave an item without the key as it is.

    >>> BorderLabeld("label")({"label": np.array([[[0, 0, 5, 0, 0]]])})["label"]
    array([[[0, 2, 1, 2, 0]]])
    """

    backend = BorderLabel.backend

    def __init__(
        self,
        keys: KeysCollection,
        connectivity: int | Sequence[int] = 1,
        width: float | Sequence[float] = 1,
        units: str | Sequence[str] = "voxel",
        spacing_key: str = "spacing",
        allow_missing_keys: bool = False,
    ) -> None:
        super().__init__(keys, allow_missing_keys)
        options = each_key(self.keys, connectivity=connectivity, width=width, units=units)
        self.borders = [BorderLabel(**one) for one in options]
        self.spacing_key = spacing_key

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Return a copy of ``data`` with the labels of all keys replaced."""
        item = dict(data)
        for key, border in self.key_iterator(item, self.borders):
            item[key] = border(item[key], item.get(self.spacing_key))
        return item


def _outer_boundary(objects: np.ndarray) -> np.ndarray:
    """What ``find_boundaries(mode="outer")`` gives for face neighbours, several times as fast.

    Voxels with a face neighbour of another value; those of an object only if another object is within their 3 x 3 (x 3) voxels.
    """
    edge = np.zeros(objects.shape, dtype=bool)
    none = -np.iinfo(objects.dtype).max
    extremes = np.stack([objects, np.where(objects == 0, none, -objects)])  # highest number, and lowest with its sign turned
    for axis in range(objects.ndim):
        after, before = ((slice(None),) * axis + (part,) for part in (slice(1, None), slice(None, -1)))
        differs = objects[after] != objects[before]
        edge[after] |= differs
        edge[before] |= differs
        old, after, before = extremes.copy(), (slice(None), *after), (slice(None), *before)
        np.maximum(extremes[after], old[before], out=extremes[after])
        np.maximum(extremes[before], old[after], out=extremes[before])
    border: np.ndarray = edge & ((objects == 0) | (extremes[0] != -extremes[1]))
    return border


def _near(border: np.ndarray, width: float, spacing: Sequence[float]) -> np.ndarray:
    """Voxels nearer than ``width`` to the border, itself included."""
    if width <= min(spacing) * (1 + SLACK) or not border.any():
        return border
    distance: np.ndarray = ndimage.distance_transform_edt(~border, sampling=spacing)
    return distance < width * (1 - SLACK)


def _instance_numbers(label: NdarrayOrTensor) -> np.ndarray:
    """Return ``label`` as an int64 array, or say why it holds no instances."""
    sample_shape("label", label, "1")
    array: np.ndarray = label.numpy(force=True) if type(label) is torch.Tensor else convert_to_numpy(label)
    if array.shape[0] != 1:
        raise ValueError(f"`label` must have the shape (1, [D,] H, W), got {tuple(array.shape)}; add or select a channel")
    if array.dtype == bool:
        raise TypeError("`label` is boolean, but objects must be numbered 1, 2, …; number them with skimage.measure.label")
    numbers = array.astype(np.int64, copy=False)
    if array.dtype.kind not in "iu" and not np.array_equal(numbers, array):
        odd = float(array[numbers != array].flat[0])
        raise TypeError(f"`label` must hold whole numbers (one an object), got {odd}; is it an image or a probability map?")
    low, high = IGNORE, np.iinfo(np.int32).max - 1
    if numbers.size and not low <= numbers.min() <= numbers.max() <= high:
        raise ValueError(f"`label` must be in [{low}, {high}] (-1 = not annotated), got {numbers.min()} to {numbers.max()}")
    return numbers
