"""From the planes of a series to a volume: their order, and where its voxels lie."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from monai_denoiseg.data.dicom.planes import Plane

TOLERANCE = 0.05
"""How far a plane may lie from its place in a regular stack, in distances of the planes."""
_TO_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])


def in_order(planes: Sequence[Plane], name: str) -> list[Plane]:
    """Put planes in the order in which they lie above each other, along (row direction) x (column direction).

    Args:
        planes: of one series, in any order.
        name: of the series, for messages.

    Raises:
        ValueError: for planes that are no regular stack: of several sizes or orientations, at the same place, or with gaps.
    """
    _check_alike(planes, name)
    if len(planes) == 1:
        return list(planes)
    if any(plane.position is None for plane in planes):
        raise ValueError(
            f"{name}: {len(planes)} planes that do not say where they lie (no ImagePositionPatient), so they are no volume: "
            "give them one by one to the 2D bundle, or convert them to NIfTI (.nii.gz)"
        )
    normal = np.cross(planes[0].orientation[:3], planes[0].orientation[3:])
    places = np.array([plane.position for plane in planes])
    order = np.argsort(places @ normal, kind="stable")
    found = [planes[i] for i in order]
    _check_regular(found, places[order], normal, name)
    return found


def affine_of(planes: Sequence[Plane]) -> np.ndarray:
    """Where the voxels of a stack lie.

    Args:
        planes: in order.

    Returns:
        ``(4, 4)`` from (z, y, x) to mm to the right, front and head (RAS), as NIfTI has it. Gantry tilt shears it.

    >>> plane = Plane("a", 0, (4, 4), (1.0, 2.0, 3.0), (1.0, 0.0, 0.0, 0.0, 1.0, 0.0), (0.5, 0.25), 2.0, 1.0, 0.0)
    >>> affine_of([plane]).tolist()
    [[0.0, 0.0, -0.25, -1.0], [0.0, -0.5, 0.0, -2.0], [2.0, 0.0, 0.0, 3.0], [0.0, 0.0, 0.0, 1.0]]
    """
    first, last = planes[0], planes[-1]
    along_row, along_column = np.array(first.orientation[:3]), np.array(first.orientation[3:])
    rows, columns = first.spacing or (1.0, 1.0)
    affine = np.eye(4)
    if len(planes) > 1:
        affine[:3, 0] = (np.array(last.position) - np.array(first.position)) / (len(planes) - 1)
    else:
        affine[:3, 0] = np.cross(along_row, along_column) * (first.thickness or 1.0)
    affine[:3, 1], affine[:3, 2] = along_column * rows, along_row * columns
    affine[:3, 3] = first.position or (0.0, 0.0, 0.0)
    return _TO_RAS @ affine + 0.0  # no -0.0


def _check_alike(planes: Sequence[Plane], name: str) -> None:
    first = planes[0]
    for plane in planes[1:]:
        what = None
        if plane.size != first.size:
            what = f"sizes: {_shown(first)} has {_size(first)} pixels, {_shown(plane)} has {_size(plane)}"
        elif not np.allclose(plane.orientation, first.orientation, rtol=0, atol=1e-3):
            what = f"orientations: those of {_shown(first)} and {_shown(plane)} differ"
        elif (plane.spacing is None) != (first.spacing is None) or not np.allclose(
            plane.spacing or (), first.spacing or (), rtol=1e-3, atol=0
        ):
            what = f"pixel sizes: {_shown(first)} has {first.spacing} mm, {_shown(plane)} has {plane.spacing} mm"
        if what:
            raise ValueError(f"{name}: the planes of the series have several {what}. Give those that belong together alone")


def _check_regular(planes: Sequence[Plane], places: np.ndarray, normal: np.ndarray, name: str) -> None:
    heights = places @ normal
    steps = np.diff(heights)
    usual = float(np.median(steps))
    for (low, high), step in zip(pairwise(planes), steps, strict=True):
        if step < 1e-3 or usual < 1e-3:
            raise ValueError(
                f"{name}: {_shown(low)} and {_shown(high)} show the same place: the series holds several images (echoes, times, "
                "contrasts), or copies of files. Put the planes of one in a folder alone, or convert it to NIfTI (dcm2niix "
                "makes a .nii.gz of each)"
            )
        if step > 1.5 * usual:
            count = round(step / usual) - 1
            what = f"{count} slice{'s are' if count > 1 else ' is'} missing"
            raise ValueError(
                f"{name}: {what} between {_shown(low)} and {_shown(high)}, which lie {step:.4g} mm apart, the others "
                f"{usual:.4g} mm: copy the series again, or put the part without gap in a folder alone"
            )
    regular = places[0] + np.arange(len(places))[:, None] * (places[-1] - places[0]) / (len(places) - 1)
    apart = np.linalg.norm(places - regular, axis=1)
    if apart.max() > TOLERANCE * usual:
        worst = planes[int(apart.argmax())]
        raise ValueError(
            f"{name}: the slices are no regular stack, they are {steps.min():.4g} to {steps.max():.4g} mm apart: {_shown(worst)} "
            f"lies {apart.max():.4g} mm from its place. Convert the series to NIfTI (.nii.gz) with a program that resamples it, "
            "such as 3D Slicer"
        )


def _size(plane: Plane) -> str:
    return f"{plane.size[0]} x {plane.size[1]}"


def _shown(plane: Plane) -> str:
    return f"{plane.file.name} (frame {plane.frame})" if plane.frame else plane.file.name
