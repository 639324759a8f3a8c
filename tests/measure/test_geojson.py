from __future__ import annotations

import json

import numpy as np
import pytest
from shapely.geometry import shape as read_geometry

from monai_denoiseg.measure import to_geojson, trace_shapes


@pytest.mark.parametrize("size", [(24, 31), (4, 15, 16)])
def test_shapely_reads_the_same_areas(size: tuple[int, ...]) -> None:
    labels = np.repeat(np.random.default_rng(0).integers(0, 5, size), 2, axis=-1)
    text = to_geojson((0, found) for found in trace_shapes(labels))
    areas: dict[tuple[int, int], float] = {}
    for feature in json.loads(text)["features"]:
        geometry = read_geometry(feature["geometry"])
        assert geometry.is_valid
        assert feature["type"] == "Feature"
        assert feature["properties"]["objectType"] == "detection"
        areas[feature["geometry"]["plane"]["z"], int(feature["properties"]["name"])] = geometry.area
    planes = labels[None] if labels.ndim == 2 else labels
    assert areas == {(z, n): (plane == n).sum() for z, plane in enumerate(planes) for n in range(1, 5)}


def test_classes_measurements_and_frames() -> None:
    shapes = [(frame, found) for frame in range(2) for found in trace_shapes(np.array([[0, 1, 2]]))]
    text = to_geojson(
        shapes, classes=["background", "liver", "spleen"], measurements={(1, 2): {"area": 1, "mean": float("nan")}}, name="a"
    )
    features = json.loads(text)["features"]
    assert [feature["properties"]["classification"]["name"] for feature in features] == ["liver", "spleen"] * 2
    assert {feature["properties"]["objectType"] for feature in features} == {"annotation"}
    assert [feature["properties"]["measurements"] for feature in features] == [{}, {}, {}, {"area": 1}]
    assert [feature["geometry"]["plane"]["t"] for feature in features] == [0, 0, 1, 1]
    assert len({feature["id"] for feature in features}) == 4
    assert text == to_geojson(shapes, classes=["background", "liver", "spleen"], measurements={(1, 2): {"area": 1}}, name="a")
