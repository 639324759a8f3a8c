"""Tables and figure of the few-label results on DSB2018, beside the published ones."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from compare_plot import figure as draw
from compare_plot import write_figure
from compare_table import COLUMNS, DIGITS, Score, differences, score, summarise, to_lines
from dsb2018 import HONEST, PAPER, PROTOCOLS
from published import LABELLED, SCORES, published

JOINT, OTHERS = "denoiseg", ("denoiseg_alpha0", "sequential")
"""Pairs of runs with the same labels and seed tell what the joint training is worth."""
UNTRAINED = "denoiseg_alpha0"
"""Its denoised channel has no loss: a PSNR of it says nothing."""
DENOISED_BEFORE = "sequential"
"""Its denoised image is that of Noise2Void."""
TITLES = {
    "paper": "Protocol of the paper: further labelled validation patches choose checkpoint and threshold",
    "honest": "Honest protocol: the labels are all there are",
}
INTRO = (
    "Mean ± standard error over seeds (`ddof=0`), each with its own labelled patches. *Published*: five runs, with 670 labelled "
    "validation patches; `all` is 3800 patches there. SEG is at the threshold for AP, the published one at its own."
)

Result = Mapping[str, Any]
Row = dict[str, Any]


def table_rows(results: Sequence[Result], order: Sequence[str] = ()) -> list[Row]:
    """One row for each protocol, noise level, number of labels and method.

    Returns:
        The rows of :func:`compare_table.summarise` with the ``protocol``; ``published`` numbers by score; labelled patches of
        training and validation; and in rows of ``denoiseg`` the ``gains`` over other methods.
    """
    rows = []
    for name in PROTOCOLS:
        mine = [result for result in results if protocol_of(result) == name]
        for row in summarise(mine, order):
            place = row["noise"], row["labels"], row["method"]
            alike = [result for result in mine if _place(result)[:2] == place[:2]]
            row |= {"psnr": None} if row["method"] == UNTRAINED else {}
            row["published"] = {key: published(key, row["method"], *place[:2]) for key in SCORES}
            if row["method"] == DENOISED_BEFORE:
                row["published"]["psnr"] = published("psnr", "noise2void", row["noise"], None)
            row["budget"] = _budget(result for result in alike if _place(result) == place)
            row["gains"] = {other: gain(alike, other) for other in OTHERS} if row["method"] == JOINT else {}
            rows.append({"protocol": name, **row})
    return rows


def protocol_of(result: Result) -> str:
    """The protocol of a run; that of ``compare.py --dsb`` is the paper's."""
    return result["settings"].get("protocol") or PAPER


def commands(results: Sequence[Result]) -> list[str]:
    """The command lines that make these runs from nothing, one for each protocol, noise level and number of labels.

    Runs come into a folder by several commands; that of the last says little.
    """
    cells: dict[tuple[Any, ...], dict[str, list[Result]]] = {}
    for result in results:
        place = protocol_of(result), *_place(result)[:2], result["settings"]["epochs"]
        cells.setdefault(place, {}).setdefault(result["settings"]["method"], []).append(result)
    lines = []
    for (protocol, noise, labels, epochs), methods in sorted(cells.items(), key=lambda cell: [str(part) for part in cell[0]]):
        level = "none" if noise is None else f"{noise:g}"
        alike: dict[str, list[str]] = {}
        for method, runs in methods.items():
            alike.setdefault(" ".join(map(str, sorted(run["settings"]["seed"] for run in runs))), []).append(method)
        for seeds, names in alike.items():
            pairs = [f"{name}:{key}={value}" for name in names for key, value in methods[name][0]["settings"]["set"].items()]
            line = f"python benchmarks/fewshot_dsb2018.py --data FOLDER --protocol {protocol} --noise {level} --labels {labels}"
            line += f" --seeds {seeds} --methods {' '.join(names)}"
            line += "" if epochs is None else f" --epochs {epochs}"  # a method without training has none
            lines.append(line + (f" --set {' '.join(pairs)}" if pairs else ""))
    return lines


def _place(result: Result) -> tuple[Any, Any, Any]:
    settings = result["settings"]
    return settings["noise"], settings["labels"], settings["method"]


def _budget(results: Iterable[Result]) -> tuple[float | None, float | None]:
    """Labelled patches that were trained on, and validated on."""
    counts = [result["train"]["data"] for result in results if result["train"]]
    found = [score(count.get(f"{part}_labelled") for count in counts) for part in ("train", "validation")]
    return (found[0] and found[0].mean, found[1] and found[1].mean)


def gain(results: Sequence[Result], other: str) -> dict[str, Any] | None:
    """AP of ``denoiseg`` less that of another method, paired by seed.

    Args:
        results: runs of one protocol, noise level and number of labels.
        other: name of the other method.

    Returns:
        ``mean`` of the differences, ``sem``, ``wins`` (pairs with a higher AP) and ``pairs``; None without a pair.
    """
    aps: dict[str, dict[int, float]] = {JOINT: {}, other: {}}
    for result in results:
        name, value = result["settings"]["method"], result["scores"].get("ap")
        if name in aps and value is not None and math.isfinite(value):
            aps[name][result["settings"]["seed"]] = value
    found = [aps[JOINT][seed] - aps[other][seed] for seed in sorted(aps[JOINT].keys() & aps[other].keys())]
    mean = score(found)
    return mean and {"mean": mean.mean, "sem": mean.sem, "wins": sum(value > 0 for value in found), "pairs": len(found)}


