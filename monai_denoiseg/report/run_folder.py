"""What a run left in its folder, read into one place; parts that are missing stay empty."""

from __future__ import annotations

import csv
import json
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

Row = dict[str, str]
T = TypeVar("T")

RANKS = ("best", "median", "worst")
PARTS = ("settings.json", "train_log.csv", "validation_log.csv", "evaluation")


@dataclass
class Example:
    """One evaluated image to look at.

    Args:
        rank: ``best``, ``median`` or ``worst``.
        name: stem of the image file.
        arrays: ``input``, ``denoised``, ``probabilities``, ... as `monai_denoiseg.pictures.panel_images` takes them.
        strip: a ready-made picture (PNG file content), shown where there are no arrays.

    >>> Example("best", "cell_7").arrays
    {}
    """

    rank: str
    name: str
    arrays: dict[str, NDArray] = field(default_factory=dict)
    strip: bytes = b""


@dataclass
class RunFolder:
    """Everything a report can show; see `read_run`.

    Args:
        folder: where the run lies.
        about: ``settings.json``: settings, versions, command, device, seconds, number of images.
        training: rows of ``train_log.csv``.
        validation: rows of ``validation_log.csv``.
        metrics: ``evaluation/metrics.json``.
        images: rows of ``evaluation/per_image.csv``.
        examples: best, median and worst image, those that there are.
        unreadable: a line for each file that is there and could not be read.

    >>> RunFolder(Path("run")).metrics
    {}
    """

    folder: Path
    about: dict[str, Any] = field(default_factory=dict)
    training: list[Row] = field(default_factory=list)
    validation: list[Row] = field(default_factory=list)
    metrics: dict[str, Any] = field(default_factory=dict)
    images: list[Row] = field(default_factory=list)
    examples: list[Example] = field(default_factory=list)
    unreadable: list[str] = field(default_factory=list)

    def read(self, path: Path, reader: Callable[[Path], T], default: T) -> T:
        """Return ``reader(path)``; the default if there is no such file, and if it is broken, which is noted."""
        try:
            return reader(path)
        except FileNotFoundError:
            return default
        except (OSError, ValueError, EOFError, csv.Error, zipfile.BadZipFile) as error:
            self.unreadable.append(f"{path.relative_to(self.folder)}: {error}")
            return default


def read_run(folder: str | Path) -> RunFolder:
    """Read a run's folder; a missing part stays empty, a broken file is noted in ``unreadable``.

    Args:
        folder: the run's output folder, with any of ``settings.json``, ``train_log.csv``, ``validation_log.csv`` and
            ``evaluation/`` (``metrics.json``, ``per_image.csv``, ``arrays/<rank>_<stem>.npz``, ``panels/<rank>_<stem>.png``).

    Raises:
        FileNotFoundError: when the folder does not exist or holds none of these: it is no run.

    >>> read_run("no/such/run")
    Traceback (most recent call last):
        ...
    FileNotFoundError: no run to report on in 'no/such/run': there is no such folder
    """
    run = RunFolder(Path(folder))
    if not run.folder.is_dir():
        raise FileNotFoundError(f"no run to report on in {str(folder)!r}: there is no such folder")
    if not any((run.folder / part).exists() for part in PARTS):
        raise FileNotFoundError(f"no run to report on in {str(folder)!r}: expected at least one of {', '.join(PARTS)}")
    evaluation = run.folder / "evaluation"
    run.about = run.read(run.folder / "settings.json", _read_json, {})
    run.training = run.read(run.folder / "train_log.csv", _read_csv, [])
    run.validation = run.read(run.folder / "validation_log.csv", _read_csv, [])
    run.metrics = run.read(evaluation / "metrics.json", _read_json, {})
    run.images = run.read(evaluation / "per_image.csv", _read_csv, [])
    run.examples = [example for rank in RANKS if (example := _read_example(run, evaluation, rank)) is not None]
    return run


def class_names(run: RunFolder) -> list[str]:
    """Names of the semantic classes, background first, in the order of the label values; empty where instances were found.

    Args:
        run: the run's parts.

    >>> class_names(RunFolder(Path("run"), metrics={"classes": ["background", "liver"]}))
    ['background', 'liver']
    """
    settings = run.about.get("settings")
    for named in (run.metrics.get("classes"), settings.get("classes") if isinstance(settings, dict) else None):
        if isinstance(named, list) and named:
            return [str(name) for name in named]
    return []


def column(rows: list[Row], name: str) -> NDArray[np.float64]:
    """Numbers of one column, NaN where there is none.

    Args:
        rows: rows of a CSV file.
        name: the column.

    >>> column([{"ap": "0.5"}, {"ap": ""}, {}], "ap")
    array([0.5, nan, nan])
    """
    return np.array([number(row.get(name)) for row in rows], dtype=np.float64)


def number(value: Any) -> float:
    """Read a number; NaN for whatever is none.

    Args:
        value: a number or its text.

    >>> number("0.5"), number(None)
    (0.5, nan)
    """
    try:
        return float(value)
    except (TypeError, ValueError):
        return float("nan")


def _read_example(run: RunFolder, evaluation: Path, rank: str) -> Example | None:
    arrays = sorted((evaluation / "arrays").glob(f"{rank}_*.npz"))
    strips = sorted((evaluation / "panels").glob(f"{rank}_*.png"))
    if not arrays and not strips:
        return None
    name = (arrays or strips)[0].stem.removeprefix(f"{rank}_")
    example = Example(rank, name)
    if arrays:
        example.arrays = run.read(arrays[0], _read_arrays, {})
    if not example.arrays and strips:
        example.strip = run.read(strips[0], Path.read_bytes, b"")
    return example if example.arrays or example.strip else None


def _read_json(path: Path) -> dict[str, Any]:
    content = json.loads(path.read_text("utf-8"))
    if not isinstance(content, dict):
        raise ValueError(f"expected an object, found {type(content).__name__}")
    return content


def _read_csv(path: Path) -> list[Row]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def _read_arrays(path: Path) -> dict[str, NDArray]:
    with np.load(path) as archive:
        arrays = {name: archive[name] for name in archive.files}
    if "input" not in arrays or arrays["input"].ndim not in (3, 4):
        raise ValueError("no array `input` of shape (C, [D,] H, W)")
    size = arrays["input"].shape[1:]
    for name, array in arrays.items():
        if name != "spacing" and array.shape[-len(size) :] != size:
            raise ValueError(f"`{name}` of shape {array.shape} does not fit `input` of shape {arrays['input'].shape}")
    return arrays
