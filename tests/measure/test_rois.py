"""Round trips by two readers that are not the writer: read-roi, and ImageJ's documented bytes."""

from __future__ import annotations

import io
import struct
import zipfile
from pathlib import Path

import numpy as np
import pytest
import read_roi
from shapely.geometry import Polygon

from monai_denoiseg.measure import to_roi_zip, trace_shapes


def composite_area(content: bytes) -> float:
    """Area of a composite by ImageJ's RoiDecoder: offset 36 holds the length of the path, which begins at byte 64."""
    assert content[:4] == b"Iout"
    length = struct.unpack(">i", content[36:40])[0]
    steps = list(struct.unpack(f">{length}f", content[64 : 64 + 4 * length]))
    rings: list[list[tuple[float, float]]] = []
    while steps:
        kind = steps.pop(0)
        if kind == 4:
            continue
        if kind == 0:
            rings.append([])
        rings[-1].append((steps.pop(0), steps.pop(0)))
    area = Polygon()
    for ring in rings:
        area = area.symmetric_difference(Polygon(ring))  # even-odd, as ImageJ's shapes of holes are built
    return float(area.area)


@pytest.mark.parametrize("shape", [(30, 40), (3, 20, 25)])
def test_polygons_by_an_independent_reader(shape: tuple[int, ...], tmp_path: Path) -> None:
    labels = np.zeros(shape, int)
    for number in range(1, 6):
        labels[..., 3 * number : 3 * number + 3, number : 3 * number + 2] = number
    path = tmp_path / "a_rois.zip"
    path.write_bytes(to_roi_zip(((0, s) for s in trace_shapes(labels)), volume=labels.ndim == 3))
    found = read_roi.read_roi_zip(str(path))
    assert len(found) == 5 * (1 if labels.ndim == 2 else 3)
    for roi in found.values():
        assert roi["type"] == "polygon"
        number, *slices = roi["name"].split("-z")
        plane = labels if labels.ndim == 2 else labels[int(slices[0]) - 1]
        assert labels.ndim == 2 or roi["position"] == int(slices[0]) or roi["position"]["slice"] == int(slices[0])
        assert Polygon(zip(roi["x"], roi["y"], strict=True)).area == (plane == int(number)).sum()


def test_holes_and_pieces_are_composites() -> None:
    labels = np.zeros((20, 20), int)
    labels[2:12, 2:12], labels[4:7, 4:7], labels[15:18, 1:19] = 1, 0, 1
    [entry] = (archive := zipfile.ZipFile(io.BytesIO(to_roi_zip((0, s) for s in trace_shapes(labels))))).infolist()
    assert composite_area(archive.read(entry)) == (labels == 1).sum()


def test_names_of_classes_and_frames() -> None:
    shapes = [(frame, found) for frame in range(2) for found in trace_shapes(np.array([[0, 1, 1]]))]
    content = to_roi_zip(shapes, classes=["background", "left/liver"])
    assert zipfile.ZipFile(io.BytesIO(content)).namelist() == ["left_liver.roi", "left_liver-t0002.roi"]
    assert content == to_roi_zip(shapes, classes=["background", "left/liver"])
