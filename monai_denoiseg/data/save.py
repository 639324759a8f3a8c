"""Write predictions in the geometry and the file family of the image they come from."""

from __future__ import annotations

import os
from collections.abc import Hashable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from monai.transforms import SaveImaged, Transform

from monai_denoiseg.data.dicom import DICOM_SUFFIX, prefix_of, write_seg
from monai_denoiseg.data.reader import split_name
from monai_denoiseg.data.sinks import TiffSink, part_path
from monai_denoiseg.data.tiff import TiffWriter, cast_exactly
from monai_denoiseg.data.volume_files import has_place, result_ending, write_volume
from monai_denoiseg.files import ResultSet, remove, write_text

SEG = "seg"
"""Key and end of the name of a DICOM-SEG."""


def smallest_label_type(labels: np.ndarray) -> np.dtype:
    """uint16 for up to 65535 objects, else uint32.

    Args:
        labels: instance labels of any shape, not negative.

    >>> smallest_label_type(np.array([0, 70000])).name
    'uint32'
    """
    return np.dtype(np.uint16 if labels.max(initial=0) <= np.iinfo(np.uint16).max else np.uint32)


def output_stem(path: str | os.PathLike, frame: int | None = None) -> str:
    """Beginning of the names of an image's result files: the image's name as given, links not followed.

    A file that chooses one of several DICOM series in a folder has the name of the folder before its own.

    Args:
        path: the image.
        frame: its number, where the file holds several along time and is read one by one.

    >>> output_stem("in/cells.ome.tif", 7), output_stem("a.ome.zarr/")
    ('cells_frame0007', 'a')
    """
    stem, _ = split_name(path if Path(path).name else Path(path).resolve())
    stem = prefix_of(path) + stem
    return stem if frame is None else f"{stem}_frame{int(frame):04d}"


def record_name(stem: str) -> str:
    """Name of the set of results of an image, see :class:`~monai_denoiseg.files.ResultSet`.

    Args:
        stem: see :func:`output_stem`.

    >>> record_name("cells")
    'image-cells'
    """
    return f"image-{stem}"


