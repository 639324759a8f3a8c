"""One reader for every file format."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from monai.data import ImageReader
from PIL import Image

from monai_denoiseg.checks import check_option
from monai_denoiseg.data.arrays import ZARR_SUFFIXES, array_layout, read_array
from monai_denoiseg.data.axes import Arrangement, arrange, check_frame, expected_axes, put_in_order
from monai_denoiseg.data.dicom import DICOM_SUFFIX, dicom_layout, holds_dicom, read_dicom
from monai_denoiseg.data.errors import naming
from monai_denoiseg.data.itk_files import ITK_SUFFIXES, itk_layout, read_itk
from monai_denoiseg.data.nifti import NIFTI_SUFFIXES, nifti_layout, read_nifti
from monai_denoiseg.data.png import PIL_SUFFIXES, read_picture
from monai_denoiseg.data.stored import StoredImage, stack_as_channels, stored_image
from monai_denoiseg.data.tiff import TIFF_SUFFIXES, TiffReader, tiff_layout

MEDICAL_SUFFIXES = (".hdr", ".img", ".img.gz", ".mgz", ".mgh", ".mnc")
MICROSCOPY_SUFFIXES = (
    ".czi",
    ".lif",
    ".nd2",
    ".lsm",
    ".oib",
    ".oif",
    ".ims",
    ".vsi",
    ".svs",
    ".ndpi",
    ".mrxs",
    ".dv",
    ".stk",
    ".h5",
)
SUPPORTED_SUFFIXES = (*TIFF_SUFFIXES, *PIL_SUFFIXES, *NIFTI_SUFFIXES, DICOM_SUFFIX, *ITK_SUFFIXES, *ZARR_SUFFIXES, ".npy")
"""File name suffixes that can be read; a suffix that ends in another one comes first."""


def split_name(path: str | os.PathLike) -> tuple[str, str]:
    """Split a file name into stem and suffix; the suffix is empty when the format is not supported.

    An image within a Zarr folder is called by the whole way to it, so that the fields of a plate have different stems.

    Args:
        path: file name, with or without folders; a folder that holds DICOM files has the suffix ``.dcm``.

    >>> split_name("folder/a.ome.tif"), split_name("b.v2.nii.gz"), split_name("notes.txt"), split_name("plate.zarr/A/1/0")
    (('a', '.ome.tif'), ('b.v2', '.nii.gz'), ('notes.txt', ''), ('plate_A_1_0', '.zarr'))
    """
    name = Path(path).name
    for suffix in SUPPORTED_SUFFIXES:
        if name.lower().endswith(suffix):
            return name[: -len(suffix)], name[-len(suffix) :].lower()
    around = next((folder for folder in Path(path).parents if folder.name.lower().endswith(ZARR_SUFFIXES)), None)
    if around is not None and not Path(name).suffix:
        return "_".join((split_name(around)[0], *Path(path).relative_to(around).parts)), ".zarr"
    return name, DICOM_SUFFIX if holds_dicom(path) else ""


class FileReader(ImageReader):
    """Read TIFF, PNG, JPEG, BMP, NIfTI, DICOM, NRRD, MetaImage, (OME-)Zarr and NumPy files, all in ``[C, ][Z, ]Y, X`` order.

    The metadata are those of :class:`TiffReader` whatever the format; the affine of NIfTI, DICOM, NRRD
    and MetaImage maps indices in the new order to the
    file's world. The opacity of a PNG is dropped (it is no measurement).

    Args:
        axes: axes of TIFF, Zarr and NumPy files, see :class:`TiffReader`; its T applies to NIfTI too, see
            :func:`~monai_denoiseg.data.nifti.nifti_layout`.
        palette: what a PNG or BMP with a palette means: its ``"color"``, or the ``"index"`` stored (label images).
        spatial_dims: 2, 3, or ``None`` for what the file suggests, see :func:`~monai_denoiseg.data.axes.arrange`.
        frame: time index of the image to read, for a file with several.
        unnamed: axes of TIFF, Zarr and NumPy files that do not name all their axes.

    Raises:
        ValueError: for an unsupported suffix.

    >>> import tempfile, numpy as np
    >>> from PIL import Image
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     Image.fromarray(np.zeros((32, 48, 3), np.uint8)).save(f"{folder}/a.png")
    ...     reader = FileReader()
    ...     array, meta = reader.get_data(reader.read(f"{folder}/a.png"))
    >>> array.shape, meta["original_channel_dim"], meta["dtype"]
    ((3, 32, 48), 0, 'uint8')
    """

    def __init__(
        self,
        axes: str | None = None,
        palette: str = "color",
        spatial_dims: int | None = None,
        frame: int | None = None,
        unnamed: str | None = None,
    ) -> None:
        super().__init__()
        self.axes, self.spatial_dims, self.frame, self.unnamed = axes, spatial_dims, frame, unnamed
        self.palette = check_option("palette", palette, ["color", "index"])

    def verify_suffix(self, filename: Sequence[str | os.PathLike] | str | os.PathLike) -> bool:
        """Whether the name (or all names) end in a supported suffix."""
        names = [filename] if isinstance(filename, (str, os.PathLike)) else filename
        return all(split_name(name)[1] for name in names)

    def read(self, data: Sequence[str | os.PathLike] | str | os.PathLike, **kwargs: Any) -> list[StoredImage]:
        """Read one file, or several that are channels of one image.

        Raises:
            ValueError: for an unsupported suffix, a file the format's library cannot read, or axes that do not fit.
        """
        names = [data] if isinstance(data, (str, os.PathLike)) else data
        return [self._read_one(name) for name in names]

    def get_data(self, img: Sequence[StoredImage]) -> tuple[np.ndarray, dict[str, Any]]:
        """Return array and metadata of what ``read`` returned; several images are stacked as channels."""
        return stack_as_channels(img)

    def _read_one(self, path: str | os.PathLike) -> StoredImage:
        with naming(path):
            image = self._read_file(path)
            if image.array.dtype.kind not in "biuf":
                raise ValueError(f"{path} holds values of type {image.array.dtype}; integers and real numbers can be read")
            if image.array.size == 0:
                raise ValueError(f"{path} holds no image: its shape is {image.array.shape}")
            return image

    def _read_file(self, path: str | os.PathLike) -> StoredImage:
        suffix = _supported(path)
        if suffix in TIFF_SUFFIXES:
            return TiffReader(self.axes, self.spatial_dims, self.frame, self.unnamed).read_file(path)
        if suffix in NIFTI_SUFFIXES:
            return read_nifti(path, self.axes, self.spatial_dims, self.frame)
        if suffix in (DICOM_SUFFIX, *ITK_SUFFIXES):
            read = read_dicom if suffix == DICOM_SUFFIX else read_itk
            return read(path, self.axes, self.spatial_dims, self.frame)
        if suffix in PIL_SUFFIXES:
            array = read_picture(path, color=self.palette == "color")
            arrangement = arrange(array.shape, "YXS"[: array.ndim], str(path), self.spatial_dims)
            check_frame(arrangement, self.frame, str(path))
            return stored_image(put_in_order(array, arrangement), arrangement)
        return read_array(path, self.axes, self.spatial_dims, self.frame, self.unnamed)


def _supported(path: str | os.PathLike) -> str:
    suffix = split_name(path)[1]
    if not suffix:
        listed = ", ".join(sorted(SUPPORTED_SUFFIXES))
        raise ValueError(f"{path}: unsupported file format; supported are {listed}{conversion(path)}")
    return suffix


def conversion(path: str | os.PathLike) -> str:
    """How a file of a known but unsupported format can be brought to a supported one; empty for other files.

    Args:
        path: the file.

    >>> conversion("a.mgz"), conversion("a.txt")
    ("; convert it to NIfTI, for instance with 3D Slicer, or SimpleITK's WriteImage(ReadImage('a.mgz'), 'a.nii.gz')", '')
    """
    name = Path(path).name
    if name.lower().endswith(MEDICAL_SUFFIXES):
        write = f"WriteImage(ReadImage({name!r}), '{name.split('.')[0]}.nii.gz')"
        return f"; convert it to NIfTI, for instance with 3D Slicer, or SimpleITK's {write}"
    if name.lower().endswith(MICROSCOPY_SUFFIXES):
        return "; convert it to OME-TIFF or OME-Zarr, for instance with Fiji (Bio-Formats) or bioformats2raw"
    return ""


def image_layout(
    path: str | os.PathLike, axes: str | None = None, spatial_dims: int | None = None, unnamed: str | None = None
) -> Arrangement:
    """Return spatial shape, axes and number of frames of an image file, without reading its pixels.

    Args:
        path: the file.
        axes: as in :class:`FileReader`.
        spatial_dims: as in :class:`FileReader`.
        unnamed: as in :class:`FileReader`.

    Raises:
        FileNotFoundError: when there is no such file.
        ValueError: for an unsupported suffix, or axes that do not fit ``spatial_dims``.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     np.save(f"{folder}/a.npy", np.zeros((5, 32, 48)))
    ...     layout = image_layout(f"{folder}/a.npy", axes="TYX", spatial_dims=2)
    >>> layout.shape, layout.frames
    ((32, 48), 5)
    """
    with naming(path):
        return _layout(path, axes, spatial_dims, unnamed)


def _layout(path: str | os.PathLike, axes: str | None, spatial_dims: int | None, unnamed: str | None) -> Arrangement:
    suffix = _supported(path)
    if suffix in TIFF_SUFFIXES:
        return tiff_layout(path, axes, spatial_dims, unnamed)
    if suffix in NIFTI_SUFFIXES:
        return nifti_layout(path, axes, spatial_dims)
    if suffix in (DICOM_SUFFIX, *ITK_SUFFIXES):
        return (dicom_layout if suffix == DICOM_SUFFIX else itk_layout)(path, axes, spatial_dims)
    if suffix in PIL_SUFFIXES:
        with Image.open(path) as image:
            return arrange((image.height, image.width), "YX", str(path), spatial_dims)
    return array_layout(path, axes, spatial_dims, unnamed)


def image_shape(path: str | os.PathLike, axes: str | None = None, spatial_dims: int | None = None) -> tuple[int, ...]:
    """Return the spatial shape ``([Z, ]Y, X)`` of an image file, without reading its pixels.

    Args:
        path: the file.
        axes: as in :class:`FileReader`.
        spatial_dims: as in :class:`FileReader`.

    Raises:
        FileNotFoundError: when there is no such file.
        ValueError: for an unsupported suffix, or axes that do not fit ``spatial_dims``.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     np.save(f"{folder}/a.npy", np.zeros((5, 32, 48)))
    ...     image_shape(f"{folder}/a.npy")
    (5, 32, 48)
    """
    return image_layout(path, axes, spatial_dims).shape


def read_result(path: str | os.PathLike, spatial_dims: int, frame: int | None = None) -> np.ndarray:
    """Read labels, probabilities or a denoised image that this package wrote.

    Args:
        path: the file.
        spatial_dims: of the image.
        frame: the one wanted of a file that holds several.

    Returns:
        ``(C, [D,] H, W)``.

    >>> import tempfile, tifffile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     tifffile.imwrite(f"{folder}/a_classes.tif", np.zeros((4, 6), "u1"))
    ...     read_result(f"{folder}/a_classes.tif", 2).shape
    (1, 4, 6)
    """
    reader = FileReader(None, spatial_dims=spatial_dims, frame=frame, unnamed=expected_axes(spatial_dims, frame is not None))
    array, _ = reader.get_data(reader.read(path))
    return array if array.ndim == spatial_dims + 1 else array[None]
