"""Files of the kinds that are written whole: torch, text, JSON, tables, arrays, copies."""

from __future__ import annotations

import csv
import io
import json
import os
import shutil
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from monai_denoiseg.files.atomic import writing
from monai_denoiseg.files.errors import explained


def save_atomically(content: Any, path: str | os.PathLike) -> None:
    """``torch.save`` by :func:`writing`.

    Args:
        content: what ``torch.save`` takes.
        path: target file; its folder is made.

    >>> import tempfile, torch
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     save_atomically({"a": torch.ones(1)}, Path(folder) / "sub" / "a.pt")
    ...     sorted(p.name for p in Path(folder).rglob("*"))
    ['a.pt', 'sub']
    """
    import torch

    with writing(path) as part:
        torch.save(content, part)


def write_text(text: str, path: str | os.PathLike) -> None:
    """Write text as UTF-8, by :func:`writing`.

    Args:
        text: the content; line ends stay as they are.
        path: target file; its folder is made.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write_text("ä", f"{folder}/a.txt")
    ...     Path(folder, "a.txt").read_bytes().hex()
    'c3a4'
    """
    write_bytes(text.encode("utf-8"), path)


def write_bytes(content: bytes, path: str | os.PathLike) -> None:
    """Write bytes, such as those of a PNG, by :func:`writing`.

    Args:
        content: the content.
        path: target file; its folder is made.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write_bytes(b"abc", f"{folder}/a.bin")
    ...     Path(folder, "a.bin").read_bytes()
    b'abc'
    """
    with writing(path) as part:
        part.write_bytes(content)


def write_json(value: Any, path: str | os.PathLike) -> None:
    """Write JSON, indented by two, by :func:`writing`.

    Args:
        value: what ``json.dumps`` takes.
        path: target file; its folder is made.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write_json({"a": None}, f"{folder}/a.json")
    ...     Path(folder, "a.json").read_text().split()
    ['{', '"a":', 'null', '}']
    """
    write_text(json.dumps(value, indent=2), path)


def write_csv(columns: Sequence[str], rows: Iterable[Mapping[str, Any]], path: str | os.PathLike) -> None:
    """Write a table, by :func:`writing`.

    Args:
        columns: names of the columns.
        rows: values by column; one that is missing is left empty.
        path: target file; its folder is made.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write_csv(["a", "b"], [{"b": 1}], f"{folder}/a.csv")
    ...     Path(folder, "a.csv").read_text().split()
    ['a,b', ',1']
    """
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, columns, restval="")
    writer.writeheader()
    writer.writerows(rows)
    write_text(text.getvalue(), path)


def write_npz(arrays: Mapping[str, np.ndarray], path: str | os.PathLike, *, scratch: bool = False) -> None:
    """Write arrays as NumPy's ``.npz``, by :func:`writing`.

    Args:
        arrays: by their names.
        path: target file; its folder is made.
        scratch: whether the file is for this process only: it is neither compressed nor flushed then.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write_npz({"a": np.arange(3)}, f"{folder}/a.npz")
    ...     np.load(f"{folder}/a.npz")["a"].tolist()
    [0, 1, 2]
    """
    save: Any = np.savez if scratch else np.savez_compressed
    with writing(path, durable=not scratch) as part:
        save(part, **arrays)


def copy_file(source: str | os.PathLike, target: str | os.PathLike) -> None:
    """Copy a file with its times, by :func:`writing`.

    Args:
        source: the file.
        target: its copy.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write_text("a", f"{folder}/a.txt")
    ...     copy_file(f"{folder}/a.txt", f"{folder}/b.txt")
    ...     Path(folder, "b.txt").read_text()
    'a'
    """
    with writing(target) as part:
        shutil.copy2(source, part)


def copy_folder(source: str | os.PathLike, target: str | os.PathLike) -> None:
    """Copy a folder into one that is being filled, see :func:`~monai_denoiseg.files.new_folder`.

    Args:
        source: the folder.
        target: its copy; must not exist.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write_text("a", f"{folder}/a/b.txt")
    ...     copy_folder(f"{folder}/a", f"{folder}/c")
    ...     Path(folder, "c", "b.txt").read_text()
    'a'
    """
    # Not by `copytree`, whose error is a list of all that went wrong.
    for entry in (Path(source), *sorted(Path(source).rglob("*"))):
        place = Path(target) / entry.relative_to(source)
        with explained(place):
            if entry.is_dir():
                place.mkdir(parents=True)
            else:
                shutil.copy2(entry, place)


def move_file(source: str | os.PathLike, target: str | os.PathLike) -> None:
    """Move a file, also to another disk; the target is whole whenever it is there.

    Args:
        source: the file.
        target: its new place.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write_text("a", f"{folder}/a.txt")
    ...     move_file(f"{folder}/a.txt", f"{folder}/b.txt")
    ...     [path.name for path in Path(folder).iterdir()]
    ['b.txt']
    """
    with explained(target):
        Path(target).parent.mkdir(parents=True, exist_ok=True)
        try:
            Path(source).replace(target)
        except OSError:  # another disk, perhaps
            copy_file(source, target)
            Path(source).unlink()
