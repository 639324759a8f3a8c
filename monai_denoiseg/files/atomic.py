"""Files that are never half-written and never silently overwritten."""

from __future__ import annotations

import errno
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from monai_denoiseg.files.errors import explained
from monai_denoiseg.files.parts import flush, part_for, remove, remove_leftovers, target_of

logger = logging.getLogger(__name__)


@contextmanager
def writing(target: str | os.PathLike, durable: bool = True) -> Iterator[Path]:
    """Write a file through a temporary one beside it: after a kill there is the old file or the new one, never a part.

    The temporary file is flushed to the disk and takes the name of the target when the block ends; after an error (or Ctrl-C)
    it is removed and the target is as before. What killed runs left of the same file is removed first.

    Args:
        target: the file; its folder is made. A place that :class:`~monai_denoiseg.files.ResultSet` gave is written to directly.
        durable: wait until the disk has it; False for scratch data.

    Yields:
        Where to write. The name ends as the target's does, for writers that look at it.

    Raises:
        WriteError: when the disk is full or may not be written to.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     with writing(f"{folder}/sub/a.txt") as part:
    ...         _ = part.write_text("whole")
    ...     [path.read_text() for path in Path(folder, "sub").iterdir()]
    ['whole']
    """
    target = Path(target)
    with explained(target_of(target)):
        if target_of(target) != target:
            yield target
            return
        target.parent.mkdir(parents=True, exist_ok=True)
        remove_leftovers(target)
        part = part_for(target)
        try:
            yield part
            if durable:
                flush(part)
            part.replace(target)
        finally:
            remove(part)


@contextmanager
def new_folder(target: str | os.PathLike) -> Iterator[Path]:
    """Fill a folder that appears under its name when it is complete.

    Args:
        target: the folder; missing or empty.

    Yields:
        A hidden folder beside it to fill. After an error it is removed.

    Raises:
        FileExistsError: when there is something else by the end.
        WriteError: when the disk is full or may not be written to.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     with new_folder(f"{folder}/app") as part:
    ...         _ = (part / "a.txt").write_text("a")
    ...     sorted(path.name for path in Path(folder).rglob("*"))
    ['a.txt', 'app']
    """
    target = Path(target)
    with explained(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        remove_leftovers(target)
        part = part_for(target)
        part.mkdir()
        try:
            yield part
            try:
                part.replace(target)  # takes the place of an empty folder too
            except OSError as error:
                if error.errno in (errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR):
                    raise FileExistsError(f"{target} exists and is not empty") from error
                raise
        finally:
            remove(part)


def set_aside(path: str | os.PathLike) -> Path | None:
    """Rename an existing file to the next free ``name.N.suffix``, so that a new run overwrites nothing.

    Args:
        path: a file that may exist.

    Returns:
        The new name, or None if there was no file.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     model = Path(folder) / "model.pt"
    ...     _ = model.write_text("old")
    ...     set_aside(model).name, model.exists(), set_aside(model)
    ('model.1.pt', False, None)
    """
    path = Path(path)
    if not path.exists():
        return None
    number = 1
    while (kept := path.with_name(f"{path.stem}.{number}{path.suffix}")).exists():
        number += 1
    with explained(path):
        path.rename(kept)
    logger.warning("%s exists from an earlier run: kept as %s", path, kept.name)
    return kept
