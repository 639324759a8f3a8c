"""Losses and validation scores over the epochs."""

from __future__ import annotations

from html import escape
from typing import Any

from monai_denoiseg.pictures.charts import Line, line_chart
from monai_denoiseg.report.classes import class_colour, section
from monai_denoiseg.report.run_folder import RunFolder, class_names, column
from monai_denoiseg.report.task import Task, task_of

TRAINING, VALIDATION, SEG_COLOUR = "#4f5bd5", "#0d8f7b", "#d9822b"


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
        scores, best = ("Dice", "mean Dice") if class_names(run) else ("AP and SEG", "AP")
        scores, best = (scores, best) if task.segments else ("PSNR", "PSNR")
        lead = f"Lower is better for the losses, higher for {scores}. The ring marks the best {best}."
    return section("How the training went", lead, f'<div class="charts">{"".join(made)}{scored}</div>')


def _error(task: Task) -> str:
    return "squared error" if task.target else "blind-spot squared error"


def _score_chart(run: RunFolder, epoch: Any) -> str:
    if not task_of(run).segments:
        psnr = Line("PSNR", epoch, column(run.validation, "psnr"), VALIDATION, mark_best=True)
        return _chart("Agreement with the clean validation images", "PSNR in dB", psnr)
    if not (names := class_names(run)):
        ap = Line("AP", epoch, column(run.validation, "ap"), VALIDATION, mark_best=True)
        seg = Line("SEG", epoch, column(run.validation, "seg"), SEG_COLOUR)
        return _chart("Objects found in the validation images", "score", ap, seg)
    lines = [
        Line(name, epoch, column(run.validation, f"dice_{name}"), class_colour(number, len(names)))
        for number, name in enumerate(names[1:], 1)
    ]
    mean = Line("mean", epoch, column(run.validation, "dice"), "#16202e", mark_best=True)
    return _chart("Dice in the validation images", "Dice", mean, *lines)


def _chart(title: str, y_label: str, *lines: Line) -> str:
    shown = [line for line in lines if len(line.points())]
    svg = line_chart(shown, x_label="epoch", y_label=y_label)
    keys = "".join(f'<span class="key" style="--colour:{line.colour}">{escape(line.name)}</span>' for line in shown)
    return f'<figure class="chart"><h3>{title}</h3><div class="legend">{keys}</div>{svg}</figure>' if svg else ""
