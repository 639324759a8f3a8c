"""Load the images of a data list item and check that they belong together."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from monai.data import MetaTensor
from monai.transforms import LoadImage, MapTransform
from scipy import ndimage

from monai_denoiseg.checks import check_option
from monai_denoiseg.constants import IGNORE
from monai_denoiseg.data.reader import FileReader, ignored_voxels, label_to_int


class LoadItemd(MapTransform):
    """Load image, label and clean reference of an item ``{"image": path, "label": path?, "clean": path?}``.

    Images become float32 ``(C, [D,] H, W)``, the label int32 ``(1, [D,] H, W)`` with -1 where nothing is annotated (see
    :func:`label_to_int`). An item without label stays without.

    Args:
        image_key: key of the image; must be in every item.
        label_key: key of the instance labels.
        other_keys: keys of further images of the same shape, such as the clean reference.
        axes: axes of TIFF images, see :class:`TiffReader`. A label without channel axis uses them without the channel.
        ignore_value: stored label value that means "not annotated", see :func:`label_to_int`.
        channels: channels every image must have, ``None`` for any.
        spatial_dims: spatial axes every image must have, ``None`` for any. A last axis of length 1 beyond them is dropped.
        binary_labels: a label of one value with several separate objects is a mask, not an instance label: ``"error"``
            refuses it, ``"components"`` numbers its connected components (neighbours share a face), ``"keep"`` takes it as one
            object.

    Raises:
        KeyError: for an item without image.
        ValueError: for NaN or infinite intensities, shapes that do not match, the wrong number of channels or axes, labels
            that are no integers or a mask.

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
        other_keys: Sequence[str] = ("clean",),
        axes: str | None = None,
        ignore_value: int | None = None,
        channels: int | None = None,
        spatial_dims: int | None = None,
        binary_labels: str = "error",
    ) -> None:
        super().__init__([image_key, label_key, *other_keys], allow_missing_keys=True)
        self.image_key, self.label_key, self.other_keys = image_key, label_key, tuple(other_keys)
        self.ignore_value = ignore_value
        self.channels = channels
        self.spatial_dims = spatial_dims
        self.binary_labels = check_option("binary_labels", binary_labels, ["error", "components", "keep"])
        self.axes = axes
        # float64 holds every label of up to 32 bits exactly; LoadImage would cut fractions off if asked for integers.
        self._load_image = LoadImage(image_only=True, dtype=np.float32, ensure_channel_first=True)
        self._load_label = LoadImage(image_only=True, dtype=np.float64, ensure_channel_first=True)

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Return the item with loaded images in place of paths; other entries stay."""
        if self.image_key not in data:
            raise KeyError(f"item without {self.image_key!r}; it has {sorted(str(key) for key in data)}")
        item = dict(data)
        for key in (self.image_key, *self.other_keys):
            if key in item:
                item[key] = self._image(str(data[key]))
        if self.label_key in item:
            item[self.label_key] = self._label(str(data[self.label_key]))
        for key in self.keys:
            self._check_same_shape(data, item, key)
        return item

    def _image(self, path: str) -> MetaTensor:
        # A reader given at the call raises its own errors; one given to the constructor hides them in "no suitable reader".
        image: MetaTensor = self._flat(self._load_image(path, reader=FileReader(self.axes)))
        bad = int((~torch.isfinite(image.as_tensor())).sum())
        if bad:
            raise ValueError(f"image {path} holds {bad} values that are NaN or infinite; replace or crop them")
        if self.spatial_dims is not None and image.ndim - 1 != self.spatial_dims:
            shape = tuple(image.shape[1:])
            raise ValueError(
                f"image {path} has {image.ndim - 1} spatial axes {shape}, but `spatial_dims` is {self.spatial_dims}; "
                "if its axes are misread, pass axes= (for instance axes='CYX')"
            )
        if self.channels is not None and image.shape[0] != self.channels:
            n = image.shape[0]
            raise ValueError(
                f"image {path} has {n} channel{'s' * (n > 1)}, but `in_channels` is {self.channels}; pass --in_channels {n}"
            )
        return image

    def _flat(self, image: MetaTensor) -> MetaTensor:
        """A 2D NIfTI slice is often stored as (H, W, 1)."""
        single = self.spatial_dims is not None and image.ndim - 1 == self.spatial_dims + 1 and image.shape[-1] == 1
        return image[..., 0] if single else image

    def _label(self, path: str) -> MetaTensor:
        axes = None if self.axes is None else self.axes.upper().translate({ord("C"): None, ord("S"): None})
        stored: MetaTensor = self._flat(self._load_label(path, reader=FileReader(axes, palette="index")))
        if stored.shape[0] != 1:
            raise ValueError(
                f"label {path} has {stored.shape[0]} channels; instance labels have one, with a number for each object"
            )
        values = stored.as_tensor().numpy()
        labels = self._instances(values, str(stored.meta["dtype"]), f"label {path}")
        return MetaTensor(torch.from_numpy(np.ascontiguousarray(labels)), meta=stored.meta)

    def _instances(self, stored: np.ndarray, dtype: str, name: str) -> np.ndarray:
        """Return int32 labels ``(1, [D,] H, W)``, after a look whether they are a mask."""
        labels = label_to_int(stored, dtype, self.ignore_value, name)
        ignored = ignored_voxels(stored, dtype)
        if self.ignore_value is None and np.dtype(dtype).kind == "u" and ignored.any() and (stored[~ignored] == 0).any():
            labels = self._mask_of_largest(stored, labels, ignored, name)
        if not _is_mask(labels) or self.binary_labels == "keep":
            return labels
        components, count = ndimage.label(labels[0] == 1)
        if self.binary_labels == "components":
            return np.where(labels == IGNORE, IGNORE, components[None]).astype(np.int32)
        if count > 1:
            raise ValueError(f"{name} holds one value in {count} separate pieces, as a mask does; {_MASK_HELP}")
        return labels

    def _mask_of_largest(self, stored: np.ndarray, labels: np.ndarray, ignored: np.ndarray, name: str) -> np.ndarray:
        """Take 0 and 255 alone for a mask: they could be background and "not annotated", but hardly ever are."""
        if stored[~ignored].any():
            return labels
        largest = int(stored.max())
        if self.binary_labels == "error":
            raise ValueError(
                f"{name} holds only 0 and {largest}, as a mask does; {_MASK_HELP}. "
                f"If {largest} marks what is not annotated, pass ignore_value={largest}"
            )
        return ignored.astype(np.int32)

    def _check_same_shape(self, data: Mapping[Hashable, Any], item: Mapping[Hashable, Any], key: Hashable) -> None:
        image = item[self.image_key]
        if key in item and item[key].shape[1:] != image.shape[1:]:
            raise ValueError(
                f"{key} {data[key]} has shape {tuple(item[key].shape[1:])}, but image {data[self.image_key]} "
                f"has {tuple(image.shape[1:])}"
            )


_MASK_HELP = 'number the objects one by one (1, 2, 3, ...), or pass binary_labels="components" to number separate pieces'


def _is_mask(labels: np.ndarray) -> bool:
    """Whether 1 occurs and nothing but it, 0 and -1."""
    return bool(labels.max(initial=0) == 1)
