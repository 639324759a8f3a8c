"""Write labels as a DICOM segmentation (SEG) that refers to the series they were made of."""

from __future__ import annotations

import hashlib
import logging
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from monai_denoiseg.data.dicom.codes import Code, codes_of
from monai_denoiseg.data.dicom.files import need, read_header
from monai_denoiseg.data.dicom.series import open_series
from monai_denoiseg.data.quiet import quiet
from monai_denoiseg.files import target_of, writing


def write_seg(
    labels: np.ndarray,
    source: str | os.PathLike,
    target: str | os.PathLike,
    names: Mapping[int, str] | None = None,
    codes: Mapping[str, Sequence[str]] | None = None,
) -> None:
    """Write labels as a SEG object, whole or not at all.

    It carries patient and study of the source, as the standard requires, and refers to its images. The same labels of the same
    source get the same identifiers. A segment is binary; planes without it are left out.

    Args:
        labels: ``([Z, ]Y, X)`` in the order of :func:`~monai_denoiseg.data.dicom.read_dicom`.
        source: folder or file of the series.
        target: file to write.
        names: of the classes by value, the background 0 apart; a class without voxels is a segment without frames. None: all
            objects are one segment.
        codes: coded terms by name of the class, see :func:`~monai_denoiseg.data.dicom.codes.codes_of`.

    Raises:
        ModuleNotFoundError: without highdicom.
        ValueError: when the labels do not have the shape of the series.

    >>> import tempfile, pydicom
    >>> from monai_denoiseg.data.dicom import simulate_series
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     _ = simulate_series(f"{folder}/scan", np.zeros((2, 4, 4)))
    ...     write_seg(np.eye(4, dtype=int)[None].repeat(2, 0), f"{folder}/scan", f"{folder}/a.dcm", {1: "liver"})
    ...     written = pydicom.dcmread(f"{folder}/a.dcm")
    >>> written.Modality, written.SegmentSequence[0].SegmentLabel, int(written.NumberOfFrames)
    ('SEG', 'liver', 2)
    """
    highdicom = need("highdicom")
    stack = labels if labels.ndim == 3 else labels[None]
    series = open_series(source, labels.ndim)
    if series.shape != stack.shape:
        raise ValueError(f"{target_of(Path(target))}: labels of shape {labels.shape}, but {source} has {series.shape}")
    if not names:
        stack, names = stack > 0, {1: "object"}
    segments = [_description(highdicom, i, names[value], codes) for i, value in enumerate(sorted(names), 1)]
    numbers = np.zeros(max(*names, int(stack.max(initial=0))) + 1, np.uint16)
    numbers[sorted(names)] = range(1, len(names) + 1)
    files = list(dict.fromkeys(plane.file for plane in series.planes))
    headers = [read_header(file) for file in files]
    pixels = np.empty_like(stack, np.uint16)
    pixels[_places(series.planes, files, headers)] = numbers[stack.astype(np.intp)]
    with quiet("highdicom", logging.WARNING):  # it tells each of its steps
        seg = _segmentation(highdicom, headers, pixels, segments)
    with writing(target) as part:
        seg.save_as(part)


def _places(planes: Sequence[Any], files: list[Path], headers: list[Any]) -> list[int]:
    """Where each plane comes among the frames of all files, in the order in which those are given to highdicom."""
    counts = [int(getattr(header, "NumberOfFrames", 1) or 1) for header in headers]
    starts = dict(zip(files, np.cumsum([0, *counts[:-1]]), strict=True))
    return [int(starts[plane.file]) + plane.frame for plane in planes]


def _description(highdicom: Any, number: int, name: str, codes: Mapping[str, Sequence[str]] | None) -> Any:
    from pydicom.sr.coding import Code as Coded

    category, kind, side = codes_of(name, codes)

    def coded(code: Code) -> Any:
        return Coded(*code)

    description = highdicom.seg.SegmentDescription(
        segment_number=number,
        segment_label=name[:64],
        segmented_property_category=coded(category),
        segmented_property_type=coded(kind),
        algorithm_type=highdicom.seg.SegmentAlgorithmTypeValues.AUTOMATIC,
        algorithm_identification=highdicom.AlgorithmIdentificationSequence(
            name="monai_denoiseg", version=_version(), family=Coded("123109", "DCM", "Artificial Intelligence")
        ),
    )
    if side is not None:
        modifier = highdicom.sr.CodedConcept(*side)
        description.SegmentedPropertyTypeCodeSequence[0].SegmentedPropertyTypeModifierCodeSequence = [modifier]
    return description


def _version() -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("monai_denoiseg")
    except PackageNotFoundError:
        return "unknown"


def _segmentation(highdicom: Any, headers: list[Any], pixels: np.ndarray, segments: list[Any]) -> Any:
    uid = need("pydicom").uid.generate_uid
    said = [str(header.SOPInstanceUID) for header in headers] + [segment.SegmentLabel for segment in segments]
    words = [*said, hashlib.sha256(pixels.tobytes()).hexdigest()]
    return highdicom.seg.Segmentation(
        source_images=headers,
        pixel_array=pixels,
        segmentation_type=highdicom.seg.SegmentationTypeValues.BINARY,
        segment_descriptions=segments,
        series_instance_uid=uid(entropy_srcs=["series", *words]),
        series_number=int(getattr(headers[0], "SeriesNumber", None) or 0) % 1000 + 1000,
        sop_instance_uid=uid(entropy_srcs=["instance", *words]),
        instance_number=1,
        manufacturer="monai_denoiseg",
        manufacturer_model_name="monai_denoiseg",
        software_versions=_version(),
        device_serial_number="none",
        content_description="Automatic segmentation",
        content_label="SEGMENTATION",
        series_description="Segmentation",
    )
