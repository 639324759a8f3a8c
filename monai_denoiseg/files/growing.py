"""Files that are written bit by bit: logs, and images whose tiles are done one by one under a temporary name."""

from __future__ import annotations

import os
from pathlib import Path
from typing import IO

from monai_denoiseg.files.errors import explained


def open_appending(path: str | os.PathLike) -> IO[str]:
    """Open a log to which lines are added, for what must be on the disk before the whole is done.

    Args:
        path: text file; its folder is made.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     with open_appending(f"{folder}/a.log") as file:
    ...         _ = file.write("one line")
    ...     Path(folder, "a.log").read_text()
    'one line'
    """
    path = Path(path)
    with explained(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        return path.open("a", encoding="utf-8")


def open_updating(path: str | os.PathLike) -> IO[bytes]:
    """Open a file whose middle is written, such as an image of which one tile is done; unbuffered.

    Args:
        path: an existing file that has not got its final name yet.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     _ = Path(folder, "a.bin").write_bytes(b"abc")
    ...     with open_updating(f"{folder}/a.bin") as file:
    ...         _ = file.seek(1), file.write(b"x")
    ...     Path(folder, "a.bin").read_bytes()
    b'axc'
    """
    with explained(path):
        return Path(path).open("r+b", buffering=0)
