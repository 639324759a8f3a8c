"""A series that is chosen by one of its files: what it is called."""

from __future__ import annotations

import functools
import os
from pathlib import Path

from monai_denoiseg.data.arrays import ZARR_SUFFIXES
from monai_denoiseg.data.dicom.files import dicom_files, holds_one_image, is_dicom, read_header
from monai_denoiseg.data.dicom.series import open_series
from monai_denoiseg.data.itk_files import ITK_SUFFIXES
from monai_denoiseg.data.nifti import NIFTI_SUFFIXES
from monai_denoiseg.data.png import PIL_SUFFIXES
from monai_denoiseg.data.tiff import TIFF_SUFFIXES

OTHER_SUFFIXES = (*TIFF_SUFFIXES, *PIL_SUFFIXES, *NIFTI_SUFFIXES, *ITK_SUFFIXES, *ZARR_SUFFIXES)


def whole_series(path: str | os.PathLike, spatial_dims: int | None) -> Path:
    """The folder in place of a file of it, where both stand for the same volume.

    Args:
        path: any image.
        spatial_dims: of the image wanted; of a plane (2) the file is the image.

    Returns:
        The folder of a series; the path as it is where that holds several series, cannot be read, or is no DICOM.

    >>> import numpy as np, tempfile
    >>> from monai_denoiseg.data.dicom import simulate_series
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = simulate_series(f"{folder}/case_00", np.zeros((2, 4, 4)))[1]
    ...     whole_series(file, 3).name, whole_series(file, 2).name
    ('case_00', 'IM0002.dcm')
    """
    path = Path(path)
    if spatial_dims != 3 or not is_dicom(path):
        return path
    folder = path.parent if path.parent.name not in ("", "..") else path.parent.resolve()
    try:
        named = [{(plane.file.name, plane.frame) for plane in open_series(one, 3).planes} for one in (path, folder)]
    except (ModuleNotFoundError, OSError, ValueError):
        return path  # what is wrong is said when it is read
    return folder if named[0] == named[1] and holds_one_image(folder) else path


def prefix_of(path: str | os.PathLike) -> str:
    """What comes before the name of a file in names of results: the folder, for a file that chooses one of several series in it.

    Args:
        path: any image.

    >>> prefix_of("images/a.tif")
    ''
    """
    path = Path(path)
    if path.name.lower().endswith(OTHER_SUFFIXES) or not is_dicom(path):  # most names tell it without a look into the file
        return ""
    folder = path.absolute().parent
    return f"{folder.name}_" if _mixed(folder, folder.stat().st_mtime_ns) else ""


@functools.lru_cache(maxsize=256)
def _mixed(folder: Path, changed: int) -> bool:
    """Whether series of several files lie in a folder besides each other."""
    if not holds_one_image(folder):
        return False
    try:
        tags = ("SOPClassUID", "SOPInstanceUID", "SeriesInstanceUID")
        return len({str(read_header(file, tags).get("SeriesInstanceUID", "")) for file in dicom_files(folder)}) > 1
    except (ModuleNotFoundError, OSError, ValueError):
        return False
