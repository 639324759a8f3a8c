"""Objects as GeoJSON, as QuPath reads and writes them."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from monai_denoiseg.measure.objects import OBJECT
from monai_denoiseg.measure.outlines import Ring, Shape
from monai_denoiseg.pictures import class_colours

_COLOUR = [255, 200, 0]


def to_geojson(
    shapes: Iterable[tuple[int, Shape]],
    *,
    classes: Sequence[str] | None = None,
    measurements: Mapping[tuple[int, int], Mapping[str, float]] | None = None,
    name: str = "",
) -> str:
    """Write shapes as a GeoJSON feature collection: a polygon, or several, for each object and plane.

    Coordinates are pixels, x then y, along the edges of the pixels: pixel (0, 0) covers 0 to 1, and the area is the number of
    pixels. QuPath opens the file by drag and drop; objects are detections, classes annotations.

    Args:
        shapes: frame and shape, see :func:`~monai_denoiseg.measure.trace_shapes`.
        classes: names of semantic classes, background first; None (or empty) for objects.
        measurements: figures of an object by frame and number.
        name: of the image, from which the identifiers are made: the same file gives the same ones.

    >>> from monai_denoiseg.measure import trace_shapes
    >>> text = to_geojson((0, shape) for shape in trace_shapes(np.array([[0, 7]])))
    >>> json.loads(text)["features"][0]["geometry"]["coordinates"]
    [[[1, 0], [2, 0], [2, 1], [1, 1], [1, 0]]]
    """
    colours = (255 * class_colours(len(classes))).round().astype(int).tolist() if classes else []
    features = []
    for frame, shape in shapes:
        kind = {"name": OBJECT, "color": _COLOUR}
        if classes:
            kind = {"name": classes[shape.label], "color": colours[shape.label]}
        properties: dict[str, Any] = {
            "objectType": "annotation" if classes else "detection",
            "name": str(shape.label),
            "classification": kind,
        }
        known = (measurements or {}).get((frame, shape.label), {})
        properties["measurements"] = {key: value for key, value in known.items() if np.isfinite(value)}
        key = f"{name}/{frame}/{shape.plane}/{shape.label}"
        features.append(
            {
                "type": "Feature",
                "id": str(uuid.uuid5(uuid.NAMESPACE_OID, key)),
                "geometry": _geometry(shape.pieces) | {"plane": {"c": -1, "z": shape.plane, "t": frame}},
                "properties": properties,
            }
        )
    return json.dumps({"type": "FeatureCollection", "features": features})


def _geometry(pieces: Sequence[Sequence[Ring]]) -> dict[str, Any]:
    polygons = [[[list(point) for point in (*ring, ring[0])] for ring in piece] for piece in pieces]
    if len(polygons) == 1:
        return {"type": "Polygon", "coordinates": polygons[0]}
    return {"type": "MultiPolygon", "coordinates": polygons}
