"""Outlines of objects as QuPath exchanges them with MONAI Label: polygons in an XML file (ASAP)."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any, NamedTuple
from xml.etree import ElementTree

import numpy as np
from scipy import ndimage
from skimage.draw import polygon2mask
from skimage.measure import find_contours

from monai_denoiseg.constants import IGNORE

IGNORED = ("ignore", "ignore*")
"""Names (in lower case) of a class whose voxels are not annotated; ``Ignore*`` is one of QuPath's own classes."""

REGIONS = ("region", "region*")
"""Names of a class that marks what *is* annotated: everything outside is not."""


class Outline(NamedTuple):
    """One object.

    Attributes:
        name: its class.
        points: ``(n, 2)`` corners, x and y in pixels of the image.
    """

    name: str
    points: np.ndarray


def read_outlines(path: str | os.PathLike) -> list[Outline]:
    """Read the polygons of an ASAP file.

    Args:
        path: the XML file.

    Raises:
        ValueError: when it is no such file.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = f"{folder}/a.xml"
    ...     with open(file, "w") as stream:
    ...         _ = stream.write('<A><Annotation Name="cell"><C><Coordinate X="1" Y="2" /></C></Annotation></A>')
    ...     [(outline.name, outline.points.tolist()) for outline in read_outlines(file)]
    [('cell', [[1.0, 2.0]])]
    """
    try:
        tree = ElementTree.parse(path)
    except ElementTree.ParseError as error:
        raise ValueError(f"label {path} is no XML file: {error}") from error
    found = []
    for annotation in tree.iter("Annotation"):
        try:
            points = [(float(c.attrib["X"]), float(c.attrib["Y"])) for c in annotation.iter("Coordinate")]
        except (KeyError, ValueError) as error:
            raise ValueError(f"label {path} holds an outline without numbers: {error}") from error
        found.append(Outline(annotation.attrib.get("Name", ""), np.array(points, float).reshape(-1, 2)))
    return found


def draw_outlines(outlines: Sequence[Outline], shape: Sequence[int], classes: Sequence[str] = ()) -> np.ndarray:
    """Fill polygons into a label.

    Objects are numbered in their order; with ``classes`` a pixel gets the value of its class. Pixels of a class named in
    :data:`IGNORED` are not annotated, and where there is a class of :data:`REGIONS`, neither are those outside of it.

    Args:
        outlines: the polygons; later ones are drawn over earlier ones.
        shape: ``(Y, X)`` of the image.
        classes: names of semantic classes in the order of their values; empty for instances.

    Returns:
        int32 ``(Y, X)``, -1 where not annotated.

    Raises:
        ValueError: for a class that is not among ``classes``.

    >>> square = np.array([[1, 1], [1, 3], [3, 3], [3, 1]])
    >>> draw_outlines([Outline("cell", square)], (4, 4)).tolist()
    [[0, 0, 0, 0], [0, 1, 1, 0], [0, 1, 1, 0], [0, 0, 0, 0]]
    """
    label = np.zeros(tuple(shape), np.int32)
    hidden = np.zeros(label.shape, bool)
    region = np.zeros(label.shape, bool)
    count, regions = 0, 0
    for outline in outlines:
        inside = _fill(outline.points, label.shape)
        if outline.name.lower() in REGIONS:
            region |= inside
            regions += 1
        elif outline.name.lower() in IGNORED:
            hidden |= inside
        else:
            count += 1
            label[inside] = _class_value(outline.name, classes) if classes else count
    label[hidden | (~region if regions else False)] = IGNORE
    return label


def _fill(points: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """The pixels whose centre lies in a polygon; pixel (0, 0) covers 0 to 1, as in QuPath."""
    if len(points) < 3:
        return np.zeros(shape, bool)
    mask: np.ndarray = polygon2mask(shape, points[:, ::-1] - 0.5)
    return mask


def _class_value(name: str, classes: Sequence[str]) -> int:
    for value, known in enumerate(classes):
        if known.lower() == name.lower():
            return value
    raise ValueError(f"an outline has the class {name!r}; the classes are {', '.join(classes)}")


def trace_outlines(labels: np.ndarray, names: Sequence[str] | None = None, min_area: float = 0) -> list[Outline]:
    """Trace the objects of a label map.

    Args:
        labels: ``(Y, X)``, 0 background.
        names: the name of each value from 1 on; None calls all of them ``"object"``.
        min_area: smaller objects are left out, in pixels.

    Returns:
        One polygon for each object (for semantic classes, for each connected piece), its longest outer contour.

    >>> [outline] = trace_outlines(np.pad(np.ones((3, 4), int), 2))
    >>> outline.name, outline.points.min(0).tolist(), outline.points.max(0).tolist()
    ('object', [2.0, 2.0], [6.0, 5.0])
    >>> int(draw_outlines([outline], (7, 8)).sum())
    12
    """
    found = []
    for value, window in enumerate(ndimage.find_objects(labels.astype(np.int64)), 1):
        if window is None:
            continue
        pieces, count = ndimage.label(labels[window] == value)
        for number in range(1, count + 1):
            mask = pieces == number
            if mask.sum() >= max(min_area, 1):
                corner = [span.start for span in window]
                found.append(Outline("object" if names is None else names[value - 1], _contour(mask, corner)))
    return found


def _contour(mask: np.ndarray, corner: Sequence[int]) -> np.ndarray:
    """The longest contour: half a pixel around the centres, so that filling it gives the same pixels (but no holes)."""
    longest = max(find_contours(np.pad(mask, 1).astype(float), 0.5), key=len)
    points = longest - 0.5 + np.asarray(corner)  # less 1 for the padding, 0.5 more because pixel 0 is centred there
    return _without_straight(points[:-1, ::-1])


def _without_straight(points: np.ndarray) -> np.ndarray:
    """Leave out the corners of a closed polygon that lie on a straight line between their neighbours."""
    back, ahead = points - np.roll(points, 1, 0), np.roll(points, -1, 0) - points
    turns = np.abs(back[:, 0] * ahead[:, 1] - back[:, 1] * ahead[:, 0]) > 1e-9
    kept: np.ndarray = points[turns]
    return kept if len(kept) >= 3 else points


def outlines_json(outlines: Sequence[Outline], offset: Sequence[float] = (0, 0)) -> dict[str, Any]:
    """Outlines in the form MONAI Label's XML and JSON writers take.

    Args:
        outlines: the polygons.
        offset: x and y added to the corners.

    >>> outlines_json([Outline("cell", np.array([[1, 2], [3, 4], [0, 0]]))])["elements"]
    [{'label': 'cell', 'contours': [[[1.0, 2.0], [3.0, 4.0], [0.0, 0.0]]]}]
    """
    groups: dict[str, list[Any]] = {}
    for outline in outlines:
        groups.setdefault(outline.name, []).append((outline.points + np.asarray(offset, float)).tolist())
    return {
        "labels": {name: [255, 0, 0] for name in groups},
        "elements": [{"label": name, "contours": contours} for name, contours in groups.items()],
    }
