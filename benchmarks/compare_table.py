"""Tables of a comparison: mean and standard error of every score, and what each method costs."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

COLUMNS = {"ap": "AP", "seg": "SEG", "dice": "Dice", "psnr": "PSNR (dB)"}
DIGITS = {"ap": 3, "seg": 3, "dice": 3, "psnr": 2}
COSTS = {
    "n": "Runs",
    "train_cpu_minutes": "Training, CPU minutes",
    "evaluation_seconds": "Evaluation, seconds (start included)",
}

Result = Mapping[str, Any]


class Score(NamedTuple):
    """Mean, standard error and number of values."""

    mean: float
    sem: float
    n: int

    def text(self, digits: int = 3) -> str:
        """As in a table."""
        return f"{self.mean:.{digits}f} ± {self.sem:.{digits}f}"


def score(values: Iterable[float | None]) -> Score | None:
    """Mean and standard error (``std / sqrt(n)`` with ``ddof=0``, as the papers give it); None without a finite value."""
    known = [value for value in values if value is not None and math.isfinite(value)]
    if not known:
        return None
    mean = math.fsum(known) / len(known)
    return Score(mean, math.sqrt(math.fsum((value - mean) ** 2 for value in known)) / len(known), len(known))


def summarise(results: Sequence[Result], order: Sequence[str] = ()) -> list[dict[str, Any]]:
    """One row for each noise level, number of labels and method.

    Args:
        results: contents of the result files.
        order: methods in the wanted order; others follow by name.

    Returns:
        Rows with a :class:`Score` or None for each score, costs, and ``labelled``: the labelled training images.
    """
    groups: dict[tuple[Any, ...], list[Result]] = {}
    for result in results:
        groups.setdefault(tuple(result["settings"][key] for key in ("noise", "labels", "method")), []).append(result)
    rank = {name: place for place, name in enumerate(order)}

    def place(key: tuple[Any, ...]) -> tuple[Any, ...]:
        noise, labels, method = key
        return (-1 if noise is None else noise, *_label_rank(labels), rank.get(method, len(rank)), method)

    return [_row(*key, groups[key]) for key in sorted(groups, key=place)]


def _label_rank(labels: int | str | None) -> tuple[int, int]:
    return (0, 0) if labels is None else (2, 0) if isinstance(labels, str) else (1, labels)


def _row(noise: float | None, labels: int | str | None, method: str, results: Sequence[Result]) -> dict[str, Any]:
    row: dict[str, Any] = {"noise": noise, "labels": labels, "method": method, "n": len(results)}
    row |= {name: score(result["scores"].get(name) for result in results) for name in (*COLUMNS, "psnr_input")}
    counted = [result["train"]["data"]["train_labelled"] for result in results if result["train"]]
    row["labelled"] = None if labels is None or not counted else sum(counted) / len(counted)
    for name in ("train", "first_stage"):
        spent = score(result[name]["cpu_seconds"] / 60 for result in results if result[name])
        row[f"{name}_cpu_minutes"] = spent and spent.mean
    spent = score(result["evaluation_seconds"] for result in results)
    row["evaluation_seconds"] = spent and spent.mean
    return row


def to_csv(rows: Sequence[Mapping[str, Any]]) -> str:
    """One line a row; each score with its standard error."""
    return to_lines([_flat(row) for row in rows])


def to_lines(lines: Sequence[Mapping[str, Any]]) -> str:
    """Lines of plain values as CSV."""
    text = io.StringIO()
    if lines:
        writer = csv.DictWriter(text, list(lines[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(lines)
    return text.getvalue()


def _flat(row: Mapping[str, Any]) -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in row.items():
        if key in (*COLUMNS, "psnr_input"):
            flat |= {key: value and round(value.mean, 5), f"{key}_sem": value and round(value.sem, 5)}
        else:
            flat[key] = round(value, 3) if isinstance(value, float) else value
    return flat


def to_markdown(rows: Sequence[Mapping[str, Any]], results: Sequence[Result]) -> str:
    """One table for each score and cost: noise and labels downwards, methods across."""
    parts = []
    methods = [row["method"] for row in sorted(rows, key=lambda row: row["labels"] is None)]  # those without labels last
    for key, title in {**COLUMNS, **COSTS}.items():
        cells = {_place(row): _cell(key, row[key]) for row in rows if row[key] is not None}
        if cells:
            parts.append(f"## {title}\n\n{_grid(cells, methods)}")
    parts += _first_stages(results)
    parts += [f"Mind: {line}" for line in differences(results)]
    return "\n\n".join(["# Comparison", "Mean ± standard error over runs (seeds).", *parts]) + "\n"


def _place(row: Mapping[str, Any]) -> tuple[str, str, str]:
    noise = "as it is" if row["noise"] is None else f"{row['noise']:g}"
    return noise, "none" if row["labels"] is None else str(row["labels"]), row["method"]


def _cell(key: str, value: Any) -> str:
    return value.text(DIGITS[key]) if isinstance(value, Score) else f"{value:.1f}" if isinstance(value, float) else str(value)


def _grid(cells: Mapping[tuple[str, str, str], str], methods: Sequence[str]) -> str:
    used = [name for name in dict.fromkeys(methods) if any(place[2] == name for place in cells)]
    lines = [["Noise", "Labels", *used], ["---"] * (2 + len(used))]
    for noise, labels in dict.fromkeys(place[:2] for place in cells):
        lines.append([noise, labels, *(cells.get((noise, labels, name), "–") for name in used)])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _first_stages(results: Sequence[Result]) -> list[str]:
    """Time of the first stages, which several methods share: each counts once."""
    found = [result["first_stage"] for result in results if result["first_stage"]]
    stages = {stage["folder"]: stage["cpu_seconds"] / 60 for stage in found}
    if not stages:
        return []
    lines = [f"| {name} | {minutes:.1f} |" for name, minutes in sorted(stages.items())]
    lines.append(f"| all | {sum(stages.values()):.1f} |")
    return ["\n".join(["## First stages (shared), CPU minutes\n", "| Stage | CPU minutes |", "| --- | --- |", *lines])]


def differences(results: Sequence[Result]) -> list[str]:
    """Settings in which runs of one table differ though they should not, in words."""
    found = []
    for key in ("epochs", "bundle", "data", "test", "dsb", "validation", "test_fraction", "protocol"):
        values = {repr(result["settings"].get(key)) for result in results} - ({"None"} if key == "epochs" else set())
        if len(values) > 1:
            found.append(f"the runs differ in `{key}`: {', '.join(sorted(values))}")
    for method in dict.fromkeys(result["settings"]["method"] for result in results):
        sets = [result["settings"].get("set") for result in results if result["settings"]["method"] == method]
        if any(one != sets[0] for one in sets):
            texts = sorted({str(one) for one in sets})
            found.append(f"the runs of {method} differ in `set`: {', '.join(texts)}")
    return found


def write_tables(results: Sequence[Result], output: Path, order: Sequence[str] = ()) -> str:
    """Write ``table.md`` and ``table.csv``.

    Returns:
        The text of the first.
    """
    rows = summarise(results, order)
    text = to_markdown(rows, results)
    (output / "table.md").write_text(text, "utf-8")
    (output / "table.csv").write_text(to_csv(rows), "utf-8")
    return text
