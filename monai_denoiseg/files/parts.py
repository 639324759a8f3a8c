"""Temporary files beside the file they will become."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import socket
import time
import uuid
from contextlib import suppress
from functools import lru_cache
from pathlib import Path

from monai_denoiseg.files.lock import is_running

_PART = re.compile(r"\.(?P<kind>part|old)-(?P<host>[0-9a-f]{6})-(?P<pid>\d+)-[0-9a-f]{8}-(?P<name>.*)", re.DOTALL)
_LONGEST_NAME = 180  # bytes; file systems take 255, and the beginning takes some
_DAY = 86400.0


def part_for(target: Path, kind: str = "part") -> Path:
    """A hidden name beside a file that nobody else has; it says which process it belongs to.

    Args:
        target: the file.
        kind: ``"part"`` for a new file, ``"old"`` for the one it replaces.

    >>> part_for(Path("out/a.nii.gz")).name.startswith(".part-"), part_for(Path("out/a.nii.gz")).name.endswith("-a.nii.gz")
    (True, True)
    """
    return target.with_name(f".{kind}-{_host()}-{os.getpid()}-{uuid.uuid4().hex[:8]}-{_short(target.name)}")


def target_of(part: Path) -> Path:
    """The file a temporary one will become; any other path is returned as it is.

    Args:
        part: made by :func:`part_for`.

    >>> target_of(part_for(Path("out/a.tif"))).as_posix(), target_of(Path("b.tif")).as_posix()
    ('out/a.tif', 'b.tif')
    """
    match = _PART.match(part.name)
    return part.with_name(match["name"]) if match else part


def remove_leftovers(target: Path, kind: str = "part") -> None:
    """Remove the temporary files that killed runs left of a target.

    They are those whose process runs no longer on this computer, and those of other computers that are a day old. A folder is
    looked through once in a process, as it may hold very many files.

    Args:
        target: the file.
        kind: as in :func:`part_for`; old files are only removed when there are new ones.

    >>> remove_leftovers(Path("no folder/a.tif"))
    """
    for path in _leftovers(str(target.parent)).pop((kind, _short(target.name)), []):
        remove(path)


def remove(path: str | os.PathLike) -> None:
    """Remove a file or folder if it is there.

    Args:
        path: any path.

    >>> remove(Path("there is no such file"))
    """
    path = Path(path)
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def flush(path: Path) -> None:
    """Wait until the disk has a file, or all files of a folder.

    Args:
        path: file or folder.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     flush(Path(folder))
    """
    for file in path.rglob("*") if path.is_dir() else [path]:
        if file.is_file():
            descriptor = os.open(file, os.O_RDWR)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)


@lru_cache(maxsize=64)
def _leftovers(folder: str) -> dict[tuple[str, str], list[Path]]:
    """The temporary files of dead processes in a folder, by kind and (shortened) name of their target."""
    found: dict[tuple[str, str], list[Path]] = {}
    with suppress(FileNotFoundError, NotADirectoryError), os.scandir(folder) as entries:
        for entry in entries:
            match = _PART.match(entry.name)
            if match and _is_left(entry, match["host"], int(match["pid"])):
                found.setdefault((match["kind"], match["name"]), []).append(Path(entry.path))
    return found


def _is_left(entry: os.DirEntry[str], host: str, pid: int) -> bool:
    if host == _host():
        return not is_running(pid)
    try:
        return time.time() - entry.stat(follow_symlinks=False).st_mtime > _DAY
    except FileNotFoundError:
        return False


def _host() -> str:
    return hashlib.sha256(socket.gethostname().encode()).hexdigest()[:6]


def _short(name: str) -> str:
    """The name, or where it is too long for one with a beginning, its digest and its end."""
    if len(name.encode()) <= _LONGEST_NAME:
        return name
    return hashlib.sha256(name.encode()).hexdigest()[:16] + name[-16:]
