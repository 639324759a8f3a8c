"""Which of two evaluations of the same images is better: differences image by image, and whether chance explains them."""

from __future__ import annotations

import csv
import math
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
from scipy.stats import wilcoxon

from monai_denoiseg.metrics import bootstrap_interval

SCORES = ("ap", "seg", "precision", "recall", "f1", "dice", "psnr", "si_psnr", "ssim")


class Difference(NamedTuple):
    """One score of two evaluations.

    Attributes:
        score: its name.
        first: mean of the first.
        second: mean of the second.
        interval: 95 % interval of the mean of second minus first.
        p: of Wilcoxon's signed-rank test; NaN where no image differs.
        images: number of images that both have scored.
    """

    score: str
    first: float
    second: float
    interval: tuple[float, float]
    p: float
    images: int


def compare_runs(first: str | Path, second: str | Path) -> list[Difference]:
    """Compare two evaluations image by image.

    Images that one of the two trainings has seen do not count.

    Args:
        first: folder of an evaluation, or of a run that holds one, or a ``per_image.csv``.
        second: likewise.

    Returns:
        A row a score that both have.

    Raises:
        FileNotFoundError: when there is no evaluation.
        ValueError: when the two share no image that both have scored, or images of one name hold different pixels.
    """
    tables = _keyed((_rows(first), _rows(second)), (first, second))
    both = [name for name in tables[0] if name in tables[1]]
    digests = [(name, {table[name].get("pixels") or "" for table in tables} - {""}) for name in both]
    other = [name for name, known in digests if len(known) > 1]
    if other:
        raise ValueError(
            f"{other[0]} of {first} is another image than that of {second} ({len(other)} of {len(both)} images): evaluate both "
            "networks on the same images"
        )
    new = [name for name in both if not any(table[name].get("seen") for table in tables)]
    if both and not new:
        raise ValueError(f"one of the networks of {first} and {second} has seen each of the {len(both)} images in its training")
    names = [key for key in _names(tables) if key in SCORES or key.startswith(("ap_", "dice_"))]
    found = [row for name in names if (row := _difference(name, tables, new)) is not None]
    if not found:
        raise ValueError(f"{first} and {second} have no image in common that both have scored: evaluate both on the same images")
    return found


def _rows(place: str | Path) -> list[dict[str, str]]:
    path = Path(place)
    choices = [path] if path.is_file() else [path / "per_image.csv", path / "evaluation" / "per_image.csv"]
    file = next((choice for choice in choices if choice.is_file()), None)
    if file is None:
        raise FileNotFoundError(f"{place} holds no per_image.csv: run monai-denoiseg evaluate with --output_dir there first")
    with file.open(newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


def _keyed(tables: tuple[list[dict[str, str]], ...], places: tuple[str | Path, ...]) -> tuple[dict[str, dict[str, str]], ...]:
    """Rows by the name of their image; where a run has several of one name, as in a folder a patient, by their pixels too."""
    several = {name for table in tables for name, count in Counter(row["image"] for row in table).items() if count > 1}
    keyed = []
    for table, place in zip(tables, places, strict=True):
        found = {row["image"] + (f" {row.get('pixels')}" if row["image"] in several else ""): row for row in table}
        if len(found) < len(table):
            raise ValueError(f"{place} has several images of one name that cannot be told apart: evaluate each image once")
        keyed.append(found)
    return tuple(keyed)


def _names(tables: tuple[dict[str, dict[str, str]], ...]) -> list[str]:
    columns = [dict.fromkeys(key for row in table.values() for key in row) for table in tables]
    return [key for key in columns[0] if key in columns[1]]


def _difference(name: str, tables: tuple[dict[str, dict[str, str]], ...], images: list[str]) -> Difference | None:
    pairs = np.array([[_number(table[image], name) for table in tables] for image in images], float).reshape(-1, 2)
    pairs = pairs[np.isfinite(pairs).all(1)]
    if not len(pairs):
        return None
    change = pairs[:, 1] - pairs[:, 0]
    p = float(wilcoxon(change).pvalue) if change.any() else math.nan
    means = pairs.mean(0)
    return Difference(name, float(means[0]), float(means[1]), bootstrap_interval(change.tolist()), p, len(pairs))


def _number(row: Mapping[str, str], name: str) -> float:
    try:
        return float(row.get(name) or "nan")
    except ValueError:
        return math.nan


def comparison_text(rows: list[Difference], names: tuple[str, str] = ("A", "B")) -> str:
    """The comparison as a table for a terminal or a Markdown page.

    Args:
        rows: see :func:`compare_runs`.
        names: of the two.

    >>> print(comparison_text([Difference("ap", 0.5, 0.6, (0.05, 0.15), 0.03125, 6)]))
    | score | A | B | B - A | 95 % interval | p (Wilcoxon) | images |
    |---|---|---|---|---|---|---|
    | ap | 0.5 | 0.6 | +0.1 | +0.05 to +0.15 | 0.031 | 6 |
    """
    one, two = names
    lines = [
        f"| score | {one} | {two} | {two} - {one} | 95 % interval | p (Wilcoxon) | images |",
        "|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        low, high = row.interval
        interval = "–" if math.isnan(low) else f"{low:+.3g} to {high:+.3g}"
        p = "–" if math.isnan(row.p) else f"{row.p:.2g}"
        change = row.second - row.first
        lines.append(f"| {row.score} | {row.first:.4g} | {row.second:.4g} | {change:+.3g} | {interval} | {p} | {row.images} |")
    return "\n".join(lines)