def flat(row: Row) -> Row:
    """A row of plain values, for the spreadsheet and the record."""
    line: Row = {key: row[key] for key in ("protocol", "noise", "labels", "method", "n")}
    line |= dict(zip(("train_labelled", "validation_labelled"), row["budget"], strict=True))
    for key in SCORES:
        for name, value in ((key, row[key]), (f"published_{key}", row["published"][key])):
            line |= {name: value and round(value.mean, 5), f"{name}_sem": value and _round(value.sem, 5)}
    line |= {key: _round(row[key], 2) for key in ("train_cpu_minutes", "first_stage_cpu_minutes")}
    for other in OTHERS:
        found = row["gains"].get(other) or {}
        line |= {f"ap_minus_{other}{end}": _round(found.get(key), 5) for key, end in _GAIN_ENDS.items()}
    return line


_GAIN_ENDS = {"mean": "", "sem": "_sem", "wins": "_wins", "pairs": "_pairs"}


def _round(value: float | None, digits: int) -> float | None:
    return None if value is None else round(value, digits)


def to_markdown(rows: Sequence[Row], results: Sequence[Result]) -> str:
    """A section for each protocol, in it one for each noise level."""
    parts = ["# DSB2018 with few labels", INTRO]
    for name in dict.fromkeys(row["protocol"] for row in rows):
        mine = [row for row in rows if row["protocol"] == name]
        parts.append(f"## {TITLES[name]}")
        for noise in dict.fromkeys(row["noise"] for row in mine):
            parts += _noise_section([row for row in mine if row["noise"] == noise])
        parts += [f"Mind: {line}" for line in differences([result for result in results if protocol_of(result) == name])]
    return "\n\n".join(parts) + "\n"


def _noise_section(rows: Sequence[Row]) -> Iterable[str]:
    noise = rows[0]["noise"]
    yield f"### Noise {'as it is' if noise is None else f'{noise:g}'}"
    names = [text for key in SCORES for text in (COLUMNS[key], "*published*")]
    head = ["Labels", "Method", "Runs", *names, "Training, CPU minutes", "Labels trained + validated on"]
    yield _grid([head, *(_line(row) for row in rows)])
    gains = [line for row in rows for line in _gain_lines(row)]
    if gains:
        head = ["Labels", "AP of `denoiseg` less that of", "Mean", "Higher in", "*published*"]
        yield _grid([head, *gains])
    alone = published("psnr", "noise2void", noise, None)
    if alone is not None:
        yield f"Published PSNR of Noise2Void alone, the denoiser of `sequential`: {alone.text(2)} dB."


def _line(row: Row) -> list[str]:
    cells = [_labels(row), row["method"], str(row["n"])]
    for key in SCORES:
        cells += [value.text(DIGITS[key]) if value else "–" for value in (row[key], row["published"][key])]
    minutes, first = row["train_cpu_minutes"], row["first_stage_cpu_minutes"]
    cells.append("–" if minutes is None else f"{minutes:.1f}" + ("" if first is None else f" + {first:.1f} first stage (shared)"))
    return [*cells, "–" if row["budget"][0] is None else " + ".join(f"{count or 0:g}" for count in row["budget"])]


def _gain_lines(row: Row) -> Iterable[list[str]]:
    for other, found in row["gains"].items():
        if found:
            values = [published("ap", name, row["noise"], row["labels"]) for name in (JOINT, other)]
            known = f"{values[0].mean - values[1].mean:+.3f}" if values[0] and values[1] else "–"
            wins = f"{found['wins']} of {found['pairs']}"
            yield [_labels(row), other, f"{found['mean']:+.3f} ± {found['sem']:.3f}", wins, known]


def _labels(row: Row) -> str:
    return "none" if row["labels"] is None else str(row["labels"])


def _grid(lines: Sequence[Sequence[str]]) -> str:
    rule = ["---"] * len(lines[0])
    return "\n".join(f"| {' | '.join(line)} |" for line in (lines[0], rule, *lines[1:]))


def curves(rows: Sequence[Row]) -> list[Row]:
    """What the figure shows: AP of each method and protocol, and the published AP over the same range of labels."""
    found: list[Row] = []
    for row in rows:
        if row["ap"]:
            found.append({**row, "method": f"{row['method']}, {row['protocol']}", "labelled": _labelled(row)})
    for noise, method in dict.fromkeys((row["noise"], row["method"]) for row in rows):
        mine = [row["labels"] for row in rows if (row["noise"], row["method"]) == (noise, method) and row["labels"] is not None]
        numbers = [LABELLED[-1] if isinstance(labels, str) else labels for labels in mine]
        for head in LABELLED:
            value = published("ap", method, noise, head)
            if value and numbers and min(numbers) <= head <= max(numbers):
                ap = Score(value.mean, value.sem or 0.0, 5)
                found.append({"noise": noise, "method": f"{method}, published", "labels": head, "labelled": head, "ap": ap})
    return sorted(found, key=lambda row: -1 if row["noise"] is None else row["noise"])


def _labelled(row: Row) -> float | None:
    """Labels a run may look at for its training; in the honest protocol a part of them is validated on."""
    if not isinstance(row["labels"], str):
        return row["labels"]  # type: ignore[no-any-return]
    trained, validated = row["budget"]
    return float(trained + (validated or 0)) if row["protocol"] == HONEST else trained


def write_results(results: Sequence[Result], output: Path, order: Sequence[str] = ()) -> tuple[str, list[Row], Path | None]:
    """Write ``table.md``, ``table.csv`` and ``plot.svg``.

    Returns:
        The text of the table, its rows as plain values, and the file of the figure.
    """
    rows = table_rows(results, order)
    text, lines = to_markdown(rows, results), [flat(row) for row in rows]
    (output / "table.md").write_text(text, "utf-8")
    (output / "table.csv").write_text(to_lines(lines), "utf-8")
    return text, lines, write_figure(draw(curves(rows), ("ap",), across=3), output)
