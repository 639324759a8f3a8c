from __future__ import annotations

import re
from xml.etree import ElementTree

import numpy as np
import pytest

from monai_denoiseg.pictures.charts import HEAD, HEIGHT, WIDTH, Line, chart_file, line_chart, log_ticks, nice_ticks


@pytest.mark.parametrize(("low", "high"), [(0.0, 1.0), (0.031, 0.92), (-3, 7), (1e-6, 2e-6), (120, 99000)])
def test_nice_ticks_span_the_interval_in_equal_round_steps(low: float, high: float) -> None:
    ticks = nice_ticks(low, high)
    assert ticks[0] <= low < high <= ticks[-1]
    assert 4 <= len(ticks) <= 12
    np.testing.assert_allclose(np.diff(ticks), ticks[1] - ticks[0])


@pytest.mark.parametrize(("low", "high"), [(0.01, 1.0), (0.03, 0.9), (2, 5000)])
def test_log_ticks_span_the_interval(low: float, high: float) -> None:
    ticks = log_ticks(low, high)
    assert ticks[0] <= low < high <= ticks[-1]
    assert ticks == sorted(set(ticks))


def polylines(svg: str) -> list[np.ndarray]:
    root = ElementTree.fromstring(svg)
    return [np.array([point.split(",") for point in line.attrib["points"].split()], float) for line in root.iter("polyline")]


def test_curves_lie_inside_and_run_the_right_way() -> None:
    x = np.arange(1, 11)
    falling, rising = polylines(
        line_chart([Line("a", x, 1.0 / x, "#000"), Line("b", x, x / 10, "#111")], x_label="epoch", y_label="loss")
    )
    for points in (falling, rising):
        assert (points >= 0).all()
        assert (points <= [WIDTH, HEIGHT]).all()
        assert (np.diff(points[:, 0]) > 0).all()
    assert (np.diff(falling[:, 1]) > 0).all()  # SVG counts downwards
    assert (np.diff(rising[:, 1]) < 0).all()


def test_wide_ranges_are_logarithmic() -> None:
    (points,) = polylines(line_chart([Line("a", np.arange(3), np.array([1, 10, 100.0]), "#000")], x_label="x", y_label="y"))
    assert points[0, 1] - points[1, 1] == pytest.approx(points[1, 1] - points[2, 1], abs=0.2)


@pytest.mark.parametrize("y", [[5.0], [2.0, 2.0], [0.0, 0.0], [1.0, np.nan, np.inf], [-1.0, 0.0]])
def test_awkward_values_still_draw(y: list[float]) -> None:
    svg = line_chart([Line("a", np.arange(len(y)), np.array(y), "#000", mark_best=True)], x_label="epoch", y_label="score")
    ElementTree.fromstring(svg)
    assert not re.search(r"nan|inf", svg)


def test_nothing_to_draw() -> None:
    assert line_chart([Line("a", np.arange(2), np.array([np.nan, np.nan]), "#000")], x_label="x", y_label="y") == ""
    assert line_chart([], x_label="x", y_label="y") == ""


def test_best_value_is_marked() -> None:
    line = Line("AP", np.arange(3), np.array([0.1, 0.9, 0.5]), "#000", mark_best=True)
    svg = line_chart([line], x_label="x", y_label="y")
    (points,) = polylines(svg)
    (circle,) = ElementTree.fromstring(svg).iter("circle")
    assert [float(circle.attrib["cx"]), float(circle.attrib["cy"])] == points[1].tolist()


def test_a_chart_file_stands_alone() -> None:
    lines = [Line("sum <all>", np.arange(4), np.arange(4.0), "#000"), Line("gone", np.arange(4), np.full(4, np.nan), "#123456")]
    text = chart_file(lines, title="a & b", x_label="step", y_label="energy")
    root = ElementTree.fromstring(text)
    space = "{http://www.w3.org/2000/svg}"
    assert root.tag == f"{space}svg"
    texts = [entry.text for entry in root.iter(f"{space}text")]
    assert {"a & b", "sum <all>", "step", "energy"} <= set(texts)
    assert "gone" not in texts
    assert "#123456" not in text
    (inner,) = root.findall(f"{space}svg")
    assert (inner.attrib["y"], inner.attrib["viewBox"]) == (str(HEAD), f"0 0 {WIDTH} {HEIGHT}")
    (style,) = root.iter(f"{space}style")
    assert style.text is not None
    assert "polyline" in style.text


def test_a_chart_file_without_points_says_its_title() -> None:
    root = ElementTree.fromstring(chart_file([], title="nothing", x_label="x", y_label="y"))
    assert [entry.text for entry in root.iter("{http://www.w3.org/2000/svg}text")] == ["nothing"]
