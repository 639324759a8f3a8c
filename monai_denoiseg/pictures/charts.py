"""Line charts as SVG, drawn by hand: no library, no script, and they scale with the page."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

import numpy as np
from numpy.typing import NDArray

WIDTH, HEIGHT = 480, 290
LEFT, RIGHT, TOP, BOTTOM = 56, 14, 12, 46
HEAD = 56
"""Height of title and legend above a stand-alone chart."""

_STYLE = (
    "text{font:13px system-ui,'DejaVu Sans',Arial,sans-serif;fill:#3c4757}.title{font-weight:600;fill:#16202e}"
    ".grid{stroke:#e4e8ee}.axis{stroke:#8b96a5}polyline{stroke-width:2.2;stroke-linejoin:round;stroke-linecap:round}"
    ".best{fill:#fff;stroke-width:2.5}"
)


@dataclass(frozen=True)
class Line:
    """One curve.

    Args:
        name: shown in the legend.
        x: positions ``(n,)``.
        y: values ``(n,)``; values that are not finite are left out.
        colour: CSS colour.
        mark_best: put a dot at the highest value.

    >>> Line("training", np.arange(3), np.array([3.0, np.nan, 1.0]), "#000").points().tolist()
    [[0.0, 3.0], [2.0, 1.0]]
    """

    name: str
    x: NDArray
    y: NDArray
    colour: str
    mark_best: bool = False

    def points(self) -> NDArray[np.float64]:
        """The finite points ``(n, 2)``."""
        both = np.stack([self.x, self.y], axis=1).astype(np.float64)
        return both[np.isfinite(both).all(axis=1)]


def nice_ticks(low: float, high: float, count: int = 5) -> list[float]:
    """Round numbers (1, 2 or 5 times a power of ten apart) that span an interval.

    Args:
        low: smallest value.
        high: largest value, above ``low``.
        count: about how many steps.

    >>> nice_ticks(0.03, 0.92)
    [0.0, 0.2, 0.4, 0.6, 0.8, 1.0]
    """
    rough = (high - low) / count
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough * 0.999)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [round(index * step, 12) for index in range(first, last + 1)]


def log_ticks(low: float, high: float) -> list[float]:
    """Powers of ten, with 2 and 5 times them, that span an interval of positive numbers.

    Args:
        low: smallest value, above 0.
        high: largest value.

    >>> log_ticks(0.03, 0.9)
    [0.02, 0.05, 0.1, 0.2, 0.5, 1.0]
    """
    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    every = [float(f"{factor}e{decade}") for decade in decades for factor in (1, 2, 5)]
    first = max((tick for tick in every if tick <= low), default=every[0])
    last = min((tick for tick in every if tick >= high), default=every[-1])
    return [tick for tick in every if first <= tick <= last]


def line_chart(lines: Sequence[Line], *, x_label: str, y_label: str) -> str:
    """Draw curves into one SVG element with axes, grid and labels; the y axis is logarithmic if values span a factor above 20.

    Args:
        lines: the curves; those without a finite point are left out.
        x_label: title of the x axis.
        y_label: title of the y axis.

    Returns:
        The SVG element, an empty string if there is nothing to draw.

    >>> svg = line_chart([Line("training", np.arange(3), np.array([3.0, 2.0, 1.0]), "#000")], x_label="epoch", y_label="loss")
    >>> svg.startswith("<svg"), "polyline" in svg
    (True, True)
    """
    drawn = [(line, points) for line in lines if len(points := line.points())]
    if not drawn:
        return ""
    every = np.concatenate([points for _, points in drawn])
    axes = _Axes(every)
    names = ", ".join(line.name for line, _ in drawn)
    parts = [
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(f"{y_label} over {x_label}: {names}")}">',
        *axes.grid(),
        f'<text class="title" x="{(LEFT + WIDTH - RIGHT) / 2}" y="{HEIGHT - 8}" text-anchor="middle">{escape(x_label)}</text>',
        f'<text class="title" transform="translate(13 {(TOP + HEIGHT - BOTTOM) / 2}) rotate(-90)" '
        f'text-anchor="middle">{escape(y_label)}</text>',
        *(_curve(line, axes, points) for line, points in drawn),
        "</svg>",
    ]
    return "".join(parts)


def chart_file(lines: Sequence[Line], *, title: str, x_label: str, y_label: str) -> str:
    """Draw curves as a stand-alone SVG file, with title, legend and style.

    Args:
        lines: the curves; those without a finite point are left out.
        title: text above the chart.
        x_label: title of the x axis.
        y_label: title of the y axis.

    Returns:
        The text of the file; without a finite point it holds the title only.

    >>> svg = chart_file([Line("all", np.arange(3), np.ones(3), "#000")], title="Cells", x_label="step", y_label="energy")
    >>> 'xmlns="http://www.w3.org/2000/svg"' in svg, ">Cells<" in svg, ">all<" in svg
    (True, True, True)
    """
    shown = [line for line in lines if len(line.points())]
    height = HEAD + HEIGHT
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}">',
        f"<style>{_STYLE}</style>",
        f'<rect width="{WIDTH}" height="{height}" fill="#fff"/>',
        f'<text class="title" x="{LEFT}" y="22">{escape(title)}</text>',
    ]
    left = LEFT
    for line in shown:
        parts.append(f'<rect x="{left}" y="35" width="14" height="4" fill="{line.colour}"/>')
        parts.append(f'<text x="{left + 20}" y="42">{escape(line.name)}</text>')
        left += 44 + 7 * len(line.name)
    # The inner element keeps its own view box: given a place and a size it is drawn unscaled below the head.
    inner = line_chart(shown, x_label=x_label, y_label=y_label)
    placed = inner.replace("<svg ", f'<svg y="{HEAD}" width="{WIDTH}" height="{HEIGHT}" ', 1)
    return "".join([*parts, placed, "</svg>\n"])


class _Axes:
    """Maps values to SVG coordinates and draws the grid."""

    def __init__(self, points: NDArray[np.float64]) -> None:
        (x_low, low), (x_high, high) = points.min(axis=0), points.max(axis=0)
        self.log = bool(low > 0 and high / low > 20)
        low, high = (low, high) if high > low else (low - 0.5, high + 0.5)
        x_low, x_high = (x_low, x_high) if x_high > x_low else (x_low - 0.5, x_high + 0.5)
        self.ticks = log_ticks(low, high) if self.log else nice_ticks(low, high)
        self.x_ticks = [tick for tick in nice_ticks(x_low, x_high, 6) if x_low <= tick <= x_high and tick == int(tick)]
        self.x_range = (x_low, x_high)
        self.y_range = (self._scale(self.ticks[0]), self._scale(self.ticks[-1]))

    def _scale(self, value: float) -> float:
        return math.log10(value) if self.log else value

    def x(self, value: float) -> float:
        low, high = self.x_range
        return round(float(LEFT + (value - low) / (high - low) * (WIDTH - LEFT - RIGHT)), 1)

    def y(self, value: float) -> float:
        low, high = self.y_range
        return round(HEIGHT - BOTTOM - (self._scale(value) - low) / (high - low) * (HEIGHT - TOP - BOTTOM), 1)

    def grid(self) -> list[str]:
        floor = HEIGHT - BOTTOM
        rows = [
            f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{self.y(tick)}" y2="{self.y(tick)}"/>'
            f'<text x="{LEFT - 7}" y="{self.y(tick) + 4}" text-anchor="end">{tick:g}</text>'
            for tick in self.ticks
        ]
        columns = [f'<text x="{self.x(tick)}" y="{floor + 18}" text-anchor="middle">{tick:g}</text>' for tick in self.x_ticks]
        return [*rows, *columns, f'<line class="axis" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{floor}" y2="{floor}"/>']


def _curve(line: Line, axes: _Axes, points: NDArray[np.float64]) -> str:
    path = " ".join(f"{axes.x(x)},{axes.y(y)}" for x, y in points)
    drawn = f'<polyline points="{path}" fill="none" stroke="{line.colour}"/>'
    if len(points) == 1:
        drawn += f'<circle cx="{axes.x(points[0, 0])}" cy="{axes.y(points[0, 1])}" r="4" fill="{line.colour}"/>'
    if line.mark_best:
        x, y = points[points[:, 1].argmax()]
        drawn += f'<circle class="best" cx="{axes.x(x)}" cy="{axes.y(y)}" r="5" stroke="{line.colour}"/>'
    return drawn
