"""The figure of a comparison, as in the papers: AP and SEG against the number of labels, a line for each method."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

from compare_table import COLUMNS, summarise

from monai_denoiseg.pictures.charts import nice_ticks

PANEL_W, PANEL_H = 430, 270
LEFT, RIGHT, TOP, BOTTOM = 58, 16, 34, 46
LEGEND_ROW, LEGEND_COLUMN = 22, 230
LOOKS = {
    "baseline": ("#5b6776", "none"),
    "sequential": ("#0072b2", "none"),
    "finetune": ("#d58a00", "none"),
    "finetune_sequential": ("#009e73", "none"),
    "denoiseg": ("#c0392b", "none"),
    "denoiseg_alpha0": ("#8a6d3b", "2 3"),
    "stardist": ("#5b6776", "7 3"),
    "stardist_sequential": ("#0072b2", "7 3"),
    "denoiseg_stardist": ("#c0392b", "7 3"),
    "otsu": ("#222222", "2 2"),
    "chan_vese": ("#7a4fb5", "2 2"),
}
"""Colour and dashes; a scheme has the same colour with classes (solid) and with stars (dashed)."""
SOURCES = {"paper": "none", "honest": "9 4", "published": "1.5 4"}
"""Dashes of a line called ``METHOD, SOURCE``: its colour is that of the method."""
OTHERS = ("#7a4fb5", "#d0559e", "#56a0d8", "#6b8e23")
STYLE = (
    "text{font:13px system-ui,'DejaVu Sans',Arial,sans-serif;fill:#3c4757}.title{font-weight:600;fill:#16202e}"
    ".grid{stroke:#e4e8ee}.axis{stroke:#8b96a5}polyline{fill:none;stroke-width:2.2;stroke-linejoin:round}"
)

Row = Mapping[str, Any]


def write_plot(results: Sequence[Mapping[str, Any]], output: Path, order: Sequence[str] = ()) -> Path | None:
    """Write ``plot.svg``; nothing where no run has an AP or SEG."""
    return write_figure(figure(summarise(results, order)), output)


def write_figure(svg: str, output: Path) -> Path | None:
    """Write ``plot.svg`` unless it is empty."""
    if not svg:
        return None
    path = output / "plot.svg"
    path.write_text(svg, "utf-8")
    return path


def figure(rows: Sequence[Row], scores: Sequence[str] = ("ap", "seg"), across: int | None = None) -> str:
    """Draw a row of panels for each noise level, a column for each score; or ``across`` panels in a row.

    Lines with bands of one standard error; a method without labels is a thin line all across.

    Args:
        rows: from :func:`compare_table.summarise`.
        scores: names of the scores.
        across: panels in a row, at most; None: as many as scores.

    Returns:
        The SVG, an empty string where there is nothing to draw.
    """
    rows = [row for row in rows if any(row[name] for name in scores)]
    if not rows:
        return ""
    noises = list(dict.fromkeys(row["noise"] for row in rows))
    ordered = sorted(rows, key=lambda row: row["labels"] is None)  # in the legend those without labels are last
    methods = list(dict.fromkeys(row["method"] for row in ordered))
    panels = [(noise, name) for noise in noises for name in scores]
    across = min(across or len(scores), len(panels))
    width, height = PANEL_W * across, PANEL_H * math.ceil(len(panels) / across)
    parts = []
    for index, (noise, name) in enumerate(panels):
        line, column = divmod(index, across)
        here = [row for row in rows if row["noise"] == noise and row[name]]
        title = f"{COLUMNS[name]}, {'images as they are' if noise is None else f'noise {noise:g}'}"
        parts.append(f'<g transform="translate({column * PANEL_W} {line * PANEL_H})">{"".join(_panel(here, name, title))}</g>')
    columns = max(1, (width - LEFT) // LEGEND_COLUMN)
    total = height + LEGEND_ROW * math.ceil(len(methods) / columns) + 12
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {total}" width="{width}" height="{total}">'
    ground = f'<style>{STYLE}</style><rect width="{width}" height="{total}" fill="#ffffff"/>'
    return "\n".join([head, ground, *parts, *_legend(methods, height, columns), "</svg>", ""])


def _panel(rows: Sequence[Row], name: str, title: str) -> Iterable[str]:
    middle = LEFT + (PANEL_W - LEFT - RIGHT) / 2
    yield f'<text class="title" x="{middle}" y="20" text-anchor="middle">{escape(title)}</text>'
    if not rows:
        return
    scale = _Scale(rows, name)
    yield from scale.grid()
    yield f'<text x="{middle}" y="{PANEL_H - 8}" text-anchor="middle">labelled training images</text>'
    for method in dict.fromkeys(row["method"] for row in rows):
        yield from _method(method, [row for row in rows if row["method"] == method], name, scale)


def _method(method: str, rows: Sequence[Row], name: str, scale: _Scale) -> Iterable[str]:
    colour, dash = look(method)
    across = next((row for row in rows if row["labels"] is None), None)
    if across is not None:
        y = scale.y(across[name].mean)
        yield f'<polyline points="{LEFT},{y} {PANEL_W - RIGHT},{y}" stroke="{colour}" stroke-dasharray="{dash}"/>'
        return
    points = [(scale.x(row["labelled"]), row[name]) for row in sorted(rows, key=lambda row: row["labelled"])]
    upper = [f"{x},{scale.y(value.mean + value.sem)}" for x, value in points]
    lower = [f"{x},{scale.y(value.mean - value.sem)}" for x, value in reversed(points)]
    yield f'<polygon points="{" ".join(upper + lower)}" fill="{colour}" fill-opacity="0.13"/>'
    path = " ".join(f"{x},{scale.y(value.mean)}" for x, value in points)
    yield f'<polyline points="{path}" stroke="{colour}" stroke-dasharray="{dash}"/>'
    for x, value in points:
        low, high = scale.y(value.mean - value.sem), scale.y(value.mean + value.sem)
        yield f'<line x1="{x}" x2="{x}" y1="{low}" y2="{high}" stroke="{colour}" stroke-opacity="0.5"/>'
        yield f'<circle cx="{x}" cy="{scale.y(value.mean)}" r="3.4" fill="{colour}"/>'


def look(method: str) -> tuple[str, str]:
    """Colour and dashes of a method: the same in every figure."""
    name, _, source = method.partition(", ")
    colour, dash = LOOKS.get(name, (OTHERS[sum(name.encode()) % len(OTHERS)], "none"))
    return colour, SOURCES.get(source, dash)


def _legend(methods: Sequence[str], top: float, columns: int) -> Iterable[str]:
    for index, method in enumerate(methods):
        x, y = LEFT + index % columns * LEGEND_COLUMN, top + 14 + index // columns * LEGEND_ROW
        colour, dash = look(method)
        yield f'<polyline points="{x},{y - 4} {x + 28},{y - 4}" stroke="{colour}" stroke-dasharray="{dash}"/>'
        yield f'<text x="{x + 35}" y="{y}">{escape(method)}</text>'


class _Scale:
    """Maps labels (logarithmic) and scores to the coordinates of a panel."""

    def __init__(self, rows: Sequence[Row], name: str) -> None:
        ends = [row[name].mean + sign * row[name].sem for row in rows for sign in (-1, 1)]
        low, high = min(ends), max(ends)
        low, high = (low, high) if high - low > 1e-6 else (low - 0.05, high + 0.05)
        self.ticks = nice_ticks(low, high)
        self.counts = sorted({row["labelled"] for row in rows if row["labels"] is not None})
        logs = [_log(count) for count in self.counts] or [0.0]
        margin = 0.06 * (logs[-1] - logs[0]) or 0.5
        self.range = logs[0] - margin, logs[-1] + margin

    def x(self, count: float) -> float:
        low, high = self.range
        return round(LEFT + (_log(count) - low) / (high - low) * (PANEL_W - LEFT - RIGHT), 1)

    def y(self, value: float) -> float:
        low, high = self.ticks[0], self.ticks[-1]
        return round(PANEL_H - BOTTOM - (value - low) / (high - low) * (PANEL_H - TOP - BOTTOM), 1)

    def grid(self) -> Iterable[str]:
        floor, right = PANEL_H - BOTTOM, PANEL_W - RIGHT
        for tick in self.ticks:
            y = self.y(tick)
            yield f'<line class="grid" x1="{LEFT}" x2="{right}" y1="{y}" y2="{y}"/>'
            yield f'<text x="{LEFT - 8}" y="{y + 4}" text-anchor="end">{tick:g}</text>'
        free = -math.inf
        for count in self.counts:
            x = self.x(count)
            yield f'<line class="axis" x1="{x}" x2="{x}" y1="{floor}" y2="{floor + 4}"/>'
            if x - free >= 26:  # numbers do not touch
                yield f'<text x="{x}" y="{floor + 19}" text-anchor="middle">{count:g}</text>'
                free = x
        yield f'<line class="axis" x1="{LEFT}" x2="{right}" y1="{floor}" y2="{floor}"/>'


def _log(count: float) -> float:
    return math.log10(max(count, 0.5))  # a run without any label stands left of 1
