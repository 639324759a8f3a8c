"""Write predictions in the geometry and the file family of the image they come from."""

from __future__ import annotations

import os
from collections.abc import Hashable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from monai.transforms import SaveImaged, Transform

from monai_denoiseg.data.nifti import NIFTI_SUFFIXES, write_nifti
from monai_denoiseg.data.reader import split_name
from monai_denoiseg.data.tiff import TiffWriter, cast_exactly


def smallest_label_type(labels: np.ndarray) -> np.dtype:
    """uint16 for up to 65535 objects, else uint32.

    Args:
        labels: instance labels of any shape, not negative.

    >>> smallest_label_type(np.array([0, 70000])).name
    'uint32'
    """
    return np.dtype(np.uint16 if labels.max(initial=0) <= np.iinfo(np.uint16).max else np.uint32)


def output_stem(item: Mapping[Hashable, Any], image_key: str = "image") -> str:
    """Beginning of the names of an item's result files: the image's, with its frame.

    Args:
        item: with a MetaTensor under ``image_key``, and ``"frame"`` where its file holds several images.
        image_key: key of the image.

    >>> from monai.data import MetaTensor
    >>> output_stem({"image": MetaTensor(torch.zeros(1), meta={"filename_or_obj": "in/cells.ome.tif"}), "frame": 7})
    'cells_frame0007'
    """
    stem, _ = split_name(str(item[image_key].meta["filename_or_obj"]))
    return stem + (f"_frame{int(item['frame']):04d}" if "frame" in item else "")


class SavePredictiond(Transform):
    """Save some entries of an item beside each other as ``STEM_suffix.ext``.

    NIfTI images give ``.nii.gz`` in the axis order and with the header of the input (see
    :func:`~monai_denoiseg.data.nifti.write_nifti`); TIFF, PNG and all others give ``.tif`` with the axes, voxel size and unit of
    the input (PNG holds neither float images nor more than 65535 objects). The files of an image appear whole and all
    together, or not at all. Of an item with ``"frame": 7`` they are called ``STEM_frame0007_suffix.ext``.

    It counts as one of MONAI's ``SaveImaged``, which servers leave out of a bundle to return the result themselves.

    Args:
        output_dir: folder for the files; it is made.
        suffixes: file suffix by item key, e.g. ``{"instances": "instances", "denoised": "denoised"}``.
        image_key: the image whose geometry and file name is used, a MetaTensor.
        optional: those of ``suffixes`` an item may lack: what its network does not give.
        label_keys: keys stored as unsigned integers (16 bit, or 32 where needed); the others are stored as float32.

    Raises:
        FileExistsError: when two inputs of a run would be written to the same file.

    >>> import tempfile, tifffile
    >>> from monai.data import MetaTensor
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     image = MetaTensor(torch.zeros(1, 4, 6), meta={"filename_or_obj": "cells.tif"})
    ...     _ = SavePredictiond(folder, {"instances": "instances"})({"image": image, "instances": torch.ones(1, 4, 6).int()})
    ...     tifffile.imread(f"{folder}/cells_instances.tif").dtype.name
    'uint16'
    """

    def __init__(
        self,
        output_dir: str | os.PathLike,
        suffixes: Mapping[str, str],
        image_key: str = "image",
        label_keys: Sequence[str] = ("instances",),
        optional: Sequence[str] = (),
    ) -> None:
        self.output_dir, self.suffixes = Path(output_dir), dict(suffixes)
        self.image_key, self.label_keys, self.optional = image_key, frozenset(label_keys), frozenset(optional)
        self._written: dict[Path, str] = {}

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Write the files and return the item unchanged."""
        item = dict(data)
        meta = dict(item[self.image_key].meta)
        source = str(meta["filename_or_obj"])
        stem = output_stem(item, self.image_key)
        nifti = split_name(source)[1] in NIFTI_SUFFIXES
        ready: dict[Path, np.ndarray] = {}
        for key, name in self.suffixes.items():
            if key in self.optional and key not in item:
                continue
            target = self.output_dir / f"{stem}_{name}{'.nii.gz' if nifti else '.tif'}"
            if self._written.setdefault(target, source) != source:
                both = f"{source} and {self._written[target]}"
                raise FileExistsError(f"{both} would both be written to {target}; run them separately")
            array = torch.as_tensor(item[key]).detach().cpu().numpy()
            dtype = smallest_label_type(array) if key in self.label_keys else np.dtype(np.float32)
            ready[target] = cast_exactly(array, dtype, str(target))
        try:
            for target, array in ready.items():
                if nifti:
                    write_nifti(array, source, target, label=array.dtype.kind == "u")
                else:
                    _write_tiff(array, meta, target)
        except BaseException:
            for target in ready:  # all results of an image or none
                target.unlink(missing_ok=True)
            raise
        return item


SaveImaged.register(SavePredictiond)


def _write_tiff(array: np.ndarray, meta: Mapping[str, Any], target: Path) -> None:
    writer = TiffWriter()
    writer.set_data_array(array, channel_dim=0) if array.shape[0] > 1 else writer.set_data_array(array[0], channel_dim=None)
    writer.set_metadata(meta)
    writer.write(target)
