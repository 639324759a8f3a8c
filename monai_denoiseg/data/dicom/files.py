"""Which files are DICOM, and which folders are an image."""

from __future__ import annotations

import importlib
import os
from pathlib import Path
from typing import Any

DICOM_SUFFIX = ".dcm"
ENDINGS = (DICOM_SUFFIX, ".dicom", ".ima")
"""Ends of the names of DICOM files; many have none at all."""
_LOOKED_AT = 50
_OBJECTS = ("SOPClassUID", "SOPInstanceUID", "SeriesInstanceUID", "Modality", "Rows", "Columns", "NumberOfFrames")


def need(module: str = "pydicom") -> Any:
    """Import a package of the extra ``dicom``.

    Args:
        module: its name, as imported.

    Raises:
        ModuleNotFoundError: saying how to get it.

    >>> need("no_such_package")
    Traceback (most recent call last):
        ...
    ModuleNotFoundError: no_such_package is not installed, which DICOM needs: pip install 'monai_denoiseg[dicom]', or convert \
the series to NIfTI (.nii.gz), for instance with dcm2niix or 3D Slicer
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            f"{error.name} is not installed, which DICOM needs: pip install 'monai_denoiseg[dicom]', or convert the series to "
            "NIfTI (.nii.gz), for instance with dcm2niix or 3D Slicer",
            name=error.name,
        ) from None


def is_dicom(path: str | os.PathLike) -> bool:
    """Whether a file is called like DICOM, or begins like it.

    Args:
        path: any path.

    >>> is_dicom("missing.dcm"), is_dicom("missing")
    (False, False)
    """
    path = Path(path)
    if path.name.startswith(".") or path.name.upper().startswith("DICOMDIR") or not path.is_file():
        return False
    return path.name.lower().endswith(ENDINGS) or _begins_like_dicom(path)


def _begins_like_dicom(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return file.read(132)[128:] == b"DICM"
    except OSError:
        return False


def dicom_files(folder: Path) -> list[Path]:
    """The DICOM files of a folder, sorted by name; subfolders are not looked into.

    Args:
        folder: the folder.

    Raises:
        OSError: when it cannot be read.
    """
    return [path for path in sorted(folder.iterdir()) if is_dicom(path)]


def holds_dicom(folder: str | os.PathLike) -> bool:
    """Whether a folder holds DICOM files, from a look at some of them.

    Args:
        folder: any path.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     before = holds_dicom(folder)
    ...     Path(folder, "IM0001.dcm").touch()
    ...     before, holds_dicom(folder)
    (False, True)
    """
    folder = Path(folder)
    try:
        if not folder.is_dir():
            return False
        names = [entry.name for entry in os.scandir(folder)]
    except OSError:
        return False
    if any(name.lower().endswith(ENDINGS) for name in names):
        return True
    unnamed = [name for name in sorted(names) if not Path(name).suffix[1:].isalpha()]  # IM0001, 1.2.840.113619.2
    return any(is_dicom(folder / name) for name in unnamed[:_LOOKED_AT])


def holds_one_image(folder: Path) -> bool:
    """Whether the DICOM files that lie in a folder are one image: not if each of several is a series of its own.

    Args:
        folder: a folder of DICOM files.

    >>> holds_one_image(Path("missing"))
    False
    """
    if not holds_dicom(folder) or any(path.is_dir() and path.name.lower() == "images" for path in folder.iterdir()):
        return False
    files = dicom_files(folder)
    series: set[str] = set()
    for path in files:
        try:
            uid = str(getattr(read_header(path, _OBJECTS), "SeriesInstanceUID", ""))
        except (ModuleNotFoundError, ValueError):
            return True  # what is wrong is said when it is read
        if uid in series:
            return True
        series.add(uid)
    return False


def read_header(path: Path, tags: tuple[str, ...] | None = None) -> Any:
    """Read what a DICOM file says, without its pixels.

    Args:
        path: the file; it may lack the preamble that old files lack.
        tags: keywords of what is needed, all without.

    Returns:
        pydicom's ``FileDataset``.

    Raises:
        ModuleNotFoundError: without pydicom.
        ValueError: when it is no DICOM file.
    """
    pydicom = need()
    try:
        header = pydicom.dcmread(path, stop_before_pixels=True, specific_tags=None if tags is None else list(tags), force=True)
        known = "SOPClassUID" in header or "SOPInstanceUID" in header
    except Exception as error:  # pydicom raises what it likes for damaged files
        raise ValueError(f"{path} cannot be read as DICOM, it may be damaged: {error}") from error
    if not known:
        raise ValueError(
            f"{path} is no DICOM file, or damaged: remove it, or convert the series to NIfTI (.nii.gz) "
            "with a program that opens it"
        )
    return header
