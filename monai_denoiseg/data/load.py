"""Load the images of a data list item and check that they belong together."""

from __future__ import annotations

import itertools
import math
import warnings
from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from monai.data import MetaTensor
from monai.transforms import LoadImage, MapTransform

from monai_denoiseg.checks import check_int, check_option, check_range
from monai_denoiseg.data.axes import AS_LABELMAP, expected_axes, shape_mismatch, without_channel
from monai_denoiseg.data.dicom import DICOM_SUFFIX
from monai_denoiseg.data.itk_files import ITK_SUFFIXES, check_segments
from monai_denoiseg.data.label_check import refuse_lossy
from monai_denoiseg.data.labels import instance_labels, semantic_labels
from monai_denoiseg.data.quiet import quiet
from monai_denoiseg.data.reader import FileReader, split_name
from monai_denoiseg.data.volume_files import has_place, turned_like
from monai_denoiseg.open_classes import open_label
from monai_denoiseg.units import unit_for

ROUNDING = 1e-3
"""How far a stored label may lie from an integer, by the rounding of what wrote it."""


class LoadItemd(MapTransform):
    """Load image, label and clean reference of an item ``{"image": path, "label": path?, "clean": path?}``.

    Images become float32 ``(C, [D,] H, W)``, the label int32 ``(1, [D,] H, W)`` with -1 where nothing is annotated (see
    :func:`label_to_int`). An item without label gets none. An item with ``"frame": i`` is the i-th image along time of files
    with several images (see :func:`folder_datalist`); only this one is read. The item gets ``"spacing"``, the voxel size: a
    float32 tensor ``(spatial_dims,)`` in (Z)YX order and the file's unit, NaN on every axis if unknown.

    Args:
        image_key: key of the image; must be in every item.
        label_key: key of the labels.
        other_keys: keys of further images of the same shape, such as the clean reference and the training target.
        axes: axes of TIFF and other images, see :class:`FileReader`. A label without channel axis uses them without the channel.
        ignore_value: stored label value that means "not annotated", see :func:`label_to_int`.
        channels: channels every image must have, ``None`` for any.
        spatial_dims: spatial axes every image must have, ``None`` for any; what other axes mean follows from it, see
            :func:`~monai_denoiseg.data.axes.arrange`.
        binary_labels: an instance label of one value with several separate objects is a mask: ``"error"`` refuses it,
            ``"components"`` numbers its connected components (neighbours share a face), ``"keep"`` takes it as one object.
        spacing: voxel size in (Z)YX order, one number for each spatial axis; overrides what the files say. It is used
            for the item's ``"spacing"`` only; the metadata of the image stay.
        classes: names (or number) of the classes of semantic labels, in the order of their values, the first for background 0;
            a label then holds these values or "not annotated". ``None``: instance labels.

    Raises:
        KeyError: for an item without image.
        ValueError: for NaN or infinite intensities, shapes that do not match, a NIfTI label whose affine differs from its image,
            the wrong number of channels or axes, labels that are no integers, no class or a mask, or come from JPEG, and options
            out of range.

    >>> import tempfile, tifffile, numpy as np
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     tifffile.imwrite(f"{folder}/a.tif", np.ones((32, 48), np.uint16))
    ...     item = LoadItemd(channels=1)({"image": f"{folder}/a.tif"})
    >>> item["image"].shape, item["image"].dtype, "label" in item
    (torch.Size([1, 32, 48]), torch.float32, False)
    """

    def __init__(
        self,
        image_key: str = "image",
        label_key: str = "label",
        other_keys: Sequence[str] = ("clean", "target"),
        axes: str | None = None,
        ignore_value: int | None = None,
        channels: int | None = None,
        spatial_dims: int | None = None,
        binary_labels: str = "error",
        spacing: Sequence[float] | None = None,
        classes: int | Sequence[str] | None = None,
    ) -> None:
        super().__init__([image_key, label_key, *other_keys], allow_missing_keys=True)
        self.image_key, self.label_key, self.other_keys = image_key, label_key, tuple(other_keys)
        self.ignore_value = ignore_value
        self.channels = channels
        self.spatial_dims = spatial_dims
        self.binary_labels = check_option("binary_labels", binary_labels, ["error", "components", "keep"])
        self.axes = axes
        self.spacing = _checked_spacing(spacing, spatial_dims)
        self.n_classes, self.class_names = _checked_classes(classes)
        # float64 holds every label of up to 32 bits exactly; LoadImage would cut fractions off if asked for integers.
        # MONAI's own reader of DICOM misses decoders, which are not used here
        with warnings.catch_warnings(), quiet("monai.data.nvimgcodec_pydicom_plugin"):
            warnings.simplefilter("ignore")
            self._load_image = LoadImage(image_only=True, dtype=np.float32, ensure_channel_first=True)
            self._load_label = LoadImage(image_only=True, dtype=np.float64, ensure_channel_first=True)

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Return the item with loaded images instead of paths; other entries stay."""
        if self.image_key not in data:
            raise KeyError(f"item without {self.image_key!r}; it has {sorted(str(key) for key in data)}")
        item = dict(data)
        frame = None if "frame" not in data else int(data["frame"])
        for key in (self.image_key, *self.other_keys):
            if key in item:
                item[key] = self._image(str(data[key]), frame, own_axes=key == self.image_key)
        if self.label_key in item:
            item[self.label_key] = self.load_label(data)
            if split_name(str(data[self.image_key]))[1] == DICOM_SUFFIX and has_place(str(data[self.label_key])):
                item[self.label_key] = turned_like(item[self.label_key], item[self.image_key])
        for key in self.keys:
            self._check_same_shape(data, item, key)
        image = item[self.image_key]
        item["spacing"] = self._spacing(image)
        item["unit"] = unit_for(self.spacing, image.meta.get("spacing"), image.meta.get("unit")) or ""
        return item

    def _reader(self, axes: str | None, frame: int | None, **options: Any) -> FileReader:
        return FileReader(axes, spatial_dims=self.spatial_dims, frame=frame, **options)

    def _image(self, path: str, frame: int | None, own_axes: bool) -> MetaTensor:
        unnamed = None if own_axes or frame is None else expected_axes(self.spatial_dims, True)
        # A reader given in the call raises its own errors; one given to the constructor turns them into "no suitable reader".
        image: MetaTensor = self._load_image(path, reader=self._reader(self.axes, frame, unnamed=unnamed))
        bad = int((~torch.isfinite(image.as_tensor())).sum())
        if bad:
            raise ValueError(f"image {path} holds {bad} values that are NaN or infinite; replace or crop them")
        if self.channels is not None and image.shape[0] != self.channels:
            n = image.shape[0]
            raise ValueError(
                f"image {path} has {n} channel{'s' * (n > 1)}, but `in_channels` is {self.channels}; pass --in_channels {n}"
            )
        return image

    def load_label(self, data: Mapping[Hashable, Any]) -> MetaTensor:
        """Load the label of an item alone, without its image.

        Args:
            data: item with a label.

        Returns:
            int32 ``(1, [D,] H, W)``, -1 where not annotated; with ``annotated``, names of classes, the others are open
            (:func:`~monai_denoiseg.open_classes.open_label`).

        Raises:
            ValueError: see the class.
        """
        path = str(data[self.label_key])
        label = self._label(path, None if "frame" not in data else int(data["frame"]))
        if (names := data.get("annotated")) is None:
            return label
        if not self.class_names:
            raise ValueError(f"label {path}: `annotated` names classes, but there are no `classes`")
        opened = open_label(label.as_tensor().numpy(), names, self.class_names, f"label {path}")
        return MetaTensor(torch.from_numpy(opened), meta=label.meta)

    def _label(self, path: str, frame: int | None) -> MetaTensor:
        unnamed = expected_axes(self.spatial_dims, frame is not None)
        refuse_lossy(path)
        reader = self._reader(without_channel(self.axes), frame, palette="index", unnamed=unnamed)
        stored: MetaTensor = self._load_label(path, reader=reader)
        if stored.shape[0] != 1:
            kind = "class labels have one, with a class" if self.n_classes else "instance labels have one, with a number"
            each = "voxel" if self.n_classes else "object"
            slicer = f": {AS_LABELMAP}" if path.lower().endswith(ITK_SUFFIXES) else ""
            raise ValueError(f"label {path} has {stored.shape[0]} channels; {kind} for each {each}{slicer}")
        values, dtype, name = _rounded(stored.as_tensor().numpy()), str(stored.meta["dtype"]), f"label {path}"
        if self.n_classes:
            check_segments(path, self.class_names)
            labels = semantic_labels(values, dtype, self.n_classes, self.class_names, self.ignore_value, name)
        else:
            labels = instance_labels(values, dtype, self.ignore_value, self.binary_labels, name)
        return MetaTensor(torch.from_numpy(np.ascontiguousarray(labels)), meta=stored.meta)

    def _spacing(self, image: MetaTensor) -> torch.Tensor:
        dims = image.ndim - 1
        known = self.spacing if self.spacing is not None else image.meta.get("spacing", (math.nan,) * dims)
        if len(known) != dims:
            raise ValueError(_needs_one_for_each(dims, known))
        return torch.tensor(known, dtype=torch.float32)

    def _check_same_shape(self, data: Mapping[Hashable, Any], item: Mapping[Hashable, Any], key: Hashable) -> None:
        image = item[self.image_key]
        if key in item and item[key].shape[1:] != image.shape[1:]:
            raise ValueError(
                shape_mismatch(str(key), data[key], item[key].shape[1:], data[self.image_key], image.shape[1:])  # type: ignore[index]
            )
        if key in item and all(has_place(str(data[name])) for name in (key, self.image_key)):
            self._check_same_place(data, item, key)

    def _check_same_place(self, data: Mapping[Hashable, Any], item: Mapping[Hashable, Any], key: Hashable) -> None:
        """Refuse a NIfTI label drawn on the volume in another orientation: its shape may fit nevertheless."""
        affines = [np.asarray(item[name].affine, dtype=np.float64) for name in (key, self.image_key)]
        corners = np.array([*itertools.product(*((0, n - 1) for n in item[key].shape[1:]))], float)
        places = [a[:-1, : corners.shape[1]] @ corners.T + a[:-1, -1:] for a in affines]
        apart = float(np.linalg.norm(places[0] - places[1], axis=0).max())
        voxel = float(np.linalg.norm(affines[1][:-1, : corners.shape[1]], axis=0).min())
        if apart > voxel / 2:
            raise ValueError(
                f"{key} {data[key]} lies up to {apart:.3g} away from image {data[self.image_key]} by their affines (a voxel is "  # type: ignore[index]
                f"{voxel:.3g}): bring it to the image's grid, or correct its header if only that is wrong"
            )


def _rounded(values: np.ndarray) -> np.ndarray:
    """Integers that are stored as floats, or scaled by a header, come back as 1.00000002: round those, and no true fraction."""
    near = np.rint(values)
    return np.where(np.abs(values - near) <= ROUNDING, near, values)


def _checked_classes(classes: int | Sequence[str] | None) -> tuple[int, list[str]]:
    """Number and names of the classes; 0 for instance labels."""
    if classes is None:
        return 0, []
    if isinstance(classes, str):
        raise ValueError(f"`classes` must be a list of names, for instance ['background', {classes!r}], got {classes!r}")
    names = [] if isinstance(classes, int) else [str(name) for name in classes]
    return check_int("classes", classes if isinstance(classes, int) else len(names), 2), names


def _checked_spacing(spacing: Sequence[float] | None, spatial_dims: int | None) -> tuple[float, ...] | None:
    if spacing is None:
        return None
    if isinstance(spacing, (str, int, float)) or (spatial_dims is not None and len(spacing) != spatial_dims):
        raise ValueError(_needs_one_for_each(spatial_dims, spacing))
    return tuple(float(check_range("spacing", value, 0, math.inf, open_low=True, open_high=True)) for value in spacing)


def _needs_one_for_each(spatial_dims: int | None, spacing: Any) -> str:
    example = "[2.0, 0.5, 0.5] for Z, Y, X" if spatial_dims != 2 else "[0.5, 0.5] for Y, X"
    number = "" if spatial_dims is None else f" of the {spatial_dims}"
    given = spacing if isinstance(spacing, (str, int, float)) else list(spacing)
    return f"`spacing` needs one number for each{number} spatial axes, for instance {example}; got {given!r}"
