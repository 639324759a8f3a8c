"""Simulated DICOM series: for tests, and to try things without any patient's data."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from monai_denoiseg.data.dicom.files import need

_CT, _MR, _ENHANCED_MR = "1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.5.1.4.1.1.4", "1.2.840.10008.5.1.4.1.1.4.1"


def simulate_series(
    folder: str | os.PathLike,
    array: np.ndarray,
    *,
    spacing: Sequence[float] = (1.0, 1.0, 1.0),
    orientation: Sequence[float] = (1, 0, 0, 0, 1, 0),
    origin: Sequence[float] = (0.0, 0.0, 0.0),
    modality: str = "CT",
    slope: float = 1.0,
    intercept: float = 0.0,
    multiframe: bool = False,
    seed: int = 0,
    **more: Any,
) -> list[Path]:
    """Write a volume as a series of an invented patient.

    Args:
        folder: where to; it is made.
        array: ``(Z, Y, X)``, integers once intercept and slope are taken off; stored as int16, or as uint16 if it is unsigned.
        spacing: along Z, Y, X in mm.
        orientation: direction of the rows and of the columns, six numbers, in mm to the left, back and head.
        origin: place of the first voxel.
        modality: ``"CT"`` or ``"MR"``.
        slope: of the rescaling.
        intercept: likewise.
        multiframe: write one file of all frames (Enhanced MR) in place of one a plane.
        seed: other seeds are other patients.
        more: further attributes by keyword, e.g. ``SeriesNumber=3``; None leaves one out.

    Returns:
        The files, in the order of the planes.

    Raises:
        ModuleNotFoundError: without pydicom.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     [path.name for path in simulate_series(folder, np.zeros((2, 4, 4)))]
    ['IM0001.dcm', 'IM0002.dcm']
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    array = np.asarray(array)
    stored = np.rint((array - intercept) / slope).astype(np.uint16 if array.dtype.kind == "u" else np.int16)
    axes = np.array([*orientation], float).reshape(2, 3)
    normal = np.cross(*axes)
    places = [np.array(origin, float) + normal * spacing[0] * z for z in range(len(array))]
    common = {"modality": modality, "slope": slope, "intercept": intercept, "spacing": spacing, "orientation": axes.ravel()}
    if multiframe:
        dataset = _dataset(stored, seed, 0, _ENHANCED_MR, more, **common)
        _add_frames(dataset, places, common)
        return [_saved(dataset, folder / "IM0001.dcm")]
    kind = _CT if modality == "CT" else _MR
    files = []
    for z, plane in enumerate(stored):
        series = {name: value for name, value in more.items() if name == "SeriesInstanceUID"}
        dataset = _dataset(plane, seed, z, kind, series, **common)
        dataset.ImagePositionPatient = _decimals(places[z])
        dataset.ImageOrientationPatient = _decimals(axes.ravel())
        dataset.PixelSpacing, dataset.SliceThickness = _decimals(spacing[1:]), _decimals(spacing[:1])[0]
        dataset.RescaleSlope, dataset.RescaleIntercept = _decimals([slope, intercept])
        _set(dataset, more)
        files.append(_saved(dataset, folder / f"IM{z + 1:04d}.dcm"))
    return files


def _decimals(values: Any) -> list[Any]:
    """Numbers as text of at most 16 letters, as DICOM stores them."""
    from pydicom.valuerep import DSfloat

    return [DSfloat(float(value), auto_format=True) for value in values]


def _dataset(pixels: np.ndarray, seed: int, number: int, kind: str, more: dict[str, Any], **common: Any) -> Any:
    pydicom = need()
    uid = pydicom.uid.generate_uid
    dataset = pydicom.Dataset()
    dataset.SOPClassUID = kind
    names = {"StudyInstanceUID": "study", "SeriesInstanceUID": "series", "FrameOfReferenceUID": "frame"}
    for name, word in names.items():
        setattr(dataset, name, uid(entropy_srcs=[word, str(seed)]))
    series = str(more.get("SeriesInstanceUID", dataset.SeriesInstanceUID))
    dataset.SOPInstanceUID = uid(entropy_srcs=["image", str(seed), series, str(number), pixels.tobytes().hex()[:4096]])
    dataset.PatientName, dataset.PatientID = f"Invented^Patient{seed}", f"ID{seed:05d}"
    dataset.PatientBirthDate, dataset.PatientSex = "19700101", "O"
    dataset.StudyDate, dataset.StudyTime, dataset.StudyID = "20260101", "120000", "1"
    dataset.AccessionNumber, dataset.ReferringPhysicianName = "", ""
    dataset.Manufacturer, dataset.Modality = "simulated", common["modality"]
    dataset.SeriesNumber, dataset.InstanceNumber = 1, number + 1
    dataset.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
    dataset.PositionReferenceIndicator, dataset.PatientPosition = "", "HFS"
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.Rows, dataset.Columns = pixels.shape[-2:]
    dataset.BitsAllocated = dataset.BitsStored = 16
    dataset.HighBit, dataset.PixelRepresentation = 15, int(pixels.dtype.kind == "i")
    dataset.PixelData = pixels.tobytes()
    _set(dataset, more)
    return dataset


def _set(dataset: Any, more: dict[str, Any]) -> None:
    for name, value in more.items():
        if value is None:
            delattr(dataset, name)
        else:
            setattr(dataset, name, value)


def _add_frames(dataset: Any, places: list[np.ndarray], common: dict[str, Any]) -> None:
    """The functional groups of a multi-frame file."""
    dataset.NumberOfFrames = len(places)
    shared = _group(
        PixelMeasuresSequence={
            "PixelSpacing": _decimals(common["spacing"][1:]),
            "SliceThickness": _decimals(common["spacing"][:1])[0],
        },
        PlaneOrientationSequence={"ImageOrientationPatient": _decimals(common["orientation"])},
        PixelValueTransformationSequence={
            "RescaleSlope": _decimals([common["slope"]])[0],
            "RescaleIntercept": _decimals([common["intercept"]])[0],
            "RescaleType": "US",
        },
    )
    dataset.SharedFunctionalGroupsSequence = [shared]
    dataset.PerFrameFunctionalGroupsSequence = [
        _group(
            PlanePositionSequence={"ImagePositionPatient": _decimals(place)},
            FrameContentSequence={"StackID": "1", "InStackPositionNumber": number, "DimensionIndexValues": [1, number]},
        )
        for number, place in enumerate(places, 1)
    ]


def _group(**sequences: dict[str, Any]) -> Any:
    pydicom = need()
    group = pydicom.Dataset()
    for name, values in sequences.items():
        item = pydicom.Dataset()
        _set(item, values)
        setattr(group, name, [item])
    return group


def _saved(dataset: Any, path: Path) -> Path:
    pydicom = need()
    dataset.file_meta = pydicom.dataset.FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = pydicom.uid.ExplicitVRLittleEndian
    dataset.save_as(path, enforce_file_format=True)
    return path
