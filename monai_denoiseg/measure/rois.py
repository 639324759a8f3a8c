"""Objects as a zip of ImageJ ROIs, which Fiji's ROI manager opens."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from monai_denoiseg.measure.outlines import Ring, Shape

_MOVE, _LINE, _CLOSE = 0.0, 1.0, 4.0
"""Steps of a path in ImageJ's format."""


def to_roi_zip(shapes: Iterable[tuple[int, Shape]], *, classes: Sequence[str] | None = None, volume: bool = False) -> bytes:
    """Write shapes as a zip of ROIs: a polygon for each object and plane, a composite where it has holes or several pieces.

    Names begin with the number of the object (or the name of the class); in volumes and time series slice and frame follow, and
    the ROI lies on its slice.

    Args:
        shapes: frame and shape, see :func:`~monai_denoiseg.measure.trace_shapes`.
        classes: names of semantic classes, background first; None (or empty) for objects.
        volume: whether the planes are slices.

    >>> from monai_denoiseg.measure import trace_shapes
    >>> content = to_roi_zip((0, shape) for shape in trace_shapes(np.array([[0, 7]])))
    >>> zipfile.ZipFile(io.BytesIO(content)).namelist()
    ['0007.roi']
    """
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for frame, shape in shapes:
            name = classes[shape.label].replace("/", "_") if classes else f"{shape.label:04d}"
            name += f"-z{shape.plane + 1:04d}" * volume + f"-t{frame + 1:04d}" * bool(frame)
            entry = zipfile.ZipInfo(f"{name}.roi", (1980, 1, 1, 0, 0, 0))  # the same content gives the same file
            archive.writestr(entry, _roi(name, frame, shape, volume).tobytes(), zipfile.ZIP_DEFLATED)
    return stream.getvalue()


def _roi(name: str, frame: int, shape: Shape, volume: bool) -> Any:
    from roifile import ROI_TYPE, ImagejRoi  # by those only who ask for it

    rings = [ring for piece in shape.pieces for ring in piece]
    place = {"z": shape.plane if volume else None, "t": frame or None, "position": shape.plane if volume else None}
    roi = ImagejRoi.frompoints(np.array(rings[0]), name=name, **place)
    roi.roitype = ROI_TYPE.POLYGON
    corners = np.array([point for ring in rings for point in ring])
    (roi.left, roi.top), (roi.right, roi.bottom) = corners.min(0).tolist(), corners.max(0).tolist()
    if len(rings) > 1:
        roi.roitype, roi.n_coordinates, roi.integer_coordinates = ROI_TYPE.RECT, 0, None
        roi.multi_coordinates = np.array(_path(rings), np.float32)
        roi.shape_roi_size = len(roi.multi_coordinates)
    return roi


def _path(rings: Sequence[Ring]) -> list[float]:
    path: list[float] = []
    for ring in rings:
        for i, (x, y) in enumerate(ring):
            path += [_LINE if i else _MOVE, x, y]
        path.append(_CLOSE)
    return path
