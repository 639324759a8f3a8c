from __future__ import annotations

import numpy as np
import pytest
from shapely.geometry import MultiPolygon, Point

from monai_denoiseg.measure import Shape, trace_shapes


def polygons(shape: Shape) -> MultiPolygon:
    return MultiPolygon([(piece[0], piece[1:]) for piece in shape.pieces])


@pytest.mark.parametrize("shape", [(17, 23), (3, 11, 13)])
@pytest.mark.parametrize("seed", range(6))
def test_polygons_cover_the_pixels_of_the_object_and_no_others(shape: tuple[int, ...], seed: int) -> None:
    """Random pixels: pieces, holes, corners that touch, islands in holes."""
    labels = 7 * np.random.default_rng(seed).integers(0, 3, shape)
    seen = 0
    for found in trace_shapes(labels):
        plane = labels if labels.ndim == 2 else labels[found.plane]
        outline = polygons(found)
        assert outline.is_valid
        assert outline.area == (plane == found.label).sum()
        inside = [[outline.contains(Point(x + 0.5, y + 0.5)) for x in range(plane.shape[1])] for y in range(plane.shape[0])]
        assert np.array_equal(inside, plane == found.label)
        seen += 1
    assert seen == 2 * (1 if len(shape) == 2 else shape[0])


def test_ring_with_an_island_in_its_hole() -> None:
    labels = np.zeros((9, 9), int)
    labels[1:8, 1:8], labels[2:7, 2:7], labels[4, 4] = 4, 0, 4
    [found] = trace_shapes(labels)
    assert [len(piece) for piece in found.pieces] == [2, 1]
    assert polygons(found).area == (labels == 4).sum()


def test_nothing_and_everything() -> None:
    assert list(trace_shapes(np.zeros((4, 5), int))) == []
    [found] = trace_shapes(np.full((4, 5), 3))
    assert found == Shape(3, 0, [[[(0, 0), (5, 0), (5, 4), (0, 4)]]])
