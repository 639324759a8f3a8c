"""Outlines drawn and traced, against masks."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from monai_denoiseg.data import simulate_nuclei
from monai_denoiseg.label.outlines import Outline, draw_outlines, outlines_json, read_outlines, trace_outlines


def square(low: float, high: float) -> np.ndarray:
    return np.array([[low, low], [low, high], [high, high], [high, low]])


def asap(path: Path, *outlines: Outline) -> Path:
    corners = (
        (outline.name, "".join(f'<Coordinate Order="{i}" X="{x}" Y="{y}" />' for i, (x, y) in enumerate(outline.points)))
        for outline in outlines
    )
    body = "".join(f'<Annotation Name="{name}"><Coordinates>{points}</Coordinates></Annotation>' for name, points in corners)
    path.write_text(f'<?xml version="1.0"?><ASAP_Annotations><Annotations Name="">{body}</Annotations></ASAP_Annotations>')
    return path


def test_traced_objects_drawn_again_are_the_same() -> None:
    label = simulate_nuclei((60, 44), seed=3).label.astype(np.int32)
    pieces = trace_outlines(label)
    assert len(pieces) >= label.max() > 2
    drawn = draw_outlines(pieces, label.shape)
    np.testing.assert_array_equal(drawn > 0, label > 0)
    for value in range(1, label.max() + 1):  # one number for each piece
        assert len(np.unique(drawn[label == value])) <= len(pieces) - label.max() + 1


@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (5, 2)])
def test_objects_at_the_edge(shape: tuple[int, int]) -> None:
    [outline] = trace_outlines(np.ones(shape, int))
    np.testing.assert_array_equal(draw_outlines([outline], shape), 1)


def test_corners_are_x_then_y() -> None:
    label = np.zeros((10, 20), int)
    label[2:4, 12:15] = 1
    [outline] = trace_outlines(label)
    assert outline.points.min(0).tolist() == [12, 2]
    assert outline.points.max(0).tolist() == [15, 4]


def test_small_objects_and_names() -> None:
    label = np.zeros((9, 9), int)
    label[0, 0], label[4:8, 4:8] = 1, 2
    assert [outline.name for outline in trace_outlines(label, ["a", "b"], min_area=2)] == ["b"]
    assert outlines_json(trace_outlines(label), offset=(100, 0))["elements"][0]["contours"][0][0][0] >= 100


def test_ignored_and_regions() -> None:
    outlines = [Outline("Region*", square(1, 9)), Outline("cell", square(2, 5)), Outline("Ignore*", square(4, 6))]
    label = draw_outlines(outlines, (10, 10))
    assert label[0, 0] == -1
    assert label[3, 3] == 1
    assert label[4, 4] == -1
    assert label[8, 8] == 0


def test_classes_by_name() -> None:
    label = draw_outlines([Outline("Tumor", square(1, 3))], (4, 4), ["background", "stroma", "tumor"])
    assert label[1, 1] == 2
    with pytest.raises(ValueError, match="the class 'fat'; the classes are background, tumor"):
        draw_outlines([Outline("fat", square(1, 3))], (4, 4), ["background", "tumor"])


def test_file(tmp_path: Path) -> None:
    [read] = read_outlines(asap(tmp_path / "a.xml", Outline("cell", square(1, 3))))
    assert read.name == "cell"
    np.testing.assert_array_equal(read.points, square(1, 3))
    (tmp_path / "b.xml").write_text("no xml")
    with pytest.raises(ValueError, match="is no XML file"):
        read_outlines(tmp_path / "b.xml")


def test_too_few_corners_are_no_object() -> None:
    assert draw_outlines([Outline("cell", np.zeros((2, 2)))], (3, 3)).max() == 0
