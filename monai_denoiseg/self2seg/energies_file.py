"""The energies of a Self2Seg run as a table and as a chart, and the table of a lambda path."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from monai_denoiseg.pictures import Line, chart_file
from monai_denoiseg.self2seg.path import LambdaPath
from monai_denoiseg.self2seg.result import EnergyRecord

LOOKS = (("energy", "energy", "#16202e"), ("fit", "residuals", "#0072b2"), ("tv", "λ × boundary", "#d55e00"))
"""Columns, names and colours of the three curves."""


def energies_csv(records: Sequence[EnergyRecord]) -> str:
    """Write a row for each outer step.

    Args:
        records: of a run, see :class:`~monai_denoiseg.self2seg.result.EnergyRecord`; their fields are the columns.

    Returns:
        The text of the file; the header alone for no records.

    >>> print(energies_csv([EnergyRecord(1, 0.1, 5.0, 20.0, 3.0, 0.0, 50, 1.0, 0.2)]), end="")
    step,lam,energy,tv,fit,gap,iterations,changed,seconds
    1,0.1,5,20,3,0,50,1,0.2
    """
    return _table(EnergyRecord.__dataclass_fields__, (record.row() for record in records))


def energies_svg(records: Sequence[EnergyRecord], title: str = "Energy of the segmentation") -> str:
    """Draw the energy and its two parts over the outer steps.

    Args:
        records: of a run.
        title: text above the chart, for instance the name of the image.

    Returns:
        The text of an SVG file.

    >>> energies_svg([EnergyRecord(step, 0.1, 5.0, 20.0, 3.0, 0.0, 50, 1.0, 0.2) for step in (1, 2)]).count("<polyline")
    3
    """
    steps = np.array([record.step for record in records], dtype=np.float64)
    values = {
        "energy": [record.energy for record in records],
        "fit": [record.fit for record in records],
        "tv": [record.lam * record.tv for record in records],
    }
    lines = [Line(name, steps, np.array(values[column], dtype=np.float64), colour) for column, name, colour in LOOKS]
    return chart_file(lines, title=title, x_label="outer step", y_label="energy")


def lambda_path_csv(path: LambdaPath) -> str:
    """Write a row for each weight of the boundary length that was tried.

    Args:
        path: see :class:`~monai_denoiseg.self2seg.path.LambdaPath`.

    Returns:
        The text of the file. ``channel`` is that of the file of masks, from 1; ``share`` is the share of the pixels that are no
        background; ``chosen`` is 1 for the weight that the choice rule took.

    >>> import torch
    >>> labels = torch.tensor([[[0, 1]], [[0, 0]]])
    >>> print(lambda_path_csv(LambdaPath([0.1, 1.0], labels, [2.0, 0.5], 0)), end="")
    channel,lam,score,share,chosen
    1,0.1,2,0.5,1
    2,1,0.5,0,0
    """
    rows = (
        {
            "channel": index + 1,
            "lam": path.lams[index],
            "score": path.scores[index],
            "share": float((path.labels[index] > 0).double().mean()),
            "chosen": int(index == path.chosen),
        }
        for index in range(len(path.lams))
    )
    return _table(("channel", "lam", "score", "share", "chosen"), rows)


def _table(columns: Iterable[str], rows: Iterable[Mapping[str, Any]]) -> str:
    """Comma separated, with seven digits, the precision of float32."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(columns)
    for row in rows:
        writer.writerow(f"{value:.7g}" if isinstance(value, float) else value for value in row.values())
    return stream.getvalue()
