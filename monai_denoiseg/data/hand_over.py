"""Hand a result to MONAI Label's own app for bundles, which writes the file itself."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from monai.transforms import Transform

from monai_denoiseg.data.nifti import NIFTI_SUFFIXES
from monai_denoiseg.data.reader import split_name
from monai_denoiseg.data.save import smallest_label_type


class HandOverd(Transform):
    """Bring a result into the form that MONAI Label's app for bundles writes to a right file; anywhere else do nothing.

    That app leaves out transforms that save (see :class:`SavePredictiond`), resizes the result to the shape its own loader would
    have given the image, and writes it with its axes reversed and an affine made for volumes. So the result is stored here as
    numbers in X, Y, Z order, the image is dropped, and only NIfTI has an affine. A plane is written as a plane to TIFF, and as a
    volume of one slice to formats of volumes. Unless the request names a format, it is NIfTI for NIfTI and TIFF for all others.

    Args:
        keys: the result is the first of these that the item has; it is handed over under the first.
        image_key: the image, a MetaTensor.
        label_keys: keys stored as unsigned integers (16 bit, or 32 where needed); the others are stored as float32.

    Raises:
        ValueError: for a result of several channels.

    >>> from monai.data import MetaTensor
    >>> image = MetaTensor(torch.zeros(1, 4, 6), meta={"filename_or_obj": "cells.png"})
    >>> item = {"image": image, "pred": torch.ones(1, 4, 6).int()}
    >>> HandOverd(["pred", "denoised"])(item)["pred"].shape
    torch.Size([1, 4, 6])
    >>> found = HandOverd(["pred", "denoised"])({**item, "image_path": "cells.png"})  # this key tells MONAI Label's items
    >>> found["pred"].shape, found["pred"].dtype.name, found["result_extension"], "image" in found
    ((6, 4), 'uint16', '.tif', False)
    """

    def __init__(self, keys: Sequence[str], image_key: str = "image", label_keys: Sequence[str] = ("pred",)) -> None:
        self.keys, self.image_key, self.label_keys = tuple(keys), image_key, frozenset(label_keys)

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Return the item, changed only if it is a request of MONAI Label."""
        item = dict(data)
        key = next((key for key in self.keys if key in item), None)
        if "image_path" not in item or key is None:
            return item
        meta = item.pop(self.image_key).meta
        source = str(meta["filename_or_obj"])
        nifti = split_name(source)[1] in NIFTI_SUFFIXES
        extension = str(item.get("result_extension") or (".nii.gz" if nifti else ".tif"))
        array = torch.as_tensor(item[key]).detach().cpu().numpy()
        if array.shape[0] != 1:
            raise ValueError(
                f"{source}: a result of {array.shape[0]} channels cannot be returned; ask for one of a single channel"
            )
        stored = array[0].astype(smallest_label_type(array) if key in self.label_keys else np.float32).T
        if stored.ndim == 2 and extension.lower() not in (".tif", ".tiff", ".png"):
            stored = stored[..., None]
        columns = [2, 1, 0, 3] if array.ndim == 4 else [1, 0, 2, 3]
        affine = np.asarray(meta["original_affine"], float)[:, columns] if nifti else None
        return {
            **item,
            self.keys[0]: stored,
            "result_extension": extension,
            f"{self.image_key}_meta_dict": {"original_affine": affine},
        }
