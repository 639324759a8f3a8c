"""One reader for every file format, and the meaning of stored label values."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
from monai.data import ImageReader, NibabelReader, NumpyReader, PILReader
from PIL import Image

from monai_denoiseg.checks import check_option
from monai_denoiseg.constants import IGNORE
from monai_denoiseg.data.tiff import TIFF_SUFFIXES, TiffReader, tiff_shape
from monai_denoiseg.data.tiff_meta import spacing_to_affine

PIL_SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp")
NIFTI_SUFFIXES = (".nii.gz", ".nii")
SUPPORTED_SUFFIXES = (*TIFF_SUFFIXES, *PIL_SUFFIXES, *NIFTI_SUFFIXES, ".npy")
"""File name endings that can be read, longest first where one ends in another."""


def split_name(path: str | os.PathLike) -> tuple[str, str]:
    """Split a file name into stem and suffix; the suffix is empty when the format is not supported.

    Args:
        path: file name, with or without folders.

    >>> split_name("folder/a.ome.tif"), split_name("b.v2.nii.gz"), split_name("notes.txt")
    (('a', '.ome.tif'), ('b.v2', '.nii.gz'), ('notes.txt', ''))
    """
    name = Path(path).name
    for suffix in SUPPORTED_SUFFIXES:
        if name.lower().endswith(suffix):
            return name[: -len(suffix)], name[-len(suffix) :].lower()
    return name, ""


class FileReader(ImageReader):
    """Read TIFF, PNG, JPEG, BMP, NIfTI and NumPy files, each with the reader that does it right.

    TIFF, PNG and the like come in (Z)YX order, NIfTI in its own axis order with its affine. Beside the metadata of each reader
    there is always ``dtype``, the data type of the file. The opacity of a PNG is dropped (it is no measurement).

    Args:
        axes: axes of TIFF files, see :class:`TiffReader`.
        palette: what a PNG or BMP with a palette means: its ``"color"``, or the ``"index"`` stored (label images).

    Raises:
        ValueError: for an unsupported suffix.

    >>> import tempfile, numpy as np
    >>> from PIL import Image
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     Image.fromarray(np.zeros((32, 48, 3), np.uint8)).save(f"{folder}/a.png")
    ...     reader = FileReader()
    ...     array, meta = reader.get_data(reader.read(f"{folder}/a.png"))
    >>> array.shape, meta["original_channel_dim"], meta["dtype"]
    ((32, 48, 3), -1, 'uint8')
    """

    def __init__(self, axes: str | None = None, palette: str = "color") -> None:
        super().__init__()
        color = check_option("palette", palette, ["color", "index"]) == "color"
        self._readers: dict[tuple[str, ...], ImageReader] = {
            TIFF_SUFFIXES: TiffReader(axes),
            PIL_SUFFIXES: PILReader(converter=_plain_colors if color else None, reverse_indexing=False),
            NIFTI_SUFFIXES: NibabelReader(),
            (".npy",): NumpyReader(),
        }
        self._reader: ImageReader = self._readers[TIFF_SUFFIXES]

    def verify_suffix(self, filename: Sequence[str | os.PathLike] | str | os.PathLike) -> bool:
        """Tell whether the name (or all names) end in a supported suffix."""
        names = [filename] if isinstance(filename, (str, os.PathLike)) else filename
        return all(split_name(name)[1] for name in names)

    def read(self, data: Sequence[str | os.PathLike] | str | os.PathLike, **kwargs: Any) -> Any:
        """Read one file (or several, as channels) into the object of the format's reader.

        Raises:
            ValueError: for an unsupported suffix, or a file the format's library cannot read.
        """
        first = data if isinstance(data, (str, os.PathLike)) else data[0]
        suffix = _supported(first)
        self._reader = next(reader for suffixes, reader in self._readers.items() if suffix in suffixes)
        return self._reader.read(data, **kwargs)

    def get_data(self, img: Any) -> tuple[np.ndarray, dict[str, Any]]:
        """Return array and metadata of what ``read`` returned."""
        array, meta = self._reader.get_data(img)
        if isinstance(self._reader, PILReader):
            # Pillow reads 16-bit PNG as 32-bit numbers in its older versions; MONAI gives the shape as (width, height).
            array = array.astype(np.uint16) if meta["mode"] == "I" and meta["format"] in ("PNG", None) else array
            affine = spacing_to_affine(None, 2)
            meta |= {"spatial_shape": np.array(array.shape[:2]), "affine": affine, "original_affine": affine.copy()}
            meta["format"] = str(meta["format"])
        elif isinstance(self._reader, NumpyReader):
            affine = spacing_to_affine(None, array.ndim)
            meta |= {"affine": affine, "original_affine": affine.copy()}
        return array, {"dtype": array.dtype.name, **meta}


def _plain_colors(image: Image.Image) -> Image.Image:
    """Bring palette images to RGB and drop opacity."""
    targets = {"P": "RGB", "PA": "RGB", "RGBA": "RGB", "LA": "L"}
    return image.convert(targets[image.mode]) if image.mode in targets else image


def _supported(path: str | os.PathLike) -> str:
    suffix = split_name(path)[1]
    if not suffix:
        raise ValueError(f"{path}: unsupported file format; supported are {', '.join(sorted(SUPPORTED_SUFFIXES))}")
    return suffix


def image_shape(path: str | os.PathLike, axes: str | None = None) -> tuple[int, ...]:
    """Return the spatial shape of an image file, in the axis order of :class:`FileReader`, without reading its pixels.

    Args:
        path: the file.
        axes: axes of TIFF files, see :class:`TiffReader`.

    Raises:
        FileNotFoundError: when there is no such file.
        ValueError: for an unsupported suffix or ambiguous TIFF axes.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     np.save(f"{folder}/a.npy", np.zeros((5, 32, 48)))
    ...     image_shape(f"{folder}/a.npy")
    (5, 32, 48)
    """
    suffix = _supported(path)
    if suffix in TIFF_SUFFIXES:
        return tiff_shape(path, axes)
    if suffix in PIL_SUFFIXES:
        with Image.open(path) as image:
            return (image.height, image.width)
    if suffix in NIFTI_SUFFIXES:
        return tuple(int(size) for size in nibabel.load(path).shape[:3])
    return tuple(np.load(path, mmap_mode="r").shape)


def label_to_int(array: np.ndarray, dtype: str, ignore_value: int | None = None, name: str = "label") -> np.ndarray:
    """Bring stored label values to the convention in memory: int32, 0 background, -1 not annotated.

    Which stored value means "not annotated" is told by the data type of the file: any negative value in signed and float files,
    the largest value of the type in unsigned ones (255, 65535, 4294967295), as those cannot hold -1.

    Args:
        array: stored values, any shape and any type that holds them exactly.
        dtype: data type of the file, for instance ``"uint8"``.
        ignore_value: the one stored value that means "not annotated", instead of the rule by data type.
        name: the file, for error messages.

    Returns:
        int32 array of the same shape.

    Raises:
        ValueError: for a fraction, NaN, a negative label that is not the ignore value, or a label above 2**31 - 1.

    >>> label_to_int(np.array([0, 3, 255]), "uint8").tolist(), label_to_int(np.array([0, 3, -7]), "int16").tolist()
    ([0, 3, -1], [0, 3, -1])
    >>> label_to_int(np.array([0.0, 0.5]), "float32", name="label a.tif")
    Traceback (most recent call last):
        ...
    ValueError: label a.tif holds 0.5; instance labels must be integers
    """
    array = np.asarray(array)
    if array.dtype.kind == "f":
        wrong = array[np.not_equal(array, np.rint(array)) | ~np.isfinite(array)]
        if wrong.size:
            raise ValueError(f"{name} holds {wrong.flat[0]}; instance labels must be integers")
    ignored = ignored_voxels(array, dtype, ignore_value)
    annotated = array[~ignored]
    smallest, largest = int(annotated.min(initial=0)), int(annotated.max(initial=0))
    if smallest < 0:
        raise ValueError(f"{name} holds {smallest}; only ignore_value ({ignore_value}) may be negative")
    if largest > np.iinfo(np.int32).max:
        raise ValueError(f"{name} holds {largest}; instance labels must be below 2**31")
    labels = np.full(array.shape, IGNORE, np.int32)
    labels[~ignored] = annotated
    return labels


def ignored_voxels(array: np.ndarray, dtype: str, ignore_value: int | None = None) -> np.ndarray:
    """Return the boolean array of stored label values that mean "not annotated" (see :func:`label_to_int`)."""
    stored = np.dtype(dtype)
    largest = np.iinfo(stored).max if stored.kind == "u" else None
    value = largest if ignore_value is None else ignore_value
    ignored: np.ndarray = array < 0 if value is None else array == value
    return ignored
