"""Find the series that a folder or file stands for."""

from __future__ import annotations

import functools
import logging
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from monai_denoiseg.data.dicom.copies import first_copies
from monai_denoiseg.data.dicom.files import dicom_files, read_header
from monai_denoiseg.data.dicom.geometry import affine_of, in_order
from monai_denoiseg.data.dicom.planes import Plane, planes_of
from monai_denoiseg.data.stored import voxel_sizes

logger = logging.getLogger(__name__)

_SEGMENTATIONS = ("1.2.840.10008.5.1.4.1.1.66.4", "1.2.840.10008.5.1.4.1.1.66.7")


class Series(NamedTuple):
    """A series as one image.

    Attributes:
        planes: from the first to the last along the normal of the planes.
        affine: ``(4, 4)`` from (z, y, x) to RAS, in mm.
    """

    planes: tuple[Plane, ...]
    affine: np.ndarray

    @property
    def shape(self) -> tuple[int, int, int]:
        """Z, Y, X."""
        return (len(self.planes), *self.planes[0].size)

    @property
    def spacing(self) -> tuple[float, ...] | None:
        """Voxel size along Z, Y, X in mm; None where the files tell none. Planes of a tilted gantry count their distance."""
        known = self.planes[0].spacing is not None
        return tuple(float(one) for one in voxel_sizes(self.affine, str(self.planes[0].file.parent))) if known else None


def open_series(path: str | os.PathLike, spatial_dims: int | None = None) -> Series:
    """Find the planes of an image and put them in order, without reading pixels.

    Args:
        path: folder with the files of one series, in any order and besides localizers and other objects; or a file: of many
            frames, one plane, or (for ``spatial_dims`` 3) a plane that stands for its series among the files beside it.
        spatial_dims: axes of the image wanted.

    Raises:
        ModuleNotFoundError: without pydicom.
        ValueError: naming file and way out, when it is not one regular stack.
    """
    path = Path(path)
    if path.is_dir():
        files = tuple(dicom_files(path))
        if not files:
            raise ValueError(f"{path} holds no DICOM files")
        return _series(path, files, _looks(files), None)
    uid = None
    files = (path,)
    if spatial_dims == 3:
        header = read_header(path)
        if int(getattr(header, "NumberOfFrames", 1) or 1) == 1:
            files, uid = tuple(dicom_files(path.parent)), str(getattr(header, "SeriesInstanceUID", ""))
    return _series(path, files, _looks(files), uid)


def _looks(files: Sequence[Path]) -> tuple[tuple[int, int], ...]:
    stats = [file.stat() for file in files]
    return tuple((stat.st_size, stat.st_mtime_ns) for stat in stats)


@functools.lru_cache(maxsize=256)  # sizes and times are in the key: a file that changes is read again
def _series(path: Path, files: tuple[Path, ...], looks: tuple[tuple[int, int], ...], uid: str | None) -> Series:
    headers = {file: read_header(file) for file in files}
    if uid is not None:
        headers = {file: header for file, header in headers.items() if str(getattr(header, "SeriesInstanceUID", "")) == uid}
    headers = _of_one_series(path, _images(path, headers))
    planes = [plane for file in first_copies(headers) for plane in planes_of(file, headers[file])]
    ordered = in_order(planes, str(path))
    return Series(tuple(ordered), affine_of(ordered))


def _images(path: Path, headers: dict[Path, Any]) -> dict[Path, Any]:
    """Those that are images, without localizers."""
    images = {
        file: header
        for file, header in headers.items()
        if "Rows" in header and "Columns" in header and str(header.get("SOPClassUID", "")) not in _SEGMENTATIONS
    }
    if not images:
        kinds = sorted({str(header.get("Modality", "unknown")) for header in headers.values()})
        raise ValueError(
            f"{path} holds no DICOM image, only {', '.join(kinds)}: give the images; a segmentation (SEG) or contours (RTSTRUCT) "
            "must be saved as .nii.gz to be a label, for instance with 3D Slicer"
        )
    scouts = [file for file, header in images.items() if "LOCALIZER" in [str(one).upper() for one in header.get("ImageType", [])]]
    if scouts and len(scouts) < len(images):
        logger.info("%s: %d localizers are passed over, the first is %s", path, len(scouts), scouts[0].name)
        images = {file: header for file, header in images.items() if file not in scouts}
    return images


def _of_one_series(path: Path, images: dict[Path, Any]) -> dict[Path, Any]:
    by_series: dict[str, list[Path]] = {}
    for file, header in images.items():
        by_series.setdefault(str(header.get("SeriesInstanceUID", "")), []).append(file)
    if len(by_series) > 1:
        listed = []
        for files in by_series.values():
            header = images[files[0]]
            number, kind = header.get("SeriesNumber", "?"), header.get("Modality", "?")
            listed.append(f"number {number} ({kind}, {len(files)} file{'s' * (len(files) > 1)}, the first is {files[0].name})")
        example = path / max(by_series.values(), key=len)[0].name
        raise ValueError(
            f"{path} holds {len(by_series)} series: {', '.join(listed)}. Choose one by the path of any of its files, here or in "
            f"a data list, such as {example}; or move the files of each into a folder of its own"
        )
    return images
