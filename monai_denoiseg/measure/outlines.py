"""Outlines of objects along the edges of their pixels, so that a polygon has the area of its pixels exactly."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

Ring = list[tuple[int, int]]
"""Corners (x, y) of a closed polygon, the first not repeated; pixel (0, 0) covers 0 to 1."""


class Shape(NamedTuple):
    """One object in one plane.

    Attributes:
        label: its number.
        plane: index of the plane; 0 in 2D.
        pieces: for each piece (pixels that share an edge) its outer ring, then those of its holes.
    """

    label: int
    plane: int
    pieces: list[list[Ring]]


def trace_shapes(labels: NDArray[Any]) -> Iterator[Shape]:
    """Trace the objects of a label image, plane by plane.

    Args:
        labels: ``([D,] H, W)`` integers, 0 background.

    >>> [shape] = trace_shapes(np.pad(np.ones((2, 3), int), 1))
    >>> shape.pieces
    [[[(1, 1), (4, 1), (4, 3), (1, 3)]]]
    """
    planes = labels[None] if labels.ndim == 2 else labels
    for index, plane in enumerate(planes):
        numbers, dense = np.unique(plane, return_inverse=True)  # numbers may have gaps
        dense = dense.reshape(plane.shape) + (numbers[0] != 0)
        numbers = numbers if numbers[0] == 0 else np.concatenate([[0], numbers])
        for value, window in enumerate(ndimage.find_objects(dense), 1):
            if window is not None:
                corner = window[1].start, window[0].start
                yield Shape(int(numbers[value]), index, _pieces(dense[window] == value, corner))


def _pieces(mask: NDArray[np.bool_], corner: tuple[int, int]) -> list[list[Ring]]:
    pieces, count = ndimage.label(mask)
    found = []
    for number in range(1, count + 1):
        rings = sorted(_rings(pieces == number), key=_doubled_area, reverse=True)
        found.append([[(x + corner[0], y + corner[1]) for x, y in ring] for ring in rings])
    return found


def _rings(mask: NDArray[np.bool_]) -> Iterator[Ring]:
    """Rings of one piece, its pixels on the right of the way: the outer one runs clockwise on the screen, holes the other way."""
    ahead = _edges(np.pad(mask, 1))
    while ahead:
        start = next(iter(ahead))
        way, point, direction = [start], start, (0, 0)
        while True:
            choices = ahead[point]
            right = (-direction[1], direction[0])
            step = right if right in choices and len(choices) > 1 else choices[0]
            choices.remove(step)
            if not choices:
                del ahead[point]
            point, direction = (point[0] + step[0], point[1] + step[1]), step
            if point == start:
                break
            way.append(point)
        yield from (_without_straight(ring) for ring in _simple(way))


def _edges(mask: NDArray[np.bool_]) -> dict[tuple[int, int], list[tuple[int, int]]]:
    """For each corner the steps (dx, dy) along the edges that begin there."""
    ahead: dict[tuple[int, int], list[tuple[int, int]]] = {}
    across, along = np.diff(mask.astype(np.int8), axis=0), np.diff(mask.astype(np.int8), axis=1)
    for value, axis_step, start, step in (
        (1, across, (0, 0), (1, 0)),  # the pixel below the edge: to the right
        (-1, across, (1, 0), (-1, 0)),
        (-1, along, (0, 0), (0, 1)),  # the pixel left of the edge: down
        (1, along, (0, 1), (0, -1)),
    ):
        rows, columns = np.nonzero(axis_step == value)
        if axis_step is across:
            xs, ys = columns - 1 + start[0], rows
        else:
            xs, ys = columns, rows - 1 + start[1]
        for x, y in zip(xs.tolist(), ys.tolist(), strict=True):
            ahead.setdefault((x, y), []).append(step)
    return ahead


def _simple(way: Ring) -> Iterator[Ring]:
    """Cut a ring that touches itself at a corner into rings that do not."""
    place: dict[tuple[int, int], int] = {}
    open_way: Ring = []
    for point in way:
        if point in place:
            first = place[point]
            yield open_way[first:]
            for cut in open_way[first + 1 :]:
                del place[cut]
            del open_way[first + 1 :]
        else:
            place[point] = len(open_way)
            open_way.append(point)
    yield open_way


def _without_straight(ring: Ring) -> Ring:
    n = len(ring)
    return [
        point
        for i, point in enumerate(ring)
        if (ring[i - 1][0] == point[0]) != (point[0] == ring[(i + 1) % n][0])  # a turn
    ]


def _doubled_area(ring: Ring) -> int:
    """Twice the area, positive for outer rings."""
    n = len(ring)
    return sum(x * ring[(i + 1) % n][1] - ring[(i + 1) % n][0] * y for i, (x, y) in enumerate(ring))