class SavePredictiond(Transform):
    """Save some entries of an item beside each other as ``STEM_suffix.ext``.

    NIfTI images and DICOM series give ``.nii.gz`` in the axis order and place of the input, NRRD and MetaImage their own kind
    (see :func:`~monai_denoiseg.data.volume_files.write_volume`); TIFF, PNG and all others give ``.tif`` with the axes, voxel
    size and unit of the input (PNG holds neither float images nor more than 65535 objects). The files of an image appear whole
    and all together, or not at all; earlier results of the same image are replaced then and not before, and nothing else is
    overwritten (see :class:`~monai_denoiseg.files.ResultSet`). Of an item with ``"frame": 7`` they are called
    ``STEM_frame0007_suffix.ext``; with ``"frames": 9`` too, the results of all nine, which come in their order, are one file
    when the last is there.

    It counts as one of MONAI's ``SaveImaged``, which servers leave out of a bundle to return the result themselves.

    Args:
        output_dir: folder for the files; it is made.
        suffixes: file suffix by item key, e.g. ``{"instances": "instances", "denoised": "denoised"}``.
        image_key: the image whose geometry and file name is used, a MetaTensor.
        optional: those of ``suffixes`` an item may lack: what its network does not give.
        label_keys: keys stored as unsigned integers (16 bit, or 32 where needed); the others are stored as float32.
        texts: entries that are text, written as ``STEM_name``: the end of the file name by item key, e.g.
            ``{"energies_csv": "energies.csv"}``. An item may lack some.
        seg_key: labels that are written as DICOM-SEG too, ``STEM_seg.dcm``, where the image is DICOM; None: none are.
        classes: their names by value, the background first; without them all objects are one segment.
        segment_codes: coded terms by name, see :func:`~monai_denoiseg.data.dicom.write_seg`.

    Attributes:
        digest: of what the results depend on, for the record; a :class:`~monai_denoiseg.engines.FilePredictor` sets it.

    Raises:
        FileExistsError: when two inputs of a run would be written to the same file, or a file is in the way that is no earlier
            result of the same image.

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
        texts: Mapping[str, str] | None = None,
        seg_key: str | None = None,
        classes: Sequence[str] = (),
        segment_codes: Mapping[str, Sequence[str]] | None = None,
    ) -> None:
        self.output_dir, self.suffixes, self.texts = Path(output_dir), dict(suffixes), dict(texts or {})
        self.image_key, self.label_keys, self.optional = image_key, frozenset(label_keys), frozenset(optional)
        self.seg_key, self.names, self.codes = seg_key, dict(enumerate(classes)), segment_codes
        self.digest = ""
        self._written: dict[Path, str] = {}
        self._frames: list[dict[str, np.ndarray]] = []

    def targets(self, path: str | os.PathLike, frame: int | None = None) -> dict[str, Path]:
        """The files that may be written for an image, by item key.

        Args:
            path: the image.
            frame: its number, where the file holds several along time.
        """
        stem = output_stem(path, frame)
        ending = result_ending(path)
        names = {key: f"{stem}_{name}{ending}" for key, name in self.suffixes.items()}
        names |= {key: f"{stem}_{name}" for key, name in self.texts.items()}
        if self.seg_key is not None and split_name(path)[1] == DICOM_SUFFIX:
            names[SEG] = f"{stem}_{SEG}.dcm"
        return {key: self.output_dir / name for key, name in names.items()}

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Write the files and return the item unchanged."""
        item = dict(data)
        meta = dict(item[self.image_key].meta)
        several = int(item.get("frames", 0))
        source, frame = str(meta["filename_or_obj"]), None if several else item.get("frame")
        lacking = {key for key in (*self.optional, *self.texts) if key not in item}
        lacking |= {SEG} if self.seg_key in lacking else set()
        targets = {key: target for key, target in self.targets(source, frame).items() if key not in lacking}
        for target in targets.values():
            if self._written.setdefault(target, source) != source:
                both = f"{source} and {self._written[target]}"
                raise FileExistsError(f"{both} would both be written to {target}; run them separately")
        arrays = {key: self._array(item[key], key, targets[key]) for key in self.suffixes if key in targets}
        if several:
            self._frames = [*self._frames, arrays] if item["frame"] else [arrays]
            if len(self._frames) < several:
                return item
            arrays = {key: np.stack([one[key] for one in self._frames], axis=1) for key in arrays}
            self._frames = []
        with ResultSet(self.output_dir, record_name(output_stem(source, frame)), source, self.digest) as results:
            for key, target in targets.items():
                part = results.add(target)
                if key in self.texts:
                    write_text(item[key], part)
                elif key == SEG:
                    names = {value: name for value, name in self.names.items() if value}
                    write_seg(arrays[str(self.seg_key)][0], source, part, names, self.codes)
                elif has_place(source):
                    write_volume(arrays[key], source, part, label=arrays[key].dtype.kind == "u")
                elif several:
                    write_frames(arrays[key], meta, part)
                else:
                    _write_tiff(arrays[key], meta, part)
        return item

    def _array(self, value: Any, key: str, target: Path) -> np.ndarray:
        array = torch.as_tensor(value).detach().cpu().numpy()
        dtype = smallest_label_type(array) if key in self.label_keys else np.dtype(np.float32)
        return cast_exactly(array, dtype, str(target))


SaveImaged.register(SavePredictiond)


def write_frames(array: np.ndarray, meta: Mapping[str, Any], target: Path) -> None:
    """Write the images of a time series as one TIFF, the same way streaming does.

    Args:
        array: ``(C, T, [Z, ]Y, X)``.
        meta: of the image they were made of: its ``spacing`` and ``unit`` are kept.
        target: the file.

    >>> import tempfile
    >>> from monai_denoiseg.data import image_layout
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write_frames(np.zeros((1, 3, 6, 8), np.uint16), {}, Path(folder, "a.tif"))
    ...     image_layout(f"{folder}/a.tif", spatial_dims=2).frames
    3
    """
    spatial = array.shape[2:]
    spacing = meta.get("spacing")
    spacing = spacing if spacing is not None and len(spacing) == len(spatial) else None
    shape = (array.shape[1], array.shape[0], *spatial)
    try:
        sink = TiffSink(target, shape, array.dtype, spacing=spacing, unit=meta.get("unit"))
        for frame in range(array.shape[1]):
            sink.write(frame, tuple(slice(0, n) for n in spatial), array[:, frame])
        sink.finish()
    finally:
        remove(part_path(target))


def _write_tiff(array: np.ndarray, meta: Mapping[str, Any], target: Path) -> None:
    writer = TiffWriter(labels=array.dtype.kind == "u")
    writer.set_data_array(array, channel_dim=0) if array.shape[0] > 1 else writer.set_data_array(array[0], channel_dim=None)
    writer.set_metadata(meta)
    writer.write(target)
