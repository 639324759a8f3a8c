"""The planes of DICOM files: where each lies and how its values are scaled, of single and of multi-frame files."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

DEFAULT_ORIENTATION = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)


class Plane(NamedTuple):
    """One plane of a series.

    Attributes:
        file: where its pixels are.
        frame: its number in the file.
        size: rows and columns.
        position: of the centre of its first pixel, in mm (x, y, z to the left, back and head); None where the file tells none.
        orientation: direction of the rows and of the columns in the same system.
        spacing: distance of the rows and of the columns in mm; None where the file tells none.
        thickness: of the slice in mm, or distance of the slices.
        slope: of the values as stored.
        intercept: likewise.
    """

    file: Path
    frame: int
    size: tuple[int, int]
    position: tuple[float, ...] | None
    orientation: tuple[float, ...]
    spacing: tuple[float, float] | None
    thickness: float | None
    slope: float
    intercept: float


def planes_of(path: Path, header: Any) -> Iterator[Plane]:
    """The planes of a file.

    Args:
        path: the file.
        header: pydicom's dataset.

    Raises:
        ValueError: for colour, and scaling by tables.
    """
    if int(getattr(header, "SamplesPerPixel", 1)) != 1:
        colours = getattr(header, "PhotometricInterpretation", "colour")
        raise ValueError(f"{path} holds colours ({colours}), no measured values: save it as PNG or TIFF, if that is meant")
    if "ModalityLUTSequence" in header:
        raise ValueError(f"{path} scales its values by a table (Modality LUT), which is not read: convert it to NIfTI (.nii.gz)")
    shared = (getattr(header, "SharedFunctionalGroupsSequence", None) or [None])[0]
    each = getattr(header, "PerFrameFunctionalGroupsSequence", None)
    for frame in range(int(getattr(header, "NumberOfFrames", 1) or 1)):
        own = each[frame] if each is not None and frame < len(each) else None
        yield _plane(path, frame, header, [group for group in (own, shared) if group is not None])


def _plane(path: Path, frame: int, header: Any, groups: list[Any]) -> Plane:
    def value(sequence: str, name: str) -> Any:
        """Of the functional groups of a frame, those of all frames, or the file itself."""
        for group in groups:
            found = getattr(group, sequence, None)
            if found and (one := getattr(found[0], name, None)) is not None:
                return one
        return getattr(header, name, None)

    spacing = value("PixelMeasuresSequence", "PixelSpacing") or getattr(header, "ImagerPixelSpacing", None)
    between = value("PixelMeasuresSequence", "SpacingBetweenSlices")
    position = value("PlanePositionSequence", "ImagePositionPatient")
    orientation = value("PlaneOrientationSequence", "ImageOrientationPatient")
    slope = value("PixelValueTransformationSequence", "RescaleSlope")
    intercept = value("PixelValueTransformationSequence", "RescaleIntercept")
    thickness = between or value("PixelMeasuresSequence", "SliceThickness")
    return Plane(
        path,
        frame,
        (int(header.Rows), int(header.Columns)),
        None if not position or (frame and not groups) else tuple(float(one) for one in position),
        tuple(float(one) for one in orientation) if orientation else DEFAULT_ORIENTATION,
        (float(spacing[0]), float(spacing[1])) if spacing else None,
        abs(float(thickness)) if thickness else None,
        1.0 if slope is None else float(slope),
        0.0 if intercept is None else float(intercept),
    )
