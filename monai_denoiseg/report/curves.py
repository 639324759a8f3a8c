"""Losses and validation scores over the epochs."""

from __future__ import annotations

from html import escape
from typing import Any

from monai_denoiseg.pictures.charts import Line, line_chart
from monai_denoiseg.report.classes import class_colour, section
from monai_denoiseg.report.run_folder import RunFolder, class_names, column
from monai_denoiseg.report.task import Task, task_of

TRAINING, VALIDATION, SEG_COLOUR, MEAN_COLOUR = "#4f5bd5", "#0d8f7b", "#d9822b", "#16202e"


def curves(run: RunFolder) -> str:
    """Draw the losses and the validation scores over the epochs.

    Args:
        run: the run's parts.

    >>> from pathlib import Path
    >>> rows = [{"epoch": "1", "loss": "0.5"}, {"epoch": "2", "loss": "0.4"}]
    >>> curves(RunFolder(Path("run"), training=rows)).count("<svg")
    1
    """
    train_epoch, epoch = column(run.training, "epoch"), column(run.validation, "epoch")
    task = task_of(run)
    made = [
        _chart(
            title,
            label,
            Line("training", train_epoch, column(run.training, key), TRAINING),
            Line("validation", epoch, column(run.validation, key), VALIDATION),
        )
        for key, title, label, shown in (
            ("loss", "Joint loss", "loss", task.segments and task.denoises),
            ("denoising", "Denoising part" if task.segments else "Loss", _error(task), task.denoises),
            ("segmentation", "Segmentation part", "cross entropy", task.segments),
        )
        if shown
    ]
    scored = _score_chart(run, epoch)
    if not any([*made, scored]):
        return ""
    lead = "Lower is better."
    if task.segments or scored:
        chart = task.head.chart()
        lead = f"Lower is better for the losses, higher for {chart.scores}. The ring marks the best {chart.best}."
    return section("How the training went", lead, f'<div class="charts">{"".join(made)}{scored}</div>')


def _error(task: Task) -> str:
    return "squared error" if task.target else "blind-spot squared error"


def _score_chart(run: RunFolder, epoch: Any) -> str:
    chart, names = task_of(run).head.chart(), class_names(run)
    lines = [
        Line(name, epoch, column(run.validation, key), _colour(key, name, names), mark_best=first)
        for (name, key), first in zip(chart.lines, [True, *[False] * len(chart.lines)], strict=False)
    ]
    return _chart(chart.title, chart.label, *lines)


def _colour(key: str, name: str, names: list[str]) -> str:
    known = {"psnr": VALIDATION, "ap": VALIDATION, "seg": SEG_COLOUR, "dice": MEAN_COLOUR}
    return known.get(key) or class_colour(names.index(name) if name in names else 0, max(len(names), 2))


def _chart(title: str, y_label: str, *lines: Line) -> str:
    shown = [line for line in lines if len(line.points())]
    svg = line_chart(shown, x_label="epoch", y_label=y_label)
    keys = "".join(f'<span class="key" style="--colour:{line.colour}">{escape(line.name)}</span>' for line in shown)
    return f'<figure class="chart"><h3>{title}</h3><div class="legend">{keys}</div>{svg}</figure>' if svg else ""
