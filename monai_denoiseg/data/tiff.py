"""TIFF files as MONAI reads and writes images: exact values, (Z)YX order, axes and voxel size kept."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
import torch
from monai.data import ImageReader, ImageWriter
from monai.data.utils import affine_to_spacing, is_no_channel

from monai_denoiseg.data.axes import Arrangement, arrange, check_frame, put_in_order
from monai_denoiseg.data.errors import naming
from monai_denoiseg.data.label_colours import shown_in_colours
from monai_denoiseg.data.stored import StoredImage, stack_as_channels, stored_image
from monai_denoiseg.data.tiff_meta import describe_to_tifffile, file_layout, find_source, read_spacing
from monai_denoiseg.data.tiff_open import open_tiff
from monai_denoiseg.data.tiff_pixels import read_pixels
from monai_denoiseg.files import target_of, writing
from monai_denoiseg.units import UNNAMED

TIFF_SUFFIXES = (".ome.tif", ".ome.tiff", ".tif", ".tiff")
CLASSIC_LIMIT = 2**32 - 2**25
"""Bytes of pixels from which a file is written as BigTIFF: classic TIFF addresses 4 GB, headers included."""


class TiffReader(ImageReader):
    """Read TIFF files (plain, ImageJ, OME) of two or three spatial axes, with or without channels.

    Values and data type stay as stored: the entries of a palette image are its stored numbers (ImageJ keeps display colours
    that way), no sample of a colour image is dropped, an orientation tag turns nothing and "white is zero" inverts nothing
    (as in ImageJ), whatever the compression. A file of a set (OME, Micro-Manager) is its own pages, not the set.

    Args:
        axes: one letter for each stored axis (``"ZYX"``, ``"CYX"``, ``"ZCYX"``, ...), when the file does not tell or tells
            wrong. ``None``: what ImageJ, OME or tifffile metadata say, else two axes are YX and three ZYX; a last axis of
            3 or 4 colour samples is the channel. Axes of length 1 that the file leaves out may be named: ``"ZYX"`` takes a
            plane as a volume of one slice.
        spatial_dims: 2 or 3, which settles what further axes mean, see :func:`~monai_denoiseg.data.axes.arrange`. ``None``:
            one axis beside Y, X and the channel is taken as the stack, whatever its letter.
        frame: index along time of the image to read, for a file of several; the others are left on the disk.
        unnamed: axes of files that do not name all of theirs, such as labels that belong to an image of known axes.

    The metadata hold ``affine`` ``(r+1, r+1)`` with the voxel size on the diagonal, ``original_affine``, ``spatial_shape``,
    ``original_channel_dim`` (0 or ``"no_channel"``), ``space``, ``axes`` (of the returned array, for instance ``"CZYX"``),
    ``dtype`` (of the file) and, where the file gives them, ``spacing`` (in (Z)YX order) and ``unit``.

    Raises:
        ValueError: when the axes are ambiguous, the file holds several different images, it is damaged or not complete, or there
            is no such frame.

    >>> import tempfile, tifffile, numpy as np
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     tifffile.imwrite(f"{folder}/a.tif", np.zeros((5, 32, 48), np.uint16))
    ...     reader = TiffReader()
    ...     array, meta = reader.get_data(reader.read(f"{folder}/a.tif"))
    >>> array.shape, meta["axes"], meta["dtype"], meta["original_channel_dim"]
    ((5, 32, 48), 'ZYX', 'uint16', 'no_channel')
    """

    def __init__(
        self,
        axes: str | None = None,
        spatial_dims: int | None = None,
        frame: int | None = None,
        unnamed: str | None = None,
    ) -> None:
        super().__init__()
        self.axes, self.spatial_dims, self.frame, self.unnamed = axes, spatial_dims, frame, unnamed

    def verify_suffix(self, filename: Sequence[str | os.PathLike] | str | os.PathLike) -> bool:
        """Tell whether the name (or all names) end in ``.tif`` or ``.tiff``."""
        return all(str(name).lower().endswith(TIFF_SUFFIXES) for name in _as_list(filename))

    def read(self, data: Sequence[str | os.PathLike] | str | os.PathLike, **kwargs: Any) -> StoredImage | list[StoredImage]:
        """Read one file, or several that are channels of one image.

        Args:
            data: file name or names.
            kwargs: none is used; part of MONAI's interface.

        Returns:
            One image for one name, else a list.
        """
        images = [self.read_file(name) for name in _as_list(data)]
        return images if len(images) > 1 else images[0]

    def get_data(self, img: StoredImage | Sequence[StoredImage]) -> tuple[np.ndarray, dict[str, Any]]:
        """Return array and metadata of what ``read`` returned; several images are stacked as channels.

        Raises:
            ValueError: when images to stack differ in spatial shape.
        """
        return stack_as_channels([img] if isinstance(img, StoredImage) else list(img))

    def read_file(self, name: str | os.PathLike) -> StoredImage:
        """Read one file.

        Args:
            name: file name.

        Raises:
            ValueError: as the class says.
        """
        with naming(name), open_tiff(name) as tif:
            source = find_source(tif, self.axes, str(name), self.unnamed, self.spatial_dims)
            arrangement = arrange(source.shape, source.axes, str(name), self.spatial_dims)
            check_frame(arrangement, self.frame, str(name))
            spacing, unit = read_spacing(tif, arrangement.letters)
            frame = None if arrangement.frame_axis is None else self.frame
            stored = read_pixels(tif, source, str(name), arrangement.frame_axis, frame)
        return stored_image(put_in_order(stored, arrangement), arrangement, spacing, unit)


def tiff_layout(
    path: str | os.PathLike, axes: str | None = None, spatial_dims: int | None = None, unnamed: str | None = None
) -> Arrangement:
    """Return spatial shape, axes and number of frames of a TIFF file from its headers alone.

    Args:
        path: the file.
        axes: as in :class:`TiffReader`.
        spatial_dims: as in :class:`TiffReader`.
        unnamed: as in :class:`TiffReader`.

    Raises:
        ValueError: as :class:`TiffReader`.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     tifffile.imwrite(f"{folder}/a.tif", np.zeros((7, 32, 48)), metadata={"axes": "TYX"})
    ...     layout = tiff_layout(f"{folder}/a.tif", spatial_dims=2)
    >>> layout.shape, layout.frames
    ((32, 48), 7)
    """
    with naming(path), open_tiff(path) as tif:
        source = find_source(tif, axes, str(path), unnamed, spatial_dims)
        return arrange(source.shape, source.axes, str(path), spatial_dims)


class TiffWriter(ImageWriter):
    """Write TIFF files whole or not at all, in (Z)YX order, with the axes and voxel size of the metadata.

    The format follows name and content: ``*.ome.tif`` becomes OME-TIFF; 8 and 16-bit unsigned and 32-bit float images become
    ImageJ hyperstacks (stacks uncompressed: ImageJ reads no compressed ones); everything else plain TIFF with tifffile's
    metadata. From 4 GB on it is BigTIFF. It never resamples. TIFF cannot tell a stack of one slice from a plane.

    Args:
        output_dtype: data type of the file, ``None`` to keep that of the array. Fractions are rounded for integer types.
        compression: a compression of tifffile, ``None`` for none.
        labels: whether the values are labels: ImageJ then shows those of 16 bits in colours.
        kwargs: none is used; part of MONAI's interface.

    >>> import tempfile, tifffile, numpy as np
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     writer = TiffWriter(output_dtype="uint16")
    ...     writer.set_data_array(np.arange(12.0).reshape(1, 3, 4), channel_dim=0)
    ...     writer.set_metadata({"affine": np.diag([0.5, 0.25, 1]), "spacing": (0.5, 0.25), "unit": "um"})
    ...     writer.write(f"{folder}/a.tif")
    ...     tifffile.imread(f"{folder}/a.tif").dtype.name, TiffReader().read(f"{folder}/a.tif").meta["spacing"]
    ('uint16', (0.5, 0.25))
    """

    def __init__(self, output_dtype: Any = None, compression: str | None = "zlib", labels: bool = False, **kwargs: Any) -> None:
        super().__init__()
        self.output_dtype = output_dtype
        self.compression, self.labels = compression, labels
        self.meta: Mapping[str, Any] = {}

    def set_data_array(self, data_array: Any, channel_dim: int | None = 0, **kwargs: Any) -> None:
        """Take the array or tensor to write.

        Args:
            data_array: ``(C, [D,] H, W)``, or without channel.
            channel_dim: where the channel axis is, ``None`` for none.
            kwargs: none is used; part of MONAI's interface.

        Raises:
            ValueError: when there are not two or three spatial axes.
        """
        array = _to_numpy(data_array)
        array = array[None] if is_no_channel(channel_dim) else np.moveaxis(array, int(channel_dim or 0), 0)
        if array.ndim not in (3, 4):
            raise ValueError(f"TiffWriter takes 2 or 3 spatial axes and a channel axis, got shape {tuple(array.shape)}")
        self.data_obj = array

    def set_metadata(self, meta_dict: Mapping[str, Any] | None = None, **options: Any) -> None:
        """Take the metadata (those of :class:`TiffReader`; each key may be missing)."""
        self.meta = meta_dict or {}

    def write(self, filename: str | os.PathLike, verbose: bool = False, **kwargs: Any) -> None:
        """Write the file through a temporary one beside it, so that nothing half-written ever bears its name.

        Raises:
            ValueError: when values do not fit ``output_dtype``, or no data were set.
        """
        super().write(filename, verbose=verbose)
        if self.data_obj is None:
            raise ValueError("TiffWriter.write needs set_data_array first")
        target = Path(filename)
        data = cast_exactly(self.data_obj, self.output_dtype or self.data_obj.dtype, str(target_of(target)))
        ome = target.name.lower().endswith((".ome.tif", ".ome.tiff"))
        data, axes = file_layout(data, str(self.meta.get("axes", "")))
        big = data.nbytes > CLASSIC_LIMIT
        imagej = not ome and not big and data.dtype.name in ("uint8", "uint16", "float32")
        stack = data.ndim > (3 if axes.endswith("S") else 2)
        about = describe_to_tifffile(
            axes, self._spacing(data.ndim - axes.count("C") - axes.count("S")), self._unit(), ome, imagej
        )
        if imagej and self.labels and data.dtype == np.uint16:
            about = shown_in_colours(about)
        with writing(target) as part:
            tifffile.imwrite(
                part,
                data,
                ome=ome,
                imagej=imagej,
                bigtiff=big,
                photometric="rgb" if axes.endswith("S") else "minisblack",
                compression=None if imagej and stack else self.compression,
                **about,
            )

    def _spacing(self, spatial_dims: int) -> list[float] | None:
        """Voxel size of the array to write: that of ``affine`` (a transform may have changed it) if one was known at all."""
        spacing = self.meta.get("spacing")
        if spacing is None or len(spacing) != spatial_dims:
            return None
        affine = self.meta.get("affine")
        if affine is not None and len(affine) == spatial_dims + 1:
            spacing = affine_to_spacing(torch.as_tensor(affine).double(), r=spatial_dims)
        return [float(value) for value in spacing]

    def _unit(self) -> str:
        return str(self.meta.get("unit") or UNNAMED)


def cast_exactly(array: np.ndarray, dtype: Any, name: str) -> np.ndarray:
    """Return ``array`` as ``dtype``; fractions are rounded for integer types, but no value may wrap or overflow.

    Args:
        array: any shape.
        dtype: the wanted type.
        name: the file, for the message.

    Raises:
        ValueError: when a value does not fit.

    >>> cast_exactly(np.array([70000]), "uint16", "a.tif")
    Traceback (most recent call last):
        ...
    ValueError: a.tif: values from 70000 to 70000 do not fit uint16; choose a wider output_dtype
    """
    target = np.dtype(dtype)
    if array.dtype == target:
        return array
    rounded = np.rint(array) if target.kind in "iu" and array.dtype.kind == "f" else array
    with np.errstate(invalid="ignore", over="ignore"):
        cast = rounded.astype(target)
        # Integers must come back the same; a float may lose digits but must stay finite where it was.
        fits = np.isfinite(cast) == np.isfinite(rounded) if rounded.dtype.kind == target.kind == "f" else cast == rounded
    if not np.all(fits):
        raise ValueError(
            f"{name}: values from {array.min()} to {array.max()} do not fit {target.name}; choose a wider output_dtype"
        )
    return cast


def _as_list(names: Sequence[str | os.PathLike] | str | os.PathLike) -> list[str | os.PathLike]:
    return [names] if isinstance(names, (str, os.PathLike)) else list(names)


def _to_numpy(data: Any) -> np.ndarray:
    if isinstance(data, torch.Tensor):
        data = data.detach().cpu()
        data = np.asarray(data.float() if data.dtype == torch.bfloat16 else data)
    array = np.asarray(data)
    return array.astype(np.uint8) if array.dtype == bool else array
